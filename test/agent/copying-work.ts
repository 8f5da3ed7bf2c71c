/** A small real VolumeWork: a repository is a folder, a snapshot is a folder in it with a copy of the volume. */

import assert from "node:assert/strict";
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type {
  BackupOutcome,
  BackupRequest,
  BackupWorkRun,
  RepositoryAccess,
  RestoreOutcome,
  RestoreRequest,
  VolumeWork,
  WorkRun,
} from "../../src/agent/engine/volume-work.ts";
import { CodedError } from "../../src/base/errors.ts";

export class CopyingWork implements VolumeWork {
  readonly backups: BackupRequest[] = [];
  readonly restores: RestoreRequest[] = [];
  /** How many are running, and how many ever were at once. */
  running = 0;
  runningMax = 0;
  /** Awaited in the middle of the work; throws to make it fail. */
  during: (run: WorkRun, path: string) => Promise<void> = async () => undefined;
  /** As when files vanish while they are read. */
  losesFiles = false;
  #snapshots = 0;

  async backUp(request: BackupRequest, run: BackupWorkRun): Promise<BackupOutcome> {
    this.backups.push(request);
    return await this.#counted(async () => {
      const folder = await openRepository(request.repository);
      const snapshotId = `${Date.now()}-${++this.#snapshots}`;
      const totalBytes = await sizeOf(request.volumePath);
      run.onProgress({ bytesDone: 0, totalBytes });
      try {
        await cp(request.volumePath, join(folder, snapshotId), { recursive: true });
        await this.during(run, request.volumePath);
        run.signal.throwIfAborted();
        if (this.losesFiles) await run.assertVolumeInUse();
      } catch (error) {
        await rm(join(folder, snapshotId), { recursive: true, force: true });
        throw error;
      }
      const none = { count: 0, first: [] };
      const parentSnapshotId = request.parent.snapshotId;
      return {
        snapshotId,
        totalBytes,
        fileCount: (await readdir(join(folder, snapshotId))).length,
        incrementalBytes: totalBytes,
        parentSnapshotId,
        unreadable: none,
        changed: none,
        vanished: none,
      };
    });
  }

  async restore(request: RestoreRequest, run: WorkRun): Promise<RestoreOutcome> {
    this.restores.push(request);
    return await this.#counted(async () => {
      const snapshot = join(await openRepository(request.repository), request.snapshotId);
      await this.during(run, request.targetPath);
      run.signal.throwIfAborted();
      const names = await readdir(snapshot).catch((cause: unknown) => {
        throw new CodedError(
          "SNAPSHOT_NOT_FOUND",
          `unable to load snapshot ${request.snapshotId}: snapshot not found`,
          { cause },
        );
      });
      await cp(snapshot, request.targetPath, { recursive: true, force: true });
      await mkdir(join(request.targetPath, ".velero"));
      await writeFile(join(request.targetPath, ".velero", request.doneMarker), "");
      const { mode, uid: userId, gid: groupId } = await stat(request.targetPath);
      return {
        totalBytes: await sizeOf(snapshot),
        fileCount: names.length,
        problems: { count: 0, first: [] },
        markerFolders: [{ name: "the volume's root", mode: mode & 0o7777, userId, groupId }],
      };
    });
  }

  async #counted<Result>(work: () => Promise<Result>): Promise<Result> {
    this.running++;
    this.runningMax = Math.max(this.runningMax, this.running);
    try {
      return await work();
    } finally {
      this.running--;
    }
  }
}

async function openRepository({ location, password, create }: RepositoryAccess): Promise<string> {
  assert.ok(location.kind === "fs");
  const key = join(location.folder, "password");
  if (create) {
    await mkdir(location.folder, { recursive: true });
    await writeFile(key, password, { flag: "wx" }).catch(() => undefined); // It exists.
  }
  if ((await readFile(key, "utf8")) !== password) throw new CodedError("PASSWORD_WRONG", "invalid repository password");
  return location.folder;
}

async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  let size = 0;
  for (const entry of entries) if (entry.isFile()) size += (await stat(join(entry.parentPath, entry.name))).size;
  return size;
}
