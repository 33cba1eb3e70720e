/**
 * Labelling in a notebook. The kernel says what is seen (`view`), and is told what was pressed. Kept here is only what
 * has been chosen so far of an answer to several questions.
 */

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
    this.questions = element("div", { className: "questions" });
    this.submit = action("↵", "Submit", () => this.#submit());
    this.submit.setAttribute("aria-keyshortcuts", "Enter");
    this.chosen = new Map(); // by field, the names of the classes
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
    root.append(this.questions, this.submit);
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
    const { task, classes, fields, reasons, recent, message, annotator, given, guidelines, rest } = this.view;
    clearTimeout(this.late);
    this.waiting = false;
    this.root.ariaBusy = "false";
    if (this.shown !== task?.text_id) this.shownAt = performance.now();
    if (this.shown !== task?.text_id || fields.some(({ name }) => !this.chosen.has(name))) {
      this.chosen = new Map(fields.map(({ name, chosen }) => [name, new Set(chosen)]));
    }
    this.shown = task?.text_id;
    this.left = ""; // the questions that were left open when Enter was pressed last
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
    this.classes.hidden = !task || fields.length > 0;
    this.questions.replaceChildren(...fields.map((field) => this.#question(field)));
    this.questions.hidden = this.submit.hidden = fields.length === 0;
    this.#mark();
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

  #label(name, answers = null) {
    this.#decide({ do: "label", label: name, answers, comment: this.send.hidden ? this.note.value.trim() : "" });
  }

  #question(field) {
    const options = field.options.map((option) => {
      const button = action(option.key.toUpperCase(), option.none ? "None of these" : option.name, () => this.#choose(field, option));
      button.name = option.name;
      button.toggleAttribute("data-word", field.words);
      return button;
    });
    const group = element("div", { role: "group", ariaLabel: field.title, className: "classes" }, ...options);
    const title = element("p", { dir: "auto", ariaHidden: "true" }, field.title, field.several ? " (any number)" : "");
    const made = element("div", { className: "question" }, title, group);
    made.dataset.field = field.name;
    return made;
  }

  /** Choose a class, or leave out one that is chosen; none of these excludes the others, and they exclude it. */
  #choose(field, { name, none }) {
    const chosen = this.chosen.get(field.name);
    const had = chosen.has(name) && !field.words;
    if (!field.several || none) chosen.clear();
    else chosen.delete("");
    if (had) chosen.delete(name);
    else chosen.add(name);
    this.left = "";
    this.#mark();
  }

  #mark() {
    for (const question of this.questions.children) {
      const chosen = this.chosen.get(question.dataset.field);
      question.toggleAttribute("data-open", chosen.size === 0);
      for (const button of question.querySelectorAll("button")) button.ariaPressed = String(chosen.has(button.name));
    }
  }

  /** Submit what is chosen; what is open is named first, and left open the second time. */
  #submit() {
    const { fields } = this.view;
    const open = fields.filter(({ name }) => this.chosen.get(name).size === 0);
    const names = open.map(({ title }) => title).join(", ");
    if (open.length === fields.length) this.message.textContent = "Answer at least one question, or skip the text.";
    else if (open.length > 0 && this.left !== names) {
      this.message.textContent = `Not answered yet: ${names}. Submit again to leave that open.`;
      this.left = names;
    } else this.#label(null, Object.fromEntries([...this.chosen].map(([name, chosen]) => [name, [...chosen]])));
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
    else if (event.key === "Enter" && !event.repeat && this.#answers(event.target)) this.#submit();
    else if (typing || event.altKey || event.repeat) return;
    else if ((event.ctrlKey || event.metaKey) && key === "z") this.press({ do: "undo" });
    else if (event.ctrlKey || event.metaKey || !this.#presses(key)) return;
    event.preventDefault();
  }

  /** Whether Enter submits there: with several questions, but on a button of another kind. */
  #answers(target) {
    return !this.submit.hidden && this.reasons.hidden && (target === this.root || this.questions.contains(target));
  }

  /** Do what a key does; false where it does nothing. Yes and no are said of the first class that is open. */
  #presses(key) {
    const answers = [...this.questions.querySelectorAll("button")];
    const among = this.reasons.hidden ? [...this.classes.children, ...answers, ...this.actions.children] : [...this.reasons.children];
    const named = among.filter((one) => one.dataset.key === (key === "Backspace" ? "u" : key) && !one.disabled && !one.hidden);
    const isWord = (one) => "word" in one.dataset;
    const button = named.find((one) => !isWord(one)) ?? named.find((one) => one.closest("[data-open]")) ?? named.at(-1);
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
