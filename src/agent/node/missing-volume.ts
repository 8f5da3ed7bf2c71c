/** Why a pod's volume is not where the kubelet should have it: looked at when it is missed, and told with a remedy. */

import { join } from "node:path";
import { isPathComponent } from "../velero/velero-resources.ts";
import { firstThatIsNoFolder, isFolderChain, lookAt, namesInFolder } from "./pods-folder.ts";

export interface MissingPlace {
  readonly podUid: string;
  readonly folders: readonly string[];
  readonly type: string;
  readonly isMirror: boolean;
}

export interface PodsRootLook {
  readonly podsRoot: string;
  readonly hasPodFolder: boolean;
  /** Pods that run on this node, and how many of them have a folder. */
  readonly runningPods: { readonly count: number; readonly withFolder: number };
  /** What the pod has, as `<plugin>/<name>`. */
  readonly volumes: readonly string[];
  /** A link on the way to the volume. */
  readonly link: string | undefined;
  readonly isBlockDevice: boolean;
  /** The folder of a CSI volume is there, what the driver should have mounted in it is not. */
  readonly isUnpublished: boolean;
}

export async function lookAtPodsRoot(
  podsRoot: string,
  { podUid, folders }: MissingPlace,
  search: { runningPodUids(): Promise<readonly string[]> },
): Promise<PodsRootLook> {
  const podFolder = join(podsRoot, podUid);
  const hasPodFolder = (await lookAt(podFolder)) === "folder";
  const volumes: string[] = [];
  let link: string | undefined;
  let isUnpublished = false;
  for (const plugin of await namesInFolder(join(podFolder, "volumes"))) {
    for (const name of await namesInFolder(join(podFolder, "volumes", plugin))) volumes.push(`${plugin}/${name}`);
    const way = await firstThatIsNoFolder(join(podFolder, "volumes", plugin), folders);
    if (way?.is === "link") link = way.path;
    if (way?.is === "absent" && way.path.endsWith("/mount")) isUnpublished = true;
  }
  let isBlockDevice = false;
  for (const plugin of await namesInFolder(join(podFolder, "volumeDevices"))) {
    const [name = ""] = folders;
    if ((await lookAt(join(podFolder, "volumeDevices", plugin, name))) !== "absent") isBlockDevice = true;
  }
  const uids = hasPodFolder ? [] : (await search.runningPodUids()).filter(isPathComponent);
  let withFolder = 0;
  for (const uid of uids) if (await isFolderChain(podsRoot, [uid])) withFolder++;
  const runningPods = { count: uids.length, withFolder };
  return { podsRoot, hasPodFolder, runningPods, volumes, link, isBlockDevice, isUnpublished };
}

/** `matches` are the plugins that have it: none, or more than one. */
export function explainMissingVolume(
  place: MissingPlace,
  matches: readonly string[],
  seen: PodsRootLook,
): { readonly because: string; readonly hint: string } {
  const { podsRoot, runningPods } = seen;
  if (matches.length > 1) {
    return {
      because: `it is there of ${matches.join(" and ")}`,
      hint: "one is left over, since the volume was moved to another driver: delete the pod, so that it is set up anew",
    };
  }
  if (!seen.hasPodFolder && place.isMirror) {
    return {
      because: "the pod mirrors a static one, and its folder bears the uid of that",
      hint: "back up volumes of static pods on the node; which folder is theirs is not taken from an annotation",
    };
  }
  if (!seen.hasPodFolder && runningPods.count > 0 && runningPods.withFolder === 0) {
    return {
      because: `none of the ${runningPods.count} pods that run on this node has a folder in ${podsRoot}`,
      hint: "mount the folder `pods` of this kubelet's own root (its --root-dir) there: /var/lib/kubelet is not everyone's",
    };
  }
  if (!seen.hasPodFolder) {
    return {
      because: `the kubelet has no folder for a pod of uid ${place.podUid} there`,
      hint: "the pod ended or was replaced meanwhile, or runs on another node: back up again what runs now",
    };
  }
  if (seen.link !== undefined) {
    return {
      because: `${seen.link} is a symbolic link, which is not followed`,
      hint: "set the volume's driver to publish by mounts",
    };
  }
  if (seen.isBlockDevice) {
    return { because: "the pod has it as a block device", hint: "back up block volumes by CSI snapshots" };
  }
  if (seen.isUnpublished) {
    return {
      because: "the kubelet has the volume's folder, in which its CSI driver has mounted nothing",
      hint: "see the pod's events and the driver's log on this node; back up when the pod runs",
    };
  }
  return {
    because: `of this pod the kubelet has ${listOf(seen.volumes)}, and no such ${place.type === "" ? "volume" : place.type}`,
    hint: "see the pod's events for why it was not set up; back up when the pod runs",
  };
}

function listOf(volumes: readonly string[]): string {
  if (volumes.length === 0) return "no volumes at all";
  return `${volumes.slice(0, 10).join(", ")}${volumes.length > 10 ? ", …" : ""}`;
}
