/**
 * Bytes at a rate: whoever moves some asks first, and waits until it is time for them. Smooth on purpose: what was not used
 * is not saved up, and all who share a pace take turns in the order in which they asked.
 */

import type { Clock } from "./clock.ts";

/** Bytes that may go at once: a fiftieth of a second's. */
const stepsPerSecond = 50;

export class Pace {
  readonly #bytesPerSecond: number;
  readonly #clock: Clock;
  #lastMs = Number.NEGATIVE_INFINITY;
  /** When the next byte may go. */
  #freeMs = Number.NEGATIVE_INFINITY;

  constructor(bytesPerSecond: number, clock: Clock) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#clock = clock;
  }

  get stepBytes(): number {
    return Math.max(1, Math.floor(this.#bytesPerSecond / stepsPerSecond));
  }

  /** Resolves when it is time for so many bytes, at most `stepBytes`, to go. */
  async admit(bytes: number, signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.nowMs();
    if (nowMs < this.#lastMs) this.#freeMs -= this.#lastMs - nowMs; // The clock was set back.
    this.#lastMs = nowMs;
    const beginMs = Math.max(this.#freeMs, nowMs);
    this.#freeMs = beginMs + (bytes / this.#bytesPerSecond) * 1000;
    if (beginMs > nowMs) await this.#clock.sleep(beginMs - nowMs, signal);
  }
}
