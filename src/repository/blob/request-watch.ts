/**
 * Ends a request that no longer makes progress: on which no byte moves for a while, or which takes longer than its
 * length explains. A connection whose other end is gone without a word would otherwise be waited on for good.
 */

import { BlobError } from "./blob-store.ts";

export interface RequestLimits {
  /** Without a byte in either direction. A server that commits what it was sent is given this long, too. */
  readonly stallMs: number;
  /** For the request as a whole, and in addition what its bytes take at the lowest speed that counts as progress. */
  readonly requestMs: number;
  readonly bytesPerSecondMin: number;
}

/** A pack of 20 MiB gets 10 minutes and 5 more; on one that stalls the waiting is over after one. */
export const requestLimits: RequestLimits = { stallMs: 60_000, requestMs: 600_000, bytesPerSecondMin: 64 * 1024 };

export class RequestWatch implements Disposable {
  /** Aborts with the caller's reason, or with BLOB_STORE_UNAVAILABLE. */
  readonly signal: AbortSignal;
  readonly #own = new AbortController();
  readonly #limits: RequestLimits;
  readonly #startedMs = performance.now();
  #stall: NodeJS.Timeout;
  #deadline: NodeJS.Timeout;
  #expectedBytes = 0;
  #untimedMs = 0;
  #isDisposed = false;

  constructor(caller: AbortSignal, limits: RequestLimits) {
    this.signal = AbortSignal.any([caller, this.#own.signal]);
    this.#limits = limits;
    this.#stall = this.#newStall();
    this.#deadline = this.#deadlineFor(0);
  }

  /** So many bytes are to come or go: the deadline moves accordingly. */
  expect(byteCount: number): void {
    clearTimeout(this.#deadline);
    this.#expectedBytes = byteCount;
    this.#deadline = this.#deadlineFor(byteCount);
  }

  /** To be called whenever bytes have moved. */
  progressed(): void {
    this.#stall.refresh();
  }

  /** Time that passes meanwhile is the caller's own and does not count. */
  async untimed(wait: Promise<void>): Promise<void> {
    const startedMs = performance.now();
    clearTimeout(this.#stall);
    clearTimeout(this.#deadline);
    await wait;
    this.#untimedMs += performance.now() - startedMs;
    if (this.#isDisposed) return;
    this.#stall = this.#newStall();
    this.#deadline = this.#deadlineFor(this.#expectedBytes);
  }

  /** What `work` gives, or the signal's reason as soon as it aborts. For work that cannot be told to stop. */
  async orAborted<Result>(work: Promise<Result>): Promise<Result> {
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => reject(this.signal.reason);
    if (this.signal.aborted) onAbort();
    this.signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([work, aborted]);
    } finally {
      this.signal.removeEventListener("abort", onAbort);
    }
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    clearTimeout(this.#stall);
    clearTimeout(this.#deadline);
  }

  #newStall(): NodeJS.Timeout {
    const { stallMs } = this.#limits;
    return setTimeout(() => this.#give(`no byte came or went for ${stallMs / 1000} seconds`), stallMs);
  }

  #deadlineFor(byteCount: number): NodeJS.Timeout {
    const { requestMs, bytesPerSecondMin } = this.#limits;
    const allowedMs = Math.ceil(requestMs + (byteCount / bytesPerSecondMin) * 1000);
    const leftMs = Math.max(0, allowedMs - (performance.now() - this.#startedMs - this.#untimedMs));
    return setTimeout(() => this.#give(`the request took more than ${allowedMs / 1000} seconds`), leftMs);
  }

  #give(message: string): void {
    this.#own.abort(new BlobError("BLOB_STORE_UNAVAILABLE", message));
  }
}
