/** Lists of rows to do something with: all of a page at once, and from one to another with the shift key. */

const boxes = [...document.querySelectorAll(".select")];
const page = document.querySelector("[data-page]");
const all = document.querySelector("[data-all]");
let last = null;

function show() {
  const n = boxes.filter((box) => box.checked).length;
  page.checked = n === boxes.length;
  page.indeterminate = n > 0 && n < boxes.length;
}

page?.addEventListener("change", () => {
  for (const box of boxes) box.checked = page.checked;
});

all?.addEventListener("change", () => {
  for (const box of boxes) {
    box.checked = all.checked;
    box.disabled = all.checked;
  }
  page.disabled = all.checked;
  show();
});

for (const box of boxes) {
  box.addEventListener("click", (event) => {
    if (event.shiftKey && last !== null) {
      const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
      for (const other of boxes.slice(from, to + 1)) other.checked = box.checked;
    }
    last = box;
    show();
  });
}
