/**
 * Writing an index blob, so that it lands in an epoch no one compacts yet: the state must be young when writing begins
 * and still valid when it ends, and the epoch must not have advanced twice meanwhile.
 *
 * Source: docs/format/epochs.md; kopia internal/epoch/epoch_manager.go WriteIndex.
 */

import { type Clock, isOlder } from "../../base/clock.ts";
import type { ContentTable } from "../../kernel/content-table.ts";
import { encodeIndex } from "../../kernel/index-codec.ts";
import type { BlobId, BlobStore } from "../blob/blob-store.ts";
import type { EpochParameters } from "../format/repository-format.ts";
import type { CommittedIndex } from "./committed-index.ts";
import type { EncryptedBlobs } from "./encrypted-blob.ts";
import { uncompactedPrefix } from "./epochs.ts";
import { IndexError } from "./index-error.ts";
import { legacyIndexPrefix } from "./legacy-index-blobs.ts";

/** Writing begins only with this part of the state's life left. */
const leftAtStart = 0.75;
const attemptsMax = 5;
const finishTimeoutMs = 5 * 60_000;

export interface IndexWriterOptions {
  readonly store: BlobStore;
  readonly blobs: EncryptedBlobs;
  readonly index: CommittedIndex;
  readonly epochs: EpochParameters;
  readonly indexVersion: 1 | 2;
  readonly clock: Clock;
}

/**
 * Makes the entries durable and visible, here too. `table` is not empty; `session` names the writer.
 * Errors: BlobError, INDEX_WRITE_EXPIRED: nothing is visible then, and it may be tried again.
 */
export async function writeIndex(
  table: ContentTable,
  session: string,
  options: IndexWriterOptions,
  signal: AbortSignal,
): Promise<void> {
  const { blobs, index, epochs, indexVersion } = options;
  const body = encodeIndex(table, indexVersion);
  if (!epochs.enabled) {
    const { id, sealed } = blobs.seal(legacyIndexPrefix, session, body);
    await options.store.put(id, [sealed], { signal });
    await index.add(id, table);
    return;
  }
  const written = new Set<BlobId>();
  try {
    const sealFor = (epoch: number): SealedBlob => blobs.seal(uncompactedPrefix(epoch), `${session}-c1`, body);
    await index.add(await putIntoEpoch(sealFor, written, options, signal), table);
  } finally {
    for (const id of written) index.release(id);
  }
}

interface SealedBlob {
  readonly id: BlobId;
  readonly sealed: Uint8Array;
}

/**
 * Gives the blob that counts; `written` gets every blob that was begun, withheld from this process's own readers. A blob
 * of an epoch that has passed goes only when the next one is there: others may have read it and rely on what it says.
 */
async function putIntoEpoch(
  sealFor: (epoch: number) => SealedBlob,
  written: Set<BlobId>,
  { store, index, epochs, clock }: IndexWriterOptions,
  signal: AbortSignal,
): Promise<BlobId> {
  const lifeMs = epochs.refreshFrequencyMs;
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    if (isOlder(index.listedMs, (1 - leftAtStart) * lifeMs, clock)) await index.refresh(signal);
    const epoch = index.writeEpoch;
    const listedMs = index.listedMs;
    const { id, sealed } = sealFor(epoch);
    written.add(id);
    index.withhold(id);
    await store.put(id, [sealed], { signal });
    const isLate = isOlder(listedMs, lifeMs, clock);
    // Others can see it from now on, so an abort comes too late: what is left to find out is whether it counts.
    const finishing = AbortSignal.timeout(finishTimeoutMs);
    for (const other of written) if (other !== id) await store.delete(other, { signal: finishing });
    await index.refresh(finishing);
    if (!isLate && index.writeEpoch < epoch + 2) return id;
  }
  for (const id of written) await store.delete(id, { signal });
  throw new IndexError("INDEX_WRITE_EXPIRED", "writing an index blob took longer than its epoch allows", {
    hint: "the object store is very slow, or this machine was suspended; the data is stored, run the backup again",
  });
}
