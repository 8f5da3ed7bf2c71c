/** Keeps what is told often from being sent as often. */

import type { Clock } from "../../base/clock.ts";

export interface PacedOptions {
  readonly intervalMs: number;
  readonly clock: Clock;
  /** Sends what there is by now. */
  send(): void;
}

/** Guarantees: the first is sent at once, then at most one an interval; nothing is held back longer than that. */
export class Paced implements Disposable {
  readonly #options: PacedOptions;
  readonly #ending = new AbortController();
  #state: "at rest" | "waiting" | "waiting with more" | "ended" = "at rest";

  constructor(options: PacedOptions) {
    this.#options = options;
  }

  /** There is something to send. */
  tell(): void {
    if (this.#state === "waiting") this.#state = "waiting with more";
    if (this.#state !== "at rest") return;
    this.#state = "waiting";
    this.#options.send();
    const { clock, intervalMs } = this.#options;
    clock.sleep(intervalMs, this.#ending.signal).then(
      () => this.#intervalEnded(),
      () => undefined, // Disposed.
    );
  }

  /** Sends now what is held back. */
  flush(): void {
    if (this.#state !== "waiting with more") return;
    this.#state = "waiting";
    this.#options.send();
  }

  /** Sends nothing any more. */
  [Symbol.dispose](): void {
    this.#state = "ended";
    this.#ending.abort();
  }

  #intervalEnded(): void {
    if (this.#state === "ended") return;
    const isMore = this.#state === "waiting with more";
    this.#state = "at rest";
    if (isMore) this.tell();
  }
}
