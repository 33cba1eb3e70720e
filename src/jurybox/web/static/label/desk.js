/** What lies on the desk: the text at hand, those fetched ahead, the last decisions; and what can be done with them. */

import { Outbox } from "./outbox.js";
import { announce, buttons, config, fillIn, inWords, say } from "./page.js";
import { fetchPace, fetchTasks, releaseTask, renewLease, sendAnswer } from "./server.js";
import { isSheetFocused, showConnection, showProgress, showRecent, showTask, showToday } from "./show.js";
import { Watch } from "./watch.js";

const AHEAD = 5;
const FEW = 3;
const LAST = 10;
const MOST = 50;
const GLANCE = 150;
const UNDO = "/decisions/undo";

export class Desk {
  /**
   * @param {(decision: object) => void} correct what happens when an earlier decision is opened
   * @param {object | null} answers the module of several questions; null where one is asked
   */
  constructor(correct, answers) {
    this.correct = correct;
    this.answers = answers;
    this.current = config.task;
    this.ahead = [];
    this.recent = config.recent;
    this.today = config.today;
    this.progress = config.progress;
    this.nothing = config.nothing;
    this.reachable = true;
    this.filling = null;
    this.shownAt = 0;
    this.watch = new Watch();
    this.outbox = new Outbox(`jurybox:${config.outbox}`, sendAnswer, {
      changed: () => this.#showState(),
      refused: (answer, response) => this.#tellRefusal(answer, response),
      elsewhere: (answers) => this.#leaveToOthers(answers),
    });
    this.decided = new Set(this.outbox.answers.filter((one) => one.path !== UNDO).map((one) => one.text_id));
    if (this.current && this.decided.has(this.current.text_id)) this.current = null;
    showToday(this.today);
    this.#show();
    this.#showState();
  }

  // ---- texts -----------------------------------------------------------------------------------------------

  /** Have some texts ready, so that the next one is there at once. */
  fill() {
    this.filling ??= this.#fetch().finally(() => (this.filling = null));
    return this.filling;
  }

  async #fetch() {
    const response = await fetchTasks(Math.min(1 + AHEAD + this.outbox.size, MOST));
    this.reachable = response !== null && response.status < 500;
    this.#showState();
    if (!response?.ok) return;
    const answer = await response.json();
    this.nothing = answer.nothing ?? null;
    const known = new Set([this.current, ...this.ahead].map((task) => task?.text_id));
    this.ahead.push(...answer.tasks.filter((task) => !known.has(task.text_id) && !this.decided.has(task.text_id)));
    if (!this.current) this.#next();
  }

  /** Whether there is nothing to go on with, or no way to get it. */
  get isShort() {
    return !this.current || !this.reachable || this.ahead.length === 0;
  }

  /** How far the project is, and what the annotator gave since midnight where the annotator is. */
  async pace() {
    if (document.hidden) return;
    const pace = await fetchPace(new Date().setHours(0, 0, 0, 0) / 1000);
    if (pace === null) return;
    const unsent = this.outbox.answers.filter((answer) => answer.path === "/annotations").length;
    this.today = pace.since;
    this.progress = pace;
    this.#count(unsent);
  }

  /** Texts that were fetched ahead go back when the page is left, so that others can have them. */
  release() {
    for (const task of this.ahead) releaseTask(task.text_id);
    this.ahead = [];
  }

  async renew() {
    if (document.hidden) return;
    for (const task of [this.current, ...this.ahead]) {
      if (!task) continue;
      const response = await renewLease(task.text_id);
      if (response?.status === 409 && task !== this.current) this.ahead = this.ahead.filter((one) => one !== task);
    }
  }

  #next(message = "") {
    this.current = this.ahead.shift() ?? null;
    this.#show(message);
    if (this.ahead.length < FEW) this.fill();
  }

  /** Another tab has decided on texts that are here as well. */
  #leaveToOthers(answers) {
    for (const answer of answers) if (answer.path !== UNDO) this.decided.add(answer.text_id);
    this.ahead = this.ahead.filter((task) => !this.decided.has(task.text_id));
    if (this.decided.has(this.current?.text_id)) this.#next();
  }

  #show(message = "") {
    const unheard = isSheetFocused() ? this.current?.text : ""; // focus that stays where it is reads nothing out
    const waiting = this.reachable ? say.loading : say.offline_rest;
    showTask(this.current, say.nothing[this.nothing?.why] ?? waiting);
    this.answers?.showAnswers(this.current);
    if (message || unheard) announce([message, unheard].filter(Boolean).join(" "));
    this.watch.restart();
    this.shownAt = performance.now();
  }

  #showState() {
    showConnection(this.outbox, this.reachable);
    showRecent(this.recent, this.outbox, this.correct);
  }

  // ---- decisions -------------------------------------------------------------------------------------------

  /** @param {string} [sent] what the server is told, where that is more than what is shown here */
  label(name, comment, sent = name) {
    if (!this.current || performance.now() - this.shownAt < GLANCE) return; // a double tap must not label a text unseen
    const task = this.current;
    buttons.find((button) => button.value === name)?.classList.add("chosen");
    this.#remember(task, name, comment);
    const body = { text_id: task.text_id, label: sent, seconds: this.watch.seconds, comment };
    this.outbox.add({ path: "/annotations", body, text_id: task.text_id });
    this.#count(1);
    this.#leave(fillIn(say.given, { label: inWords(name) }));
  }

  skip(reason) {
    if (!this.current) return;
    const task = this.current;
    this.#remember(task, null, "");
    this.outbox.add({ path: "/skips", body: { text_id: task.text_id, reason }, text_id: task.text_id });
    this.#leave(say.skipped);
  }

  undo(decision = this.recent[0]) {
    if (!decision) return;
    this.recent = this.recent.filter((one) => one !== decision);
    this.decided.delete(decision.text_id);
    if (decision.label !== null) this.#count(-1);
    const waiting = this.outbox.unsent(decision.text_id);
    if (waiting) this.outbox.withdraw(waiting);
    else this.outbox.add({ path: UNDO, body: { text_id: decision.text_id }, text_id: decision.text_id });
    if (this.current) this.ahead.unshift(this.current);
    this.current = { text_id: decision.text_id, text: decision.text, comment: decision.comment, answers: decision.label ?? "", asked: decision.asked };
    this.#showState();
    this.#show(say.undone);
  }

  change(decision, name) {
    if (decision.label === null) return this.undo(decision);
    const waiting = this.outbox.unsent(decision.text_id);
    decision.label = name;
    if (waiting) this.outbox.amend(waiting, { label: name });
    else this.outbox.add({ path: "/decisions/change", body: { text_id: decision.text_id, label: name }, text_id: decision.text_id });
    announce(fillIn(say.changed, { label: inWords(name) }));
    this.#showState();
  }

  flag(comment) {
    if (!this.current || !comment) return;
    this.outbox.add({ path: "/flags", body: { text_id: this.current.text_id, comment }, text_id: "" });
    announce(say.flagged, true);
  }

  #remember(task, name, comment) {
    this.decided.add(task.text_id);
    this.recent = this.recent.filter((one) => one.text_id !== task.text_id);
    this.recent.unshift({ text_id: task.text_id, text: task.text, label: name, comment, asked: task.asked });
    this.recent.length = Math.min(this.recent.length, LAST);
  }

  /** What is decided here counts at once, for the annotator and for everybody. */
  #count(labels) {
    this.today = Math.max(0, this.today + labels);
    this.progress = { ...this.progress, labels: Math.max(0, this.progress.labels + labels) };
    showToday(this.today);
    showProgress(this.progress);
  }

  #leave(message) {
    this.#showState();
    this.#next(message);
  }

  /** What was refused did not happen: it is not among the last decisions either. */
  async #tellRefusal(answer, response) {
    const problem = await response.json().catch(() => ({}));
    if (answer.path !== UNDO) this.recent = this.recent.filter((one) => one.text_id !== answer.text_id);
    this.#showState();
    announce(`${say.refused} ${say.problems[problem.code] ?? problem.detail ?? ""}`, true);
  }
}
