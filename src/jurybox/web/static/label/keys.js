/** Single keys as they are printed on the buttons, and finding a class by its name. */

import { open, toggleNote } from "./dialogs.js";
import { $, buttons } from "./page.js";
import { printedKey, shortcutsOn } from "../printed.js";

const WINDOWS = { s: "skipping", g: "guidelines", f: "flagging", "?": "help", h: "help" };

function pressInDialog(dialog, key) {
  const choice = dialog.querySelector(`[data-key="${CSS.escape(key)}"]:not([hidden])`);
  choice?.click();
  return Boolean(choice);
}

/** Do what the key does on the page; false where it does nothing. */
function press(desk, key) {
  const named = [...document.querySelectorAll("#last-used .class"), ...buttons];
  const button = desk.current && named.find((one) => one.dataset.key === key);
  if (button) button.click();
  else if (desk.current && desk.answers?.pressAnswer(key)) return true;
  else if (key === "u" || key === "Backspace") desk.undo();
  else if (key === "c" && desk.current) toggleNote();
  else if (key === "/" && $("class-filter")) $("class-filter").focus();
  else if (WINDOWS[key] && (desk.current || key !== "s")) open(WINDOWS[key]);
  else return false;
  return true;
}

export function setUpKeys(desk) {
  const shortcuts = $("shortcuts");
  shortcuts.checked = shortcutsOn();
  shortcuts.addEventListener("change", () => localStorage.setItem("jurybox:shortcuts", shortcuts.checked ? "on" : "off"));

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select");
    if (event.key === "Escape" && event.target.id === "comment") $("sheet").focus();
    if (typing || event.altKey || event.repeat) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      event.preventDefault();
      return desk.undo();
    }
    if (event.ctrlKey || event.metaKey) return;
    const elsewhere = event.target.closest?.("button, a, dialog") || document.querySelector("dialog[open]");
    if (desk.answers && event.key === "Enter" && !elsewhere) {
      event.preventDefault();
      return desk.answers.submitAnswers(desk); // whether single keys are on or not
    }
    if (!shortcuts.checked) return;
    const key = printedKey(event);
    const dialog = document.querySelector("dialog[open]");
    const handled = dialog ? pressInDialog(dialog, key) : press(desk, key);
    if (handled) event.preventDefault();
  });
}

/**
 * Show only the classes whose names hold what is typed, those that begin with it first; Enter takes the first,
 * and an arrow goes to it. Where nothing is typed, a digit takes one of the classes that were used last.
 */
export function setUpFilter() {
  const filter = $("class-filter");
  if (!filter) return;
  const found = (words) => {
    const named = buttons.filter((button) => button.value.toLowerCase().includes(words));
    return named.find((button) => button.value.toLowerCase().startsWith(words)) ?? named[0];
  };
  filter.addEventListener("input", () => {
    const words = filter.value.trim().toLowerCase();
    const first = words ? found(words) : undefined;
    for (const button of buttons) {
      button.hidden = !button.value.toLowerCase().includes(words);
      button.classList.toggle("first", button === first);
    }
    $("class-none").hidden = !words || Boolean(first);
  });
  filter.addEventListener("keydown", (event) => {
    const words = filter.value.trim().toLowerCase();
    const used = words ? null : document.querySelector(`#last-used [data-key="${CSS.escape(event.key)}"]`);
    if (event.key === "Escape") $("sheet").focus();
    else if (event.key === "ArrowDown") (words ? found(words) : buttons[0])?.focus();
    else if (event.key === "Enter") words && found(words)?.click();
    else if (used && !event.ctrlKey && !event.metaKey && !event.altKey) used.click();
    else return;
    event.preventDefault();
  });
}
