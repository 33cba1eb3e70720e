/** Several questions about a text: what is chosen, kept while the page is away, put together to one answer. */

import { $, announce, config, fillIn, say } from "./page.js";

const BETWEEN = "; ";
const NONE = "|";
const draft = `jurybox:${config.outbox}:draft`;
const fields = [...document.querySelectorAll(".question")]; // of questions, and of single classes of some
const byItem = fields.some((field) => "option" in field.dataset);
let text = ""; // the text that is answered now
let left = ""; // the questions that were left open when Enter was pressed last

const inputs = (field) => [...field.querySelectorAll("input")];
const shown = () => fields.filter((field) => !field.hidden);
const optionOf = (field) => field.dataset.option;
const questionOf = (field) => field.dataset.question;
const nameOf = (field) => ("option" in field.dataset ? `${questionOf(field)}:${optionOf(field)}` : questionOf(field));
const isOpen = (field) => !inputs(field).some((input) => input.checked);
const chosenIn = (field) => inputs(field).filter((input) => input.checked && !("none" in input.dataset));
const questions = [...new Set(fields.map(questionOf))];

/** What is chosen, in the writing of the server; empty where nothing is. A question that is shown whole is written by `all`. */
function written(all = allOf) {
  return questions
    .map((question) => [question, shown().filter((field) => questionOf(field) === question && !isOpen(field))])
    .filter(([, own]) => own.length > 0)
    .map(([question, own]) => `${question}=${"option" in own[0].dataset ? someOf(own) : all(own[0])}`)
    .join(BETWEEN);
}

const allOf = (field) => chosenIn(field).map((input) => input.value).join(NONE) || NONE;

/** The same with the classes that are shown: of one that was added since the page was opened nothing is said. */
function ofShown(field) {
  if (field.dataset.kind !== "several") return allOf(field);
  const classes = inputs(field).filter((input) => !("none" in input.dataset));
  return `${chosenIn(field).map((input) => input.value).join(NONE)}<${classes.map((input) => input.value).join(NONE)}`;
}

/** Which of the classes apply that were asked for and answered. */
function someOf(own) {
  const yes = own.filter((field) => chosenIn(field)[0].value === "yes").map(optionOf);
  return `${yes.join(NONE)}<${own.map(optionOf).join(NONE)}`;
}

/** Show the fields of what is asked of a text: questions whole, or some of their classes one by one. */
function ask(asked) {
  for (const question of questions) {
    const own = fields.filter((field) => questionOf(field) === question);
    const options = own.filter((field) => "option" in field.dataset);
    const wanted = options.filter((field) => !asked || asked.includes(nameOf(field)));
    const whole = options.length > 0 ? wanted.length === options.length : !asked || asked.includes(question);
    for (const field of own) {
      field.hidden = "option" in field.dataset ? whole || !wanted.includes(field) : !whole;
      field.disabled = field.hidden;
    }
  }
}

/** Show the answers that a text has already: those that were taken back, or chosen before the page was left. */
export function showAnswers(task) {
  text = task?.text_id ?? "";
  left = "";
  const cells = new Map(read(task).map((part) => part.split("=")));
  if (byItem) ask(task?.asked === undefined ? partly(cells) : task.asked);
  for (const field of fields) {
    const [said, only] = cells.get(questionOf(field))?.split("<").map((part) => part.split(NONE).filter(Boolean)) ?? [];
    for (const input of inputs(field)) input.checked = said !== undefined && isSaid(field, input, said, only);
    field.classList.remove("open");
  }
  remember();
}

/** Whether an answer says what an input stands for: a class, none of them, or yes or no to one. */
function isSaid(field, input, said, only) {
  if ("option" in field.dataset) return (only ?? [optionOf(field)]).includes(optionOf(field)) && (input.value === "yes") === said.includes(optionOf(field));
  return "none" in input.dataset ? said.length === 0 && !only : said.includes(input.value);
}

/** What an earlier answer was asked for, where only some classes were: these, and all other questions. */
function partly(cells) {
  if (![...cells.values()].some((cell) => cell.includes("<"))) return null;
  return questions.flatMap((question) => {
    const only = cells.get(question)?.split("<")[1];
    return only === undefined ? fields.filter((field) => questionOf(field) === question).map(nameOf) : only.split(NONE).map((option) => `${question}:${option}`);
  });
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
  for (const field of shown()) if (!isOpen(field)) field.classList.remove("open");
  try {
    localStorage.setItem(draft, JSON.stringify({ text_id: text, label: written() }));
  } catch {
    // Without storage the answers live as long as the page.
  }
}

/** Choose or leave out what a key stands for; false where it stands for nothing. */
export function pressAnswer(key) {
  const input = document.querySelector(`.question:not([hidden]) input[data-key="${CSS.escape(key)}"]`) ?? wordOf(key);
  if (!input) return false;
  if (input.type === "radio" && input.checked) input.checked = "word" in input.dataset;
  else if (input.type === "radio") input.checked = true;
  else input.checked = !input.checked;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  announce(`${nameOf(input.closest(".question"))}: ${input.checked ? "" : `${say.not} `}${input.closest("label").querySelector("span").textContent}`);
  return true;
}

/** The yes or no that a key says of the first class that is open, or of the last one where none is. */
function wordOf(key) {
  const single = shown().filter((field) => "option" in field.dataset);
  const field = single.find(isOpen) ?? single.at(-1);
  return field?.querySelector(`input[data-word="${CSS.escape(key)}"]`);
}

/** The answer to send; empty where there is none yet: what is open is named first, and left open the second time. */
function whole() {
  const open = shown().filter(isOpen);
  const names = open.map(nameOf).join(", ");
  if (open.length === shown().length) announce(say.nothing_answered, true);
  else if (open.length === 0 || left === names) return written();
  else announce(fillIn(say.left_open, { names }), true);
  if (open.length < shown().length) left = names;
  for (const field of fields) field.classList.toggle("open", open.includes(field));
  open[0].scrollIntoView({ block: "nearest" });
  inputs(open[0])[0].focus();
  return "";
}

export function submitAnswers(desk) {
  const label = desk.current ? whole() : "";
  if (!label) return;
  $("message").hidden = true;
  desk.label(label, $("comment").value.trim(), written(ofShown));
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
  $("submit-answers").addEventListener("click", (event) => (event.preventDefault(), submitAnswers(desk)));
}
