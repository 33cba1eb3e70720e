/** The labelling page, put together: one text after the other, what is decided goes to the outbox. */

import { Desk } from "./desk.js";
import { open, openCorrection, setUpDialogs } from "./dialogs.js";
import { setUpFilter, setUpKeys } from "./keys.js";
import { $, buttons, config, page } from "./page.js";
import { setUpSwipe } from "./swipe.js";
import { setUpUsed, use } from "./used.js";

const answers = document.querySelector(".question") ? await import("./answers.js") : null;
const desk = new Desk((decision) => openCorrection(desk, decision), answers);

setUpDialogs(desk);
setUpKeys(desk);
setUpFilter();
setUpUsed();
setUpSwipe(desk);
answers?.setUpAnswers(desk);

$("undo-button").addEventListener("click", (event) => (event.preventDefault(), desk.undo()));
$("decision").addEventListener("submit", (event) => event.preventDefault());
for (const button of buttons) {
  button.addEventListener("click", () => {
    desk.label(button.value, $("comment").value.trim());
    use(button.value);
  });
}

desk.outbox.flush().then(() => desk.pace());
desk.fill();
setInterval(() => desk.renew(), Math.max(5, config.lease_seconds / 3) * 1000);
setInterval(() => desk.isShort && desk.fill(), 5000);
setInterval(() => desk.pace(), 20000);
window.addEventListener("online", () => desk.fill());
window.addEventListener("pagehide", () => desk.release());
window.addEventListener("pageshow", (event) => event.persisted && desk.fill());
if (config.read_first) open("guidelines");
page.dataset.ready = "true";
