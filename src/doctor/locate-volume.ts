/**
 * Which folder of a host a pod's volume is, decided as the agent decides it, or why it is none; and which snapshots of it
 * there are. From afar the folder is a pattern, for the plugin's part of it is only known where it lies: on the node itself,
 * where the folder of pods is given, it is looked for.
 *
 * Errors: ResourceError. POD_NOT_FOUND where there is neither the pod nor any PodVolumeBackup of it.
 */

import { posix } from "node:path";
import { AgentError } from "../agent/agent-error.ts";
import { assertPodsRoot } from "../agent/node/pods-root.ts";
import { findVolumePath, locateVolume } from "../agent/node/volume-path.ts";
import { parsePod, pods, podVolumeBackups } from "../agent/velero/velero-resources.ts";
import { explainWithoutHint, hasCode, hintOf } from "../base/errors.ts";
import { compareText } from "../base/go-json.ts";
import { keyOf, type ObjectName } from "../kubernetes/kubernetes-object.ts";
import type { ResourceReader } from "../kubernetes/resource-store.ts";
import { agentName, daemonSets, podsFolderOf } from "./cluster-resources.ts";
import { type VolumeRow, volumeFields, volumeRow } from "./velero-volumes.ts";

export interface LocatedVolume {
  readonly pod: string;
  readonly volume: string;
  readonly podUid: string;
  readonly node: string;
  readonly podPhase: string;
  /** "emptyDir", "persistentVolumeClaim"; empty where there is no such volume now. */
  readonly type: string;
  /** On the node; `*` stands for the plugin's folder. Empty where there is none. */
  readonly folder: string;
  /** Why there is none, or why it may not be the volume. */
  readonly because: string;
  readonly hint: string;
  /** Newest first. */
  readonly snapshots: readonly VolumeRow[];
}

export interface VolumeWanted {
  readonly pod: ObjectName;
  readonly volume: string;
}

const usualPodsFolder = "/var/lib/kubelet/pods";

export async function locatePodVolume(
  store: ResourceReader,
  wanted: VolumeWanted,
  options: { readonly veleroNamespace: string; readonly podsRoot?: string },
  signal: AbortSignal,
): Promise<LocatedVolume> {
  const { veleroNamespace } = options;
  const object = await store.get(pods, wanted.pod, { signal });
  const backups = await store.list(podVolumeBackups, { namespace: veleroNamespace, only: volumeFields }, { signal });
  const snapshots = backups
    .map(volumeRow)
    .filter(({ namespace, pod, volume }) => {
      return namespace === wanted.pod.namespace && pod === wanted.pod.name && volume === wanted.volume;
    })
    .sort((a, b) => compareText(b.startTime, a.startTime));
  if (object === undefined && snapshots.length === 0) {
    throw new AgentError(
      "POD_NOT_FOUND",
      `there is no pod ${keyOf(wanted.pod)}, and no backup of volume ${wanted.volume} of one`,
      {
        hint: "write it as NAMESPACE/POD; fsb velero volumes lists what was backed up",
      },
    );
  }
  const pod = object === undefined ? undefined : parsePod(object);
  return {
    pod: keyOf(wanted.pod),
    volume: wanted.volume,
    podUid: pod?.uid ?? "",
    node: pod?.node ?? "",
    podPhase: pod?.phase ?? "",
    ...(await placeOf(store, wanted, options, signal)),
    snapshots,
  };
}

type Place = Pick<LocatedVolume, "type" | "folder" | "because" | "hint">;

async function placeOf(
  store: ResourceReader,
  wanted: VolumeWanted,
  { veleroNamespace, podsRoot }: { readonly veleroNamespace: string; readonly podsRoot?: string },
  signal: AbortSignal,
): Promise<Place> {
  const reference = { pod: { ...wanted.pod, uid: "" }, volume: wanted.volume };
  let type = "";
  let folder = "";
  try {
    const place = await locateVolume(store, reference, signal);
    type = place.type;
    const root = podsRoot ?? (await podsFolderOfNodes(store, veleroNamespace, signal));
    folder = posix.join(root, place.podUid, "volumes", "*", ...place.folders);
    if (podsRoot === undefined) return { type, folder, because: "", hint: "" };
    await assertPodsRoot(podsRoot);
    const found = await findVolumePath(podsRoot, place, reference, { runningPodUids: async () => [] });
    return { type, folder: found.path, because: found.doubt ?? "", hint: "" };
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return {
      type,
      folder: podsRoot === undefined ? folder : "",
      because: explainWithoutHint(error),
      hint: hintOf(error) ?? "",
    };
  }
}

/** That of the host which the agent has mounted, for a kubelet's root is not everywhere the usual one. */
async function podsFolderOfNodes(store: ResourceReader, veleroNamespace: string, signal: AbortSignal): Promise<string> {
  const daemonSet = await store
    .get(daemonSets, { namespace: veleroNamespace, name: agentName }, { signal })
    .catch((error: unknown) => {
      if (hasCode(error, "RESOURCE_STORE_DENIED")) return undefined; // The usual place is as good a guess then.
      throw error;
    });
  return (daemonSet && podsFolderOf(daemonSet)) ?? usualPodsFolder;
}
