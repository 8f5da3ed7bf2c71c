/**
 * Where a pod's volume is on this node.
 *
 * The kubelet mounts it at `<pods root>/<pod uid>/volumes/<plugin>/<folder>`, and a CSI volume one level deeper in
 * `mount`. The plugin's name is not known beforehand; exactly one must match. The pod's uid is the only one that counts:
 * the annotation by which a static pod's mirror names another can be put on any pod, with any uid.
 *
 * Beyond the stock agent: a generic ephemeral volume is looked for by the claim that was made for the pod, and a folder on
 * which nothing is mounted though something must be is told from an empty volume.
 *
 * Source: Velero pkg/podvolume and pkg/util/kube/pvc_pv.go (GetVolumeDirectory), 1.14 to 1.18; Kubernetes
 * pkg/controller/volume/ephemeral (names and owners of claims).
 */

import { readFile, realpath } from "node:fs/promises";
import { join, relative } from "node:path";
import { keyOf, type ObjectName } from "../../kubernetes/kubernetes-object.ts";
import type { ResourceReader } from "../../kubernetes/resource-store.ts";
import { AgentError } from "../agent-error.ts";
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
} from "../velero/velero-resources.ts";
import { explainMissingVolume, lookAtPodsRoot } from "./missing-volume.ts";
import { decideUnmounted, parseMountTable, takesLaterMounts } from "./mount-table.ts";
import { isEmptyFolder, isFolderChain, namesInFolder } from "./pods-folder.ts";

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
  /** What a person calls this kind of volume: "emptyDir", "persistentVolumeClaim". */
  readonly type: string;
  /** An emptyDir in memory is a mount of its own, one on disk is not. */
  readonly isMemory: boolean;
  /** The pod stands for one of a file on the node, and its folder is named after that. */
  readonly isMirror: boolean;
}

/**
 * Throws POD_REPLACED, POD_VOLUME_NOT_FOUND, POD_VOLUME_BLOCK_MODE, POD_VOLUME_UNSUPPORTED and POD_VOLUME_NAME_INVALID.
 */
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
  const type = source.kind === "other" ? source.type : typeNames[source.kind];
  if (type === "hostPath" || type === "image" || bound?.volume.isHostPath === true) {
    const what = bound === undefined ? type : `${type} of a hostPath volume`;
    throw new AgentError("POD_VOLUME_UNSUPPORTED", `volume ${wanted.volume} of pod ${podName} is a ${what}`, {
      hint: "such a volume is nowhere below the kubelet's folder of pods, so pod volume backups leave it out",
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
  return {
    podUid,
    folders: isCsi ? [name, "mount"] : [name],
    type,
    isMemory: source.kind === "other" && source.isMemory,
    isMirror: pod.mirrorUid !== undefined,
  };
}

const typeNames = { claim: "persistentVolumeClaim", csi: "csi", ephemeral: "ephemeral volume" } as const;

/** Reads the pod, and where the volume is a claim what it is bound to. */
export async function locateVolume(
  store: ResourceReader,
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
  const { namespace } = wanted.pod;
  const bound =
    source?.kind === "claim"
      ? await boundVolume(store, { namespace, name: source.claimName }, undefined, signal)
      : source?.kind === "ephemeral"
        ? await boundVolume(store, { namespace, name: `${wanted.pod.name}-${wanted.volume}` }, pod, signal)
        : undefined;
  return decideVolumePlace(wanted, pod, bound);
}

/** `madeFor` is the pod that has to own the claim, for anyone may have made one of its name. */
async function boundVolume(
  store: ResourceReader,
  claim: ObjectName,
  madeFor: Pod | undefined,
  signal: AbortSignal,
): Promise<BoundVolume> {
  const claimObject = await store.get(persistentVolumeClaims, claim, { signal });
  const described = `PersistentVolumeClaim ${JSON.stringify(claim.name)} of namespace ${claim.namespace}`;
  if (claimObject === undefined) {
    throw new AgentError("PERSISTENT_VOLUME_CLAIM_NOT_FOUND", `${described} not found`);
  }
  const owner = claimObject.metadata.ownerReferences.find((reference) => reference.controller);
  if (madeFor !== undefined && (owner === undefined || owner.uid !== madeFor.uid)) {
    throw new AgentError("PERSISTENT_VOLUME_CLAIM_NOT_FOUND", `${described} was not made for this pod`, {
      hint: "the pod's ephemeral volume needs that name: remove the claim that has it, or rename the pod",
    });
  }
  const { volumeName } = parsePersistentVolumeClaim(claimObject);
  if (volumeName === "") {
    throw new AgentError("PERSISTENT_VOLUME_CLAIM_NOT_BOUND", `${described} is bound to no volume`, {
      hint: "see `kubectl describe` of the claim for why; a pod that runs has claims that are bound",
    });
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
  /** Why it may not be the volume after all. */
  readonly doubt?: string;
}

export interface VolumeSearch {
  /** Folders that must be there: of the pods that run on this node. Asked when the pod's own is not. */
  runningPodUids(): Promise<readonly string[]>;
  /** As /proc/self/mountinfo has it, which it is unless given. */
  readMounts?(): Promise<string>;
}

/**
 * Throws POD_VOLUME_PATH_NOT_FOUND, with the cause as far as it can be seen, unless exactly one folder matches; symbolic
 * links never do. POD_VOLUME_NOT_MOUNTED where it is certain that the volume is elsewhere.
 */
export async function findVolumePath(
  podsRoot: string,
  place: VolumePlace,
  wanted: { readonly pod: PodReference; readonly volume: string },
  search: VolumeSearch,
): Promise<FoundVolume> {
  const volumes = join(podsRoot, place.podUid, "volumes");
  const pattern = join(volumes, "*", ...place.folders);
  const matches: string[] = [];
  for (const plugin of await namesInFolder(volumes)) {
    if (await isFolderChain(volumes, [plugin, ...place.folders])) matches.push(plugin);
  }
  const [plugin] = matches;
  if (plugin === undefined || matches.length !== 1) {
    const { because, hint } = explainMissingVolume(place, matches, await lookAtPodsRoot(podsRoot, place, search));
    throw new AgentError(
      "POD_VOLUME_PATH_NOT_FOUND",
      `error identifying unique volume path on host for volume ${wanted.volume} in pod ${wanted.pod.name}: expected one matching path: ${pattern}, got ${matches.length}: ${because}`,
      { hint },
    );
  }
  const path = join(volumes, plugin, ...place.folders);
  const doubt = await doubtMounted(podsRoot, path, await isAlwaysMounted(volumes, plugin, place), search);
  return { path, pattern, ...(doubt === undefined ? {} : { doubt }) };
}

/** Of the kubelet's own plugins, those that mount what they give; elsewhere a plain folder may be the volume. */
const mountingPlugins: ReadonlySet<string> = new Set(
  [
    ...[
      "aws-ebs",
      "azure-disk",
      "azure-file",
      "cephfs",
      "cinder",
      "fc",
      "gce-pd",
      "glusterfs",
      "iscsi",
      "local-volume",
    ],
    ...["nfs", "portworx-volume", "projected", "rbd", "secret", "vsphere-volume"],
  ].map((name) => `kubernetes.io~${name}`),
);

async function isAlwaysMounted(volumes: string, plugin: string, place: VolumePlace): Promise<boolean> {
  if (plugin === "kubernetes.io~empty-dir") return place.isMemory;
  if (plugin !== "kubernetes.io~csi") return mountingPlugins.has(plugin);
  // The kubelet writes it before it asks the driver to mount.
  const [name = ""] = place.folders;
  return (await namesInFolder(join(volumes, plugin, name))).includes("vol_data.json");
}

async function doubtMounted(
  podsRoot: string,
  path: string,
  isExpected: boolean,
  { readMounts = () => readFile("/proc/self/mountinfo", "utf8") }: VolumeSearch,
): Promise<string | undefined> {
  if (!isExpected) return undefined;
  const root = await realpath(podsRoot);
  const table = parseMountTable(await readMounts());
  const real = join(root, relative(podsRoot, path));
  if (table.some((mount) => mount.path === real)) return undefined;
  const verdict = decideUnmounted({
    isEmpty: await isEmptyFolder(path),
    takesLaterMounts: takesLaterMounts(table, root),
  });
  if (verdict.is === "lost") {
    throw new AgentError("POD_VOLUME_NOT_MOUNTED", `nothing is mounted at ${path}: ${verdict.because}`, {
      hint: verdict.hint,
    });
  }
  return verdict.is === "doubtful" ? `nothing is mounted at ${path}: ${verdict.because}` : undefined;
}
