/** The classes that were used last, each at a digit that it keeps for as long as it is among them. */

import { $, buttons, config } from "./page.js";

const SLOTS = 9;
const slots = []; // names, by digit
const order = []; // the same names, the last one used at the end

/** Put a class among those used last, where it is not yet in the place of the one that was used longest ago. */
export function use(name) {
  if (!$("last-used") || !buttons.some((button) => button.value === name)) return;
  const at = order.indexOf(name);
  if (at >= 0) order.splice(at, 1);
  else if (slots.length < SLOTS) slots.push(name);
  else slots[slots.indexOf(order.shift())] = name;
  order.push(name);
  $("last-used").hidden = false;
  $("last-used").replaceChildren(...slots.map(shortcut));
}

/** Begin with the classes of the last decisions. */
export function setUpUsed() {
  for (const decision of [...config.recent].reverse()) if (decision.label !== null) use(decision.label);
}

function shortcut(name, at) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "class compact";
  button.dataset.key = String(at + 1);
  button.setAttribute("aria-keyshortcuts", button.dataset.key);
  const key = document.createElement("kbd");
  key.textContent = button.dataset.key;
  key.setAttribute("aria-hidden", "true");
  const words = document.createElement("span");
  words.dir = "auto";
  words.textContent = name;
  button.append(key, words);
  button.addEventListener("click", () => buttons.find((one) => one.value === name)?.click());
  return button;
}
