/**
 * A snapshot into a folder.
 *
 * Folders are made by descriptor on the way down. Files and links gather into batches over many folders, and a batch is
 * read in the order of the packs, so that each range is fetched once. A file is written beside its target, gets its
 * attributes, is read back, and is renamed into place; folders get theirs when all below them is done. A file that
 * cannot be restored is named and does not stop the others; trouble with the target or the store does.
 *
 * Source: docs/format/folders.md; kopia snapshot/restore.
 */

import { CodedError, explainWithoutHint } from "../base/errors.ts";
import type { ContentId } from "../repository/content/content-id.ts";
import { type ObjectId, parseObjectId } from "../repository/object/object-id.ts";
import type { Repository } from "../repository/repository.ts";
import { type DirectoryEntry, isSafeName } from "../snapshot/directory-entry.ts";
import { readFolder } from "../snapshot/snapshots.ts";
import { type AttributeDifference, type Attributes, setFolderAttributes } from "../volume/attributes.ts";
import { joinRelativePath } from "../volume/entry-name.ts";
import { removeLeftTemporaries } from "../volume/left-temporaries.ts";
import { makeFolder } from "../volume/make-folder.ts";
import { makeSymlink } from "../volume/make-symlink.ts";
import { createFile } from "../volume/new-file.ts";
import { type OpenFolder, openVolume } from "../volume/open-folder.ts";
import { syncVolume } from "../volume/sync-volume.ts";
import { VolumeError, type VolumeErrorCode } from "../volume/volume-error.ts";
import { RestoreError, type RestoreFailure } from "./restore-error.ts";

/** A batch ends at any of these: 4000 entries ≈ 2 MiB, 256 descriptors; its contents are never held at once. */
const batchEntriesMax = 4000;
const batchFoldersMax = 256;
const batchBytesMax = 64 << 20;
/** Link targets are at most 4095 bytes on Linux. */
const linkBytesMax = 4096;
const depthMax = 2048;
/** Failures and differences are named up to here, then counted. */
const namedMax = 100;
/** A message may become a status, which has to stay short. */
const namedInMessageMax = 3;

export interface RestoreOptions {
  readonly repository: Repository;
  /** What to restore: the root of a snapshot, or anything below it. A file or a link goes into the target folder. */
  readonly entry: DirectoryEntry;
  /** A folder that is there. Links in the path itself are followed, once. */
  readonly target: string;
  /** "holes" leaves long runs of zeros unwritten. */
  readonly zeros: "written" | "holes";
  readonly signal: AbortSignal;
  readonly onProgress: (progress: RestoreProgress) => void;
  readonly warn: (message: string) => void;
}

export interface RestoreProgress {
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly entriesDone: number;
}

export interface RestoreResult {
  readonly files: number;
  readonly folders: number;
  readonly symlinks: number;
  readonly bytes: number;
  /** Attributes that the file system did not take, by path. */
  readonly differences: {
    readonly count: number;
    readonly named: readonly (AttributeDifference & { readonly path: string })[];
  };
}

/** Not worth going on after one of these. */
const fatalForTarget: ReadonlySet<VolumeErrorCode> = new Set<VolumeErrorCode>(["VOLUME_FULL", "VOLUME_READ_ONLY"]);

/**
 * Everything is on storage when this returns. Errors: RESTORE_INCOMPLETE when some entries could not be restored (all
 * others are); RESTORE_STOPPED when the target takes no more; VolumeError for the target, BlobError and IndexError for the store.
 */
export async function restore(options: RestoreOptions): Promise<RestoreResult> {
  using root = await openVolume(options.target, { signal: options.signal });
  return await new RestoreRun(options).run(root);
}

interface PendingEntry {
  readonly folder: OpenFolder;
  readonly entry: DirectoryEntry;
  /** For messages, relative to the target. */
  readonly path: string;
  done: boolean;
}

interface FinishedFolder {
  readonly folder: OpenFolder;
  readonly entry: DirectoryEntry;
  readonly path: string;
}

class RestoreRun {
  readonly #options: RestoreOptions;
  #pending: PendingEntry[] = [];
  #pendingBytes = 0;
  /** All below them is pending or done; in the order in which they may get their attributes. */
  #finished: FinishedFolder[] = [];
  readonly #failures: RestoreFailure[] = [];
  #failureCount = 0;
  readonly #differences: (AttributeDifference & { path: string })[] = [];
  #differenceCount = 0;
  readonly #counts = { files: 0, folders: 0, symlinks: 0, bytes: 0 };

  constructor(options: RestoreOptions) {
    this.#options = options;
  }

  async run(root: OpenFolder): Promise<RestoreResult> {
    const { entry, warn } = this.#options;
    if (root.system.fallbackBecause !== undefined) {
      warn(`times are restored to the millisecond, and each file is synced by itself: ${root.system.fallbackBecause}`);
    }
    try {
      if (entry.kind === "folder") {
        await this.#below(root, entry, "", 0);
        await this.#flush();
        await this.#finish({ folder: root, entry, path: "" });
      } else {
        await this.#take(root, entry, "", 0);
        await this.#flush();
      }
    } finally {
      for (const { folder } of this.#finished) folder[Symbol.dispose]();
    }
    await syncVolume(root);
    if (this.#failureCount > 0) throw this.#incomplete();
    return { ...this.#counts, differences: { count: this.#differenceCount, named: this.#differences } };
  }

  /** Takes what is in the folder; of one whose own object is damaged, what can be read. */
  async #below(folder: OpenFolder, entry: DirectoryEntry, path: string, depth: number): Promise<void> {
    const { repository, signal } = this.#options;
    try {
      await removeLeftTemporaries(folder);
      const { entries } = await readFolder(repository, entry.objectId, signal);
      for (const child of entries) await this.#take(folder, child, path, depth);
    } catch (error) {
      this.#fail(path, error);
    }
  }

  async #take(folder: OpenFolder, entry: DirectoryEntry, folderPath: string, depth: number): Promise<void> {
    this.#options.signal.throwIfAborted();
    const path = joinRelativePath(folderPath, entry.nameBytes);
    const why = whyImpossible(entry, depth);
    if (why !== undefined) return this.#fail(path, new RestoreError("RESTORE_ENTRY_INVALID", why));
    if (entry.kind === "folder") return await this.#folder(folder, entry, path, depth);
    this.#pending.push({ folder, entry, path, done: false });
    this.#pendingBytes += entry.size;
    if (this.#pending.length >= batchEntriesMax || this.#pendingBytes >= batchBytesMax) await this.#flush();
  }

  async #folder(parent: OpenFolder, entry: DirectoryEntry, path: string, depth: number): Promise<void> {
    let folder: OpenFolder;
    try {
      folder = await makeFolder(parent, entry.nameBytes);
    } catch (error) {
      return this.#fail(path, error);
    }
    try {
      await this.#below(folder, entry, path, depth + 1);
    } catch (error) {
      folder[Symbol.dispose]();
      throw error;
    }
    this.#finished.push({ folder, entry, path });
    if (this.#finished.length >= batchFoldersMax) await this.#flush();
  }

  /** Restores what is pending, then gives finished folders their attributes, children before parents. */
  async #flush(): Promise<void> {
    const pending = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    await this.#restorePending(pending);
    for (const finished of this.#finished) {
      await this.#finish(finished);
      finished.folder[Symbol.dispose]();
    }
    this.#finished = [];
    this.#report();
  }

  async #finish({ folder, entry, path }: FinishedFolder): Promise<void> {
    try {
      this.#note(path, await setFolderAttributes(folder, attributesOf(entry)));
      this.#counts.folders++;
    } catch (error) {
      this.#fail(path, error);
    }
  }

  async #restorePending(pending: readonly PendingEntry[]): Promise<void> {
    const { repository, signal } = this.#options;
    const whole: { readonly item: PendingEntry; readonly contentId: ContentId }[] = [];
    const streamed: PendingEntry[] = [];
    for (const item of pending) {
      const contentId = this.#wholeContentOf(item);
      if (contentId === undefined) streamed.push(item);
      else whole.push({ item, contentId });
    }
    try {
      await repository.contents.readEach(
        whole.map(({ contentId }) => contentId),
        signal,
        (position, bytes) => this.#restoreWhole((whole[position] as { item: PendingEntry }).item, bytes),
      );
    } catch (error) {
      if (!isOfEntry(error)) throw error;
      // Something in the batch is damaged: one by one, so that only what is touched by it fails.
      streamed.push(...whole.flatMap(({ item }) => (item.done ? [] : [item])));
    }
    for (const item of streamed) {
      try {
        await this.#restoreStreamed(item);
      } catch (error) {
        this.#fail(item.path, error);
      }
    }
  }

  /** The one content that is all of a file or of a link's target, where it is that. */
  #wholeContentOf({ entry }: PendingEntry): ContentId | undefined {
    try {
      return this.#options.repository.objects.directContentOf(parseObjectId(entry.objectId));
    } catch (error) {
      if (error instanceof CodedError) return undefined; // Reading it will say what is wrong.
      throw error;
    }
  }

  async #restoreWhole(item: PendingEntry, bytes: Uint8Array): Promise<void> {
    try {
      if (item.entry.kind === "symlink") await this.#link(item, bytes);
      else await this.#file(item, [bytes]);
    } catch (error) {
      this.#fail(item.path, error);
    }
    item.done = true;
  }

  async #restoreStreamed(item: PendingEntry): Promise<void> {
    const { repository, signal } = this.#options;
    const id: ObjectId = parseObjectId(item.entry.objectId);
    if (item.entry.kind === "symlink")
      await this.#link(item, await repository.objects.readWhole(id, linkBytesMax, signal));
    else await this.#file(item, repository.objects.read(id, signal));
  }

  async #file(
    { folder, entry, path }: PendingEntry,
    pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<void> {
    await using file = await createFile(folder, { zeros: this.#options.zeros });
    let length = 0;
    for await (const piece of pieces) {
      this.#options.signal.throwIfAborted();
      // Before it is written: what is stored may be larger by any amount.
      if (length + piece.byteLength > entry.size) throw sizeMismatch(entry, `at least ${length + piece.byteLength}`);
      await file.write(piece, length);
      length += piece.byteLength;
      this.#counts.bytes += piece.byteLength;
      this.#report();
    }
    if (length !== entry.size) throw sizeMismatch(entry, `${length}`);
    // Without syncfs at the end, each file must be on storage before its name is.
    const options = folder.system.fallbackBecause === undefined ? {} : ({ sync: "before-rename" } as const);
    this.#note(path, await file.commit(entry.nameBytes, attributesOf(entry), options));
    this.#counts.files++;
  }

  async #link({ folder, entry, path }: PendingEntry, target: Uint8Array): Promise<void> {
    this.#note(path, await makeSymlink(folder, entry.nameBytes, { target, attributes: attributesOf(entry) }));
    this.#counts.symlinks++;
  }

  /** Notes the failure of one entry; what stops everything is thrown on. */
  #fail(path: string, error: unknown): void {
    if (!isOfEntry(error)) throw stopped(path, error);
    this.#failureCount++;
    if (this.#failures.length < namedMax)
      this.#failures.push({ path: path === "" ? "." : path, cause: explainWithoutHint(error) });
  }

  #note(path: string, differences: readonly AttributeDifference[]): void {
    this.#differenceCount += differences.length;
    for (const difference of differences) {
      if (this.#differences.length < namedMax)
        this.#differences.push({ path: path === "" ? "." : path, ...difference });
    }
  }

  #incomplete(): RestoreError {
    const named = this.#failures.slice(0, namedInMessageMax).map(({ path, cause }) => `${path}: ${cause}`);
    const rest = this.#failureCount - named.length;
    const count = this.#failureCount === 1 ? "1 entry" : `${this.#failureCount} entries`;
    return new RestoreError(
      "RESTORE_INCOMPLETE",
      `${count} could not be restored: ${[...named, ...(rest > 0 ? [`and ${rest} more`] : [])].join("; ")}`,
      {
        detail: { count: this.#failureCount },
        hint: "everything else is restored; see each entry for its cause",
        failures: this.#failures,
      },
    );
  }

  #report(): void {
    const { entry, onProgress } = this.#options;
    const { files, folders, symlinks, bytes } = this.#counts;
    const bytesTotal = Math.max(bytes, entry.summary?.size ?? entry.size);
    onProgress({ bytesDone: bytes, bytesTotal, entriesDone: files + folders + symlinks });
  }
}

function whyImpossible(entry: DirectoryEntry, depth: number): string | undefined {
  if (depth >= depthMax) return `it is nested more than ${depthMax} folders deep`;
  if (entry.kind === "error") return "it is of a kind that is not known";
  return isSafeName(entry.nameBytes) ? undefined : "that is no name for an entry of a folder";
}

function sizeMismatch(entry: DirectoryEntry, stored: string): RestoreError {
  return new RestoreError("RESTORE_SIZE_MISMATCH", `the stored file has ${stored} bytes, its entry says ${entry.size}`);
}

function attributesOf({ mode, uid, gid, mtimeNs }: DirectoryEntry): Attributes {
  return { mode, uid, gid, mtimeNs };
}

/** What stops everything, with the entry at which it did: the file in the making bears a temporary name. */
function stopped(path: string, error: unknown): unknown {
  if (!(error instanceof VolumeError)) return error;
  const name = path === "" ? "the folder itself" : path;
  return new RestoreError("RESTORE_STOPPED", `could not restore ${name}`, { cause: error, detail: { path } });
}

/** Trouble with this entry alone: others may well be restored. */
function isOfEntry(error: unknown): boolean {
  if (error instanceof RestoreError && error.code === "RESTORE_STOPPED") return false;
  if (error instanceof VolumeError) return !fatalForTarget.has(error.code);
  return error instanceof CodedError && !error.code.startsWith("BLOB_") && !error.code.startsWith("INDEX_");
}
