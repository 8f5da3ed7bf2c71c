/** Kinds that only those look at who look for trouble. */

import { itemNamed, textAt } from "../kubernetes/json.ts";
import type { KubernetesObject, ResourceType } from "../kubernetes/kubernetes-object.ts";

export const daemonSets: ResourceType = {
  apiVersion: "apps/v1",
  kind: "DaemonSet",
  plural: "daemonsets",
  namespaced: true,
};

/** The one name by which a Velero server knows its agent. */
export const agentName = "node-agent";

/** Of the DaemonSet: the nodes' folder of pods. */
export const podsVolume = "host-pods";

/** Where it is on the nodes; undefined where no such volume is a folder of theirs. */
export function podsFolderOf({ content }: KubernetesObject): string | undefined {
  return textAt(itemNamed(podsVolume, content, "spec", "template", "spec", "volumes"), "hostPath", "path");
}
