/**
 * Which index blobs count in a repository with epochs. Pure: a listing of the `x` blobs goes in, the answer comes out.
 *
 * Index blobs are written into the current epoch (`xn<E>_…`). Maintenance advances the epoch (`xe<E>`), compacts one
 * that is settled into a single set (`xs<E>_…`), and many into a range checkpoint (`xr<E1>_<E2>_…`). A set of several
 * blobs counts once all of it is there. Superseded blobs stay for a while and do no harm: merging is idempotent.
 *
 * Source: docs/format/epochs.md; kopia internal/epoch.
 */

import type { BlobId, BlobMetadata } from "../blob/blob-store.ts";

export interface EpochState {
  readonly writeEpoch: number;
  /** Tombstones at or before it are gone; 0 where there is no watermark. */
  readonly watermarkSeconds: number;
  /** The index blobs that together hold every entry. */
  readonly active: readonly BlobId[];
}

export const epochBlobPrefix = "x";

export function uncompactedPrefix(epoch: number): string {
  return `xn${epoch}_`;
}

export function epochStateOf(listing: Iterable<BlobMetadata>): EpochState {
  const uncompacted = new Map<number, BlobId[]>();
  const singles = new Map<number, BlobId[]>();
  const ranges: BlobId[] = [];
  let writeEpoch = 0;
  let watermarkSeconds = 0;
  for (const { id } of listing) {
    const kind = id.slice(0, 2);
    if (kind === "xw") {
      if (/^xw\d+$/.test(id)) watermarkSeconds = Math.max(watermarkSeconds, Number(id.slice(2)));
      continue;
    }
    if (kind === "xr") {
      ranges.push(id);
      continue;
    }
    const epoch = epochOf(id);
    if (epoch === undefined) continue;
    if (kind === "xe") writeEpoch = Math.max(writeEpoch, epoch);
    else if (kind === "xn") listOf(uncompacted, epoch).push(id);
    else if (kind === "xs") listOf(singles, epoch).push(id);
  }

  const chain = longestChain(rangesOf(ranges));
  const start = (chain.at(-1)?.last ?? -1) + 1;
  const active = chain.flatMap((range) => range.blobs);
  // Those that have blobs, not all numbers: a marker in a bucket may name any epoch.
  for (const epoch of new Set([...singles.keys(), ...uncompacted.keys()])) {
    if (epoch < start || epoch > writeEpoch + 1) continue;
    const single = epoch <= writeEpoch - 2 ? firstCompleteSet(singles.get(epoch) ?? []) : undefined;
    active.push(...(single ?? uncompacted.get(epoch) ?? []));
  }
  return { writeEpoch, watermarkSeconds, active };
}

/** The number between the leading letters and the first underscore; undefined beyond 2^53, where none is exact. */
export function epochOf(id: string): number | undefined {
  const match = /^\D*(\d+)$/.exec(id.split("_", 1)[0] as string);
  const epoch = match === null ? Number.NaN : Number(match[1]);
  return Number.isSafeInteger(epoch) ? epoch : undefined;
}

/**
 * The first set in listing order of which every blob is there. `…-s<set>-c<count>` names a part of a set; any other
 * name is a set by itself.
 */
export function firstCompleteSet(ids: readonly BlobId[]): BlobId[] | undefined {
  const sets = new Map<string, BlobId[]>();
  for (const id of ids) {
    const [, set, count] = id.split("-");
    const size = /^c(\d+)$/.exec(count ?? "")?.[1];
    if (set === undefined || !set.startsWith("s") || size === undefined) return [id];
    const members = listOf(sets, set);
    members.push(id);
    if (members.length === Number(size)) return members;
  }
  return undefined;
}

interface EpochRange {
  readonly first: number;
  readonly last: number;
  readonly blobs: readonly BlobId[];
}

function rangesOf(ids: readonly BlobId[]): EpochRange[] {
  const byRange = new Map<string, BlobId[]>();
  for (const id of ids) {
    const match = /^xr(\d+)_(\d+)_/.exec(id);
    if (match !== null) listOf(byRange, `${Number(match[1])} ${Number(match[2])}`).push(id);
  }
  return [...byRange].flatMap(([key, members]) => {
    const [first, last] = key.split(" ").map(Number) as [number, number];
    const blobs = firstCompleteSet(members);
    return blobs === undefined || last < first ? [] : [{ first, last, blobs }];
  });
}

/** Ranges that follow each other from epoch 0 on: as far as possible, then as few as possible. */
function longestChain(ranges: readonly EpochRange[]): EpochRange[] {
  const chainTo = new Map<number, EpochRange[]>([[-1, []]]);
  let furthest = -1;
  for (const range of ranges.toSorted((a, b) => a.last - b.last)) {
    const before = chainTo.get(range.first - 1);
    const known = chainTo.get(range.last);
    if (before === undefined || (known !== undefined && known.length <= before.length + 1)) continue;
    chainTo.set(range.last, [...before, range]);
    furthest = Math.max(furthest, range.last);
  }
  return chainTo.get(furthest) as EpochRange[];
}

function listOf<Key>(map: Map<Key, BlobId[]>, key: Key): BlobId[] {
  const known = map.get(key);
  if (known !== undefined) return known;
  const list: BlobId[] = [];
  map.set(key, list);
  return list;
}
