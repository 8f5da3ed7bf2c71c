/**
 * A blob store that fails at a chosen operation, for crash simulations: fail operation 0, then 1, then 2 …, until a run
 * completes untouched (`fired` is false), and after each one check what `inner` holds.
 *
 *     for (let failAt = 0; ; failAt++) {
 *       const disk = new MemoryBlobStore();
 *       const store = new FaultyBlobStore(disk, failAt);
 *       await backUp(tree, store).catch(() => {}); // Failing is the point; the promise below is the test.
 *       if (!store.fired) break;
 *       await everyVisibleSnapshotRestores(disk);
 *     }
 */

import type { BlobId, BlobMetadata, BlobStore, ByteRange, PutOptions } from "../../src/repository/blob/blob-store.ts";
import { BlobError } from "../../src/repository/blob/blob-store.ts";

/**
 * What happens at operation `failAt`:
 * - "killed": it is not done, and nothing is from then on: the process has ended.
 * - "killed after": it is done, and nothing from then on.
 * - "refused": it is not done and fails; the next ones work.
 * - "answer lost": it is done and fails all the same; the next ones work.
 */
export type Fault = "killed" | "killed after" | "refused" | "answer lost";

export const faults: readonly Fault[] = ["killed", "killed after", "refused", "answer lost"];

export class FaultyBlobStore implements BlobStore {
  readonly displayName: string;
  readonly #inner: BlobStore;
  readonly #failAt: number;
  readonly #fault: Fault;
  #started = 0;

  constructor(inner: BlobStore, failAt: number, fault: Fault = "killed") {
    this.#inner = inner;
    this.#failAt = failAt;
    this.#fault = fault;
    this.displayName = `faulty ${inner.displayName}`;
  }

  /** Operations that were asked for so far, also those that failed. A listing is one, from when its reader starts. */
  get operationCount(): number {
    return this.#started;
  }

  /** Whether an operation was made to fail. */
  get fired(): boolean {
    return this.#started > this.#failAt;
  }

  get(id: BlobId, options: { signal: AbortSignal; range?: ByteRange }): Promise<Uint8Array> {
    return this.#run(() => this.#inner.get(id, options));
  }

  put(id: BlobId, parts: readonly Uint8Array[], options: PutOptions): Promise<void> {
    return this.#run(() => this.#inner.put(id, parts, options));
  }

  delete(id: BlobId, options: { signal: AbortSignal }): Promise<void> {
    return this.#run(() => this.#inner.delete(id, options));
  }

  async *list(prefix: string, options: { signal: AbortSignal }): AsyncIterable<BlobMetadata> {
    const number = this.#started++;
    if (this.#failsBefore(number)) throw failure(number);
    yield* this.#inner.list(prefix, options);
    if (this.#failsAfter(number)) throw failure(number);
  }

  metadata(id: BlobId, options: { signal: AbortSignal }): Promise<BlobMetadata | undefined> {
    return this.#run(() => this.#inner.metadata(id, options));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }

  async #run<Result>(operation: () => Promise<Result>): Promise<Result> {
    const number = this.#started++;
    if (this.#failsBefore(number)) throw failure(number);
    const result = await operation();
    if (this.#failsAfter(number)) throw failure(number);
    return result;
  }

  #failsBefore(number: number): boolean {
    if (number === this.#failAt) return this.#fault === "killed" || this.#fault === "refused";
    return number > this.#failAt && this.#fault.startsWith("killed");
  }

  #failsAfter(number: number): boolean {
    return number === this.#failAt && (this.#fault === "killed after" || this.#fault === "answer lost");
  }
}

function failure(number: number): BlobError {
  return new BlobError("BLOB_STORE_UNAVAILABLE", `operation ${number} was made to fail`);
}
