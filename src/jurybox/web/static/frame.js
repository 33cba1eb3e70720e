/** Every page: the tab of this page is in view, and the menu closes as menus do. Everything works without this. */

document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

const menu = document.querySelector("details.menu");

document.addEventListener("click", (event) => {
  if (!menu.contains(event.target)) menu.open = false;
});
menu.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !menu.open) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

/** Owner's pages: the help, and the field that searches. Pages with keys of their own listen for themselves. */
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.repeat) return;
  const writes = event.target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select");
  if (writes || document.querySelector("#labelling")) return;
  if (localStorage.getItem("jurybox:shortcuts") === "off") return;
  const found = event.key === "?" ? document.querySelector(".help") : event.key === "/" ? document.querySelector("input[type=search]") : null;
  if (!found) return;
  event.preventDefault();
  if (event.key === "?") found.click();
  else found.focus();
});

/** Times stand in UTC, for those without scripts; here they become those of whoever looks. */
function localTimes() {
  const lang = document.documentElement.lang;
  const region = navigator.languages.find((one) => one.split("-")[0] === lang) ?? lang; // en-GB writes days before months
  const numberingSystem = "latn"; // the digits of all other numbers of the pages
  const minute = new Intl.DateTimeFormat(region, { dateStyle: "medium", timeStyle: "short", numberingSystem });
  const hour = new Intl.DateTimeFormat(region, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", numberingSystem });
  for (const time of document.querySelectorAll("time[datetime]:not([title])")) {
    time.title = time.textContent;
    time.textContent = ("hour" in time.dataset ? hour : minute).format(new Date(time.dateTime));
  }
}

localTimes();
document.addEventListener("jurybox:fresh", localTimes);

/** What is made slowly is asked for once, however often its button is clicked. */
document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-once]");
  if (form?.dataset.once) event.preventDefault();
  else if (form) form.dataset.once = "sent";
});
addEventListener("pageshow", () => document.querySelectorAll("form[data-once]").forEach((form) => (form.dataset.once = "")));
