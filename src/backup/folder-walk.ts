/**
 * The reference walk. Folders are walked depth first, by descriptor. Each entry is compared with the parent snapshot's:
 * unchanged, it keeps its object; else it is read, split, and stored. A folder's object is written when all below it is
 * stored.
 *
 * Source: docs/format/snapshots.md; kopia snapshot/snapshotfs/upload.go.
 */

import { CodedError, errnoOf } from "../base/errors.ts";
import type { Chunk } from "../kernel/kernel.ts";
import { keyOf } from "../repository/content/content-id.ts";
import { takeApart } from "../repository/object/object-id.ts";
import type { DirectoryEntry } from "../snapshot/directory-entry.ts";
import { FolderEncoder } from "../snapshot/folder-object.ts";
import { type SnapshotStats, zeroStats } from "../snapshot/snapshot-manifest.ts";
import { SummaryBuilder } from "../snapshot/summary.ts";
import { isUnchanged } from "../snapshot/unchanged.ts";
import type { VolumeEntry } from "../volume/entry.ts";
import { joinRelativePath } from "../volume/entry-name.ts";
import type { OpenFolder } from "../volume/open-folder.ts";
import { VolumeError } from "../volume/volume-error.ts";
import { type FolderInProgress, writeCheckpointTree, writeFolder } from "./checkpoint.ts";
import { type FileFailure, FileList } from "./file-report.ts";
import { openParentFolder, type ParentFolder } from "./parent-folder.ts";
import type { TreeWalk, TreeWalkOptions, WalkOutcome } from "./tree-walk.ts";

/** Entries of a folder that are looked at, and files handed to the kernel, at once: however many a folder has. */
const entriesPerBatch = 1000;
/** Every path that a system call could name is shallower; deeper folders can only be made to do harm. */
const depthMax = 2048;

type MutableStats = { -readonly [key in keyof SnapshotStats]: number };

export class FolderWalk implements TreeWalk {
  readonly #options: TreeWalkOptions;
  readonly #stats: MutableStats = { ...zeroStats };
  readonly #failures = new FileList<FileFailure>();
  readonly #changed = new FileList<string>();
  readonly #vanished = new FileList<string>();
  readonly #skipped = new FileList<string>();
  /** The folders that the walk is in, root first. */
  readonly #path: FolderInProgress[] = [];
  #bytesListed = 0;
  #bytesDone = 0;
  #readBytes = 0;
  #filesDone = 0;

  constructor(options: TreeWalkOptions) {
    this.#options = options;
  }

  async run(): Promise<WalkOutcome> {
    const { root, rootName, parentObjectId } = this.#options;
    const own = await root.stat();
    const rootEntry = await this.#folder(root, { ...own, name: rootName }, "", parentObjectId);
    return {
      rootEntry,
      stats: this.#stats,
      readBytes: this.#readBytes,
      failures: this.#failures,
      changed: this.#changed,
      vanished: this.#vanished,
      skipped: this.#skipped,
    };
  }

  async writeCheckpoint(): Promise<DirectoryEntry | undefined> {
    if (this.#path.length === 0) return undefined;
    return await writeCheckpointTree(this.#options.writer, this.#path, this.#options.signal);
  }

  /** It holds nothing open between its steps. */
  async [Symbol.asyncDispose](): Promise<void> {}

  /** Stores all below the folder, then the folder itself, and gives its entry. `path` is for messages, "" for the root. */
  async #folder(
    folder: OpenFolder,
    own: VolumeEntry,
    path: string,
    parentObjectId: string | undefined,
  ): Promise<DirectoryEntry> {
    const { repository, signal, warn } = this.#options;
    const inProgress: FolderInProgress = {
      nameBytes: own.name,
      attributes: attributesOf(own),
      encoder: new FolderEncoder(),
      summary: new SummaryBuilder(),
      partial: undefined,
    };
    const names = await folder.listNamesByKind();
    this.#path.push(inProgress);
    this.#stats.dirCount++;
    const folders = sortedOnce(names.folders);
    const isFolder = new Set(folders);
    const others = sortedOnce(names.others.filter((name) => !isFolder.has(name)));

    const parent = await openParentFolder(repository, parentObjectId, signal, warn);
    for (const batch of batchesOf(folders)) {
      for (const entry of await this.#entries(folder, batch, path, "folder")) {
        await this.#subfolder(folder, entry, path, parent?.find(true, entry.name)?.objectId);
      }
    }
    for (const batch of batchesOf(others)) {
      await this.#others(folder, await this.#entries(folder, batch, path, "other"), path, parent);
    }
    this.#path.pop();
    return await writeFolder(this.#options.writer, inProgress, undefined, signal);
  }

  /** The entries of some names that the listing called folders, or others; those that are not by now have vanished. */
  async #entries(
    folder: OpenFolder,
    names: readonly string[],
    path: string,
    listedAs: "folder" | "other",
  ): Promise<VolumeEntry[]> {
    const { entries, unreadable, vanished } = await folder.readEntries(names, this.#options.signal);
    for (const name of vanished) this.#vanished.add(joinRelativePath(path, name));
    for (const { name, errno } of unreadable) this.#fail(path, name, "lstat", errno);
    return entries.filter((entry) => {
      const stayed = (entry.kind === "folder") === (listedAs === "folder");
      if (!stayed) this.#vanished.add(joinRelativePath(path, entry.name));
      if (stayed && entry.kind === "file") this.#bytesListed += entry.size;
      return stayed;
    });
  }

  async #subfolder(
    folder: OpenFolder,
    entry: VolumeEntry,
    path: string,
    parentObjectId: string | undefined,
  ): Promise<void> {
    this.#options.signal.throwIfAborted();
    if (this.#path.length >= depthMax) return this.#fail(path, entry.name, "descend", "ELOOP");
    let stored: DirectoryEntry;
    const depth = this.#path.length;
    try {
      using child = await folder.openFolder(entry.name);
      stored = await this.#folder(child, entry, joinRelativePath(path, entry.name), parentObjectId);
    } catch (error) {
      // A folder that cannot be opened or listed is left out whole, and named.
      if (!(error instanceof VolumeError)) throw error;
      this.#path.length = depth;
      return this.#failOrVanish(path, entry.name, "list", error);
    }
    this.#add(stored);
    await this.#options.atRest();
  }

  /** A batch of entries that are no folders, in their folder's order. */
  async #others(
    folder: OpenFolder,
    entries: readonly VolumeEntry[],
    path: string,
    parent: ParentFolder | undefined,
  ): Promise<void> {
    const { signal } = this.#options;
    const files: VolumeEntry[] = [];
    const links: { readonly entry: VolumeEntry; readonly target: Uint8Array }[] = [];
    for (const entry of entries) {
      if (entry.kind === "other") {
        this.#skipped.add(joinRelativePath(path, entry.name));
        continue;
      }
      const stored = parent?.find(false, entry.name);
      if (stored !== undefined && isUnchanged(asLocal(entry), stored) && this.#isStored(stored.objectId)) {
        this.#stats.cachedFiles++;
        this.#stats.totalSize += entry.size;
        this.#bytesDone += entry.kind === "file" ? entry.size : 0;
        this.#add(entryOf(entry, stored.objectId, stored.size));
      } else if (entry.kind === "file") {
        files.push(entry);
      } else {
        const target = await this.#target(folder, entry, path);
        if (target !== undefined) links.push({ entry, target });
      }
    }
    const targets = links.map(({ target }) => ({ prefix: "", bytes: target }));
    for (const [i, objectId] of (await this.#options.writer.writeObjects(targets, signal)).entries()) {
      const { entry, target } = links[i] as { entry: VolumeEntry; target: Uint8Array };
      this.#add(entryOf(entry, objectId, target.byteLength));
    }
    await this.#files(folder, files, path);
    this.#report();
    // Also where nothing was read: contents that are only found again must be reachable in time all the same.
    await this.#options.atRest();
  }

  async #files(folder: OpenFolder, files: readonly VolumeEntry[], path: string): Promise<void> {
    const { signal } = this.#options;
    const inProgress = this.#path.at(-1) as FolderInProgress;
    let chunks: Chunk[] = [];
    let chunkBytes = 0;
    for await (const events of this.#options.writer.storeFiles(folder.fd, files, signal)) {
      for (const event of events) {
        const entry = files[event.file] as VolumeEntry;
        switch (event.kind) {
          case "chunks":
            for (const chunk of event.chunks) chunkBytes += chunk.length;
            chunks.push(...event.chunks);
            inProgress.partial = { entry: entryOf(entry, "", 0), chunks };
            this.#report(chunkBytes);
            await this.#options.atRest();
            break;
          case "restarted":
            chunks = [];
            chunkBytes = 0;
            inProgress.partial = undefined;
            break;
          case "failed":
            if (event.operation === "open" && isGone(event.errno))
              this.#vanished.add(joinRelativePath(path, entry.name));
            else this.#fail(path, entry.name, event.operation, event.errno);
            break;
          case "file": {
            const objectId = await this.#options.writer.objectOfChunks([...chunks, ...event.chunks], signal);
            if (event.changed) this.#changed.add(joinRelativePath(path, entry.name));
            this.#stats.fileCount++;
            this.#stats.nonCachedFiles++;
            this.#stats.totalSize += event.bytesRead;
            this.#readBytes += event.bytesRead;
            this.#bytesDone += event.bytesRead;
            this.#add({ ...entryOf(entry, objectId, event.bytesRead), mtimeNs: event.mtimeNs });
            break;
          }
        }
        if (event.kind === "file" || event.kind === "failed") {
          chunks = [];
          chunkBytes = 0;
          inProgress.partial = undefined;
        }
      }
      this.#report(chunkBytes);
      await this.#options.atRest();
    }
  }

  async #target(folder: OpenFolder, entry: VolumeEntry, path: string): Promise<Uint8Array | undefined> {
    try {
      return await folder.readLink(entry.name);
    } catch (error) {
      if (!(error instanceof VolumeError)) throw error;
      this.#failOrVanish(path, entry.name, "readlink", error);
      return undefined;
    }
  }

  #add(entry: DirectoryEntry): void {
    const inProgress = this.#path.at(-1) as FolderInProgress;
    inProgress.encoder.add(entry);
    inProgress.summary.add(entry);
    if (entry.kind !== "folder") this.#filesDone++;
  }

  #fail(path: string, name: Uint8Array, operation: string, errno: string): void {
    const failure = { path: joinRelativePath(path, name), operation, errno };
    this.#failures.add(failure);
    const summary = (this.#path.at(-1) as FolderInProgress).summary;
    summary.addFailure({ path: failure.path, error: `${operation}: ${errno}`, ignored: true });
  }

  #failOrVanish(path: string, name: Uint8Array, operation: string, error: VolumeError): void {
    const errno = String(error.detail.errno ?? errnoOf(error.cause) ?? "EIO");
    const gone = error.code === "VOLUME_ENTRY_VANISHED" || error.code === "VOLUME_ENTRY_CHANGED_KIND";
    if (gone) this.#vanished.add(joinRelativePath(path, name));
    else this.#fail(path, name, operation, errno);
  }

  /** Whether the object that the parent names is in the index: then it need not be read to be there. */
  #isStored(objectId: string): boolean {
    try {
      const record = this.#options.repository.index.find(keyOf(takeApart(objectId).contentId));
      return record !== undefined && !record.deleted;
    } catch (error) {
      if (error instanceof CodedError) return false; // What the parent says is no object id.
      throw error;
    }
  }

  #report(partialBytes = 0): void {
    this.#options.progressed({
      bytesDone: this.#bytesDone + partialBytes,
      bytesListed: this.#bytesListed,
      filesDone: this.#filesDone,
    });
  }
}

/** In the order of the bytes; a name that was renamed while the folder was listed may have come twice. */
function sortedOnce(names: string[]): string[] {
  return names.sort().filter((name, i) => i === 0 || name !== names[i - 1]);
}

function* batchesOf(names: readonly string[]): Generator<readonly string[], void, undefined> {
  for (let from = 0; from < names.length; from += entriesPerBatch) yield names.slice(from, from + entriesPerBatch);
}

/** Of opening: not what it was when it was listed, but not there, a link, or no regular file. */
function isGone(errno: string): boolean {
  return errno === "ENOENT" || errno === "ELOOP" || errno === "EINVAL" || errno === "ENXIO";
}

function attributesOf(entry: VolumeEntry): Pick<DirectoryEntry, "mode" | "mtimeNs" | "uid" | "gid"> {
  return { mode: entry.mode, mtimeNs: entry.mtimeNs, uid: entry.uid, gid: entry.gid };
}

function asLocal(entry: VolumeEntry): Parameters<typeof isUnchanged>[0] {
  return { ...attributesOf(entry), kind: entry.kind === "symlink" ? "symlink" : "file", size: entry.size };
}

function entryOf(entry: VolumeEntry, objectId: string, size: number): DirectoryEntry {
  return {
    name: "",
    nameBytes: entry.name,
    kind: entry.kind === "symlink" ? "symlink" : "file",
    size,
    ...attributesOf(entry),
    objectId,
  };
}
