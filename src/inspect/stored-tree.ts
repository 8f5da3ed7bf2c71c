/**
 * A stored tree, walked depth first: a folder, then what is in it in stored order.
 *
 * A few folders are read ahead of those who pull. Only small trees are, so that what waits stays small: of those below
 * `entriesAheadMax` entries, each about 300 bytes in its folder's object, 8 take 12 MB at most, unless a summary lies.
 */

import type { CodedError } from "../base/errors.ts";
import { isDamage } from "../repository/damage.ts";
import type { Repository } from "../repository/repository.ts";
import { type DirectoryEntry, joinPath } from "../snapshot/directory-entry.ts";
import type { Folder } from "../snapshot/folder-object.ts";
import { readFolder } from "../snapshot/snapshots.ts";

const foldersAheadMax = 8;
const entriesAheadMax = 5_000;

export interface TreeEntry {
  readonly entry: DirectoryEntry;
  /** As people read it, names joined by slashes; that of the walk's root is the one given. */
  readonly path: string;
  /** Of the walk's root 0. */
  readonly depth: number;
  /** The folder that it is in; undefined for the walk's root. */
  readonly above: TreeEntry | undefined;
}

export interface WalkOptions {
  readonly signal: AbortSignal;
  /** Of the root; "" unless given. */
  readonly path?: string;
  /** Whether what is in a folder is wanted; may be asked more than once of one. All are unless given. */
  readonly enters?: (folder: TreeEntry) => boolean;
  /** A folder that cannot be read whole; the walk goes on behind it. Without it the error is thrown. */
  readonly onUnreadable?: (path: string, error: CodedError) => void;
}

interface OpenFolder {
  readonly found: TreeEntry;
  readonly entries: Iterator<DirectoryEntry>;
  /** Pulled already, the next one first. */
  readonly ahead: Ahead[];
}

interface Ahead {
  readonly found: TreeEntry;
  /** That of a folder which is read ahead. */
  readonly reading: Promise<Folder> | undefined;
}

/** Errors: FOLDER_INVALID, ObjectError, ContentError; BlobError of a store that cannot be had, always. */
export async function* walkTree(
  repository: Repository,
  root: DirectoryEntry,
  options: WalkOptions,
): AsyncGenerator<TreeEntry, void, undefined> {
  const walk = new Walk(repository, options);
  try {
    const found: TreeEntry = { entry: root, path: options.path ?? "", depth: 0, above: undefined };
    yield found;
    await walk.enter({ found, reading: undefined });
    for (let next = walk.next(); next !== "end"; next = walk.next()) {
      if (next === "left") continue;
      yield next.found;
      await walk.enter(next);
    }
  } finally {
    await walk.settle();
  }
}

/** The bytes on disk, where `path` is for people. */
export function bytesOfPath({ entry, above, path }: TreeEntry): Uint8Array {
  if (above === undefined) return Buffer.from(path);
  const names: Uint8Array[] = [entry.nameBytes];
  let up: TreeEntry = above;
  for (; up.above !== undefined; up = up.above) names.push(slash, up.entry.nameBytes);
  if (up.path !== "") names.push(slash, Buffer.from(up.path));
  return Buffer.concat(names.reverse());
}

const slash = Buffer.from("/");

class Walk {
  readonly #repository: Repository;
  readonly #options: WalkOptions;
  readonly #open: OpenFolder[] = [];
  readonly #reading = new Set<Promise<Folder>>();

  constructor(repository: Repository, options: WalkOptions) {
    this.#repository = repository;
    this.#options = options;
  }

  async enter({ found, reading }: Ahead): Promise<void> {
    if (!this.#isEntered(found)) return;
    this.#options.signal.throwIfAborted();
    try {
      const folder = await (reading ?? this.#read(found));
      this.#open.push({ found, entries: folder.entries[Symbol.iterator](), ahead: [] });
    } catch (error) {
      this.#tell(found, error);
    }
  }

  next(): Ahead | "left" | "end" {
    const folder = this.#open.at(-1);
    if (folder === undefined) return "end";
    try {
      this.#pull(folder);
    } catch (error) {
      this.#tell(folder.found, error);
      folder.ahead.length = 0;
    }
    const next = folder.ahead.shift();
    if (next !== undefined) return next;
    this.#open.pop();
    return "left";
  }

  async settle(): Promise<void> {
    await Promise.allSettled(this.#reading);
  }

  /** One entry at least, and folders, which come first, as far as there is room to read them. */
  #pull({ found, entries, ahead }: OpenFolder): void {
    while (ahead.length === 0 || (ahead.length < foldersAheadMax && ahead.at(-1)?.reading !== undefined)) {
      const { value: entry, done } = entries.next();
      if (done) return;
      const next = { entry, path: joinPath(found.path, entry.name), depth: found.depth + 1, above: found };
      ahead.push({ found: next, reading: this.#mayReadAhead(next) ? this.#read(next) : undefined });
    }
  }

  #mayReadAhead(found: TreeEntry): boolean {
    const { files, symlinks, dirs } = found.entry.summary ?? { files: entriesAheadMax, symlinks: 0, dirs: 0 };
    if (this.#reading.size >= foldersAheadMax || files + symlinks + dirs >= entriesAheadMax) return false;
    return this.#isEntered(found);
  }

  #isEntered(found: TreeEntry): boolean {
    return found.entry.kind === "folder" && (this.#options.enters?.(found) ?? true);
  }

  /** Rejects at the one who awaits it, or nowhere. */
  #read({ entry }: TreeEntry): Promise<Folder> {
    const reading = readFolder(this.#repository, entry.objectId, this.#options.signal);
    this.#reading.add(reading);
    const forget = () => void this.#reading.delete(reading);
    reading.then(forget, forget);
    return reading;
  }

  #tell(found: TreeEntry, error: unknown): void {
    const { onUnreadable } = this.#options;
    if (onUnreadable === undefined || !isDamage(error)) throw error;
    onUnreadable(found.path, error);
  }
}
