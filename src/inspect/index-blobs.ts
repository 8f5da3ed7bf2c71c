/**
 * The index blobs of a store: of which epoch each is, whether it counts, and how much it says; and how near the next epoch is.
 *
 * Source: docs/format/epochs.md.
 */

import { explainWithoutHint } from "../base/errors.ts";
import type { BlobMetadata } from "../repository/blob/blob-store.ts";
import { isDamage } from "../repository/damage.ts";
import type { EpochParameters } from "../repository/format/repository-format.ts";
import { epochBlobPrefix, epochOf, epochStateOf } from "../repository/index/epochs.ts";
import { activeLegacyBlobs, legacyIndexPrefix } from "../repository/index/legacy-index-blobs.ts";
import type { Repository } from "../repository/repository.ts";
import { sessionOfBlob } from "./stored-blobs.ts";

export interface IndexBlob extends BlobMetadata {
  readonly kind: "new" | "compacted" | "range";
  /** The first that it is about, and the last; undefined without epochs. */
  readonly epoch: number | undefined;
  readonly lastEpoch: number | undefined;
  /** Not superseded by others. */
  readonly counts: boolean;
  readonly session: string;
}

export interface EpochState {
  readonly epoch: number;
  readonly blobs: number;
  readonly bytes: number;
  readonly isCurrent: boolean;
  /** Undefined where it has no blob. */
  readonly firstMs: number | undefined;
  readonly lastMs: number | undefined;
}

/** By epoch, then by age. Errors: BlobError, INDEX_BLOB_DAMAGED of a log without epochs. */
export async function indexBlobs(repository: Repository, signal: AbortSignal): Promise<readonly IndexBlob[]> {
  const { store, format } = repository;
  const prefix = format.epochs.enabled ? epochBlobPrefix : legacyIndexPrefix;
  const listing: BlobMetadata[] = [];
  for await (const blob of store.list(prefix, { signal })) listing.push(blob);
  const active = format.epochs.enabled
    ? epochStateOf(listing).active
    : await activeLegacyBlobs(store, repository.sealedBlobs, signal);
  const counting = new Set(active);
  const found = listing.flatMap((blob): IndexBlob[] => {
    const { id } = blob;
    const kind = kindOf(id);
    if (kind === undefined) return [];
    const [, last] = /^xr\d+_(\d+)_/.exec(id) ?? [];
    const epoch = format.epochs.enabled ? epochOf(id) : undefined;
    const lastEpoch = last === undefined ? epoch : Number(last);
    return [{ ...blob, kind, epoch, lastEpoch, counts: counting.has(id), session: sessionOfBlob(id) }];
  });
  return found.sort((a, b) => (a.epoch ?? 0) - (b.epoch ?? 0) || a.modifiedMs - b.modifiedMs || (a.id < b.id ? -1 : 1));
}

/** How many entries it has; `problem` where it does not open. Errors: BlobError. */
export async function countEntries(
  { store, sealedBlobs }: Repository,
  { id }: IndexBlob,
  signal: AbortSignal,
): Promise<{ readonly entries: number; readonly problem: string }> {
  try {
    const { count } = await sealedBlobs.openIndex(id, await store.get(id, { signal }));
    return { entries: count, problem: "" };
  } catch (error) {
    if (!isDamage(error)) throw error;
    return { entries: 0, problem: explainWithoutHint(error) };
  }
}

/** From the first epoch that a blob is of up to the one that is written into. A range counts for its first. */
export function epochsOf(blobs: readonly IndexBlob[], writeEpoch: number): readonly EpochState[] {
  const byEpoch = Map.groupBy(
    blobs.filter(({ epoch }) => epoch !== undefined),
    ({ epoch }) => epoch as number,
  );
  const numbers = new Set([...byEpoch.keys(), writeEpoch]);
  return [...numbers]
    .sort((a, b) => a - b)
    .map((epoch) => {
      const own = byEpoch.get(epoch) ?? [];
      const times = own.map(({ modifiedMs }) => modifiedMs).sort((a, b) => a - b);
      const bytes = own.reduce((sum, { length }) => sum + length, 0);
      const isCurrent = epoch === writeEpoch;
      return { epoch, blobs: own.length, bytes, isCurrent, firstMs: times[0], lastMs: times.at(-1) };
    });
}

function kindOf(id: string): IndexBlob["kind"] | undefined {
  if (id.startsWith("xn")) return "new";
  if (id.startsWith("xs")) return "compacted";
  if (id.startsWith("xr")) return "range";
  return id.startsWith(legacyIndexPrefix) ? "new" : undefined;
}

/** What is still missing until maintenance begins another epoch: a time, and blobs or bytes. All 0 where it is due. */
export interface NextEpoch {
  readonly isDue: boolean;
  readonly blobsMissing: number;
  readonly bytesMissing: number;
  readonly spanMissingMs: number;
}

/** Pure. Source: kopia internal/epoch/epoch_advance.go. */
export function nextEpoch(
  { blobs, bytes, firstMs = 0, lastMs = 0 }: EpochState,
  advance: NonNullable<EpochParameters["advance"]>,
): NextEpoch {
  const blobsMissing = Math.max(0, advance.blobCount - blobs);
  const bytesMissing = Math.max(0, advance.bytes - bytes);
  const spanMissingMs = Math.max(0, advance.minDurationMs - (lastMs - firstMs));
  const isDue = blobs > 0 && spanMissingMs === 0 && (blobsMissing === 0 || bytesMissing === 0);
  return { isDue, blobsMissing, bytesMissing, spanMissingMs };
}
