/**
 * Where a pod's volume is on this node.
 *
 * The kubelet mounts it at `<pods root>/<pod uid>/volumes/<plugin>/<folder>`, and a CSI volume one level deeper in
 * `mount`. The plugin's name is not known beforehand; exactly one must match.
 *
 * Source: Velero pkg/podvolume and pkg/util/kube/pvc_pv.go (GetVolumeDirectory), 1.14 to 1.18.
 */

import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../base/errors.ts";
import { keyOf } from "../kubernetes/kubernetes-object.ts";
import type { ResourceStore } from "../kubernetes/resource-store.ts";
import { AgentError } from "./agent-error.ts";
import {
  csiDrivers,
  isPathComponent,
  type PersistentVolume,
  type Pod,
  type PodReference,
  parsePersistentVolume,
  parsePersistentVolumeClaim,
  parsePod,
  persistentVolumeClaims,
  persistentVolumes,
  pods,
} from "./velero-resources.ts";

/** What a claim led to; undefined for volumes that are no claim. */
export interface BoundVolume {
  readonly volume: PersistentVolume;
  /** A CSI driver of the cluster serves it now, though it was made in-tree. */
  readonly isMigrated: boolean;
}

export interface VolumePlace {
  readonly podUid: string;
  /** Below the plugin's folder: `[name]` or `[name, "mount"]`; each is one path component. */
  readonly folders: readonly string[];
}

/** Throws POD_REPLACED, POD_VOLUME_NOT_FOUND, POD_VOLUME_BLOCK_MODE and POD_VOLUME_NAME_INVALID. */
export function decideVolumePlace(
  wanted: { readonly pod: PodReference; readonly volume: string },
  pod: Pod,
  bound: BoundVolume | undefined,
): VolumePlace {
  const podName = keyOf(wanted.pod);
  if (wanted.pod.uid !== "" && pod.uid !== "" && wanted.pod.uid !== pod.uid) {
    throw new AgentError("POD_REPLACED", `pod ${podName} was replaced: its uid is ${pod.uid}, not ${wanted.pod.uid}`, {
      hint: "back up again; the data would come from another instance of the pod",
    });
  }
  const source = pod.volumes.get(wanted.volume);
  if (source === undefined) {
    throw new AgentError("POD_VOLUME_NOT_FOUND", `volume ${wanted.volume} not found in pod ${podName}`);
  }
  if (bound?.volume.isBlock === true) {
    throw new AgentError("POD_VOLUME_BLOCK_MODE", `volume ${wanted.volume} of pod ${podName} is a block device`, {
      hint: "back up block volumes by CSI snapshots",
    });
  }
  const isCsi = bound === undefined ? source.kind === "csi" : bound.volume.isCsi || bound.isMigrated;
  const name = bound === undefined ? wanted.volume : bound.volume.name;
  const podUid = pod.uid || wanted.pod.uid;
  if (podUid === "") {
    throw new AgentError("POD_VOLUME_NAME_INVALID", `pod ${podName} has no metadata.uid`, {
      hint: "give the pod's uid: its folder below the pods root is named after it",
    });
  }
  for (const component of [podUid, name]) {
    if (!isPathComponent(component)) {
      throw new AgentError("POD_VOLUME_NAME_INVALID", `${JSON.stringify(component.slice(0, 80))} cannot name a folder`);
    }
  }
  return { podUid, folders: isCsi ? [name, "mount"] : [name] };
}

/** Reads the pod, and where the volume is a claim what it is bound to. */
export async function locateVolume(
  store: ResourceStore,
  wanted: { readonly pod: PodReference; readonly volume: string },
  signal: AbortSignal,
): Promise<VolumePlace> {
  const object = await store.get(pods, wanted.pod, { signal });
  if (object === undefined) {
    throw new AgentError(
      "POD_NOT_FOUND",
      `getting pod ${keyOf(wanted.pod)}: Pod ${JSON.stringify(wanted.pod.name)} not found`,
    );
  }
  const pod = parsePod(object);
  const source = pod.volumes.get(wanted.volume);
  const bound =
    source?.kind === "claim" ? await boundVolume(store, wanted.pod.namespace, source.claimName, signal) : undefined;
  return decideVolumePlace(wanted, pod, bound);
}

async function boundVolume(
  store: ResourceStore,
  namespace: string,
  claimName: string,
  signal: AbortSignal,
): Promise<BoundVolume> {
  const claimObject = await store.get(persistentVolumeClaims, { namespace, name: claimName }, { signal });
  if (claimObject === undefined) {
    throw new AgentError(
      "PERSISTENT_VOLUME_CLAIM_NOT_FOUND",
      `PersistentVolumeClaim ${JSON.stringify(claimName)} of namespace ${namespace} not found`,
    );
  }
  const { volumeName } = parsePersistentVolumeClaim(claimObject);
  if (volumeName === "") {
    throw new AgentError(
      "PERSISTENT_VOLUME_CLAIM_NOT_BOUND",
      `PersistentVolumeClaim ${JSON.stringify(claimName)} of namespace ${namespace} is bound to no volume`,
    );
  }
  const volumeObject = await store.get(persistentVolumes, { namespace: "", name: volumeName }, { signal });
  if (volumeObject === undefined) {
    throw new AgentError("PERSISTENT_VOLUME_NOT_FOUND", `PersistentVolume ${JSON.stringify(volumeName)} not found`);
  }
  const volume = parsePersistentVolume(volumeObject);
  for (const name of volume.isCsi ? [] : volume.migratedTo) {
    const driver = await store.get(csiDrivers, { namespace: "", name }, { signal });
    if (driver !== undefined) return { volume, isMigrated: true };
  }
  return { volume, isMigrated: false };
}

export interface FoundVolume {
  readonly path: string;
  /** The pattern it matched, for the log. */
  readonly pattern: string;
}

/** Throws POD_VOLUME_PATH_NOT_FOUND unless exactly one folder matches. Symbolic links never match. */
export async function findVolumePath(
  podsRoot: string,
  place: VolumePlace,
  wanted: { readonly pod: PodReference; readonly volume: string },
): Promise<FoundVolume> {
  const volumes = join(podsRoot, place.podUid, "volumes");
  const pattern = join(volumes, "*", ...place.folders);
  const matches: string[] = [];
  for (const plugin of await namesIn(volumes)) {
    if (await isFolderChain(volumes, [plugin, ...place.folders])) matches.push(join(volumes, plugin, ...place.folders));
  }
  const [path] = matches;
  if (path === undefined || matches.length !== 1) {
    throw new AgentError(
      "POD_VOLUME_PATH_NOT_FOUND",
      `error identifying unique volume path on host for volume ${wanted.volume} in pod ${wanted.pod.name}: expected one matching path: ${pattern}, got ${matches.length}`,
      { hint: "check that the pods root is the kubelet's, mounted so that later mounts show (HostToContainer)" },
    );
  }
  return { path, pattern };
}

async function namesIn(folder: string): Promise<readonly string[]> {
  if (!(await isFolder(folder))) return [];
  return (await readdir(folder)).sort();
}

async function isFolderChain(root: string, names: readonly string[]): Promise<boolean> {
  let path = root;
  for (const name of names) {
    path = join(path, name);
    if (!(await isFolder(path))) return false;
  }
  return true;
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === "ENOENT" || errno === "ENOTDIR") return false;
    throw new AgentError("POD_VOLUME_PATH_NOT_FOUND", `could not look at ${path}: ${errno ?? "unknown error"}`, {
      cause,
    });
  }
}
