/** Of which pod's volume a snapshot is, where it says so: in Velero's tags, or since 1.17 in the path of its source. */

import type { SnapshotManifest } from "../snapshot/snapshot-manifest.ts";

export interface SnapshotPod {
  readonly namespace: string;
  readonly pod: string;
  readonly volume: string;
}

/** Each is empty where it is not told. */
export function podOfSnapshot({ source, tags = {} }: Pick<SnapshotManifest, "source" | "tags">): SnapshotPod {
  const [, namespace = "", pod = "", volume = ""] =
    /^snapshot-pod-volume\/kopia\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(source.path) ?? [];
  return { namespace: tags.ns ?? namespace, pod: tags.pod ?? pod, volume: tags.volume ?? volume };
}
