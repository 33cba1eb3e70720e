/** Answers on their way to the server: kept in the browser until the server has them, sent in order, counted once. */

const FIRST_WAIT = 1000;
const LONGEST_WAIT = 15000;

/**
 * One decision to be sent.
 * @typedef {{key: string, path: string, body: object, text_id: string}} Answer
 */

export class Outbox {
  /**
   * @param {string} name where the answers are kept; one for each project and annotator
   * @param {(answer: Answer) => Promise<Response>} send
   * @param {{changed: () => void, refused: (answer: Answer, response: Response) => void, elsewhere: (answers: Answer[]) => void}} listener
   */
  constructor(name, send, listener) {
    this.name = name;
    this.send = send;
    this.listener = listener;
    this.answers = parse(this.#read());
    this.known = new Set(this.answers.map((answer) => answer.key));
    this.state = "idle";
    this.wait = FIRST_WAIT;
    this.timer = 0;
    this.sending = null;
    window.addEventListener("online", () => this.flush());
    window.addEventListener("storage", (event) => {
      if (event.key === this.name) this.listener.elsewhere(this.#ofOtherTabs(event.newValue));
    });
  }

  get size() {
    return this.answers.length;
  }

  /** Whether the server has not answered yet what was decided on this text. */
  holds(textId) {
    return this.answers.some((answer) => answer.text_id === textId);
  }

  /** The last answer on this text, if it can still be withdrawn without the server. */
  unsent(textId) {
    const answer = this.answers.findLast((one) => one.text_id === textId);
    return answer !== this.sending && !answer?.tried ? answer : undefined;
  }

  add(answer) {
    const key = newKey();
    this.known.add(key);
    this.answers.push({ ...answer, key });
    this.#write();
    this.flush();
  }

  withdraw(answer) {
    this.answers = this.answers.filter((one) => one !== answer);
    this.#write();
  }

  /** Change what an unsent answer says. */
  amend(answer, changes) {
    Object.assign(answer.body, changes);
    this.#write();
  }

  /** Send everything in order; one loop at a time. */
  async flush() {
    clearTimeout(this.timer);
    if (this.sending) return;
    while (this.answers.length > 0) {
      const answer = this.answers[0];
      this.sending = answer;
      answer.tried = true;
      const response = await this.send(answer).catch(() => null);
      this.sending = null;
      if (response === null || response.status >= 500 || response.status === 429 || response.status === 408) {
        return this.#later("offline");
      }
      if (response.status === 401 || response.status === 403) {
        return this.#later("signed-out");
      }
      this.wait = FIRST_WAIT;
      this.state = "idle";
      this.withdraw(answer);
      if (!response.ok) this.listener.refused(answer, response);
      this.listener.changed();
    }
  }

  #later(state) {
    this.state = state;
    this.#write();
    this.timer = setTimeout(() => this.flush(), this.wait);
    this.wait = Math.min(2 * this.wait, LONGEST_WAIT);
    this.listener.changed();
  }

  #read() {
    try {
      return localStorage.getItem(this.name);
    } catch {
      return null;
    }
  }

  /** Answers that wait in other tabs: they share the place in the browser, and must not lose them. */
  #ofOtherTabs(stored) {
    return parse(stored).filter((answer) => !this.known.has(answer.key));
  }

  #write() {
    try {
      localStorage.setItem(this.name, JSON.stringify([...this.#ofOtherTabs(this.#read()), ...this.answers]));
    } catch {
      // Without storage the answers live as long as the page: sending goes on.
    }
    this.listener.changed();
  }
}

function parse(stored) {
  try {
    return JSON.parse(stored) ?? [];
  } catch {
    return [];
  }
}

/** A key under which the server counts a submit once; randomUUID needs https, getRandomValues does not. */
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
