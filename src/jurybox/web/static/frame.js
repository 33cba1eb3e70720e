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
  const zone = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  for (const time of document.querySelectorAll("time[datetime]:not([title])")) {
    time.title = time.textContent;
    time.textContent = zone.format(new Date(time.dateTime));
  }
}

localTimes();
document.addEventListener("jurybox:fresh", localTimes);
