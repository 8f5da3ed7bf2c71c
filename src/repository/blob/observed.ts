/** Tells a sink about every operation of a store, for metrics, progress and finding out what is slow. */

import { totalLength } from "../../base/bytes.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { isAbort } from "../../base/errors.ts";
import { type BlobKind, blobKindOf } from "./blob-kind.ts";
import {
  BlobError,
  type BlobErrorCode,
  type BlobId,
  type BlobMetadata,
  type BlobStore,
  type GetOptions,
  type PutOptions,
} from "./blob-store.ts";

export type BlobOperationName = "get" | "put" | "delete" | "list" | "metadata";

/** One operation that has ended. */
export interface BlobOperation {
  readonly name: BlobOperationName;
  readonly kind: BlobKind;
  /** What `get` gave and `put` was given; 0 for the others, and for what failed. */
  readonly bytes: number;
  /** Time spent in the store. What the reader of a listing does between two blobs does not count. */
  readonly durationMs: number;
  /** "failed" is a bug: a store throws BlobErrors and aborts. A listing that its reader left early is "ok". */
  readonly outcome: "ok" | "aborted" | "failed" | BlobErrorCode;
}

/** Must not throw, and must not wait. */
export type BlobOperationSink = (operation: BlobOperation) => void;

export interface OperationTotals {
  readonly count: number;
  /** Of those, how many were not "ok". */
  readonly failedCount: number;
  readonly bytes: number;
  readonly durationMs: number;
}

/** A sink that adds up. */
export class BlobCounters {
  readonly #totals = new Map<BlobOperationName, OperationTotals>();

  readonly record: BlobOperationSink = (operation) => {
    const before = this.of(operation.name);
    this.#totals.set(operation.name, {
      count: before.count + 1,
      failedCount: before.failedCount + (operation.outcome === "ok" ? 0 : 1),
      bytes: before.bytes + operation.bytes,
      durationMs: before.durationMs + operation.durationMs,
    });
  };

  of(name: BlobOperationName): OperationTotals {
    return this.#totals.get(name) ?? { count: 0, failedCount: 0, bytes: 0, durationMs: 0 };
  }
}

export class ObservedBlobStore implements BlobStore {
  readonly displayName: string;
  readonly #inner: BlobStore;
  readonly #sink: BlobOperationSink;
  readonly #clock: Clock;

  constructor(inner: BlobStore, sink: BlobOperationSink, clock: Clock = systemClock) {
    this.#inner = inner;
    this.#sink = sink;
    this.#clock = clock;
    this.displayName = inner.displayName;
  }

  get(id: BlobId, options: GetOptions): Promise<Uint8Array> {
    return this.#observe(
      "get",
      id,
      options.signal,
      (bytes) => bytes.byteLength,
      () => this.#inner.get(id, options),
    );
  }

  put(id: BlobId, parts: readonly Uint8Array[], options: PutOptions): Promise<void> {
    return this.#observe(
      "put",
      id,
      options.signal,
      () => totalLength(parts),
      () => this.#inner.put(id, parts, options),
    );
  }

  delete(id: BlobId, options: { signal: AbortSignal }): Promise<void> {
    return this.#observe(
      "delete",
      id,
      options.signal,
      () => 0,
      () => this.#inner.delete(id, options),
    );
  }

  async *list(prefix: string, options: { signal: AbortSignal }): AsyncIterable<BlobMetadata> {
    let spentNs = 0n;
    let outcome: BlobOperation["outcome"] = "ok";
    let resumedNs: bigint | undefined = this.#clock.nowNs();
    try {
      for await (const metadata of this.#inner.list(prefix, options)) {
        spentNs += this.#clock.nowNs() - resumedNs;
        resumedNs = undefined;
        yield metadata;
        resumedNs = this.#clock.nowNs();
      }
    } catch (error) {
      outcome = outcomeOf(error, options.signal);
      throw error;
    } finally {
      if (resumedNs !== undefined) spentNs += this.#clock.nowNs() - resumedNs;
      this.#sink({ name: "list", kind: blobKindOf(prefix), bytes: 0, durationMs: toMs(spentNs), outcome });
    }
  }

  metadata(id: BlobId, options: { signal: AbortSignal }): Promise<BlobMetadata | undefined> {
    return this.#observe(
      "metadata",
      id,
      options.signal,
      () => 0,
      () => this.#inner.metadata(id, options),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }

  async #observe<Result>(
    name: BlobOperationName,
    id: BlobId,
    signal: AbortSignal,
    bytesOf: (result: Result) => number,
    operation: () => Promise<Result>,
  ): Promise<Result> {
    const startedNs = this.#clock.nowNs();
    const tell = (bytes: number, outcome: BlobOperation["outcome"]): void => {
      this.#sink({ name, kind: blobKindOf(id), bytes, durationMs: toMs(this.#clock.nowNs() - startedNs), outcome });
    };
    let result: Result;
    try {
      result = await operation();
    } catch (error) {
      tell(0, outcomeOf(error, signal));
      throw error;
    }
    tell(bytesOf(result), "ok");
    return result;
  }
}

function outcomeOf(error: unknown, signal: AbortSignal): BlobOperation["outcome"] {
  if (error instanceof BlobError) return error.code;
  return isAbort(error) || (signal.aborted && error === signal.reason) ? "aborted" : "failed";
}

function toMs(ns: bigint): number {
  return Number(ns) / 1e6;
}
