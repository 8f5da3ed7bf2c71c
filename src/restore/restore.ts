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
import { clampGoTime } from "../base/go-time.ts";
import type { LeftEntry, StoredEntry, TreeCounts, TreeRestore, TreeRestoreBatch } from "../kernel/kernel.ts";
import type { ContentId } from "../repository/content/content-id.ts";
import { type ObjectId, parseObjectId } from "../repository/object/object-id.ts";
import type { Repository } from "../repository/repository.ts";
import { type DirectoryEntry, isSafeName, linkBytesMax } from "../snapshot/directory-entry.ts";
import { readFolder } from "../snapshot/snapshots.ts";
import { type AttributeDifference, type Attributes, differencesOf, setFolderAttributes } from "../volume/attributes.ts";
import { joinDisplayPath, joinRelativePath } from "../volume/entry-name.ts";
import { removeLeftTemporaries } from "../volume/left-temporaries.ts";
import { makeFolder } from "../volume/make-folder.ts";
import { makeSymlink } from "../volume/make-symlink.ts";
import { createFile } from "../volume/new-file.ts";
import { type OpenFolder, openAgain, openVolume } from "../volume/open-folder.ts";
import { syncVolume } from "../volume/sync-volume.ts";
import { attempt, VolumeError, type VolumeErrorCode } from "../volume/volume-error.ts";
import { RestoreError, type RestoreFailure } from "./restore-error.ts";
import { followTree } from "./tree-restore.ts";

/** A batch ends at any of these: 4000 entries ≈ 2 MiB, 256 descriptors; its contents are never held at once. */
const batchEntriesMax = 4000;
const batchFoldersMax = 256;
const batchBytesMax = 64 << 20;
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
  readonly entry: StoredEntry;
  /** For messages, relative to the target. */
  readonly path: string;
  done: boolean;
}

interface FinishedFolder {
  readonly folder: OpenFolder;
  readonly entry: StoredEntry;
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
  /** Of what the kernel has restored. */
  #kernelCounts: TreeCounts = { files: 0, folders: 0, symlinks: 0, bytes: 0 };

  constructor(options: RestoreOptions) {
    this.#options = options;
  }

  async run(root: OpenFolder): Promise<RestoreResult> {
    const { entry, zeros, repository } = this.#options;
    const tree = repository.restoreTree({ targetFd: root.fd, entry, zeros });
    try {
      if (tree === undefined) await this.#restoreAll(root);
      else await this.#followTree(tree, root);
    } finally {
      for (const { folder } of this.#finished) folder[Symbol.dispose]();
      await tree?.[Symbol.asyncDispose]();
    }
    if (this.#failureCount > 0) throw this.#incomplete();
    return { ...this.#sums(), differences: { count: this.#differenceCount, named: this.#differences } };
  }

  async #restoreAll(root: OpenFolder): Promise<void> {
    const { entry, warn } = this.#options;
    if (root.system.fallbackBecause !== undefined) {
      warn(`times are restored to the millisecond, and each file is synced by itself: ${root.system.fallbackBecause}`);
    }
    if (entry.kind === "folder") await this.#goOver({ folder: root, entry, path: "" }, 0, 0);
    else await this.#take(root, entry, "", 0);
    await this.#flush();
    await syncVolume(root);
  }

  /** The kernel restores what is straight, and what it leaves is done as if there were no kernel. */
  async #followTree(tree: TreeRestore, root: OpenFolder): Promise<void> {
    const { repository, signal } = this.#options;
    let { tables } = repository.index;
    await followTree(tree, { repository, signal }, async (batch) => {
      this.#note(batch);
      await this.#restoreLeft(batch.left, root);
      for (const left of batch.left) tree.settle(left);
      this.#report();
      if (tables === repository.index.tables) return;
      tables = repository.index.tables; // Contents have moved, and were looked for again.
      tree.replaceTables(tables);
    });
    await attempt("bring to storage", root.displayPath, () => tree.sync());
  }

  async #restoreLeft(left: readonly LeftEntry[], root: OpenFolder): Promise<void> {
    const opened = new Map<number, OpenFolder>();
    try {
      for (const { kind, after, folderFd, folderPath, entry } of left) {
        const path = folderPath.reduce(joinRelativePath, "");
        let folder = opened.get(folderFd);
        if (folder === undefined) {
          folder = await openAgain(folderFd, folderPath.reduce(joinDisplayPath, root.displayPath), root.system);
          opened.set(folderFd, folder);
        }
        if (kind === "entry") await this.#take(folder, entry, path, folderPath.length);
        else if (kind === "below") await this.#goOver({ folder, entry, path }, folderPath.length, after);
        else await this.#finish({ folder, entry, path });
      }
      await this.#flush();
    } finally {
      for (const folder of opened.values()) folder[Symbol.dispose]();
    }
  }

  /** A folder, which the caller disposes, from the entry of this number on. */
  async #goOver(folder: FinishedFolder, depth: number, first: number): Promise<void> {
    await this.#below(folder.folder, folder.entry, folder.path, depth, first);
    await this.#flush();
    await this.#finish(folder);
  }

  #note({ counts, differences }: TreeRestoreBatch): void {
    this.#kernelCounts = counts;
    for (const { path, wanted, found, refused } of differences) {
      const clamped = { ...found, mtimeNs: clampGoTime(found.mtimeNs) };
      this.#noteDifferences(path?.reduce(joinRelativePath, "") ?? "", differencesOf(wanted, clamped, refused));
    }
  }

  /** Takes what is in the folder; of one whose own object is damaged, what can be read. */
  async #below(folder: OpenFolder, entry: StoredEntry, path: string, depth: number, first = 0): Promise<void> {
    const { repository, signal } = this.#options;
    try {
      await removeLeftTemporaries(folder);
      const { entries } = await readFolder(repository, entry.objectId, signal);
      let number = 0;
      for (const child of entries) if (number++ >= first) await this.#take(folder, child, path, depth);
    } catch (error) {
      this.#fail(path, error);
    }
  }

  async #take(folder: OpenFolder, entry: StoredEntry, folderPath: string, depth: number): Promise<void> {
    this.#options.signal.throwIfAborted();
    const path = joinRelativePath(folderPath, entry.nameBytes);
    const why = whyImpossible(entry, depth);
    if (why !== undefined) return this.#fail(path, new RestoreError("RESTORE_ENTRY_INVALID", why));
    if (entry.kind === "folder") return await this.#folder(folder, entry, path, depth);
    this.#pending.push({ folder, entry, path, done: false });
    this.#pendingBytes += entry.size;
    if (this.#pending.length >= batchEntriesMax || this.#pendingBytes >= batchBytesMax) await this.#flush();
  }

  async #folder(parent: OpenFolder, entry: StoredEntry, path: string, depth: number): Promise<void> {
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
      this.#noteDifferences(path, await setFolderAttributes(folder, attributesOf(entry)));
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
    this.#noteDifferences(path, await file.commit(entry.nameBytes, attributesOf(entry), options));
    this.#counts.files++;
  }

  async #link({ folder, entry, path }: PendingEntry, target: Uint8Array): Promise<void> {
    this.#noteDifferences(
      path,
      await makeSymlink(folder, entry.nameBytes, { target, attributes: attributesOf(entry) }),
    );
    this.#counts.symlinks++;
  }

  /** Notes the failure of one entry; what stops everything is thrown on. */
  #fail(path: string, error: unknown): void {
    if (!isOfEntry(error)) throw stopped(path, error);
    this.#failureCount++;
    if (this.#failures.length < namedMax)
      this.#failures.push({ path: path === "" ? "." : path, cause: explainWithoutHint(error) });
  }

  #noteDifferences(path: string, differences: readonly AttributeDifference[]): void {
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

  #sums(): TreeCounts {
    const [own, kernel] = [this.#counts, this.#kernelCounts];
    return {
      files: own.files + kernel.files,
      folders: own.folders + kernel.folders,
      symlinks: own.symlinks + kernel.symlinks,
      bytes: own.bytes + kernel.bytes,
    };
  }

  #report(): void {
    const { entry, onProgress } = this.#options;
    const { files, folders, symlinks, bytes } = this.#sums();
    const bytesTotal = Math.max(bytes, entry.summary?.size ?? entry.size);
    onProgress({ bytesDone: bytes, bytesTotal, entriesDone: files + folders + symlinks });
  }
}

function whyImpossible(entry: StoredEntry, depth: number): string | undefined {
  if (depth >= depthMax) return `it is nested more than ${depthMax} folders deep`;
  if (entry.kind === "error") return "it is of a kind that is not known";
  return isSafeName(entry.nameBytes) ? undefined : "that is no name for an entry of a folder";
}

function sizeMismatch(entry: StoredEntry, stored: string): RestoreError {
  return new RestoreError("RESTORE_SIZE_MISMATCH", `the stored file has ${stored} bytes, its entry says ${entry.size}`);
}

function attributesOf({ mode, uid, gid, mtimeNs }: StoredEntry): Attributes {
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
