/** Owner's pages: keep the figures current, and copy links. Everything works without this, after a reload. */

const EVERY = 4000;
const PAUSE = 500;

async function refresh() {
  if (document.hidden || document.querySelector("details.menu[open]")) return;
  const response = await fetch(location.href, { credentials: "same-origin" }).catch(() => null);
  if (!response?.ok || response.redirected) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
    if (!other || part.dataset.shown === other.innerHTML || part.contains(document.activeElement)) continue;
    if (part.querySelector("details[open]")) continue;
    part.dataset.shown = other.innerHTML;
    part.replaceChildren(...other.childNodes);
  }
  document.dispatchEvent(new Event("jurybox:fresh"));
}

/** The server says when something has changed; where it cannot, or does not, the page asks from time to time. */
function watch() {
  let asking = 0;
  let soon = 0;
  let events = null;
  const ask = () => (asking ||= setInterval(refresh, EVERY));
  const open = () => {
    events = new EventSource("/manage/events");
    events.addEventListener("change", () => (soon ||= setTimeout(() => ((soon = 0), refresh()), PAUSE)));
    events.addEventListener("error", () => events.readyState === EventSource.CLOSED && ask());
  };
  document.addEventListener("visibilitychange", () => {
    events?.close(); // a browser opens few connections to one host: hidden pages leave them to others
    if (!document.hidden) {
      refresh();
      open();
    }
  });
  if (!document.hidden) open();
}

if (document.querySelector("[data-live]")) watch();

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      button.textContent = button.dataset.done;
    } catch {
      // Without https there is no clipboard: the link is selected, to be copied by hand.
    }
  });
}

/** Show what is written as it will be read. */
for (const field of document.querySelectorAll("[data-preview]")) {
  const shown = document.getElementById(field.dataset.preview);
  const token = field.form.elements.csrf_token?.value ?? "";
  let asked = 0;
  field.addEventListener("input", async () => {
    const mine = ++asked;
    const body = new URLSearchParams({ text: field.value, csrf_token: token });
    const response = await fetch(field.dataset.from, { method: "POST", body, credentials: "same-origin" }).catch(() => null);
    if (response?.ok && mine === asked) shown.innerHTML = await response.text();
  });
}
