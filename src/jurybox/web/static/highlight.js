/** Words that the owner lists are marked in the text; nothing is changed in it, so that copying and reading aloud stay as they are. */

const place = document.querySelector("[data-words]");
const words = place ? JSON.parse(place.dataset.words) : [];

export function mark(element) {
  if (!words.length || !element || !CSS.highlights) return;
  const ranges = [];
  const node = element.firstChild;
  const text = element.textContent.toLocaleLowerCase();
  for (const word of words.map((one) => one.toLocaleLowerCase())) {
    for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) {
      if (at + word.length > (node?.length ?? 0)) break;
      const range = new Range();
      range.setStart(node, at);
      range.setEnd(node, at + word.length);
      ranges.push(range);
    }
  }
  CSS.highlights.set("listed", new Highlight(...ranges));
}

mark(document.querySelector(".reading"));
