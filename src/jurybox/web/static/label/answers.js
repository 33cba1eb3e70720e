/** Several questions about a text: what is chosen, kept while the page is away, put together to one answer. */

import { $, announce, config, fillIn, say } from "./page.js";

const BETWEEN = "; ";
const NONE = "|";
const draft = `jurybox:${config.outbox}:draft`;
const fields = [...document.querySelectorAll(".question")];
let text = ""; // the text that is answered now
let left = ""; // the questions that were left open when Enter was pressed last

/** Whether a text is asked several questions, which are answered together. */
export const asksSeveral = fields.length > 0;

const inputs = (field) => [...field.querySelectorAll("input")];
const nameOf = (field) => field.dataset.question;
const isOpen = (field) => !inputs(field).some((input) => input.checked);

/** What is chosen, in the writing of the server; empty where nothing is. */
export function written() {
  return fields
    .filter((field) => !isOpen(field))
    .map((field) => {
      const chosen = inputs(field).filter((input) => input.checked && !("none" in input.dataset));
      return `${nameOf(field)}=${chosen.map((input) => input.value).join(NONE) || NONE}`;
    })
    .join(BETWEEN);
}

/** Show the answers that a text has already: those that were taken back, or chosen before the page was left. */
export function showAnswers(task) {
  text = task?.text_id ?? "";
  left = "";
  const cells = new Map(read(task).map((part) => part.split("=")));
  for (const field of fields) {
    const said = cells.get(nameOf(field))?.split("<")[0];
    const chosen = said === undefined ? [] : said.split(NONE).filter(Boolean);
    for (const input of inputs(field)) {
      input.checked = "none" in input.dataset ? said !== undefined && chosen.length === 0 : chosen.includes(input.value);
    }
    field.classList.remove("open");
  }
  remember();
}

/** Note what is chosen: one of a kind that is chosen once more is left out, which browsers do not do by themselves. */
function remember() {
  for (const input of fields.flatMap(inputs)) input.toggleAttribute("data-was", input.checked);
}

function read(task) {
  let kept = {};
  try {
    kept = JSON.parse(localStorage.getItem(draft)) ?? {};
  } catch {
    // Without storage nothing was kept.
  }
  const label = task?.answers ?? (task && kept.text_id === task.text_id ? kept.label : "");
  return label ? label.split(BETWEEN) : [];
}

function keep() {
  left = "";
  remember();
  for (const field of fields) if (!isOpen(field)) field.classList.remove("open");
  try {
    localStorage.setItem(draft, JSON.stringify({ text_id: text, label: written() }));
  } catch {
    // Without storage the answers live as long as the page.
  }
}

/** Choose or leave out what a key stands for; false where it stands for nothing. */
export function pressAnswer(key) {
  const input = document.querySelector(`.question input[data-key="${CSS.escape(key)}"]`);
  if (!input) return false;
  if (input.type === "radio" && input.checked) input.checked = false;
  else if (input.type === "radio") input.checked = true;
  else input.checked = !input.checked;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  announce(`${nameOf(input.closest(".question"))}: ${input.checked ? "" : `${say.not} `}${input.closest("label").querySelector("span").textContent}`);
  return true;
}

/** The answer to send; empty where there is none yet: what is open is named first, and left open the second time. */
function whole() {
  const open = fields.filter(isOpen);
  const names = open.map(nameOf).join(", ");
  if (open.length === fields.length) announce(say.nothing_answered, true);
  else if (open.length === 0 || left === names) return written();
  else announce(fillIn(say.left_open, { names }), true);
  if (open.length < fields.length) left = names;
  for (const field of fields) field.classList.toggle("open", open.includes(field));
  open[0].scrollIntoView({ block: "nearest" });
  inputs(open[0])[0].focus();
  return "";
}

export function submitAnswers(desk) {
  const label = desk.current ? whole() : "";
  if (!label) return;
  $("message").hidden = true;
  desk.label(label, $("comment").value.trim());
}

export function setUpAnswers(desk) {
  for (const input of fields.flatMap(inputs).filter((one) => one.type === "radio")) {
    input.addEventListener("click", () => {
      if (!input.hasAttribute("data-was")) return;
      input.checked = false;
      keep();
    });
  }
  for (const field of fields) {
    field.addEventListener("change", (event) => {
      const none = inputs(field).find((input) => "none" in input.dataset);
      if (event.target.checked && event.target === none) for (const input of inputs(field)) input.checked = input === none;
      else if (event.target.checked && none) none.checked = false;
      keep();
    });
  }
  if (asksSeveral) $("submit-answers").addEventListener("click", (event) => (event.preventDefault(), submitAnswers(desk)));
}
