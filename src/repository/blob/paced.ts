/**
 * Bounds how many bytes a second go to a store and come from it. The pace goes along with each operation: the store asks it
 * before each piece, so that bytes move smoothly, and a connection holds no more than it must.
 */

import type { Pace } from "../../base/pace.ts";
import type { BlobId, BlobMetadata, BlobStore, GetOptions, PutOptions } from "./blob-store.ts";

export interface Paces {
  /** Undefined: as fast as may be. */
  readonly upload: Pace | undefined;
  readonly download: Pace | undefined;
}

export class PacedBlobStore implements BlobStore {
  readonly displayName: string;
  readonly #inner: BlobStore;
  readonly #paces: Paces;

  constructor(inner: BlobStore, paces: Paces) {
    this.#inner = inner;
    this.#paces = paces;
    this.displayName = inner.displayName;
  }

  get(id: BlobId, options: GetOptions): Promise<Uint8Array> {
    const { download: pace } = this.#paces;
    return this.#inner.get(id, { ...options, ...(pace && { pace }) });
  }

  put(id: BlobId, parts: readonly Uint8Array[], options: PutOptions): Promise<void> {
    const { upload: pace } = this.#paces;
    return this.#inner.put(id, parts, { ...options, ...(pace && { pace }) });
  }

  delete(id: BlobId, options: { signal: AbortSignal }): Promise<void> {
    return this.#inner.delete(id, options);
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
}
