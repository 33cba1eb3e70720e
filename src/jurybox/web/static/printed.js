/** Single keys, as pages with class buttons take them. */

/** The key as it is printed on the buttons, on any layout: AZERTY needs shift for digits, Arabic has other letters. */
export function printedKey(event) {
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code);
  if (digit) return digit[1];
  if (/^[a-z?]$/i.test(event.key)) return event.key.toLowerCase();
  return /^Key([A-Z])$/.exec(event.code)?.[1].toLowerCase() ?? event.key;
}

/** Whether single keys do anything: people who speak or shake switch them off in the help of the labelling page. */
export const shortcutsOn = () => localStorage.getItem("jurybox:shortcuts") !== "off";
