/**
 * What a snapshot of a Velero repository is of: the other way round of backup-source.ts. Agents before Velero 1.17 wrote it
 * into tags; since then it is the source's path, which does not tell the backup.
 */

import type { SnapshotOwner } from "../engine/volume-work.ts";

/** Undefined is what the snapshot does not tell. */
export interface SnapshotOrigin {
  readonly backup: string | undefined;
  readonly namespace: string | undefined;
  readonly pod: string | undefined;
  /** As the pod calls it; since 1.17 the claim, where there is one. */
  readonly volume: string | undefined;
}

const podVolumePath = /^snapshot-pod-volume\/kopia\/([^/]+)\/([^/]+)\/([^/]+)$/;

export function snapshotOrigin(
  source: SnapshotOwner,
  tags: Readonly<Record<string, string>> | undefined,
): SnapshotOrigin {
  const tagged = new Map(Object.entries(tags ?? {}));
  const [, namespace, pod, volume] = podVolumePath.exec(source.path) ?? [];
  return {
    backup: tagged.get("backup"),
    namespace: tagged.get("ns") ?? namespace,
    pod: tagged.get("pod") ?? pod,
    volume: tagged.get("volume") ?? volume,
  };
}
