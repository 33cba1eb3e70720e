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
  const button = desk.current && buttons.find((one) => one.dataset.key === key);
  if (button) button.click();
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
    const typing = event.target.closest?.("input:not([type=checkbox]), textarea, select");
    if (event.key === "Escape" && event.target.id === "comment") $("sheet").focus();
    if (typing || event.altKey || event.repeat) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      event.preventDefault();
      return desk.undo();
    }
    if (event.ctrlKey || event.metaKey || !shortcuts.checked) return;
    const key = printedKey(event);
    const dialog = document.querySelector("dialog[open]");
    const handled = dialog ? pressInDialog(dialog, key) : press(desk, key);
    if (handled) event.preventDefault();
  });
}

/** Show only the classes whose names hold what is typed; Enter takes the first. */
export function setUpFilter() {
  const filter = $("class-filter");
  filter?.addEventListener("input", () => {
    const words = filter.value.trim().toLowerCase();
    for (const button of buttons) button.hidden = !button.value.toLowerCase().includes(words);
  });
  filter?.addEventListener("keydown", (event) => {
    if (event.key === "Escape") $("sheet").focus();
    if (event.key !== "Enter") return;
    event.preventDefault();
    if (filter.value) buttons.find((button) => !button.hidden)?.click();
  });
}
