/**
 * A volume into a snapshot.
 *
 * Folders are walked depth first, by descriptor. Each entry is compared with the parent snapshot's: unchanged, it keeps
 * its object; else it is read, split, and stored. A folder's object is written when all below it is stored, the
 * snapshot's manifest last of all, and one index blob makes everything visible at once. Memory holds one path of
 * folders, never the tree.
 *
 * Source: docs/format/snapshots.md; kopia snapshot/snapshotfs/upload.go.
 */

import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { toUtf8 } from "../base/bytes.ts";
import type { Clock } from "../base/clock.ts";
import { CodedError, errnoOf } from "../base/errors.ts";
import type { Chunk } from "../kernel/kernel.ts";
import { keyOf } from "../repository/content/content-id.ts";
import type { ManifestVersion } from "../repository/manifest/manifest-codec.ts";
import { takeApart } from "../repository/object/object-id.ts";
import type { Repository } from "../repository/repository.ts";
import type { RepositoryWriter } from "../repository/repository-writer.ts";
import type { DirectoryEntry } from "../snapshot/directory-entry.ts";
import { FolderEncoder } from "../snapshot/folder-object.ts";
import {
  type SnapshotManifest,
  type SnapshotSource,
  type SnapshotStats,
  zeroStats,
} from "../snapshot/snapshot-manifest.ts";
import { listSnapshots, saveSnapshot } from "../snapshot/snapshots.ts";
import { SummaryBuilder } from "../snapshot/summary.ts";
import { isUnchanged } from "../snapshot/unchanged.ts";
import type { VolumeEntry } from "../volume/entry.ts";
import { joinRelativePath } from "../volume/entry-name.ts";
import { type OpenFolder, openVolume } from "../volume/open-folder.ts";
import { VolumeError } from "../volume/volume-error.ts";
import { BackupError } from "./backup-error.ts";
import { type FolderInProgress, writeCheckpointTree, writeFolder } from "./checkpoint.ts";
import { describeFailures, type FileFailure, FileList, type NamedFiles } from "./file-report.ts";
import { openParentFolder, type ParentFolder } from "./parent-folder.ts";

/** kopia's interval: contents must be reachable well before maintenance may take them, a day after they were written. */
const checkpointIntervalMs = 45 * 60_000;
/** Entries of a folder that are looked at, and files handed to the kernel, at once: however many a folder has. */
const entriesPerBatch = 1000;
/** Every path that a system call could name is shallower; deeper folders can only be made to do harm. */
const depthMax = 2048;

export interface BackupOptions {
  readonly repository: Repository;
  /** Folder to read. Links in the path itself are followed, once. */
  readonly path: string;
  readonly source: SnapshotSource;
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly pins: readonly string[];
  /** Files that are as they were in it are not read. */
  readonly parent: SnapshotManifest | undefined;
  /** "fail" reads on, so that all unreadable files are named, but saves no snapshot. */
  readonly onFileError: "fail" | "continue";
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: BackupProgress) => void;
  /** Asked before a snapshot is saved from which files vanished; throws when the volume is being taken away. */
  readonly assertVolumeInUse: () => Promise<void>;
  readonly warn: (message: string) => void;
}

export interface BackupProgress {
  /** Read, or known to be unchanged. */
  readonly bytesDone: number;
  /** As far as it is known: at least what was listed so far or what the parent held. */
  readonly bytesTotal: number;
  readonly filesDone: number;
}

export interface BackupResult {
  readonly snapshot: SnapshotManifest;
  /** Bytes of file data that were read, not known to be unchanged. */
  readonly readBytes: number;
  /** Bytes that were put into the store: packs, sealed and with their padding. */
  readonly uploadedBytes: number;
  readonly failures: NamedFiles<FileFailure>;
  /** Changed while they were read, twice. */
  readonly changed: NamedFiles<string>;
  /** Went away, or became something else, between listing and reading. */
  readonly vanished: NamedFiles<string>;
  /** Sockets, FIFOs and devices: never stored. */
  readonly skipped: NamedFiles<string>;
}

/**
 * Errors: VolumeError for the volume's root, BACKUP_FILES_UNREADABLE, BACKUP_FOLDER_TOO_LARGE, BACKUP_VOLUME_VANISHED,
 * and whatever stops the repository. After an error there is no new snapshot, and what was flushed before is found again by the next run.
 */
export async function backUp(options: BackupOptions): Promise<BackupResult> {
  using root = await openVolume(options.path, { signal: options.signal });
  await using writer = options.repository.createWriter();
  return await new BackupRun(options, writer).run(root);
}

type MutableStats = { -readonly [key in keyof SnapshotStats]: number };

class BackupRun {
  readonly #options: BackupOptions;
  readonly #writer: RepositoryWriter;
  readonly #startTimeNs: bigint;
  readonly #stats: MutableStats = { ...zeroStats };
  readonly #failures = new FileList<FileFailure>();
  readonly #changed = new FileList<string>();
  readonly #vanished = new FileList<string>();
  readonly #skipped = new FileList<string>();
  /** The folders that the walk is in, root first. */
  readonly #path: FolderInProgress[] = [];
  #checkpoint: ManifestVersion | undefined;
  #checkpointMs: number;
  #bytesListed = 0;
  #bytesDone = 0;
  #readBytes = 0;
  #filesDone = 0;

  constructor(options: BackupOptions, writer: RepositoryWriter) {
    this.#options = options;
    this.#writer = writer;
    this.#startTimeNs = options.clock.nowNs();
    this.#checkpointMs = options.clock.nowMs();
  }

  async run(root: OpenFolder): Promise<BackupResult> {
    const { repository, path, parent, clock, signal, source, description, tags, pins } = this.#options;
    const own = await root.stat();
    const parentRoot = parent?.rootEntry.kind === "folder" ? parent.rootEntry.objectId : undefined;
    const rootEntry = await this.#folder(root, { ...own, name: toUtf8(basename(path)) }, "", parentRoot);
    await this.#assertVolumeIsThere(root);
    if (this.#vanished.count > 0) await this.#options.assertVolumeInUse();
    if (this.#failures.count > 0 && this.#options.onFileError === "fail") {
      await this.#writer.flush(signal); // What was read need not be read again by the next try.
      throw unreadable(this.#failures);
    }
    const manifest: SnapshotManifest = {
      id: "",
      source,
      description,
      startTimeNs: this.#startTimeNs,
      endTimeNs: clock.nowNs(),
      stats: { ...this.#stats, ignoredErrorCount: this.#failures.count },
      rootEntry,
      tags,
      pins,
    };
    const { id } = saveSnapshot(this.#writer, manifest);
    for (const stale of await this.#staleCheckpoints(repository)) this.#writer.deleteManifest(stale);
    await this.#writer.flush(signal);
    return {
      snapshot: { ...manifest, id },
      readBytes: this.#readBytes,
      uploadedBytes: this.#writer.storedBytes,
      failures: this.#failures,
      changed: this.#changed,
      vanished: this.#vanished,
      skipped: this.#skipped,
    };
  }

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
    this.#path.push(inProgress);
    this.#stats.dirCount++;
    const names = await folder.listNamesByKind();
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
    return await writeFolder(this.#writer, inProgress, undefined, signal);
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
    await this.#checkpointWhenDue();
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
    for (const [i, objectId] of (await this.#writer.writeObjects(targets, signal)).entries()) {
      const { entry, target } = links[i] as { entry: VolumeEntry; target: Uint8Array };
      this.#add(entryOf(entry, objectId, target.byteLength));
    }
    await this.#files(folder, files, path);
    this.#report();
    // Also where nothing was read: contents that are only found again must be reachable in time all the same.
    await this.#checkpointWhenDue();
  }

  async #files(folder: OpenFolder, files: readonly VolumeEntry[], path: string): Promise<void> {
    const { signal } = this.#options;
    const inProgress = this.#path.at(-1) as FolderInProgress;
    let chunks: Chunk[] = [];
    let chunkBytes = 0;
    for await (const events of this.#writer.storeFiles(folder.fd, files, signal)) {
      for (const event of events) {
        const entry = files[event.file] as VolumeEntry;
        switch (event.kind) {
          case "chunks":
            for (const chunk of event.chunks) chunkBytes += chunk.length;
            chunks.push(...event.chunks);
            inProgress.partial = { entry: entryOf(entry, "", 0), chunks };
            this.#report(chunkBytes);
            await this.#checkpointWhenDue();
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
            const objectId = await this.#writer.objectOfChunks([...chunks, ...event.chunks], signal);
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
      await this.#checkpointWhenDue();
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

  /** A volume that was taken away looks like one whose files all vanished: that must not become a snapshot. */
  async #assertVolumeIsThere(root: OpenFolder): Promise<void> {
    const { path } = this.#options;
    const held = await root.stat();
    let found: { readonly dev: number; readonly ino: bigint } | undefined;
    try {
      const now = await stat(path, { bigint: true });
      found = { dev: Number(now.dev), ino: now.ino };
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
    }
    if (found?.dev === held.device && found.ino === held.inode) return;
    throw new BackupError("BACKUP_VOLUME_VANISHED", `the volume at ${path} was taken away while it was read`, {
      detail: { path },
      hint: "the pod was probably deleted or its volume unmounted; back up again while the pod runs",
    });
  }

  async #checkpointWhenDue(): Promise<void> {
    const { clock, signal, source } = this.#options;
    if (clock.nowMs() - this.#checkpointMs < checkpointIntervalMs) return;
    const rootEntry = await writeCheckpointTree(this.#writer, this.#path, signal);
    const previous = this.#checkpoint;
    this.#checkpoint = saveSnapshot(this.#writer, {
      id: "",
      source,
      description: "",
      startTimeNs: this.#startTimeNs,
      endTimeNs: clock.nowNs(),
      stats: zeroStats,
      incomplete: "checkpoint",
      rootEntry,
    });
    if (previous !== undefined) this.#writer.deleteManifest(previous);
    await this.#writer.flush(signal);
    this.#checkpointMs = clock.nowMs();
  }

  /**
   * This run's checkpoint, and those that earlier runs of the source left when they were interrupted. What hinders
   * looking for the latter is no reason to lose a run that is all but done.
   */
  async #staleCheckpoints(repository: Repository): Promise<ManifestVersion[]> {
    const { source, signal, warn } = this.#options;
    const own = this.#checkpoint === undefined ? [] : [this.#checkpoint];
    try {
      const manifests = await repository.loadManifests(signal);
      const earlier = listSnapshots(manifests, warn).filter(
        (one) =>
          one.id !== this.#checkpoint?.id &&
          one.incomplete === "checkpoint" &&
          one.pins === undefined &&
          one.startTimeNs <= this.#startTimeNs &&
          one.source.host === source.host &&
          one.source.userName === source.userName &&
          one.source.path === source.path,
      );
      return [...own, ...earlier.flatMap(({ id }) => manifests.get(id) ?? [])];
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      warn(`checkpoints of earlier runs cannot be looked for, and stay: ${error.message}`);
      return own;
    }
  }

  #report(partialBytes = 0): void {
    const bytesDone = this.#bytesDone + partialBytes;
    const before = this.#options.parent?.rootEntry.summary?.size ?? 0;
    this.#options.onProgress({
      bytesDone,
      bytesTotal: Math.max(bytesDone, this.#bytesListed, before),
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

function unreadable(failures: NamedFiles<FileFailure>): BackupError {
  const files = failures.count === 1 ? "1 file" : `${failures.count} files`;
  return new BackupError("BACKUP_FILES_UNREADABLE", `${files} could not be read: ${describeFailures(failures)}`, {
    detail: { count: failures.count },
    hint: "make them readable, or back up the rest with --on-file-error continue",
  });
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
