/**
 * A volume into a snapshot: a walk stores its tree, the snapshot's manifest is written last of all, and one index blob
 * makes everything visible at once.
 *
 * Source: docs/format/snapshots.md; kopia snapshot/snapshotfs/upload.go.
 */

import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { toUtf8 } from "../base/bytes.ts";
import type { Clock } from "../base/clock.ts";
import { CodedError, errnoOf } from "../base/errors.ts";
import type { ManifestVersion } from "../repository/manifest/manifest-codec.ts";
import type { Repository } from "../repository/repository.ts";
import type { RepositoryWriter } from "../repository/repository-writer.ts";
import { type SnapshotManifest, type SnapshotSource, zeroStats } from "../snapshot/snapshot-manifest.ts";
import { listSnapshots, saveSnapshot } from "../snapshot/snapshots.ts";
import { nodeSystemCalls } from "../volume/libc.ts";
import { type OpenFolder, openVolume } from "../volume/open-folder.ts";
import { BackupError } from "./backup-error.ts";
import { describeFailures, type FileFailure, type NamedFiles } from "./file-report.ts";
import { FolderWalk } from "./folder-walk.ts";
import { startNativeWalk } from "./native-walk.ts";
import type { TreeWalk, TreeWalkOptions, WalkFindings, WalkOutcome, WalkProgress } from "./tree-walk.ts";

/** kopia's interval: contents must be reachable well before maintenance may take them, a day after they were written. */
const checkpointIntervalMs = 45 * 60_000;

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

export interface BackupResult extends WalkFindings {
  readonly snapshot: SnapshotManifest;
  /** Bytes that were put into the store: packs, sealed and with their padding. */
  readonly uploadedBytes: number;
}

/**
 * Errors: VolumeError for the volume's root, BACKUP_FILES_UNREADABLE, BACKUP_FOLDER_TOO_LARGE, BACKUP_VOLUME_VANISHED,
 * and whatever stops the repository. After an error there is no new snapshot, and what was flushed before is found again by the next run.
 */
export async function backUp(options: BackupOptions): Promise<BackupResult> {
  // It sets no times and syncs nothing: what loads the libc for that can stay away.
  const system = nodeSystemCalls("a backup only reads");
  using root = await openVolume(options.path, { signal: options.signal, system });
  await using writer = options.repository.createWriter();
  return await new BackupRun(options, writer).run(root);
}

class BackupRun {
  readonly #options: BackupOptions;
  readonly #writer: RepositoryWriter;
  readonly #startTimeNs: bigint;
  #checkpoint: ManifestVersion | undefined;
  #checkpointMs: number;

  constructor(options: BackupOptions, writer: RepositoryWriter) {
    this.#options = options;
    this.#writer = writer;
    this.#startTimeNs = options.clock.nowNs();
    this.#checkpointMs = options.clock.nowMs();
  }

  async run(root: OpenFolder): Promise<BackupResult> {
    const { repository, clock, signal, source, description, tags, pins } = this.#options;
    const { rootEntry, stats, ...findings } = await this.#walk(root);
    const { failures, vanished } = findings;
    await this.#assertVolumeIsThere(root);
    if (vanished.count > 0) await this.#options.assertVolumeInUse();
    if (failures.count > 0 && this.#options.onFileError === "fail") {
      await this.#writer.flush(signal); // What was read need not be read again by the next try.
      throw unreadable(failures);
    }
    const manifest: SnapshotManifest = {
      id: "",
      source,
      description,
      startTimeNs: this.#startTimeNs,
      endTimeNs: clock.nowNs(),
      stats: { ...stats, ignoredErrorCount: failures.count },
      rootEntry,
      tags,
      pins,
    };
    const { id } = saveSnapshot(this.#writer, manifest);
    for (const stale of await this.#staleCheckpoints(repository)) this.#writer.deleteManifest(stale);
    await this.#writer.flush(signal);
    return { snapshot: { ...manifest, id }, uploadedBytes: this.#writer.storedBytes, ...findings };
  }

  async #walk(root: OpenFolder): Promise<WalkOutcome> {
    const { repository, path, parent, signal, warn } = this.#options;
    await using walk = createWalk({
      repository,
      writer: this.#writer,
      root,
      rootName: toUtf8(basename(path)),
      parentObjectId: parent?.rootEntry.kind === "folder" ? parent.rootEntry.objectId : undefined,
      signal,
      warn,
      progressed: (progress) => this.#report(progress),
      atRest: () => this.#checkpointWhenDue(walk),
    });
    return await walk.run();
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

  async #checkpointWhenDue(walk: TreeWalk): Promise<void> {
    const { clock, signal, source } = this.#options;
    if (clock.nowMs() - this.#checkpointMs < checkpointIntervalMs) return;
    const rootEntry = await walk.writeCheckpoint();
    if (rootEntry === undefined) return;
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

  #report({ bytesDone, bytesListed, filesDone }: WalkProgress): void {
    const before = this.#options.parent?.rootEntry.summary?.size ?? 0;
    this.#options.onProgress({ bytesDone, bytesTotal: Math.max(bytesDone, bytesListed, before), filesDone });
  }
}

/** The kernel's own where it has one. */
function createWalk(options: TreeWalkOptions): TreeWalk {
  return startNativeWalk(options) ?? new FolderWalk(options);
}

function unreadable(failures: NamedFiles<FileFailure>): BackupError {
  const files = failures.count === 1 ? "1 file" : `${failures.count} files`;
  return new BackupError("BACKUP_FILES_UNREADABLE", `${files} could not be read: ${describeFailures(failures)}`, {
    detail: { count: failures.count },
    hint: "make them readable, or back up the rest with --on-file-error continue",
  });
}
