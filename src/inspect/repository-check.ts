/**
 * Whether all that snapshots are made of is there and whole, and what is touched where it is not.
 *
 * First what the index says is held against the store's listing; then everything that snapshots reach is walked, each folder and
 * each file once, however many snapshots have it; then contents of files are read, where that is asked for, each once and in the
 * order of the packs. Folders, lists and manifests are read in any case. Damage is passed over and remembered. Only if there is
 * any, a second walk names the entries that it touches, in every snapshot.
 *
 * Memory: a few bits for each entry of the index and a name and length for each pack; besides, what is damaged.
 */

import { type CodedError, explainWithoutHint } from "../base/errors.ts";
import type { ContentRecord } from "../kernel/content-table.ts";
import { ContentError } from "../repository/content/content-error.ts";
import { type ContentId, contentIdOfKey, keyOf } from "../repository/content/content-id.ts";
import { isDamage } from "../repository/damage.ts";
import type { IndexView } from "../repository/index/index-view.ts";
import { parseObjectId, takeApart } from "../repository/object/object-id.ts";
import type { Repository } from "../repository/repository.ts";
import { type DirectoryEntry, joinPath } from "../snapshot/directory-entry.ts";
import { SnapshotError } from "../snapshot/snapshot-error.ts";
import type { SnapshotManifest } from "../snapshot/snapshot-manifest.ts";
import { listSnapshots, readFolder } from "../snapshot/snapshots.ts";
import { NumberSet } from "./number-set.ts";
import { eachContent } from "./object-contents.ts";
import { sessionMarkers } from "./session-markers.ts";

/** Of each kind so many are told one by one; all are counted. */
const toldMax = 10_000;
const readAtOnce = 2048;

export interface Damage {
  readonly what: "index" | "pack" | "content" | "manifest" | "snapshot" | "session";
  readonly id: string;
  readonly problem: string;
}

/** An entry that cannot be restored whole. */
export interface TouchedEntry {
  readonly snapshot: SnapshotManifest;
  /** Names from the snapshot's root down; empty for the root itself. */
  readonly path: string;
  readonly kind: DirectoryEntry["kind"];
  readonly objectId: string;
  readonly problem: string;
}

export interface CheckCounts {
  readonly snapshots: number;
  readonly folders: number;
  readonly files: number;
  /** That snapshots reach. */
  readonly contents: number;
  readonly packs: number;
  /** Of those, the ones that no entry of the index names: garbage, of a run that goes on, or what a lost index named. */
  readonly unnamedPacks: number;
  /** Of files, that were read and checked against their ids; and their plain bytes. */
  readonly contentsRead: number;
  readonly bytesRead: number;
  readonly damaged: number;
}

export interface CheckOptions {
  /** What opening the repository passed over. */
  readonly damagedIndexes: readonly Damage[];
  /** Of the contents of files; 0 reads none of them. */
  readonly readPercent: number;
  /** From 0 up to 1: which contents a percentage chooses. */
  readonly random: () => number;
  readonly onDamage: (damage: Damage) => void;
  readonly onProgress: (counts: CheckCounts) => void;
}

export class RepositoryCheck {
  readonly #repository: Repository;
  readonly #options: CheckOptions;
  readonly #signal: AbortSignal;
  readonly #view: IndexView;
  readonly #packLengths = new Map<string, number>();
  readonly #reached: NumberSet;
  readonly #walkedFolders: NumberSet;
  readonly #walkedFiles: NumberSet;
  readonly #broken: NumberSet;
  /** Why a content is broken whose pack is there, for as many as are told. */
  readonly #problems = new Map<ContentId, string>();
  readonly #counts = {
    snapshots: 0,
    folders: 0,
    files: 0,
    contents: 0,
    packs: 0,
    unnamedPacks: 0,
    contentsRead: 0,
    bytesRead: 0,
    damaged: 0,
  };
  readonly #told = new Map<Damage["what"], number>();
  #snapshots: readonly SnapshotManifest[] = [];
  /** An entry that is wrong though its contents are whole, or whose contents are in no index. */
  #anyEntry = false;

  constructor(repository: Repository, options: CheckOptions, signal: AbortSignal) {
    this.#repository = repository;
    this.#options = options;
    this.#signal = signal;
    this.#view = repository.index.view();
    const { count } = this.#view;
    this.#reached = new NumberSet(count);
    this.#walkedFolders = new NumberSet(count);
    this.#walkedFiles = new NumberSet(count);
    this.#broken = new NumberSet(count);
  }

  get counts(): CheckCounts {
    return { ...this.#counts, contents: this.#reached.size };
  }

  /** After `run`: whether there may be a touched entry. */
  get foundAny(): boolean {
    return this.#anyEntry;
  }

  /** Errors: those of a store that cannot be reached; all else is damage. */
  async run(): Promise<void> {
    for (const damage of this.#options.damagedIndexes) this.#tell(damage);
    await this.#checkPacks();
    await this.#checkSessions();
    await this.#checkManifests();
    for (const snapshot of this.#snapshots) {
      await this.#walk(snapshot.rootEntry);
      this.#counts.snapshots++;
    }
    if (this.#options.readPercent > 0) await this.#readFiles();
  }

  /** After `run`: in the order of the snapshots, oldest first. */
  async *touched(): AsyncGenerator<TouchedEntry, void, undefined> {
    if (!this.foundAny) return;
    const clean = new NumberSet(this.#view.count);
    for (const snapshot of this.#snapshots) yield* this.#touchedBelow(snapshot, snapshot.rootEntry, "", clean);
  }

  async #checkPacks(): Promise<void> {
    for (const prefix of ["p", "q"]) {
      for await (const { id, length } of this.#repository.store.list(prefix, { signal: this.#signal })) {
        this.#packLengths.set(id, length);
      }
    }
    const named = new Set<string>();
    const contentsOf = new Map<string, { count: number; end: number }>();
    let isRenewed = false;
    for (const { number, record } of this.#view.records()) {
      if (this.#packLengths.has(record.packId)) named.add(record.packId);
      if (this.#isWithinPack(record)) continue;
      if (!isRenewed) await this.#repository.refresh(this.#signal);
      isRenewed = true;
      if (this.#wasMoved(record)) continue;
      this.#broken.add(number);
      if (record.deleted) continue; // Its pack may be collected: it is damage only for who still reaches it.
      const known = contentsOf.get(record.packId) ?? { count: 0, end: 0 };
      known.count++;
      known.end = Math.max(known.end, record.packOffset + record.packedLength);
      contentsOf.set(record.packId, known);
    }
    this.#counts.packs = this.#packLengths.size;
    this.#counts.unnamedPacks = this.#packLengths.size - named.size;
    for (const [id, { count, end }] of contentsOf) {
      const length = this.#packLengths.get(id);
      const problem =
        length === undefined ? "is lost" : `is cut off: it has ${length} bytes, and contents up to ${end}`;
      this.#tell({ what: "pack", id, problem: `${problem}; ${count} contents are in what is missing` });
    }
  }

  #isWithinPack({ packId, packOffset, packedLength }: ContentRecord): boolean {
    return packOffset + packedLength <= (this.#packLengths.get(packId) ?? -1);
  }

  /** By maintenance, since this check began. */
  #wasMoved({ key, packId }: ContentRecord): boolean {
    return this.#repository.index.find(key)?.packId !== packId;
  }

  async #checkSessions(): Promise<void> {
    for await (const { id, problem } of sessionMarkers(this.#repository, this.#signal)) {
      if (problem !== "") this.#tell({ what: "session", id, problem });
    }
  }

  async #checkManifests(): Promise<void> {
    const manifests = await this.#repository.loadManifests(this.#signal).catch(async (error: unknown) => {
      if (!isDamage(error)) throw error;
      return await this.#repository.loadUndamagedManifests(this.#signal, (id, cause) => {
        const problem = `${explainWithoutHint(cause)}; snapshots may be missing for it`;
        this.#tell({ what: "manifest", id, problem });
      });
    });
    this.#snapshots = listSnapshots(manifests, (problem) => this.#tell({ what: "snapshot", id: "", problem }));
    for (const { key } of this.#repository.index.records("m")) this.#reach(contentIdOfKey(key));
  }

  async #walk(entry: DirectoryEntry): Promise<void> {
    this.#signal.throwIfAborted();
    this.#options.onProgress(this.counts);
    let children: Iterable<DirectoryEntry> = [];
    try {
      const number = this.#numberOf(entry);
      const isFolder = entry.kind === "folder";
      const walked = isFolder ? this.#walkedFolders : this.#walkedFiles;
      const isFirst = number === undefined || walked.add(number);
      if (isFolder && !isFirst) return;
      if (isFirst) this.#counts[isFolder ? "folders" : "files"]++;
      // Of a file that stands in two folders the other entry may say another size.
      const isFine = await this.#isWhole(entry, isFirst);
      if (!isFine) this.#anyEntry = true;
      else if (isFolder) children = (await readFolder(this.#repository, entry.objectId, this.#signal)).entries;
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#anyEntry = true;
      this.#tellBroken(error);
    }
    const noteDamage = (): void => {
      this.#anyEntry = true;
    };
    for (const child of readable(children, noteDamage)) await this.#walk(child);
  }

  async #isWhole(entry: DirectoryEntry, isFirst: boolean): Promise<boolean> {
    if (!isFirst && takeApart(entry.objectId).indirections > 0) return true;
    return (await this.#problemOf(entry)) === undefined;
  }

  /** Why an entry cannot be restored whole, by what is known so far. Reaches its contents. */
  async #problemOf(entry: DirectoryEntry): Promise<string | undefined> {
    if (entry.kind === "error") return "it is an entry of unknown type";
    let problem: string | undefined;
    let plainLength: number | undefined = 0;
    const use = (id: ContentId, compressed: boolean): void => {
      const found = this.#reach(id);
      plainLength = compressed ? undefined : found?.originalLength;
      problem ??= this.#problemOfContent(id);
    };
    let length: number | undefined;
    try {
      length = await eachContent(this.#repository.objects, parseObjectId(entry.objectId), use, this.#signal);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#tellBroken(error);
      return problem ?? explainWithoutHint(error);
    }
    if (problem !== undefined || entry.kind === "folder") return problem;
    const stored = length ?? plainLength;
    return stored === undefined || stored === entry.size
      ? undefined
      : `it has ${stored} bytes, its entry says ${entry.size}`;
  }

  /** The content's entry in the index; tells of one that has none. */
  #reach(id: ContentId): ContentRecord | undefined {
    const found = this.#view.find(keyOf(id));
    if (found !== undefined) this.#reached.add(found.number);
    else if (this.#repository.index.find(keyOf(id)) === undefined)
      this.#tellContent(id, `content ${id} is in no index`);
    return found?.record;
  }

  #problemOfContent(id: ContentId): string | undefined {
    const found = this.#view.find(keyOf(id));
    const known = this.#problems.get(id);
    if (known !== undefined) return known;
    if (found === undefined || !this.#broken.has(found.number)) return undefined;
    const { packId } = found.record;
    if (this.#isWithinPack(found.record)) return `content ${id} in pack ${packId} is damaged`;
    return `pack ${packId} is ${this.#packLengths.has(packId) ? "cut off" : "lost"}`;
  }

  #tellContent(id: ContentId, problem: string): void {
    if (this.#problems.has(id)) return;
    if (this.#problems.size < toldMax) this.#problems.set(id, problem);
    this.#anyEntry = true;
    this.#tell({ what: "content", id, problem });
  }

  /** What an error says is broken, if it names a content that is not known to be. */
  #tellBroken(error: unknown): void {
    const id = contentOf(error);
    const found = id === undefined ? undefined : this.#view.find(keyOf(id));
    if (id === undefined || (found !== undefined && !this.#broken.add(found.number))) return;
    this.#tellContent(id, explainWithoutHint(error));
  }

  async #readFiles(): Promise<void> {
    const { readPercent, random } = this.#options;
    const chosen = new Uint32Array(this.#reached.size);
    let count = 0;
    for (const { number, record } of this.#view.records()) {
      // Those with a letter were read on the walk.
      const isFiles = record.key[0] === 0 && this.#reached.has(number) && !this.#broken.has(number);
      if (isFiles && random() * 100 < readPercent) chosen[count++] = number;
    }
    const ordered = chosen.subarray(0, count).sort((a, b) => this.#view.comparePlaces(a, b));
    for (let start = 0; start < count; start += readAtOnce) {
      const ids = Array.from(ordered.subarray(start, start + readAtOnce), (number) =>
        contentIdOfKey(this.#view.at(number).key),
      );
      await this.#readContents(ids);
    }
  }

  /** At once where all are whole; else each by itself. */
  async #readContents(ids: readonly ContentId[]): Promise<void> {
    const read = async (some: readonly ContentId[]): Promise<void> => {
      const lengths: number[] = [];
      await this.#repository.contents.readEach(some, this.#signal, async (_, bytes) => {
        lengths.push(bytes.byteLength);
      });
      this.#counts.contentsRead += some.length;
      this.#counts.bytesRead += lengths.reduce((sum, length) => sum + length, 0);
      this.#options.onProgress(this.counts);
    };
    try {
      await read(ids);
      return;
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
    for (const id of ids) {
      try {
        await read([id]);
      } catch (error) {
        if (!isDamage(error)) throw error;
        const found = this.#view.find(keyOf(id));
        if (found !== undefined) this.#broken.add(found.number);
        this.#tellContent(id, explainWithoutHint(error));
      }
    }
  }

  async *#touchedBelow(
    snapshot: SnapshotManifest,
    entry: DirectoryEntry,
    path: string,
    clean: NumberSet,
  ): AsyncGenerator<TouchedEntry, boolean, undefined> {
    this.#signal.throwIfAborted();
    const touched = (problem: string): TouchedEntry => {
      return { snapshot, path, kind: entry.kind, objectId: entry.objectId, problem };
    };
    let number: number | undefined;
    let children: Iterable<DirectoryEntry> = [];
    try {
      if (entry.kind === "folder") number = this.#numberOf(entry);
      if (number !== undefined && clean.has(number)) return true;
      const problem = await this.#problemOf(entry);
      if (problem !== undefined) {
        yield touched(problem);
        return false;
      }
      if (entry.kind !== "folder") return true;
      children = (await readFolder(this.#repository, entry.objectId, this.#signal)).entries;
    } catch (error) {
      if (!isDamage(error)) throw error;
      yield touched(explainWithoutHint(error));
      return false;
    }
    let isClean = true;
    let broken: CodedError | undefined;
    const noteDamage = (error: CodedError): void => {
      broken = error;
    };
    for (const child of readable(children, noteDamage)) {
      if (!(yield* this.#touchedBelow(snapshot, child, joinPath(path, child.name), clean))) isClean = false;
    }
    if (broken !== undefined) {
      yield touched(explainWithoutHint(broken));
      return false;
    }
    if (isClean && number !== undefined) clean.add(number);
    return isClean;
  }

  /** Of the content that its id names; undefined where the index has none. Errors: OBJECT_ID_INVALID. */
  #numberOf({ objectId }: DirectoryEntry): number | undefined {
    return this.#view.find(keyOf(takeApart(objectId).contentId))?.number;
  }

  #tell(damage: Damage): void {
    this.#counts.damaged++;
    const told = (this.#told.get(damage.what) ?? 0) + 1;
    this.#told.set(damage.what, told);
    if (told <= toldMax) this.#options.onDamage(damage);
  }
}

/** As far as they can be read: a folder's entries are decoded one by one. */
function* readable(
  entries: Iterable<DirectoryEntry>,
  onDamage: (error: CodedError) => void,
): Generator<DirectoryEntry, void, undefined> {
  try {
    yield* entries;
  } catch (error) {
    if (!isDamage(error)) throw error;
    onDamage(error);
  }
}

function contentOf(error: unknown): ContentId | undefined {
  const isContents = error instanceof ContentError || error instanceof SnapshotError;
  const id = isContents ? error.detail.content : undefined;
  return typeof id === "string" ? (id as ContentId) : undefined;
}
