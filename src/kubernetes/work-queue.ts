/**
 * Keys that need attention.
 *
 * Guarantees: a key is in at most one pair of hands; added while it is in hand, it comes again afterwards; added twice
 * before it is taken, it comes once; keys come in the order in which they became due. Memory is bounded by the number
 * of distinct keys. Source: controller-runtime's and kube-rs's work queues.
 */

import type { Clock } from "../base/clock.ts";

export interface WorkQueueOptions {
  readonly clock: Clock;
  /** Between 0 and 1; for jitter. */
  readonly random: () => number;
  /** Wait before the first and the longest before any later retry of one key. */
  readonly retryMinMs?: number;
  readonly retryMaxMs?: number;
}

export class WorkQueue {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #retryMinMs: number;
  readonly #retryMaxMs: number;
  readonly #due = new Set<string>();
  readonly #inHand = new Set<string>();
  readonly #againAfterHand = new Set<string>();
  readonly #later = new Map<string, { readonly dueMs: number; readonly cancel: AbortController }>();
  readonly #retries = new Map<string, number>();
  readonly #waiting = new Set<() => void>();

  constructor(options: WorkQueueOptions) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#retryMinMs = options.retryMinMs ?? 500;
    this.#retryMaxMs = options.retryMaxMs ?? 60_000;
  }

  /** How many keys are due and in nobody's hands. */
  get depth(): number {
    return this.#due.size;
  }

  add(key: string): void {
    this.#later.get(key)?.cancel.abort();
    this.#later.delete(key);
    if (this.#inHand.has(key)) this.#againAfterHand.add(key);
    else this.#due.add(key);
    for (const wake of this.#waiting) wake();
  }

  /** Adds the key after a while, unless it is added before or due earlier anyway. */
  addAfter(key: string, delayMs: number): void {
    const dueMs = this.#clock.nowMs() + delayMs;
    const planned = this.#later.get(key);
    if (planned !== undefined && planned.dueMs <= dueMs) return;
    planned?.cancel.abort();
    const cancel = new AbortController();
    this.#later.set(key, { dueMs, cancel });
    this.#clock.sleep(delayMs, cancel.signal).then(
      () => this.add(key),
      () => undefined, // Added, or planned anew, meanwhile.
    );
  }

  /** Adds the key after a wait that doubles with each retry since the last `forgetRetries`, with half of it jitter. */
  retry(key: string): void {
    const retries = this.#retries.get(key) ?? 0;
    this.#retries.set(key, retries + 1);
    const waitMs = Math.min(this.#retryMaxMs, this.#retryMinMs * 2 ** Math.min(retries, 30));
    this.addAfter(key, (waitMs / 2) * (1 + this.#random()));
  }

  forgetRetries(key: string): void {
    this.#retries.delete(key);
  }

  /** The next key, which is now in the caller's hands until `done`. Throws the signal's reason when it aborts. */
  async take(signal: AbortSignal): Promise<string> {
    while (true) {
      signal.throwIfAborted();
      for (const key of this.#due) {
        this.#due.delete(key);
        this.#inHand.add(key);
        return key;
      }
      await this.#changed(signal);
    }
  }

  done(key: string): void {
    this.#inHand.delete(key);
    if (this.#againAfterHand.delete(key)) this.add(key);
  }

  /** Drops what was planned for later. */
  close(): void {
    for (const planned of this.#later.values()) planned.cancel.abort();
    this.#later.clear();
  }

  async #changed(signal: AbortSignal): Promise<void> {
    let wake: () => void = () => undefined;
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    this.#waiting.add(wake);
    signal.addEventListener("abort", wake);
    await woken;
    this.#waiting.delete(wake);
    signal.removeEventListener("abort", wake);
  }
}
