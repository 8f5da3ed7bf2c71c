/** Blobs in a map: for tests, and the model that other stores are held to. */

import { totalLength } from "../../base/bytes.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import {
  BlobError,
  type BlobId,
  type BlobMetadata,
  type BlobStore,
  type ByteRange,
  blobExists,
  type PutOptions,
  rangeWithin,
} from "./blob-store.ts";

export class MemoryBlobStore implements BlobStore {
  readonly displayName = "memory";
  readonly #blobs = new Map<BlobId, { readonly bytes: Uint8Array; readonly modifiedMs: number }>();
  readonly #clock: Clock;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  async get(id: BlobId, { signal, range }: { signal: AbortSignal; range?: ByteRange }): Promise<Uint8Array> {
    signal.throwIfAborted();
    const blob = this.#blobs.get(id);
    if (blob === undefined) throw new BlobError("BLOB_NOT_FOUND", `there is no blob ${id}`, { detail: { blob: id } });
    const { offset, length } = rangeWithin(id, blob.bytes.byteLength, range);
    return blob.bytes.slice(offset, offset + length);
  }

  async put(id: BlobId, parts: readonly Uint8Array[], { signal, existing }: PutOptions): Promise<void> {
    signal.throwIfAborted();
    if (existing === "keep" && this.#blobs.has(id)) throw blobExists(id);
    const bytes = new Uint8Array(totalLength(parts));
    let offset = 0;
    for (const part of parts) {
      bytes.set(part, offset);
      offset += part.byteLength;
    }
    this.#blobs.set(id, { bytes, modifiedMs: this.#clock.nowMs() });
  }

  async delete(id: BlobId, { signal }: { signal: AbortSignal }): Promise<void> {
    signal.throwIfAborted();
    this.#blobs.delete(id);
  }

  async *list(prefix: string, { signal }: { signal: AbortSignal }): AsyncIterable<BlobMetadata> {
    signal.throwIfAborted();
    for (const id of [...this.#blobs.keys()]) {
      if (!id.startsWith(prefix)) continue;
      const metadata = await this.metadata(id, { signal });
      if (metadata !== undefined) yield metadata;
    }
  }

  async metadata(id: BlobId, { signal }: { signal: AbortSignal }): Promise<BlobMetadata | undefined> {
    signal.throwIfAborted();
    const blob = this.#blobs.get(id);
    return blob === undefined ? undefined : { id, length: blob.bytes.byteLength, modifiedMs: blob.modifiedMs };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
