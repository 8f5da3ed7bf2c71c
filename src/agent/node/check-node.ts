/**
 * Whether an agent could work on this node, looked at before it starts, in an init container: while that fails, the pod
 * is Pending, and a Velero server does not count on it. An agent that started and ended again and again would count.
 *
 * Guarantees: nothing is changed. What would let every backup of the node fail, or store nothing, is an error; what
 * concerns one pod is only told.
 * Errors: AgentError, and ResourceError where the API server cannot be reached or a role lacks a right.
 */

import { lstat, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ResourceStore } from "../../kubernetes/resource-store.ts";
import { AgentError } from "../agent-error.ts";
import {
  backupRepositories,
  isPathComponent,
  parsePod,
  pods,
  podVolumeBackups,
  podVolumeRestores,
} from "../velero/velero-resources.ts";
import { assertPodsRoot } from "./pods-root.ts";

export interface NodeCheckOptions {
  readonly store: ResourceStore;
  /** The kubelet's folder of pods; absolute. */
  readonly podsRoot: string;
  readonly node: string;
  readonly veleroNamespace: string;
}

export interface NodeCheck {
  /** Pods that run on the node, and how many of them have no folder below the root. */
  readonly runningPods: number;
  readonly withoutFolder: number;
}

export async function checkNode(options: NodeCheckOptions, signal: AbortSignal): Promise<NodeCheck> {
  const { store, podsRoot, node, veleroNamespace } = options;
  await assertPodsRoot(podsRoot);
  if (isPrivateMount(await readFile("/proc/self/mountinfo", "utf8"), podsRoot)) {
    throw new AgentError(
      "AGENT_MOUNT_PROPAGATION_MISSING",
      `what is mounted later below ${podsRoot} would not be seen`,
      {
        hint: "give the volume mount mountPropagation: HostToContainer",
      },
    );
  }
  const here = await store.list(pods, { fields: { "spec.nodeName": node } }, { signal });
  const running = here.map(parsePod).filter((pod) => pod.phase === "Running");
  const uids = running.map((pod) => pod.mirrorUid ?? pod.uid).filter(isPathComponent);
  let withoutFolder = 0;
  for (const uid of uids) {
    const stats = await lstat(join(podsRoot, uid)).catch(() => undefined); // It is the point that it may lack.
    if (stats?.isDirectory() !== true) withoutFolder += 1;
  }
  if (withoutFolder > 0 && withoutFolder === uids.length) {
    throw new AgentError(
      "AGENT_PODS_ROOT_INVALID",
      `none of ${withoutFolder} running pods has a folder in ${podsRoot}`,
      {
        hint: "mount the folder pods of this node's kubelet, whose root may not be /var/lib/kubelet",
      },
    );
  }
  for (const type of [backupRepositories, podVolumeBackups, podVolumeRestores]) {
    await store.list(type, { namespace: veleroNamespace }, { signal });
  }
  return { runningPods: running.length, withoutFolder };
}

/**
 * Whether `folder` is a mount point that gets nothing of what is mounted elsewhere. Of several mounts on it the last one
 * counts. Source: proc(5), /proc/pid/mountinfo; the optional fields stand between the sixth and a dash.
 */
export function isPrivateMount(mountinfo: string, folder: string): boolean {
  const mounts = mountinfo.split("\n").map((line) => line.split(" "));
  const mount = mounts.findLast((fields) => unescaped(fields[4] ?? "") === folder);
  if (mount === undefined) return false;
  const optional = mount.slice(6, mount.indexOf("-", 6));
  return !optional.some((field) => /^(shared|master):/.test(field));
}

/** Blanks and backslashes are three octal digits. */
function unescaped(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
