/**
 * Tries again what the world may grant the next time: BLOB_STORE_UNAVAILABLE, and nothing else.
 *
 * Every operation may safely be done twice: `put` replaces, `delete` of a missing blob succeeds. A listing starts anew
 * only until its first blob was given; to do so later without giving blobs twice, it would have to remember a
 * repository's every name. This is the only place below the work queue that retries, so stores must not.
 *
 * Source of the numbers: docs/format/blobs.md; kopia internal/retry/retry.go and repo/blob/retrying.
 */

import { type Clock, systemClock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { type RandomSource, systemRandom } from "../../base/random.ts";
import {
  BlobError,
  type BlobId,
  type BlobMetadata,
  type BlobStore,
  type GetOptions,
  type PutOptions,
} from "./blob-store.ts";

/**
 * Two more than kopia for S3: its ten are over after half a minute where the delays happen to be short, which is less than
 * a server takes that is started anew. A folder gets as many: what a local disk refuses, a network mount may take later.
 */
export const attemptsMax = 12;
export const firstDelayMs = 100;
/** 0.1 + 0.2 + … + 25.6 + 30 + 30 s: between 55 and 111 s of waiting. */
export const delayGrowth = 2;
export const delayMsMax = 30_000;

/** Milliseconds to wait after this many failed attempts (from 1): half of the full delay to all of it, by `random`. */
export function delayAfter(failedAttempts: number, random: RandomSource): number {
  const full = Math.min(firstDelayMs * delayGrowth ** (failedAttempts - 1), delayMsMax);
  return Math.round(full * (0.5 + (random(1)[0] ?? 0) / 512));
}

export interface Retrying {
  readonly log: Log;
  readonly clock?: Clock;
  readonly random?: RandomSource;
}

export class RetryingBlobStore implements BlobStore {
  readonly displayName: string;
  readonly #inner: BlobStore;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #random: RandomSource;

  constructor(inner: BlobStore, { log, clock = systemClock, random = systemRandom }: Retrying) {
    this.#inner = inner;
    this.#log = log;
    this.#clock = clock;
    this.#random = random;
    this.displayName = inner.displayName;
  }

  get(id: BlobId, options: GetOptions): Promise<Uint8Array> {
    return this.#retry(`read blob ${id}`, options.signal, () => this.#inner.get(id, options));
  }

  put(id: BlobId, parts: readonly Uint8Array[], options: PutOptions): Promise<void> {
    return this.#retry(`write blob ${id}`, options.signal, () => this.#inner.put(id, parts, options));
  }

  delete(id: BlobId, options: { signal: AbortSignal }): Promise<void> {
    return this.#retry(`delete blob ${id}`, options.signal, () => this.#inner.delete(id, options));
  }

  async *list(prefix: string, options: { signal: AbortSignal }): AsyncIterable<BlobMetadata> {
    let given = false;
    for (let attempt = 1; ; attempt++) {
      try {
        for await (const metadata of this.#inner.list(prefix, options)) {
          given = true;
          yield metadata;
        }
        return;
      } catch (error) {
        if (given) throw error;
        await this.#waitAfter(error, attempt, `list blobs ${prefix}*`, options.signal);
      }
    }
  }

  metadata(id: BlobId, options: { signal: AbortSignal }): Promise<BlobMetadata | undefined> {
    return this.#retry(`look up blob ${id}`, options.signal, () => this.#inner.metadata(id, options));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }

  async #retry<Result>(doing: string, signal: AbortSignal, operation: () => Promise<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await operation();
      } catch (error) {
        await this.#waitAfter(error, attempt, doing, signal);
      }
    }
  }

  /** Returns when it is time for the next attempt; throws when there is to be none. */
  async #waitAfter(error: unknown, attempt: number, doing: string, signal: AbortSignal): Promise<void> {
    if (!(error instanceof BlobError) || error.code !== "BLOB_STORE_UNAVAILABLE") throw error;
    if (attempt >= attemptsMax) throw gaveUp(doing, error);
    const delayMs = delayAfter(attempt, this.#random);
    this.#log.warn("Found the blob store unavailable", { doing, attempt, retryInMs: delayMs, because: error.message });
    await this.#clock.sleep(delayMs, signal);
  }
}

function gaveUp(doing: string, cause: BlobError): BlobError {
  return new BlobError("BLOB_STORE_UNAVAILABLE", `could not ${doing} in ${attemptsMax} attempts`, {
    cause,
    detail: { ...cause.detail, attempts: attemptsMax },
  });
}
