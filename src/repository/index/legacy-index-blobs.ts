/**
 * Which index blobs count in a repository without epochs (format version 1): every `n` blob but those that a
 * compaction log (`m` blob) tells to be replaced by blobs that are all there.
 *
 * Source: docs/format/epochs.md; kopia repo/content/indexblob/index_blob_manager_v0.go.
 */

import { fromUtf8 } from "../../base/bytes.ts";
import { hasCode } from "../../base/errors.ts";
import { type BlobId, type BlobStore, parseBlobId } from "../blob/blob-store.ts";
import type { EncryptedBlobs } from "./encrypted-blob.ts";
import { IndexError } from "./index-error.ts";

export const legacyIndexPrefix = "n";
const compactionLogPrefix = "m";
const poisonPrefix = "n00000000000000000000000000000000-repository_unreadable";

export async function activeLegacyBlobs(
  store: Pick<BlobStore, "list">,
  blobs: Pick<EncryptedBlobs, "read">,
  signal: AbortSignal,
  onDamaged?: (id: BlobId, error: unknown) => void,
): Promise<readonly BlobId[]> {
  // Logs first: a log that is listed was written after its outputs, so those show in the later listing.
  const logs: CompactionLog[] = [];
  for await (const { id } of store.list(compactionLogPrefix, { signal })) {
    try {
      const log = await readLog(id, blobs, signal);
      if (log !== undefined) logs.push(log);
    } catch (error) {
      if (onDamaged === undefined || !(error instanceof IndexError)) throw error;
      onDamaged(id, error);
    }
  }
  const present = new Set<BlobId>();
  for await (const { id } of store.list(legacyIndexPrefix, { signal })) {
    if (!id.startsWith(poisonPrefix)) present.add(id);
  }
  return withoutSuperseded(present, logs);
}

export interface CompactionLog {
  readonly inputs: readonly BlobId[];
  readonly outputs: readonly BlobId[];
}

export function withoutSuperseded(present: ReadonlySet<BlobId>, logs: readonly CompactionLog[]): BlobId[] {
  const superseded = new Set<BlobId>();
  for (const { inputs, outputs } of logs) {
    if (outputs.every((id) => present.has(id))) for (const id of inputs) superseded.add(id);
  }
  return [...present].filter((id) => !superseded.has(id));
}

async function readLog(
  id: BlobId,
  blobs: Pick<EncryptedBlobs, "read">,
  signal: AbortSignal,
): Promise<CompactionLog | undefined> {
  let body: Uint8Array;
  try {
    body = await blobs.read(id, signal);
  } catch (error) {
    if (hasCode(error, "BLOB_NOT_FOUND")) return undefined; // Cleaned up between the listing and now.
    throw error;
  }
  try {
    const json = JSON.parse(fromUtf8(body)) as Record<string, readonly { id: string }[] | null | undefined>;
    const idsOf = (key: string): BlobId[] => (json[key] ?? []).map((item) => parseBlobId(item.id));
    return { inputs: idsOf("inputMetadata"), outputs: idsOf("outputMetadata") };
  } catch (cause) {
    throw new IndexError("INDEX_INVALID", `compaction log ${id} is not readable`, { cause, detail: { blob: id } });
  }
}
