/** A store that refuses to be changed: what `put` and `delete` would do is BLOB_STORE_DENIED. */

import { BlobError, type BlobId, type BlobMetadata, type BlobStore, type ByteRange } from "./blob-store.ts";

export class ReadOnlyBlobStore implements BlobStore {
  readonly displayName: string;
  readonly #inner: BlobStore;

  constructor(inner: BlobStore) {
    this.#inner = inner;
    this.displayName = inner.displayName;
  }

  get(id: BlobId, options: { signal: AbortSignal; range?: ByteRange }): Promise<Uint8Array> {
    return this.#inner.get(id, options);
  }

  async put(id: BlobId, _parts: readonly Uint8Array[], { signal }: { signal: AbortSignal }): Promise<void> {
    signal.throwIfAborted();
    throw this.#refusal(`write blob ${id}`, id);
  }

  async delete(id: BlobId, { signal }: { signal: AbortSignal }): Promise<void> {
    signal.throwIfAborted();
    throw this.#refusal(`delete blob ${id}`, id);
  }

  list(prefix: string, options: { signal: AbortSignal }): AsyncIterable<BlobMetadata> {
    return this.#inner.list(prefix, options);
  }

  metadata(id: BlobId, options: { signal: AbortSignal }): Promise<BlobMetadata | undefined> {
    return this.#inner.metadata(id, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }

  #refusal(doing: string, id: BlobId): BlobError {
    return new BlobError("BLOB_STORE_DENIED", `could not ${doing}: ${this.displayName} was opened for reading only`, {
      detail: { blob: id },
      hint: "open the repository for writing",
    });
  }
}
