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
    return typeof value === "number" ? value.toLocaleString(config.locale) : value;
  });
}

function pluralForm(forms, n) {
  return forms[new Intl.PluralRules(config.locale).select(n)] ?? forms.other;
}

/** Tell a screen reader, and everyone else where `visible`. */
export function announce(message, visible = false) {
  $("announcement").textContent = message;
  $("message").hidden = !visible;
  if (visible) $("message-text").textContent = message;
}

$("message-close").addEventListener("click", () => ($("message").hidden = true));
