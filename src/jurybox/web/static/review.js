/** Deciding one doubtful text after the other by key. Everything works without this, by buttons and links. */

import { printedKey, shortcutsOn } from "./printed.js";

/** A key pressed twice must not decide the text that has just come and was not read. */
const GLANCE = 200;

const shown = performance.now();

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.repeat || !shortcutsOn()) return;
  if (event.target.closest?.("input, textarea, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (document.querySelector("details.menu[open]")) return;
  const button = document.querySelector(`[data-key="${CSS.escape(printedKey(event))}"]`);
  if (!button) return;
  event.preventDefault();
  if (performance.now() - shown >= GLANCE) button.click();
});
