/** The blobs of a repository's store, each with what its name tells. */

import { type BlobKind, blobKindOf } from "../repository/blob/blob-kind.ts";
import type { BlobId, BlobMetadata } from "../repository/blob/blob-store.ts";
import type { Repository } from "../repository/repository.ts";

export interface StoredBlob extends BlobMetadata {
  readonly kind: BlobKind;
  /** In which it was written, where its name has one. */
  readonly session: string;
}

/** Of blobs, by what they are. */
export interface BlobTotals {
  readonly count: number;
  readonly bytes: number;
  readonly kinds: Readonly<Record<string, { readonly count: number; readonly bytes: number }>>;
}

/** In the order of the store. Errors: BlobError. */
export async function* storedBlobs(
  { store }: Pick<Repository, "store">,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<StoredBlob, void, undefined> {
  for await (const blob of store.list(prefix, { signal })) {
    yield { ...blob, kind: blobKindOf(blob.id), session: sessionOfBlob(blob.id) };
  }
}

export async function countBlobs(blobs: AsyncIterable<StoredBlob>): Promise<BlobTotals> {
  const kinds: Record<string, { count: number; bytes: number }> = {};
  let count = 0;
  let bytes = 0;
  for await (const { kind, length } of blobs) {
    kinds[kind] ??= { count: 0, bytes: 0 };
    const ofKind = kinds[kind];
    ofKind.count++;
    ofKind.bytes += length;
    count++;
    bytes += length;
  }
  return { count, bytes, kinds };
}

/** Empty for none. Source: docs/format/sessions.md. */
export function sessionOfBlob(id: BlobId | string): string {
  return /-(s[0-9a-f]{17,})(?:-c\d+)?$/.exec(id)?.[1] ?? "";
}
