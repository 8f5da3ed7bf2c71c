/** Kinds that only those look at who look for trouble. */

import type { ResourceType } from "../kubernetes/kubernetes-object.ts";

export const daemonSets: ResourceType = {
  apiVersion: "apps/v1",
  kind: "DaemonSet",
  plural: "daemonsets",
  namespaced: true,
};

/** The one name by which a Velero server knows its agent. */
export const agentName = "node-agent";
