/**
 * What differs between two trees: stored ones, or a stored one and a folder of this machine.
 *
 * Sub-trees with the same object are the same and are not read. Contents of stored files are told apart by their objects, so
 * that a file which was cut into chunks in another way counts as changed.
 *
 * Memory: the entries of the folders on the way down.
 */

import { read } from "node:fs";
import { promisify } from "node:util";
import { equalBytes, fromUtf8 } from "../base/bytes.ts";
import type { CodedError } from "../base/errors.ts";
import { isDamage } from "../repository/damage.ts";
import { parseObjectId } from "../repository/object/object-id.ts";
import type { Repository } from "../repository/repository.ts";
import { type DirectoryEntry, joinPath, linkBytesMax } from "../snapshot/directory-entry.ts";
import { readFolder } from "../snapshot/snapshots.ts";
import type { Descriptor } from "../volume/descriptor.ts";
import type { VolumeEntry } from "../volume/entry.ts";
import { type OpenFolder, openVolume } from "../volume/open-folder.ts";
import { attempt, VolumeError } from "../volume/volume-error.ts";

export type Aspect = "contents" | "size" | "mode" | "owner" | "time";

/** An entry of either side; one of this machine has no object. */
export type ComparedEntry = Omit<DirectoryEntry, "objectId"> & { readonly objectId?: string };

export interface Difference {
  readonly change: "added" | "removed" | "changed";
  /** From the roots, whose own is "". */
  readonly path: string;
  /** What changed; none of what was added or removed. */
  readonly what: readonly Aspect[];
  readonly before?: ComparedEntry;
  readonly after?: ComparedEntry;
}

export interface CompareOptions {
  readonly signal: AbortSignal;
  /** What cannot be read, or changes meanwhile; it is passed over. */
  readonly onUnreadable: (path: string, error: CodedError) => void;
  /** Of this machine: whether files are read that have the size and the time they had, instead of taken for the same. */
  readonly readsData: boolean;
}

/** One side's folder while it is compared. */
interface ComparedFolder extends Disposable {
  readonly entries: readonly ComparedEntry[];
  /** The caller disposes it. */
  open(entry: ComparedEntry): Promise<ComparedFolder>;
  hasContentsOf(entry: ComparedEntry, stored: ComparedEntry): Promise<boolean>;
}

export async function* compareTrees(
  repository: Repository,
  before: DirectoryEntry,
  after: DirectoryEntry,
  options: CompareOptions,
): AsyncGenerator<Difference, void, undefined> {
  const stored = (root: DirectoryEntry) => new StoredFolder(repository, [rooted(root)], options.signal);
  yield* new Comparison(options).folders(stored(before), stored(after), "");
}

/** Errors: VolumeError for the folder itself. */
export async function* compareWithFolder(
  repository: Repository,
  before: DirectoryEntry,
  path: string,
  options: CompareOptions,
): AsyncGenerator<Difference, void, undefined> {
  using folder = await openVolume(path, options);
  const { mode, uid, gid, mtimeNs } = await folder.stat();
  const root: ComparedEntry = { ...noName, kind: "folder", mode, uid, gid, size: 0, mtimeNs };
  const stored = new StoredFolder(repository, [rooted(before)], options.signal);
  yield* new Comparison(options).folders(stored, new LiveRoot(repository, folder, root, options), "");
}

const noName = { name: "", nameBytes: new Uint8Array(0) };

/** Roots are the same entry, whatever they are called. */
function rooted(entry: DirectoryEntry): DirectoryEntry {
  return { ...entry, ...noName };
}

class Comparison {
  readonly #options: CompareOptions;

  constructor(options: CompareOptions) {
    this.#options = options;
  }

  async *folders(a: ComparedFolder, b: ComparedFolder, path: string): AsyncGenerator<Difference, void, undefined> {
    const [before, after] = [byName(a), byName(b)];
    for (const name of [...new Set([...before.keys(), ...after.keys()])].sort()) {
      this.#options.signal.throwIfAborted();
      const [old, now] = [before.get(name), after.get(name)];
      const at = joinPath(path, (now ?? old)?.name ?? "");
      if (old !== undefined && now !== undefined && old.kind === now.kind) {
        yield* this.#pair(a, old, b, now, at);
      } else {
        if (old !== undefined) yield* this.#alone("removed", a, old, at);
        if (now !== undefined) yield* this.#alone("added", b, now, at);
      }
    }
  }

  async *#pair(
    a: ComparedFolder,
    before: ComparedEntry,
    b: ComparedFolder,
    after: ComparedEntry,
    path: string,
  ): AsyncGenerator<Difference, void, undefined> {
    const isSame = after.kind === "folder" || (await this.#tried(path, () => b.hasContentsOf(after, before)));
    if (isSame === undefined) return;
    const what = changedAspects(before, after, isSame);
    if (what.length > 0) yield { change: "changed", path, what, before, after };
    if (after.kind !== "folder" || after.objectId === before.objectId) return;
    using below = await this.#tried(path, () => a.open(before));
    using now = await this.#tried(path, () => b.open(after));
    if (below !== undefined && now !== undefined) yield* this.folders(below, now, path);
  }

  async *#alone(
    change: "added" | "removed",
    folder: ComparedFolder,
    entry: ComparedEntry,
    path: string,
  ): AsyncGenerator<Difference, void, undefined> {
    yield { change, path, what: [], [change === "added" ? "after" : "before"]: entry };
    if (entry.kind !== "folder") return;
    using below = await this.#tried(path, () => folder.open(entry));
    if (below === undefined) return;
    const children = [...byName(below)].sort(([one], [other]) => (one < other ? -1 : 1));
    for (const [, child] of children) {
      this.#options.signal.throwIfAborted();
      yield* this.#alone(change, below, child, joinPath(path, child.name));
    }
  }

  /** Undefined where it is told. A store that cannot be had is no matter of one entry. */
  async #tried<Result>(path: string, read: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await read();
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#options.onUnreadable(path, error);
      return undefined;
    }
  }
}

/** By the bytes of the names, a character each; of entries with one name the last counts, as for kopia. */
function byName({ entries }: ComparedFolder): ReadonlyMap<string, ComparedEntry> {
  return new Map(entries.map((entry) => [Buffer.from(entry.nameBytes).toString("latin1"), entry]));
}

export function changedAspects(
  before: ComparedEntry,
  after: ComparedEntry,
  hasSameContents: boolean,
): readonly Aspect[] {
  const changed: readonly [Aspect, boolean][] = [
    ["contents", !hasSameContents],
    ["size", after.kind !== "folder" && before.size !== after.size],
    ["mode", before.mode !== after.mode],
    ["owner", before.uid !== after.uid || before.gid !== after.gid],
    ["time", before.mtimeNs !== after.mtimeNs],
  ];
  return changed.flatMap(([aspect, isSo]) => (isSo ? [aspect] : []));
}

class StoredFolder implements ComparedFolder {
  readonly #repository: Repository;
  readonly #signal: AbortSignal;
  readonly entries: readonly ComparedEntry[];

  constructor(repository: Repository, entries: readonly ComparedEntry[], signal: AbortSignal) {
    this.#repository = repository;
    this.entries = entries;
    this.#signal = signal;
  }

  async open({ objectId = "" }: ComparedEntry): Promise<StoredFolder> {
    const { entries } = await readFolder(this.#repository, objectId, this.#signal);
    return new StoredFolder(this.#repository, [...entries], this.#signal);
  }

  async hasContentsOf(entry: ComparedEntry, stored: ComparedEntry): Promise<boolean> {
    return entry.objectId === stored.objectId;
  }

  [Symbol.dispose](): void {}
}

/** A folder of a volume; it is disposed with this. */
class LiveFolder implements ComparedFolder {
  readonly #repository: Repository;
  readonly #folder: OpenFolder;
  readonly #options: CompareOptions;
  readonly entries: readonly ComparedEntry[];

  constructor(repository: Repository, folder: OpenFolder, entries: readonly ComparedEntry[], options: CompareOptions) {
    this.#repository = repository;
    this.#folder = folder;
    this.entries = entries;
    this.#options = options;
  }

  static async read(repository: Repository, folder: OpenFolder, options: CompareOptions): Promise<LiveFolder> {
    try {
      const { folders, others } = await folder.listNamesByKind();
      const { entries, unreadable } = await folder.readEntries([...folders, ...others], options.signal);
      for (const { name, errno } of unreadable) {
        const shown = folder.displayPathOf(name);
        options.onUnreadable(shown, new VolumeError("VOLUME_FAILED", `could not read its attributes: ${errno}`));
      }
      return new LiveFolder(repository, folder, entries.flatMap(comparedEntryOf), options);
    } catch (error) {
      folder[Symbol.dispose]();
      throw error;
    }
  }

  async open({ nameBytes }: ComparedEntry): Promise<LiveFolder> {
    return await LiveFolder.read(this.#repository, await this.#folder.openFolder(nameBytes), this.#options);
  }

  async hasContentsOf(entry: ComparedEntry, stored: ComparedEntry): Promise<boolean> {
    if (entry.size !== stored.size || stored.objectId === undefined) return false;
    const isTakenOnTrust = !this.#options.readsData && entry.kind === "file" && entry.mtimeNs === stored.mtimeNs;
    if (isTakenOnTrust) return true;
    const { objects } = this.#repository;
    const [id, { signal }] = [parseObjectId(stored.objectId), this.#options];
    if (entry.kind === "file") return await this.#isFileOf(entry.nameBytes, objects.read(id, signal));
    return equalBytes(await objects.readWhole(id, linkBytesMax, signal), await this.#folder.readLink(entry.nameBytes));
  }

  async #isFileOf(name: Uint8Array, pieces: AsyncIterable<Uint8Array>): Promise<boolean> {
    const path = this.#folder.displayPathOf(name);
    using file = await this.#folder.openFile(name);
    let at = 0;
    for await (const piece of pieces) {
      if (!equalBytes(piece, await readAt(file, at, piece.byteLength, path))) return false;
      at += piece.byteLength;
    }
    return (await readAt(file, at, 1, path)).byteLength === 0;
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}

/** The root of a volume, as the one entry of a folder. */
class LiveRoot implements ComparedFolder {
  readonly #repository: Repository;
  readonly #folder: OpenFolder;
  readonly #options: CompareOptions;
  readonly entries: readonly ComparedEntry[];

  constructor(repository: Repository, folder: OpenFolder, root: ComparedEntry, options: CompareOptions) {
    this.#repository = repository;
    this.#folder = folder;
    this.#options = options;
    this.entries = [root];
  }

  async open(): Promise<LiveFolder> {
    return await LiveFolder.read(this.#repository, this.#folder, this.#options);
  }

  async hasContentsOf(): Promise<boolean> {
    return false;
  }

  [Symbol.dispose](): void {}
}

/** None for what a backup does not store. */
function comparedEntryOf({ name, kind, mode, uid, gid, size, mtimeNs }: VolumeEntry): ComparedEntry[] {
  if (kind === "other") return [];
  const bytes = kind === "folder" ? 0 : size;
  return [{ name: fromUtf8(name), nameBytes: name, kind, mode, uid, gid, size: bytes, mtimeNs }];
}

const readBytes = promisify(read);

/** Fewer bytes at the file's end. */
async function readAt(file: Descriptor, position: number, length: number, path: string): Promise<Uint8Array> {
  const buffer = Buffer.allocUnsafe(length);
  return await attempt("read", path, async () => {
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await readBytes(file.fd, buffer, filled, length - filled, position + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  });
}
