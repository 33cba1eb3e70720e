/** The windows over the labelling page: guidelines, skipping, flagging, correcting, help; and the comment. */

import { $ } from "./page.js";
import { showNote } from "./show.js";

export function open(id) {
  if (!document.querySelector("dialog[open]")) $(id).showModal();
}

/** Ask what an earlier decision should be instead. */
export function openCorrection(desk, decision) {
  const dialog = $("correction");
  $("correction-text").textContent = decision.text;
  $("correction-take-back").onclick = () => (dialog.close(), desk.undo(decision));
  for (const button of dialog.querySelectorAll("[data-class]")) {
    const name = button.dataset.class;
    button.hidden = decision.label === null;
    button.setAttribute("aria-pressed", String(name === decision.label));
    button.classList.toggle("primary", name === decision.label);
    button.onclick = () => (dialog.close(), name !== decision.label && desk.change(decision, name));
  }
  open("correction");
}

export function toggleNote() {
  const opening = $("note").hidden;
  showNote(opening);
  (opening ? $("comment") : $("sheet")).focus();
}

export function setUpDialogs(desk) {
  for (const button of document.querySelectorAll("[data-open]")) {
    button.addEventListener("click", (event) => (event.preventDefault(), open(button.dataset.open)));
  }
  for (const button of document.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
  for (const button of document.querySelectorAll("[data-reason]")) {
    button.addEventListener("click", () => ($("skipping").close(), desk.skip(button.dataset.reason)));
  }
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("close", () => $("sheet").focus({ preventScroll: true }));
  }
  $("flag-form").addEventListener("submit", () => {
    desk.flag($("flag-comment").value.trim());
    $("flag-comment").value = "";
  });
  $("skip-form").addEventListener("submit", () => {
    desk.skip($("skip-other").value.trim() || "other");
    $("skip-other").value = "";
  });
  $("note-button").addEventListener("click", (event) => (event.preventDefault(), toggleNote()));
}
