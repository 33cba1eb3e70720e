/** What is seen on the labelling page: the text, the last decisions, the pace, the state of the connection. */

import { mark } from "../highlight.js";
import { $, buttons, fillIn, inWords, page, say } from "./page.js";

const SHORT = 160;
const LONG = 900;
const LAST = 10;
const CODE = /(^|\n)( {4}|\t)\S|[{};]\s*(\n|$)|^\s*(def|class|function|import|#include|SELECT|<\?|<\w+[ >])/;

/** Show a text to label, or `rest` in its place. */
export function showTask(task, rest) {
  const text = task?.text ?? "";
  $("text").textContent = text;
  $("text").className = `reading ${sizeOf(text)}`;
  $("text").hidden = !task;
  mark($("text"));
  $("rest").hidden = Boolean(task);
  $("dock").hidden = !task;
  $("text-id").value = task?.text_id ?? "";
  $("comment").value = task?.comment ?? "";
  showNote($("comment").value !== "");
  showSuggestion(task?.suggestion);
  if (!task) $("rest-text").textContent = rest;
  if ($("class-filter")) $("class-filter").value = "";
  if ($("class-none")) $("class-none").hidden = true;
  for (const button of buttons) {
    button.classList.remove("chosen", "first");
    button.hidden = false;
  }
  replayArrival();
  window.scrollTo({ top: 0 });
  if (!document.querySelector("dialog[open]")) firstPlace(task).focus({ preventScroll: true });
}

/** Where a new text is answered: among very many classes by typing, unless that would open a keyboard on the screen. */
function firstPlace(task) {
  const typed = task && $("last-used") && matchMedia("(pointer: fine)").matches;
  return typed ? $("class-filter") : $("sheet");
}

/** Whether the focus is where it was for the last text, so that nothing is read out by itself. */
export const isSheetFocused = () => [$("sheet"), $("class-filter")].includes(document.activeElement);

function sizeOf(text) {
  if (CODE.test(text) && text.includes("\n")) return "code";
  if (text.length <= SHORT) return "short";
  return text.length > LONG ? "long" : "";
}

export function showNote(open) {
  $("note").hidden = !open;
  $("note-button").setAttribute("aria-expanded", String(open));
}

function showSuggestion(suggestion) {
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

export function showToday(n) {
  $("today").textContent = fillIn(say.today, { n });
}

export function showProgress(pace) {
  $("progress").max = Math.max(pace.goal, pace.labels, 1);
  $("progress").value = pace.labels;
  $("progress-text").textContent = fillIn(say.progress, { n: pace.labels, done: pace.finished_texts, all: pace.texts });
}

/** List the last decisions; those that the server does not have yet are marked. */
export function showRecent(recent, outbox, open) {
  $("recent-list").replaceChildren(...recent.slice(0, LAST).map((one) => recentItem(one, outbox.holds(one.text_id), open)));
  $("recent-empty").hidden = recent.length > 0;
  $("undo-button").disabled = recent.length === 0;
}

function recentItem(decision, waiting, open) {
  const button = document.createElement("button");
  button.type = "button";
  const given = span("given", decision.label === null ? say.skipped : inWords(decision.label));
  given.classList.toggle("skipped", decision.label === null);
  given.classList.toggle("waiting", waiting);
  button.append(given, span("of", decision.text.slice(0, 120)));
  button.addEventListener("click", () => open(decision));
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

/** Say how many answers wait, and for what: the network, or for signing in. */
export function showConnection(outbox, reachable) {
  const state = outbox.state === "signed-out" ? "signed-out" : outbox.state === "offline" || !reachable ? "offline" : "";
  $("connection").hidden = state === "";
  if (state === "signed-out") $("connection-text").textContent = fillIn(say.signed_out, { n: outbox.size });
  if (state === "offline") $("connection-text").textContent = fillIn(say.offline, { n: outbox.size });
  $("sign-in").hidden = state !== "signed-out";
  page.dataset.unsent = String(outbox.size);
}
