/** The labelling page: shows one text after the other and passes what is decided to the outbox. */

import { Outbox } from "./outbox.js";

const AHEAD = 5;
const LAST = 10;
const SWIPE = 90;
const GLANCE = 150;
const SHORT = 160;
const LONG = 900;
const UNDO = "/decisions/undo";
const CODE = /(^|\n)( {4}|\t)\S|[{};]\s*(\n|$)|^\s*(def|class|function|import|#include|SELECT|<\?|<\w+[ >])/;

const $ = (id) => document.getElementById(id);
const page = $("labelling");
const config = JSON.parse(page.dataset.config);
const say = config.messages;
const buttons = [...document.querySelectorAll(".class")];
const rightToLeft = document.documentElement.dir === "rtl";

/** Seconds that a text was really in view. */
class Watch {
  constructor() {
    this.restart();
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#pause() : this.#go()));
  }

  restart() {
    this.past = 0;
    this.since = document.hidden ? null : performance.now();
  }

  get seconds() {
    const now = this.since === null ? 0 : performance.now() - this.since;
    return Math.round((this.past + now) / 10) / 100;
  }

  #pause() {
    if (this.since !== null) this.past += performance.now() - this.since;
    this.since = null;
  }

  #go() {
    this.since ??= performance.now();
  }
}

const watch = new Watch();
const outbox = new Outbox(`jurybox:${config.outbox}`, sendAnswer, { changed: showConnection, refused: tellRefusal });
let current = config.task;
let ahead = [];
let recent = config.recent;
let today = config.today;
let nothing = config.nothing;
let reachable = true;
let filling = null;
let shownAt = 0;
const decided = new Set();

// ---- the server ------------------------------------------------------------------------------------------

function post(path, body, headers = {}) {
  return fetch(config.api + path, {
    method: "POST",
    credentials: "same-origin",
    headers: { Accept: "application/json", "Content-Type": "application/json", "X-CSRF-Token": config.csrf, ...headers },
    body: JSON.stringify(body),
  });
}

function sendAnswer(answer) {
  return post(answer.path, answer.body, { "Idempotency-Key": answer.key });
}

/** Have some texts ready, so that the next one is there at once. */
function fill() {
  filling ??= fetchTasks().finally(() => (filling = null));
  return filling;
}

async function fetchTasks() {
  const wanted = 1 + AHEAD + outbox.size;
  const response = await post("/tasks", { n: Math.min(wanted, 50) }).catch(() => null);
  reachable = response !== null && response.status < 500;
  showConnection();
  if (!response?.ok) return;
  const answer = await response.json();
  nothing = answer.nothing ?? null;
  const known = new Set([current?.text_id, ...ahead.map((task) => task.text_id)]);
  const fresh = answer.tasks.filter((task) => !known.has(task.text_id) && !decided.has(task.text_id));
  ahead.push(...fresh);
  if (!current) showNext();
}

/** How far the project is, and what the annotator gave since midnight where the annotator is. */
async function fetchPace() {
  if (document.hidden) return;
  const midnight = new Date().setHours(0, 0, 0, 0) / 1000;
  const response = await fetch(`${config.api}/progress?since=${midnight}`, { credentials: "same-origin" }).catch(() => null);
  if (!response?.ok) return;
  const pace = await response.json();
  today = pace.since + outbox.answers.filter((answer) => answer.path === "/annotations").length;
  $("progress").max = pace.texts || 1;
  $("progress").value = pace.finished_texts;
  $("progress-text").textContent = fillIn(say.progress, { done: pace.finished_texts, all: pace.texts });
  showPace();
}

/** Texts that were fetched ahead go back when the page is left, so that others can have them. */
function releaseAhead() {
  for (const task of ahead) {
    const body = JSON.stringify({ text_id: task.text_id });
    const headers = { "Content-Type": "application/json", "X-CSRF-Token": config.csrf };
    const options = { method: "POST", credentials: "same-origin", keepalive: true, headers, body };
    fetch(`${config.api}/tasks/release`, options).catch(() => null);
  }
  ahead = [];
}

async function renewLeases() {
  if (document.hidden) return;
  for (const task of [current, ...ahead]) {
    if (!task) continue;
    const response = await post("/tasks/renew", { text_id: task.text_id }).catch(() => null);
    if (response?.status === 409 && task !== current) ahead = ahead.filter((one) => one !== task);
  }
}

// ---- showing ---------------------------------------------------------------------------------------------

function showNext() {
  current = ahead.shift() ?? null;
  showTask();
  if (ahead.length < 3) fill();
}

function showTask() {
  const text = current?.text ?? "";
  $("text").textContent = text;
  $("text").className = `reading ${sizeOf(text)}`;
  $("text").hidden = !current;
  $("rest").hidden = Boolean(current);
  $("dock").hidden = !current;
  $("text-id").value = current?.text_id ?? "";
  $("comment").value = current?.comment ?? "";
  $("note").hidden = !$("comment").value;
  $("note-button").setAttribute("aria-expanded", String(!$("note").hidden));
  showSuggestion();
  if (!current) $("rest-text").textContent = say.nothing[nothing?.why] ?? (reachable ? say.loading : say.offline_rest);
  if (filter) filter.value = "";
  for (const button of buttons) {
    button.classList.remove("chosen");
    button.hidden = false;
  }
  replayArrival();
  watch.restart();
  shownAt = performance.now();
  window.scrollTo({ top: 0 });
  $("sheet").focus({ preventScroll: true });
}

function sizeOf(text) {
  if (CODE.test(text) && text.includes("\n")) return "code";
  if (text.length <= SHORT) return "short";
  return text.length > LONG ? "long" : "";
}

function showSuggestion() {
  const suggestion = current?.suggestion;
  $("suggestion").hidden = !suggestion;
  if (suggestion) $("suggestion").textContent = fillIn(say.suggestion, { label: suggestion });
}

function replayArrival() {
  const sheet = $("sheet");
  sheet.style.transform = "";
  sheet.classList.remove("arriving");
  void sheet.offsetWidth;
  sheet.classList.add("arriving");
}

function showPace() {
  $("today").textContent = fillIn(say.today, { n: today });
}

function showRecent() {
  const list = $("recent-list");
  list.replaceChildren(...recent.slice(0, LAST).map(recentItem));
  $("recent-empty").hidden = recent.length > 0;
  $("undo-button").disabled = recent.length === 0;
}

function recentItem(decision) {
  const button = document.createElement("button");
  button.type = "button";
  const given = span("given", decision.label ?? say.skipped);
  given.classList.toggle("skipped", decision.label === null);
  given.classList.toggle("waiting", outbox.holds(decision.text_id));
  button.append(given, span("of", decision.text.slice(0, 120)));
  button.addEventListener("click", () => openCorrection(decision));
  const item = document.createElement("li");
  item.append(button);
  return item;
}

function span(className, text) {
  const element = document.createElement("span");
  element.className = className;
  element.dir = "auto";
  element.textContent = text;
  return element;
}

function showConnection() {
  const box = $("connection");
  const state = outbox.state === "signed-out" ? "signed-out" : outbox.state === "offline" || !reachable ? "offline" : "";
  box.hidden = state === "";
  if (state === "signed-out") $("connection-text").textContent = fillIn(say.signed_out, { n: outbox.size });
  if (state === "offline") $("connection-text").textContent = fillIn(say.offline, { n: outbox.size });
  $("sign-in").hidden = state !== "signed-out";
  page.dataset.unsent = String(outbox.size);
  if (recent) showRecent();
}

async function tellRefusal(answer, response) {
  const problem = await response.json().catch(() => ({}));
  announce(`${say.refused} ${problem.detail ?? ""}`, true);
}

function announce(message, visible = false) {
  $("announcement").textContent = message;
  $("message").hidden = !visible;
  if (visible) $("message-text").textContent = message;
}

function fillIn(message, values) {
  const form = typeof message === "string" ? message : pluralForm(message, values.n);
  return form.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? value.toLocaleString(config.locale) : value;
  });
}

function pluralForm(forms, n) {
  return forms[new Intl.PluralRules(config.locale).select(n)] ?? forms.other;
}

// ---- deciding --------------------------------------------------------------------------------------------

function label(name) {
  if (!current || performance.now() - shownAt < GLANCE) return; // a double tap must not label a text unseen
  const task = current;
  const comment = $("comment").value.trim();
  buttons.find((button) => button.value === name)?.classList.add("chosen");
  remember(task, name, comment);
  const body = { text_id: task.text_id, label: name, seconds: watch.seconds, comment };
  outbox.add({ path: "/annotations", body, text_id: task.text_id });
  today += 1;
  leave(fillIn(say.given, { label: name }));
}

function skip(reason) {
  if (!current) return;
  const task = current;
  remember(task, null, "");
  outbox.add({ path: "/skips", body: { text_id: task.text_id, reason }, text_id: task.text_id });
  leave(say.skipped);
}

function remember(task, name, comment) {
  decided.add(task.text_id);
  recent = recent.filter((one) => one.text_id !== task.text_id);
  recent.unshift({ text_id: task.text_id, text: task.text, label: name, comment });
  recent.length = Math.min(recent.length, LAST);
}

function leave(message) {
  announce(message);
  showPace();
  showRecent();
  showNext();
}

function undo(decision = recent[0]) {
  if (!decision) return;
  recent = recent.filter((one) => one !== decision);
  decided.delete(decision.text_id);
  if (decision.label !== null) today = Math.max(0, today - 1);
  const waiting = outbox.unsent(decision.text_id);
  if (waiting) outbox.withdraw(waiting);
  else outbox.add({ path: UNDO, body: { text_id: decision.text_id }, text_id: decision.text_id });
  if (current) ahead.unshift(current);
  current = { text_id: decision.text_id, text: decision.text, comment: decision.comment };
  announce(say.undone);
  showPace();
  showRecent();
  showTask();
}

function change(decision, name) {
  if (decision.label === null) return undo(decision);
  const waiting = outbox.unsent(decision.text_id);
  decision.label = name;
  if (waiting) outbox.amend(waiting, { label: name });
  else outbox.add({ path: "/decisions/change", body: { text_id: decision.text_id, label: name }, text_id: decision.text_id });
  announce(fillIn(say.changed, { label: name }));
  showRecent();
}

function flag(comment) {
  if (!current || !comment) return;
  outbox.add({ path: "/flags", body: { text_id: current.text_id, comment }, text_id: "" });
  announce(say.flagged, true);
}

// ---- dialogs ---------------------------------------------------------------------------------------------

function open(id) {
  if (document.querySelector("dialog[open]")) return;
  $(id).showModal();
}

function openCorrection(decision) {
  const dialog = $("correction");
  $("correction-text").textContent = decision.text;
  $("correction-take-back").onclick = () => (dialog.close(), undo(decision));
  for (const button of dialog.querySelectorAll("[data-class]")) {
    button.hidden = decision.label === null;
    button.setAttribute("aria-pressed", String(button.dataset.class === decision.label));
    button.classList.toggle("primary", button.dataset.class === decision.label);
    button.onclick = () => (dialog.close(), button.dataset.class !== decision.label && change(decision, button.dataset.class));
  }
  open("correction");
}

function toggleNote() {
  const note = $("note");
  note.hidden = !note.hidden;
  $("note-button").setAttribute("aria-expanded", String(!note.hidden));
  (note.hidden ? $("sheet") : $("comment")).focus();
}

for (const button of document.querySelectorAll("[data-open]")) {
  button.addEventListener("click", (event) => (event.preventDefault(), open(button.dataset.open)));
}
for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}
for (const button of document.querySelectorAll("[data-reason]")) {
  button.addEventListener("click", () => ($("skipping").close(), skip(button.dataset.reason)));
}
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => $("sheet").focus({ preventScroll: true }));
}
$("flag-form").addEventListener("submit", () => {
  flag($("flag-comment").value.trim());
  $("flag-comment").value = "";
});
$("skip-form").addEventListener("submit", () => skip($("skip-other").value.trim() || "other"));
$("message-close").addEventListener("click", () => ($("message").hidden = true));
$("note-button").addEventListener("click", (event) => (event.preventDefault(), toggleNote()));
$("undo-button").addEventListener("click", (event) => (event.preventDefault(), undo()));
$("decision").addEventListener("submit", (event) => event.preventDefault());
for (const button of buttons) button.addEventListener("click", () => label(button.value));

// ---- keys ------------------------------------------------------------------------------------------------

const KEYS = { s: "skipping", g: "guidelines", f: "flagging", "?": "help", h: "help" };
const shortcuts = $("shortcuts");
shortcuts.checked = localStorage.getItem("jurybox:shortcuts") !== "off";
shortcuts.addEventListener("change", () => localStorage.setItem("jurybox:shortcuts", shortcuts.checked ? "on" : "off"));

/** The key as it is printed on the buttons, on any layout: AZERTY needs shift for digits, Arabic has other letters. */
function printedKey(event) {
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code);
  if (digit) return digit[1];
  if (/^[a-z?]$/i.test(event.key)) return event.key.toLowerCase();
  return /^Key([A-Z])$/.exec(event.code)?.[1].toLowerCase() ?? event.key;
}

function pressInDialog(dialog, key) {
  const choice = dialog.querySelector(`[data-key="${CSS.escape(key)}"]:not([hidden])`);
  choice?.click();
  return Boolean(choice);
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input:not([type=checkbox]), textarea, select");
  if (event.key === "Escape" && event.target.id === "comment") $("sheet").focus();
  if (typing || event.altKey || event.repeat) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
    event.preventDefault();
    return undo();
  }
  if (event.ctrlKey || event.metaKey || !shortcuts.checked) return;
  const key = printedKey(event);
  const dialog = document.querySelector("dialog[open]");
  const handled = dialog ? pressInDialog(dialog, key) : press(key);
  if (handled) event.preventDefault();
});

function press(key) {
  const button = current && buttons.find((one) => one.dataset.key === key);
  if (button) label(button.value);
  else if (key === "u" || key === "Backspace") undo();
  else if (key === "c" && current) toggleNote();
  else if (key === "/" && filter) filter.focus();
  else if (KEYS[key] && (current || key !== "s")) open(KEYS[key]);
  else return false;
  return true;
}

const filter = $("class-filter");
filter?.addEventListener("input", () => {
  const words = filter.value.trim().toLowerCase();
  for (const button of buttons) button.hidden = !button.value.toLowerCase().includes(words);
});
filter?.addEventListener("keydown", (event) => {
  if (event.key === "Escape") $("sheet").focus();
  if (event.key !== "Enter") return;
  event.preventDefault();
  const first = buttons.find((button) => !button.hidden);
  if (first && filter.value) label(first.value);
});

// ---- touch -----------------------------------------------------------------------------------------------

const sheet = $("sheet");
let start = null;

/** What a swipe does: with two classes the side picks the class, else towards the start skips and back undoes. */
function swipeTarget(dx) {
  const towardsEnd = dx > 0 !== rightToLeft;
  if (buttons.length === 2) {
    const button = buttons[towardsEnd ? 1 : 0];
    return { name: button.value, act: () => label(button.value), towardsEnd };
  }
  if (towardsEnd) return { name: say.undo, act: () => undo(), towardsEnd };
  return { name: say.skip, act: () => open("skipping"), towardsEnd };
}

sheet.addEventListener("pointerdown", (event) => {
  if (event.pointerType === "touch" && event.isPrimary && current) start = event;
});
sheet.addEventListener("pointermove", (event) => {
  if (!start || event.pointerId !== start.pointerId) return;
  const dx = event.clientX - start.clientX;
  if (Math.abs(dx) < 12 || Math.abs(event.clientY - start.clientY) > Math.abs(dx)) return;
  const target = swipeTarget(dx);
  sheet.classList.add("swiping");
  sheet.style.transform = `translateX(${dx}px) rotate(${dx / 80}deg)`;
  $("swipe-mark").textContent = target.name;
  $("swipe-mark").classList.toggle("to-end", !target.towardsEnd);
  $("swipe-mark").style.opacity = Math.min(1, Math.abs(dx) / SWIPE);
});
for (const type of ["pointerup", "pointercancel"]) {
  sheet.addEventListener(type, (event) => {
    if (!start || event.pointerId !== start.pointerId) return;
    const dx = event.clientX - start.clientX;
    const far = type === "pointerup" && Math.abs(dx) >= SWIPE && Math.abs(event.clientY - start.clientY) < Math.abs(dx);
    start = null;
    sheet.classList.remove("swiping");
    sheet.style.transform = "";
    $("swipe-mark").style.opacity = 0;
    if (far) swipeTarget(dx).act();
  });
}

// ---- go --------------------------------------------------------------------------------------------------

for (const answer of outbox.answers) if (answer.path !== UNDO) decided.add(answer.text_id);
if (current && decided.has(current.text_id)) current = null;
showPace();
showTask();
showRecent();
outbox.flush().then(fetchPace);
fill();
setInterval(renewLeases, Math.max(5, config.lease_seconds / 3) * 1000);
setInterval(() => {
  if (!current || !reachable || ahead.length === 0) fill();
}, 5000);
setInterval(fetchPace, 20000);
window.addEventListener("online", fill);
window.addEventListener("pagehide", releaseAhead);
window.addEventListener("pageshow", (event) => event.persisted && fill());
page.dataset.ready = "true";
