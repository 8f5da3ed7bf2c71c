/**
 * How a volume's snapshots are filed, so that a stock agent finds a parent in what this one stored, and the other way
 * round.
 *
 * Source: Velero pkg/uploader/kopia/snapshot.go, pkg/uploader/provider/kopia.go, 1.14 to 1.18.
 */

import { posix } from "node:path";
import type { SnapshotOwner } from "../engine/volume-work.ts";
import type { PodVolumeBackup } from "./velero-resources.ts";

/** "pod-volume" as 1.17 and later do it: by namespace, pod and claim. "host-path" as before: by path on the node. */
export type SourceStyle = "pod-volume" | "host-path";

export interface BackupSource {
  readonly source: SnapshotOwner;
  readonly tags: Readonly<Record<string, string>>;
  /** The tags that a parent must have, too. */
  readonly parentTags: Readonly<Record<string, string>>;
  readonly description: string;
  readonly pins: readonly string[];
}

/** Where the stock agent has the kubelet's folder of pods, always. */
const stockPodsRoot = "/host_pods";

/** A volume's path as the stock agent has it, wherever the pods are here. */
export function stockVolumePath(podsRoot: string, volumePath: string): string {
  return posix.join(stockPodsRoot, posix.relative(podsRoot, volumePath));
}

/** `stockPath` is the volume's path as the stock agent has it. */
export function backupSource(backup: PodVolumeBackup, stockPath: string, style: SourceStyle): BackupSource {
  const isNewStyle = style === "pod-volume";
  const parentTags = {
    "snapshot-requester": isNewStyle ? "snapshot-pod-volume" : "pod-volume-backup-restore",
    "snapshot-uploader": "kopia",
  };
  const volume = backup.pvcName === "" ? backup.volume : backup.pvcName;
  const path = isNewStyle
    ? posix.join("snapshot-pod-volume", "kopia", backup.pod.namespace, backup.pod.name, volume)
    : stockPath;
  return {
    source: { userName: "default", host: "default", path },
    tags: isNewStyle ? parentTags : { ...Object.fromEntries(backup.tags), ...parentTags },
    parentTags,
    description: "Kopia Uploader",
    pins: ["velero-pin"],
  };
}

/**
 * The snapshot of the newest completed PodVolumeBackup of the same claim, whatever pod it was mounted in. Undefined
 * for a volume that is no claim, and for the first backup of one.
 */
export function parentSnapshotId(backup: PodVolumeBackup, all: Iterable<PodVolumeBackup>): string | undefined {
  if (backup.pvcUid === "") return undefined;
  let newest: PodVolumeBackup | undefined;
  for (const other of all) {
    const isParent =
      other.pvcUid === backup.pvcUid &&
      other.uploaderType === backup.uploaderType &&
      other.backupStorageLocation === backup.backupStorageLocation &&
      other.phase === "Completed" &&
      other.snapshotId !== "";
    // RFC 3339 in UTC with whole seconds sorts as text.
    if (isParent && (newest === undefined || other.startTimestamp > newest.startTimestamp)) newest = other;
  }
  return newest?.snapshotId;
}
