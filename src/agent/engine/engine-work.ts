/** The work of a node on the engine: volume ⇄ repository. What the daemon knows of both meets here. */

import { stat } from "node:fs/promises";
import { type BackupResult, backUp } from "../../backup/backup.ts";
import { toUtf8 } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import type { EngineSettings } from "../../base/engine-settings.ts";
import { errnoOf, hasCode } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { MemoryUse, ProfileReport } from "../../base/profile.ts";
import type { BlobOperationSink } from "../../repository/blob/observed.ts";
import { openStore, putsInFlightOf } from "../../repository/blob/open-store.ts";
import {
  type EngineResources,
  memoryUseOf,
  openEngineResources,
  reportProfile,
} from "../../repository/engine-resources.ts";
import type { ManifestLabels } from "../../repository/manifest/manifest-codec.ts";
import type { Manifests } from "../../repository/manifest/manifests.ts";
import { createRepository, openRepository, type Repository } from "../../repository/repository.ts";
import { restore } from "../../restore/restore.ts";
import { selectParent } from "../../snapshot/selector.ts";
import { isComplete, type SnapshotManifest } from "../../snapshot/snapshot-manifest.ts";
import { listSnapshots, loadSnapshot } from "../../snapshot/snapshots.ts";
import { writeDoneMarker } from "../../volume/done-marker.ts";
import type { EntryStat } from "../../volume/entry.ts";
import { openVolume } from "../../volume/open-folder.ts";
import { AgentError } from "../agent-error.ts";
import type {
  BackupOutcome,
  BackupRequest,
  BackupWorkRun,
  Examples,
  MarkerFolder,
  ReportingWork,
  RepositoryAccess,
  RestoreOutcome,
  RestoreRequest,
  RestoreWorkRun,
  StoreRequest,
} from "./volume-work.ts";

/** Fits into a status message. */
const examplesMax = 10;

export interface EngineWorkOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly settings?: EngineSettings;
  /** Must not throw. */
  onStoreRequest?(request: StoreRequest): void;
}

export class EngineWork implements ReportingWork {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #observe: BlobOperationSink;
  readonly #settings: EngineSettings;
  #opening: Promise<EngineResources> | undefined;
  #resources: EngineResources | undefined;

  constructor({ clock, log, settings = {}, onStoreRequest }: EngineWorkOptions) {
    this.#clock = clock;
    this.#log = log;
    this.#settings = settings;
    this.#observe = ({ name: operation, outcome: result, durationMs, bytes }) =>
      onStoreRequest?.({ operation, result, durationMs, bytes });
  }

  async backUp(request: BackupRequest, run: BackupWorkRun): Promise<BackupOutcome> {
    const { signal } = run;
    const { compression } = request;
    await using repository = await this.#openRepository(request.repository, run, compression);
    const manifests = await repository.loadManifests(signal);
    const parent = this.#parentOf(request, manifests);
    await storePolicy(repository, manifests, request, signal);
    const result = await backUp({
      repository,
      path: request.volumePath,
      source: request.source,
      description: request.description,
      tags: request.tags,
      pins: request.pins,
      parent,
      onFileError: request.onFileError,
      clock: this.#clock,
      signal,
      onProgress: ({ bytesDone, bytesTotal }) => run.onProgress({ bytesDone, totalBytes: bytesTotal }),
      assertVolumeInUse: () => run.assertVolumeInUse(),
      warn: (message) => this.#log.warn(message),
    });
    this.#log.info("Created snapshot", {
      root: result.snapshot.rootEntry.objectId,
      id: result.snapshot.id,
      uploadedBytes: result.uploadedBytes,
      skipped: result.skipped.count,
    });
    return outcomeOf(result, parent);
  }

  async restore(request: RestoreRequest, run: RestoreWorkRun): Promise<RestoreOutcome> {
    const { signal } = run;
    await using repository = await this.#openRepository(request.repository, run);
    const snapshot = loadSnapshot(await repository.loadManifests(signal), request.snapshotId);
    const result = await restore({
      repository,
      entry: snapshot.rootEntry,
      target: request.targetPath,
      zeros: request.isSparse ? "holes" : "written",
      signal,
      warn: (message) => this.#log.warn(message),
      onProgress: ({ bytesDone, bytesTotal }) => run.onProgress({ bytesDone, totalBytes: bytesTotal }),
    });
    using volume = await openVolume(request.targetPath, { signal });
    const { root, markerFolder } = await writeDoneMarker(volume, request.doneMarker, { signal });
    const problems = result.differences.named.map(
      ({ path, attribute, wanted, found }) => `${path}: ${attribute} is ${found}, not ${wanted}`,
    );
    return {
      totalBytes: result.bytes,
      fileCount: result.files,
      problems: examples(result.differences.count, problems),
      markerFolders: [markerFolderOf("the volume's root", root), markerFolderOf(".velero", markerFolder)],
    };
  }

  profile(): ProfileReport | undefined {
    return this.#resources && reportProfile(this.#resources);
  }

  memoryUse(): MemoryUse | undefined {
    return this.#resources && memoryUseOf(this.#resources);
  }

  /** Made with the first job. Errors: KERNEL_CHOICE_INVALID, KERNEL_NATIVE_UNAVAILABLE, ENGINE_MEMORY_TOO_SMALL. */
  async #openResources(): Promise<EngineResources> {
    const warn = (message: string): void => this.#log.warn(message);
    this.#opening ??= openEngineResources(this.#settings, { clock: this.#clock, warn });
    this.#resources = await this.#opening;
    return this.#resources;
  }

  async #openRepository(access: RepositoryAccess, run: RestoreWorkRun, compression?: string): Promise<Repository> {
    const { signal } = run;
    const log = this.#log;
    const clock = this.#clock;
    const { location, password, create } = access;
    const resources = await this.#openResources();
    const putsInFlight = putsInFlightOf(location, resources.kernel.conditions.parallelism);
    const warn = (message: string): void => log.warn(message);
    const compressed = compression !== undefined && { compression };
    const options = { password, clock, signal, warn, resources, putsInFlight, ...compressed };
    const readCredentials = () => run.readCredentials();
    const storeOptions = { clock, log, signal, observe: this.#observe, readCredentials, paces: resources };
    const open = async (): Promise<Repository> =>
      await openRepository({ ...options, store: await openStore(location, { mode: "open", ...storeOptions }) });
    try {
      return await open();
    } catch (error) {
      const isMissing = hasCode(error, "REPOSITORY_NOT_FOUND") || hasCode(error, "BLOB_STORE_NOT_FOUND");
      if (!create || !isMissing) throw error;
    }
    if (location.kind === "fs") await assertMounted(location.base);
    try {
      const store = await openStore(location, { mode: "create", ...storeOptions });
      log.info("No repository found, creating one", { location: store.displayName });
      return await createRepository({ ...options, store });
    } catch (error) {
      // Another job, or another agent, was quicker; what it made is as good.
      if (!hasCode(error, "REPOSITORY_EXISTS")) throw error;
      return await open();
    }
  }

  /** A parent is a help: one that is asked for and not there is looked for by source. */
  #parentOf(request: BackupRequest, manifests: Manifests): SnapshotManifest | undefined {
    const snapshots = listSnapshots(manifests, (message) => this.#log.warn(message));
    const { snapshotId, tags } = request.parent;
    const named = snapshots.find((snapshot) => snapshot.id === snapshotId && isComplete(snapshot));
    if (snapshotId !== undefined && named === undefined) {
      this.#log.warn("Parent snapshot cannot be used, looking for one by source", { snapshot: snapshotId });
    }
    return named ?? selectParent(snapshots, request.source, tags);
  }
}

async function assertMounted(base: string): Promise<void> {
  const stats = await stat(base).catch((error: unknown) => {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  });
  if (stats?.isDirectory() === true) return;
  throw new AgentError("BACKUP_LOCATION_INVALID", `config.fspath ${base} is no folder on this node`, {
    hint: "mount what it stands for, or make the folder; only what lies below it is made by itself",
  });
}

/** The policy that Velero stores for each source; written only where it differs, in place of all that are there. */
async function storePolicy(
  repository: Repository,
  manifests: Manifests,
  request: BackupRequest,
  signal: AbortSignal,
): Promise<void> {
  const { userName, host, path } = request.source;
  const labels: ManifestLabels = { type: "policy", policyType: "path", username: userName, hostname: host, path };
  const wanted = JSON.stringify(request.policy);
  const stored = manifests.find(labels);
  if (stored.length === 1 && Buffer.from(stored[0]?.data ?? []).toString("utf8") === wanted) return;
  await using writer = repository.createWriter();
  for (const old of stored) writer.deleteManifest(old);
  writer.putManifest(labels, toUtf8(wanted), stored);
  await writer.flush(signal);
}

function outcomeOf(result: BackupResult, parent: SnapshotManifest | undefined): BackupOutcome {
  const { snapshot, readBytes, failures, changed, vanished } = result;
  const unreadable = failures.named.map(({ path, operation, errno }) => `${path}: ${operation}: ${errno}`);
  return {
    snapshotId: snapshot.id,
    totalBytes: snapshot.stats.totalSize,
    fileCount: snapshot.rootEntry.summary?.files ?? 0,
    incrementalBytes: readBytes,
    parentSnapshotId: parent?.id,
    unreadable: examples(failures.count, unreadable),
    changed: examples(changed.count, changed.named),
    vanished: examples(vanished.count, vanished.named),
  };
}

function markerFolderOf(name: string, { mode, uid, gid }: EntryStat): MarkerFolder {
  return { name, mode, userId: uid, groupId: gid };
}

function examples(count: number, named: readonly string[]): Examples {
  return { count, first: named.slice(0, examplesMax) };
}
