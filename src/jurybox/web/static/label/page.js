/** What the modules of the labelling page share: its parts, its words, and how to speak to whoever labels. */

export const $ = (id) => document.getElementById(id);
export const page = $("labelling");
export const config = JSON.parse(page.dataset.config);
export const say = config.messages;
export const buttons = [...document.querySelectorAll(".classes .class")];
export const rightToLeft = document.documentElement.dir === "rtl";

/** Fill the placeholders of a message; of one with plural forms, take the one for the number n. */
export function fillIn(message, values) {
  const form = typeof message === "string" ? message : pluralForm(message, values.n);
  return form.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? value.toLocaleString(config.locale, { numberingSystem: "latn" }) : value;
  });
}

function pluralForm(forms, n) {
  return forms[new Intl.PluralRules(config.locale).select(n)] ?? forms.other;
}

/** What was decided, for people: an answer to several questions is stored with marks of its own. */
export function inWords(label) {
  if (!document.querySelector(".question")) return label;
  return label
    .split("; ")
    .map((part) => {
      const [name, said] = part.split("=");
      const [given, asked] = said.split("<").map((classes) => classes.split("|").filter(Boolean));
      const other = (asked ?? []).filter((one) => !given.includes(one)).map((one) => `${say.not} ${one}`);
      return `${name}: ${[...given, ...other].join(", ") || say.none_of_these}`;
    })
    .join(" · ");
}

/** Tell a screen reader, and everyone else where `visible`. */
export function announce(message, visible = false) {
  $("announcement").textContent = message;
  $("message").hidden = !visible;
  if (visible) $("message-text").textContent = message;
}

$("message-close").addEventListener("click", () => ($("message").hidden = true));
