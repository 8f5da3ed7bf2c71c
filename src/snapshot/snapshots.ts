/** Snapshots of a repository: listed, saved, and their folders read. */

import { toUtf8 } from "../base/bytes.ts";
import { CodedError } from "../base/errors.ts";
import { compareText } from "../base/go-json.ts";
import type { ManifestVersion } from "../repository/manifest/manifest-codec.ts";
import type { Manifests } from "../repository/manifest/manifests.ts";
import { parseObjectId } from "../repository/object/object-id.ts";
import type { Repository } from "../repository/repository.ts";
import type { RepositoryWriter } from "../repository/repository-writer.ts";
import type { DirectoryEntry } from "./directory-entry.ts";
import { decodeFolder, type Folder } from "./folder-object.ts";
import { SnapshotError } from "./snapshot-error.ts";
import {
  decodeSnapshotManifest,
  encodeSnapshotManifest,
  type SnapshotManifest,
  snapshotLabels,
} from "./snapshot-manifest.ts";

/** A folder of a million entries takes about 250 MB; a larger object is neither read nor written. */
export const folderBytesMax = 512 << 20;

/**
 * All that can be read, oldest first, complete or not. One whose body cannot be read is passed over, as kopia does, and
 * told to `warn`.
 */
export function listSnapshots(manifests: Manifests, warn: (message: string) => void): SnapshotManifest[] {
  return manifests
    .find({ type: "snapshot" })
    .flatMap(({ id, data }) => {
      try {
        return [decodeSnapshotManifest(id, data)];
      } catch (error) {
        if (!(error instanceof CodedError)) throw error;
        warn(`snapshot ${id} cannot be read and is passed over: ${error.message}`);
        return [];
      }
    })
    .sort((a, b) => (a.startTimeNs < b.startTimeNs ? -1 : a.startTimeNs > b.startTimeNs ? 1 : a.id < b.id ? -1 : 1));
}

/** Errors: SNAPSHOT_NOT_FOUND, SNAPSHOT_INVALID. */
export function loadSnapshot(manifests: Manifests, id: string): SnapshotManifest {
  const entry = manifests.get(id);
  if (entry?.labels.type !== "snapshot") {
    throw new SnapshotError("SNAPSHOT_NOT_FOUND", `there is no snapshot ${id.slice(0, 80)}`, {
      hint: "`fsb snapshot list` shows what there is",
    });
  }
  return decodeSnapshotManifest(id, entry.data);
}

/** It is there once the writer has flushed. */
export function saveSnapshot(writer: RepositoryWriter, manifest: SnapshotManifest): ManifestVersion {
  return writer.putManifest(snapshotLabels(manifest), toUtf8(encodeSnapshotManifest(manifest)));
}

/** Errors: FOLDER_INVALID, ObjectError, ContentError, BlobError. */
export async function readFolder(repository: Repository, objectId: string, signal: AbortSignal): Promise<Folder> {
  return decodeFolder(await repository.objects.readWhole(parseObjectId(objectId), folderBytesMax, signal));
}

/** What a folder has by this name; undefined where it has nothing. Errors: as `readFolder`. */
export async function findChild(
  repository: Repository,
  folder: Pick<DirectoryEntry, "objectId">,
  name: string,
  signal: AbortSignal,
): Promise<DirectoryEntry | undefined> {
  for (const entry of (await readFolder(repository, folder.objectId, signal)).entries) {
    if (compareText(entry.name, name) === 0) return entry;
  }
  return undefined;
}
