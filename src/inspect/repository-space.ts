/**
 * What the bytes in a repository's store are, and which snapshots they are for. Each byte counts once, so that the parts add up to
 * what the store holds.
 *
 * Snapshots are walked oldest first. A content belongs to the group (a snapshot, or a source) that reaches it, until another
 * group does; a folder that two groups have is entered twice at the most, since all below it is known to be shared then.
 *
 * Memory: a number and two bits for each entry of the index, a name and two numbers for each pack, and what a listing of the
 * other blobs takes.
 *
 * Source of the ages: docs/format/concurrency.md; kopia repo/maintenance, SafetyFull.
 */

import { explainWithoutHint } from "../base/errors.ts";
import type { ContentRecord } from "../kernel/content-table.ts";
import { type ContentId, keyOf } from "../repository/content/content-id.ts";
import { isDamage } from "../repository/damage.ts";
import type { IndexView } from "../repository/index/index-view.ts";
import { parseObjectId, takeApart } from "../repository/object/object-id.ts";
import type { Repository } from "../repository/repository.ts";
import type { DirectoryEntry } from "../snapshot/directory-entry.ts";
import type { SnapshotManifest } from "../snapshot/snapshot-manifest.ts";
import { readFolder } from "../snapshot/snapshots.ts";
import { indexBlobs } from "./index-blobs.ts";
import { eachContent } from "./object-contents.ts";
import { sessionLifeMs, sessionMarkers } from "./session-markers.ts";
import { type StoredBlob, sessionOfBlob, storedBlobs } from "./stored-blobs.ts";

/** What is younger is not collected. */
export const collectAgeMs = 24 * 3_600_000;

/** In the order in which they are told. */
export const spaceParts = [
  "live",
  "manifests",
  "too young to collect",
  "unreferenced",
  "deleted",
  "pack overhead",
  "unnamed packs too young to collect",
  "unnamed packs",
  "index",
  "superseded index",
  "epoch",
  "format",
  "maintenance",
  "session",
  "log",
  "other",
] as const;

export type SpacePart = (typeof spaceParts)[number];

export interface PartSpace {
  bytes: number;
  /** Contents of packs, else blobs. */
  count: number;
  /** When the last of it is old enough to be collected; 0 for what has no such time. */
  untilMs: number;
}

/** Of one group of snapshots. */
export interface GroupSpace {
  readonly snapshots: SnapshotManifest[];
  /** That no other group reaches: what goes with it. */
  uniqueBytes: number;
  /** That no group before it reached. Of all groups these add up to what is live. */
  addedBytes: number;
  addedContents: number;
}

export interface RepositorySpace {
  readonly parts: Readonly<Record<SpacePart, PartSpace>>;
  readonly groups: readonly GroupSpace[];
  /** Of all blobs in the store, as it was listed. */
  readonly totalBytes: number;
}

export interface SpaceOptions {
  /** By the store's clock, as near as it is known. */
  readonly nowMs: number;
  /** Snapshots of one group have the same. */
  readonly groupOf: (snapshot: SnapshotManifest) => string;
  /** What could not be read: what is below it counts as unreferenced. */
  readonly onProblem: (problem: string) => void;
  readonly onProgress: (walked: { readonly snapshots: number; readonly entries: number }) => void;
}

const shared = 0xffff_ffff;

/** Errors: BlobError. */
export async function measureSpace(
  repository: Repository,
  snapshots: readonly SnapshotManifest[],
  options: SpaceOptions,
  signal: AbortSignal,
): Promise<RepositorySpace> {
  const view = repository.index.view();
  const parts = new Parts(options.nowMs);
  const packs = new Map<string, StoredPack>();
  const others: StoredBlob[] = [];
  let totalBytes = 0;
  for await (const blob of storedBlobs(repository, "", signal)) {
    totalBytes += blob.length;
    const isPack = blob.kind === "data pack" || blob.kind === "metadata pack";
    if (isPack) packs.set(blob.id, { length: blob.length, modifiedMs: blob.modifiedMs, usedBytes: undefined });
    else others.push(blob);
  }
  const walk = new SnapshotWalk(repository, view, (record) => isStored(record, packs), options, signal);
  for (const snapshot of snapshots) await walk.add(snapshot);

  for (const { number, record } of view.records()) {
    const pack = packs.get(record.packId);
    if (pack === undefined) continue;
    pack.usedBytes ??= 0;
    if (!isStored(record, packs)) continue;
    pack.usedBytes += record.packedLength;
    const { part, untilMs } = partOf(record, walk.isReached(number), options.nowMs);
    parts.add(part, record.packedLength, untilMs);
  }
  await addPacks(repository, packs, parts, signal);
  await addOthers(repository, others, parts, signal);
  return { parts: parts.byName, groups: walk.groups, totalBytes };
}

interface StoredPack {
  readonly length: number;
  readonly modifiedMs: number;
  /** Undefined for one that no entry names. */
  usedBytes: number | undefined;
}

function isStored(
  { packId, packOffset, packedLength }: ContentRecord,
  packs: ReadonlyMap<string, StoredPack>,
): boolean {
  return packOffset + packedLength <= (packs.get(packId)?.length ?? -1);
}

function partOf(
  { key, deleted, timestampSeconds }: ContentRecord,
  isReached: boolean,
  nowMs: number,
): { readonly part: SpacePart; readonly untilMs?: number } {
  if (isReached) return { part: "live" };
  if (deleted) return { part: "deleted" };
  if (key[0] === "m".charCodeAt(0)) return { part: "manifests" };
  const untilMs = timestampSeconds * 1000 + collectAgeMs;
  return untilMs > nowMs ? { part: "too young to collect", untilMs } : { part: "unreferenced" };
}

class Parts {
  readonly byName = Object.fromEntries(
    spaceParts.map((part) => [part, { bytes: 0, count: 0, untilMs: 0 }]),
  ) as unknown as Readonly<Record<SpacePart, PartSpace>>;
  readonly nowMs: number;

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }

  add(name: SpacePart, bytes: number, untilMs = 0): void {
    const part = this.byName[name];
    part.bytes += bytes;
    part.count++;
    part.untilMs = Math.max(part.untilMs, untilMs);
  }
}

/** What entries do not account for, and packs that none names. */
async function addPacks(
  repository: Repository,
  packs: ReadonlyMap<string, StoredPack>,
  parts: Parts,
  signal: AbortSignal,
): Promise<void> {
  const sessionEnds = new Map<string, number>();
  for await (const { session, modifiedMs } of sessionMarkers(repository, signal)) {
    sessionEnds.set(session, modifiedMs + sessionLifeMs);
  }
  for (const [id, { length, modifiedMs, usedBytes }] of packs) {
    if (usedBytes !== undefined) {
      parts.add("pack overhead", length - usedBytes);
      continue;
    }
    const untilMs = Math.max(modifiedMs + collectAgeMs, sessionEnds.get(sessionOfBlob(id)) ?? 0);
    if (untilMs > parts.nowMs) parts.add("unnamed packs too young to collect", length, untilMs);
    else parts.add("unnamed packs", length);
  }
}

async function addOthers(
  repository: Repository,
  others: readonly StoredBlob[],
  parts: Parts,
  signal: AbortSignal,
): Promise<void> {
  const blobs = await indexBlobs(repository, signal);
  const superseded = new Set<string>(blobs.filter(({ counts }) => !counts).map(({ id }) => id));
  for (const { id, kind, length } of others) {
    const isKnown = kind !== "data pack" && kind !== "metadata pack";
    parts.add(superseded.has(id) ? "superseded index" : isKnown ? kind : "other", length);
  }
}

class SnapshotWalk {
  readonly groups: GroupSpace[] = [];
  readonly #groupNumbers = new Map<string, number>();
  readonly #repository: Repository;
  readonly #view: IndexView;
  readonly #isStored: (record: ContentRecord) => boolean;
  readonly #options: SpaceOptions;
  readonly #signal: AbortSignal;
  /** 0 for not reached, the group's number and 1, or `shared`. */
  readonly #owners: Uint32Array;
  #snapshots = 0;
  #entries = 0;

  constructor(
    repository: Repository,
    view: IndexView,
    isStored: (record: ContentRecord) => boolean,
    options: SpaceOptions,
    signal: AbortSignal,
  ) {
    this.#repository = repository;
    this.#view = view;
    this.#isStored = isStored;
    this.#options = options;
    this.#signal = signal;
    this.#owners = new Uint32Array(view.count);
  }

  isReached(number: number): boolean {
    return this.#owners[number] !== 0;
  }

  async add(snapshot: SnapshotManifest): Promise<void> {
    const name = this.#options.groupOf(snapshot);
    let group = this.#groupNumbers.get(name);
    if (group === undefined) {
      group = this.groups.push({ snapshots: [], uniqueBytes: 0, addedBytes: 0, addedContents: 0 }) - 1;
      this.#groupNumbers.set(name, group);
    }
    this.groups[group]?.snapshots.push(snapshot);
    this.#snapshots++;
    await this.#walk(snapshot.rootEntry, group, snapshot.id);
  }

  async #walk(entry: DirectoryEntry, group: number, path: string): Promise<void> {
    this.#signal.throwIfAborted();
    this.#entries++;
    this.#options.onProgress({ snapshots: this.#snapshots, entries: this.#entries });
    try {
      const objectId = parseObjectId(entry.objectId);
      const known = this.#view.find(keyOf(takeApart(objectId).contentId));
      const owner = known === undefined ? 0 : this.#owners[known.number];
      if (owner === group + 1 || owner === shared) return;
      await eachContent(this.#repository.objects, objectId, (id) => this.#own(id, group), this.#signal);
      if (entry.kind !== "folder") return;
      const { entries } = await readFolder(this.#repository, entry.objectId, this.#signal);
      for (const child of entries) await this.#walk(child, group, `${path}/${child.name}`);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#options.onProblem(`${path}: ${explainWithoutHint(error)}`);
    }
  }

  #own(id: ContentId, group: number): void {
    const found = this.#view.find(keyOf(id));
    if (found === undefined) return;
    const { number, record } = found;
    const owner = this.#owners[number] as number;
    if (owner === group + 1 || owner === shared) return;
    const bytes = this.#isStored(record) ? record.packedLength : 0;
    if (owner > 0) {
      (this.groups[owner - 1] as GroupSpace).uniqueBytes -= bytes;
      this.#owners[number] = shared;
      return;
    }
    this.#owners[number] = group + 1;
    const own = this.groups[group] as GroupSpace;
    own.uniqueBytes += bytes;
    own.addedBytes += bytes;
    own.addedContents++;
  }
}
