/** The kubelet's folder of pods as this process sees it: whether it is there, and whether it is the kubelet's. */

import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { keyOf } from "../../kubernetes/kubernetes-object.ts";
import type { ResourceStore } from "../../kubernetes/resource-store.ts";
import { AgentError } from "../agent-error.ts";
import { isPathComponent, parsePod, pods } from "../velero/velero-resources.ts";

/** Errors: AGENT_PODS_ROOT_INVALID. */
export async function assertPodsRoot(podsRoot: string): Promise<void> {
  const stats = await lstat(podsRoot).catch((cause: unknown) => {
    if (errnoOf(cause) === "ENOENT") return undefined;
    throw new AgentError("AGENT_PODS_ROOT_INVALID", `could not read pod volumes host path ${podsRoot}`, { cause });
  });
  if (stats?.isDirectory() === true) return;
  const is = stats === undefined ? "does not exist" : "is no folder";
  throw new AgentError("AGENT_PODS_ROOT_INVALID", `pod volumes host path ${podsRoot} ${is}`, {
    hint: "mount the kubelet's folder of pods there (hostPath, usually /var/lib/kubelet/pods, not a link to it), or name the place with --pods-root",
  });
}

/** A pod that runs here has a folder here, unless the root is another kubelet's or the pod's file is old. */
export async function warnOfStrangePodsRoot(
  store: ResourceStore,
  { node, podsRoot }: { readonly node: string; readonly podsRoot: string },
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const here = await store.list(pods, { fields: { "spec.nodeName": node } }, { signal });
  const running = here.map(parsePod).filter(({ phase }) => phase === "Running");
  const missing: string[] = [];
  for (const pod of running) {
    const uid = pod.mirrorUid ?? pod.uid;
    if (!isPathComponent(uid)) continue;
    const stats = await lstat(join(podsRoot, uid)).catch(() => undefined); // It is the point that it may lack.
    if (stats?.isDirectory() !== true) missing.push(`${keyOf(pod.object.metadata)} (${uid})`);
  }
  if (missing.length === 0) return;
  log.warn("Found unexpected directory structure for host-pods volume", {
    podsRoot,
    runningPods: running.length,
    withoutFolder: missing.length,
    missing: missing.slice(0, 5).join(", "),
    hint: "ensure that the host-pods volume is the folder pods below the kubelet's root directory",
  });
}
