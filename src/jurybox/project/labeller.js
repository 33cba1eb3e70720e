/** Labelling in a notebook. The kernel says what is seen (`view`), and is told what was pressed; nothing is kept here. */

const GLANCE = 150; // milliseconds: a double tap must not label a text unseen
const PATIENCE = 4000;
const MANY = 12; // classes, from which on they are found by name as well

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function action(key, words, act) {
  const made = element("button", { type: "button", onclick: act }, words);
  if (key) {
    made.dataset.key = key.toLowerCase();
    made.setAttribute("aria-keyshortcuts", key);
    made.prepend(Object.assign(element("kbd", {}, key), { ariaHidden: "true" }));
  }
  return made;
}

class Labeller {
  constructor(model, root) {
    this.model = model;
    this.root = root;
    this.head = element("p", { className: "head" });
    const rules = element("div", { className: "prose", dir: "auto" });
    this.guidelines = element("details", {}, element("summary", {}, "Guidelines (G)"), rules);
    this.message = element("p", { className: "message", role: "status" });
    this.text = element("div", { className: "text", dir: "auto" });
    this.suggestion = element("p", { className: "suggestion" });
    this.filter = element("input", { type: "search", placeholder: "Find a class ( / )", ariaLabel: "Find a class" });
    this.classes = element("div", { className: "classes", role: "group", ariaLabel: "Classes" });
    this.reasons = element("div", { className: "reasons", role: "group", ariaLabel: "Why do you skip this text?" });
    this.note = element("textarea", { rows: 2, dir: "auto", maxLength: 5000 });
    this.send = action("", "Send to the owner", () => this.#flag());
    this.noted = element("div", { className: "note" }, this.note, this.send);
    this.actions = element(
      "div",
      { className: "actions" },
      action("U", "Undo", () => this.press({ do: "undo" })),
      action("S", "Skip", () => this.#toggle(this.reasons)),
      action("C", "Comment", () => this.#write("Comment on your label")),
      action("F", "Flag", () => this.#write("Remark for the owner", true)),
      action("", "Look again", () => this.press({ do: "look" })),
    );
    this.recent = element("ol", { className: "recent", ariaLabel: "Your last decisions" });
    root.append(this.head, this.guidelines, this.message, this.text, this.suggestion, this.filter, this.classes);
    root.append(this.reasons, this.noted, this.actions, this.recent);
    root.addEventListener("keydown", (event) => this.#key(event));
    this.filter.addEventListener("input", () => this.#find());
    this.show();
    this.guidelines.open = this.view.unread && this.view.guidelines !== "";
  }

  get view() {
    return this.model.get("view");
  }

  show() {
    const { task, classes, reasons, recent, message, annotator, given, guidelines, rest } = this.view;
    clearTimeout(this.late);
    this.waiting = false;
    this.root.ariaBusy = "false";
    if (this.shown !== task?.text_id) this.shownAt = performance.now();
    this.shown = task?.text_id;
    this.head.textContent = `${annotator} · ${given} ${given === 1 ? "label" : "labels"}`;
    this.guidelines.hidden = guidelines === "";
    this.guidelines.lastChild.textContent = guidelines;
    this.message.textContent = message;
    this.text.textContent = task ? task.text : `Nothing to label: ${rest}.`;
    this.text.classList.toggle("rest", !task);
    this.suggestion.textContent = task?.suggestion ? `The model suggests ${task.suggestion}` : "";
    this.note.value = task?.comment ?? "";
    this.noted.hidden = this.note.value === "";
    this.send.hidden = true;
    this.filter.value = "";
    this.filter.hidden = !task || classes.length <= MANY;
    this.classes.replaceChildren(
      ...classes.map(({ name, key }) => action(key.toUpperCase(), name, () => this.#label(name))),
    );
    this.classes.hidden = !task;
    this.reasons.hidden = true;
    this.reasons.replaceChildren(
      ...reasons.map(({ code, words }, at) => action(String(at + 1), words, () => this.#decide({ do: "skip", reason: code }))),
    );
    const [undo, skip, comment, flag, look] = this.actions.children;
    undo.disabled = recent.length === 0;
    for (const button of [skip, comment, flag]) button.hidden = !task;
    look.hidden = Boolean(task);
    this.recent.replaceChildren(...recent.map(({ text, label }) => element("li", { dir: "auto" }, `${label ?? "skipped"} — ${text}`)));
    if (this.held || this.#hasFocus()) this.root.focus({ preventScroll: true });
    this.held = false;
  }

  /** Tell the kernel, once; until it answers, nothing else is pressed, and after a while that is said. */
  press(what) {
    if (this.waiting) return;
    this.waiting = true;
    this.held = this.#hasFocus(); // the button that has it makes way for others
    this.root.ariaBusy = "true";
    this.late = setTimeout(() => {
      this.message.textContent = "The kernel is busy or has stopped: this is not stored yet.";
    }, PATIENCE);
    this.model.send(what);
  }

  #hasFocus() {
    return this.root.contains(this.root.getRootNode().activeElement);
  }

  #decide(what) {
    const { task } = this.view;
    if (!task || performance.now() - this.shownAt < GLANCE) return;
    const seconds = Math.round((performance.now() - this.shownAt) / 10) / 100;
    this.press({ ...what, text_id: task.text_id, seconds });
  }

  #label(name) {
    this.#decide({ do: "label", label: name, comment: this.send.hidden ? this.note.value.trim() : "" });
  }

  #flag() {
    const comment = this.note.value.trim();
    if (comment) this.#decide({ do: "flag", comment });
  }

  #write(what, forOwner = false) {
    this.noted.hidden = false;
    this.send.hidden = !forOwner;
    this.note.placeholder = what;
    this.note.ariaLabel = what;
    this.note.focus();
  }

  #toggle(part) {
    part.hidden = !part.hidden;
  }

  #find() {
    const words = this.filter.value.trim().toLowerCase();
    const nameOf = (button) => button.lastChild.textContent.toLowerCase();
    const named = [...this.classes.children].filter((button) => nameOf(button).includes(words));
    for (const button of this.classes.children) button.hidden = !named.includes(button);
    return words ? named.find((button) => nameOf(button).startsWith(words)) ?? named[0] : undefined;
  }

  #key(event) {
    event.stopPropagation(); // the notebook has keys of its own
    const key = printedKey(event);
    const typing = event.target.matches("input, textarea");
    if (event.key === "Escape") {
      this.reasons.hidden = true;
      this.root.focus();
    } else if (event.target === this.filter && event.key === "Enter") this.#find()?.click();
    else if (typing || event.altKey || event.repeat) return;
    else if ((event.ctrlKey || event.metaKey) && key === "z") this.press({ do: "undo" });
    else if (event.ctrlKey || event.metaKey || !this.#presses(key)) return;
    event.preventDefault();
  }

  /** Do what a key does; false where it does nothing. */
  #presses(key) {
    const among = this.reasons.hidden ? [...this.classes.children, ...this.actions.children] : [...this.reasons.children];
    const button = among.find((one) => one.dataset.key === (key === "Backspace" ? "u" : key) && !one.disabled && !one.hidden);
    if (button && !button.parentElement.hidden) button.click();
    else if (key === "g" && !this.guidelines.hidden) this.guidelines.open = !this.guidelines.open;
    else if (key === "/" && !this.filter.hidden) this.filter.focus();
    else return false;
    return true;
  }
}

function render({ model, el }) {
  const root = element("div", { className: "jurybox-labeller", tabIndex: 0, role: "group", ariaLabel: "Label texts" });
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab's own keys would be pressed as well
  el.append(root);
  const labeller = new Labeller(model, root);
  const show = () => labeller.show();
  model.on("change:view", show);
  return () => model.off("change:view", show);
}

export default { render };
