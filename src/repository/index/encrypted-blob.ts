/**
 * Index, session and log blobs: sealed under an iv that is written in their own name, the 32 hex digits before the
 * first dash (or before the end).
 *
 * Source: docs/format/encryption.md; kopia repo/content/encrypted_blob_mgr.go.
 */

import { fromHex, toHex } from "../../base/bytes.ts";
import type { RandomSource } from "../../base/random.ts";
import type { ContentTable } from "../../kernel/content-table.ts";
import type { Kernel, KernelFormat } from "../../kernel/kernel.ts";
import { type BlobId, type BlobStore, parseBlobId } from "../blob/blob-store.ts";
import { IndexError } from "./index-error.ts";

const ivDigits = 32;

/** Seals and opens blobs of one repository. */
export class EncryptedBlobs {
  readonly #store: BlobStore;
  readonly #kernel: Kernel;
  readonly #format: KernelFormat;
  readonly #random: RandomSource;

  constructor(store: BlobStore, kernel: Kernel, format: KernelFormat, random: RandomSource) {
    this.#store = store;
    this.#kernel = kernel;
    this.#format = format;
    this.#random = random;
  }

  /** The blob's id and sealed bytes; `suffix` stands behind a dash where it is not empty. */
  seal(prefix: string, suffix: string, plain: Uint8Array): { readonly id: BlobId; readonly sealed: Uint8Array } {
    const hash = toHex(this.#kernel.hash(this.#format, plain));
    const id = parseBlobId(suffix === "" ? `${prefix}${hash}` : `${prefix}${hash}-${suffix}`);
    return { id, sealed: this.#kernel.seal(this.#format, plain, ivOf(id), this.#random) };
  }

  /** Errors: BlobError, INDEX_BLOB_DAMAGED naming the blob. */
  async read(id: BlobId, signal: AbortSignal): Promise<Uint8Array> {
    const sealed = await this.#store.get(id, { signal });
    try {
      return this.#kernel.open(this.#format, sealed, ivOf(id));
    } catch (cause) {
      throw damaged(id, cause);
    }
  }

  /** The table of an index blob that was fetched. Errors: INDEX_BLOB_DAMAGED naming the blob. */
  async openIndex(id: BlobId, sealed: Uint8Array): Promise<ContentTable> {
    try {
      return await this.#kernel.openIndex(this.#format, sealed, ivOf(id));
    } catch (cause) {
      throw damaged(id, cause);
    }
  }
}

function damaged(id: BlobId, cause: unknown): IndexError {
  return new IndexError("INDEX_BLOB_DAMAGED", `blob ${id} is damaged`, {
    cause,
    detail: { blob: id },
    hint: "restore the blob from a copy of the store, or let kopia rebuild indexes (`kopia index recover`)",
  });
}

function ivOf(id: BlobId): Uint8Array {
  const dash = id.indexOf("-");
  const iv = fromHex(id.slice(0, dash < 0 ? id.length : dash).slice(-ivDigits));
  if (iv?.byteLength !== ivDigits / 2) throw new IndexError("INDEX_BLOB_DAMAGED", `blob ${id} has no hash in its name`);
  return iv;
}
