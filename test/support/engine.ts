/** The engine as tests run it: `backUp` and `restore` with what most tests do not care about filled in. */

import { mkdirSync } from "node:fs";
import { type BackupOptions, type BackupResult, backUp } from "../../src/backup/backup.ts";
import { toUtf8 } from "../../src/base/bytes.ts";
import { type RestoreOptions, type RestoreResult, restore } from "../../src/restore/restore.ts";
import type { DirectoryEntry } from "../../src/snapshot/directory-entry.ts";
import type { SnapshotManifest, SnapshotSource } from "../../src/snapshot/snapshot-manifest.ts";
import { listSnapshots, readFolder } from "../../src/snapshot/snapshots.ts";
import { ManualClock } from "../repository/manual-clock.ts";
import type { MemoryRepository } from "../repository/memory-repository.ts";

const { signal } = new AbortController();

export const source: SnapshotSource = { host: "node", userName: "agent", path: "shop/db-0/data" };

/** Goes on by a millisecond with every look at its nanoseconds, so that no two manifests are of one age. */
export class TickingClock extends ManualClock {
  override nowNs(): bigint {
    this.advance(1);
    return super.nowNs();
  }
}

export async function backUpFolder(
  { repository, clock }: Pick<MemoryRepository, "repository" | "clock">,
  path: string,
  options: Partial<BackupOptions> = {},
): Promise<BackupResult> {
  return await backUp({
    repository,
    path,
    source,
    description: "",
    tags: {},
    pins: [],
    parent: undefined,
    onFileError: "fail",
    clock,
    signal,
    onProgress: () => undefined,
    assertVolumeInUse: async () => undefined,
    warn: () => undefined,
    ...options,
  });
}

/** The target is made if it is not there. */
export async function restoreEntry(
  { repository }: Pick<MemoryRepository, "repository">,
  entry: DirectoryEntry,
  target: string,
  options: Partial<RestoreOptions> = {},
): Promise<RestoreResult> {
  mkdirSync(target, { recursive: true });
  return await restore({
    repository,
    entry,
    target,
    zeros: "holes",
    signal,
    onProgress: () => undefined,
    warn: () => undefined,
    ...options,
  });
}

/** All that can be seen, oldest first; one that cannot be read is a failure. */
export async function visibleSnapshots({
  repository,
}: Pick<MemoryRepository, "repository">): Promise<SnapshotManifest[]> {
  await repository.refresh(signal);
  return listSnapshots(await repository.loadManifests(signal), (message) => {
    throw new Error(message);
  });
}

/** Every entry below a stored folder by its path, as kopia shows it. */
export async function storedEntries(
  { repository }: Pick<MemoryRepository, "repository">,
  folder: DirectoryEntry,
  path = "",
): Promise<Map<string, DirectoryEntry>> {
  const found = new Map<string, DirectoryEntry>();
  const { entries } = await readFolder(repository, folder.objectId, signal);
  for (const entry of entries) {
    found.set(`${path}${entry.name}`, entry);
    if (entry.kind !== "folder") continue;
    for (const below of await storedEntries({ repository }, entry, `${path}${entry.name}/`)) found.set(...below);
  }
  return found;
}

/** Stores bytes as an object, with the prefix of its contents, and gives its id. */
export async function storeObject(
  { repository }: Pick<MemoryRepository, "repository">,
  bytes: string | Uint8Array,
  prefix = "",
): Promise<string> {
  await using writer = repository.createWriter();
  const content = typeof bytes === "string" ? toUtf8(bytes) : bytes;
  const [id] = await writer.writeObjects([{ prefix, bytes: content }], signal);
  await writer.flush(signal);
  return id as string;
}

/** The entry of a folder whose object is what someone wrote who need not be like us. */
export async function storeRawFolder(
  memory: Pick<MemoryRepository, "repository">,
  entries: readonly Readonly<Record<string, unknown>>[],
): Promise<DirectoryEntry> {
  const json = JSON.stringify({ stream: "kopia:directory", entries });
  return folderEntry(await storeObject(memory, `${json}\n`, "k"));
}

export function folderEntry(objectId: string): DirectoryEntry {
  const attributes = { mode: 0o755, uid: 0, gid: 0, mtimeNs: 1_700_000_000_000_000_000n };
  return { name: "root", nameBytes: toUtf8("root"), kind: "folder", size: 0, ...attributes, objectId };
}
