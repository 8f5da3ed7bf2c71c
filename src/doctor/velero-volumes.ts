/**
 * What Velero's objects tell of backups: which PodVolumeBackup, and with it which snapshot, belongs to which backup, pod and
 * volume. Rows are for programs: bytes as numbers, times as RFC 3339, what is not known left out.
 *
 * Source: Velero v1 CRDs, 1.14 to 1.18.
 */

import { type PodVolumeBackup, parsePodVolumeBackup } from "../agent/velero/velero-resources.ts";
import { compareText } from "../base/go-json.ts";
import { fieldAt, textAt } from "../kubernetes/json.ts";
import type { KubernetesObject } from "../kubernetes/kubernetes-object.ts";

/** A type and not an interface, so that it is a row of a list. */
export type VolumeRow = {
  /** Of the PodVolumeBackup. */
  readonly name: string;
  readonly backup: string;
  readonly namespace: string;
  readonly pod: string;
  readonly volume: string;
  /** Empty for volumes that are no claim. */
  readonly claim: string;
  readonly node: string;
  readonly phase: string;
  readonly location: string;
  readonly snapshotId: string;
  readonly bytesDone: number;
  readonly totalBytes: number;
  readonly startTime: string;
  readonly endTime: string;
  readonly message: string;
};

export type BackupRow = {
  readonly backup: string;
  readonly phase: string;
  readonly location: string;
  /** Of the pods whose volumes are in it. */
  readonly namespaces: readonly string[];
  readonly startTime: string;
  readonly endTime: string;
  readonly volumes: number;
  readonly completed: number;
  readonly failed: number;
  /** Neither completed nor failed nor canceled. */
  readonly open: number;
  readonly bytesDone: number;
  readonly totalBytes: number;
  readonly errors: number;
  readonly warnings: number;
};

/** Of a PodVolumeBackup, the fields that rows are made of. */
export const volumeFields: readonly string[] = [
  "metadata",
  "spec.node",
  "spec.pod",
  "spec.volume",
  "spec.backupStorageLocation",
  "spec.tags.backup",
  "status",
];

/** Of a Backup. */
export const backupFields: readonly string[] = ["metadata.name", "spec.storageLocation", "status"];

/** Label values are cut off beyond 63 characters, so the label comes last. */
function backupOf({ owner, tags, object }: PodVolumeBackup): string {
  return owner?.name ?? tags.get("backup") ?? object.metadata.labels.get("velero.io/backup-name") ?? "";
}

export function volumeRow(object: KubernetesObject): VolumeRow {
  const volume = parsePodVolumeBackup(object);
  const { content } = object;
  const { pod, node, snapshotId } = volume;
  return {
    name: object.metadata.name,
    backup: backupOf(volume),
    namespace: pod.namespace,
    pod: pod.name,
    volume: volume.volume,
    claim: volume.pvcName,
    node,
    phase: volume.phase === "" ? "New" : volume.phase,
    location: volume.backupStorageLocation,
    snapshotId,
    bytesDone: countAt(content, "status", "progress", "bytesDone"),
    totalBytes: countAt(content, "status", "progress", "totalBytes"),
    startTime: volume.startTimestamp,
    endTime: textAt(content, "status", "completionTimestamp") ?? "",
    message: textAt(content, "status", "message") ?? "",
  };
}

/** Newest first. Volumes whose Backup is not there any more make a row of phase "gone". */
export function backupRows(backups: readonly KubernetesObject[], volumes: readonly KubernetesObject[]): BackupRow[] {
  const rows = new Map<string, VolumeRow[]>(backups.map(({ metadata }) => [metadata.name, []]));
  for (const object of volumes) {
    const row = volumeRow(object);
    const of = rows.get(row.backup);
    if (of === undefined) rows.set(row.backup, [row]);
    else of.push(row);
  }
  const byName = new Map(backups.map((backup) => [backup.metadata.name, backup]));
  return [...rows]
    .map(([name, of]) => backupRow(name, byName.get(name), of))
    .sort((a, b) =>
      a.startTime === b.startTime ? compareText(a.backup, b.backup) : compareText(b.startTime, a.startTime),
    );
}

function backupRow(name: string, object: KubernetesObject | undefined, volumes: readonly VolumeRow[]): BackupRow {
  const content = object?.content;
  const counted = (...phases: readonly string[]) => volumes.filter(({ phase }) => phases.includes(phase)).length;
  const [completed, failed, canceled] = [counted("Completed"), counted("Failed"), counted("Canceled")];
  return {
    backup: name,
    phase: object === undefined ? "gone" : (textAt(content, "status", "phase") ?? "New"),
    location: textAt(content, "spec", "storageLocation") ?? volumes[0]?.location ?? "",
    namespaces: [...new Set(volumes.map(({ namespace }) => namespace))].sort(),
    startTime: textAt(content, "status", "startTimestamp") ?? volumes.map(({ startTime }) => startTime).sort()[0] ?? "",
    endTime: textAt(content, "status", "completionTimestamp") ?? "",
    volumes: volumes.length,
    completed,
    failed: failed + canceled,
    open: volumes.length - completed - failed - canceled,
    bytesDone: sum(volumes.map(({ bytesDone }) => bytesDone)),
    totalBytes: sum(volumes.map(({ totalBytes }) => totalBytes)),
    errors: countAt(content, "status", "errors"),
    warnings: countAt(content, "status", "warnings"),
  };
}

function countAt(value: unknown, ...path: readonly string[]): number {
  const found = fieldAt(value, ...path);
  return typeof found === "number" && Number.isSafeInteger(found) && found >= 0 ? found : 0;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
