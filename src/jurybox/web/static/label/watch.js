/** Seconds that a text was really in view. */
export class Watch {
  constructor() {
    this.restart();
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#pause() : this.#go()));
  }

  restart() {
    this.past = 0;
    this.since = document.hidden ? null : performance.now();
  }

  get seconds() {
    const now = this.since === null ? 0 : performance.now() - this.since;
    return Math.round((this.past + now) / 10) / 100;
  }

  #pause() {
    if (this.since !== null) this.past += performance.now() - this.since;
    this.since = null;
  }

  #go() {
    this.since ??= performance.now();
  }
}
