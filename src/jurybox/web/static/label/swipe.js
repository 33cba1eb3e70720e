/** Swiping over the text: with two classes the side picks the class, else towards the start skips and back undoes. */

import { open } from "./dialogs.js";
import { $, buttons, rightToLeft, say } from "./page.js";

const FAR = 90;
const NEAR = 12;

function targetOf(desk, dx) {
  const towardsEnd = dx > 0 !== rightToLeft;
  if (buttons.length === 2) {
    const button = buttons[towardsEnd ? 1 : 0];
    return { name: button.value, act: () => button.click(), towardsEnd };
  }
  if (towardsEnd) return { name: say.undo, act: () => desk.undo(), towardsEnd };
  return { name: say.skip, act: () => open("skipping"), towardsEnd };
}

export function setUpSwipe(desk) {
  const sheet = $("sheet");
  const mark = $("swipe-mark");
  let start = null;

  sheet.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch" && event.isPrimary && desk.current) start = event;
  });
  sheet.addEventListener("pointermove", (event) => {
    if (!start || event.pointerId !== start.pointerId) return;
    const dx = event.clientX - start.clientX;
    if (Math.abs(dx) < NEAR || Math.abs(event.clientY - start.clientY) > Math.abs(dx)) return;
    const target = targetOf(desk, dx);
    sheet.classList.add("swiping");
    sheet.style.transform = `translateX(${dx}px) rotate(${dx / 80}deg)`;
    mark.textContent = target.name;
    mark.classList.toggle("to-end", !target.towardsEnd);
    mark.style.opacity = Math.min(1, Math.abs(dx) / FAR);
  });
  for (const type of ["pointerup", "pointercancel"]) {
    sheet.addEventListener(type, (event) => {
      if (!start || event.pointerId !== start.pointerId) return;
      const dx = event.clientX - start.clientX;
      const far = type === "pointerup" && Math.abs(dx) >= FAR && Math.abs(event.clientY - start.clientY) < Math.abs(dx);
      start = null;
      sheet.classList.remove("swiping");
      sheet.style.transform = "";
      mark.style.opacity = 0;
      if (far) targetOf(desk, dx).act();
    });
  }
}
