/**
 * The rights that daemonset/ gives the agent, given to the user "agent" of a test's cluster: the shipped objects, with
 * only their subjects changed. What the agent may do in a test is what it may do where it is installed.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { fieldAt, type JsonObject } from "../../src/kubernetes/json.ts";
import type { KubernetesCluster } from "./kubernetes-cluster.ts";

const base = join(import.meta.dirname, "..", "..", "daemonset", "base");
const rbac = "/apis/rbac.authorization.k8s.io/v1";
const collections: Readonly<Record<string, string>> = {
  "cluster-role.yaml": `${rbac}/clusterroles`,
  "cluster-role-binding.yaml": `${rbac}/clusterrolebindings`,
  "role.yaml": `${rbac}/namespaces/velero/roles`,
  "role-binding.yaml": `${rbac}/namespaces/velero/rolebindings`,
};
/** Of all four objects. */
const roleName = "fsb-node-agent";

/** Namespace velero must be there. */
export async function giveShippedRoles(cluster: KubernetesCluster): Promise<void> {
  for (const [file, collection] of Object.entries(collections)) {
    const object = parse(readFileSync(join(base, file), "utf8")) as JsonObject;
    const subjects = [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "agent" }];
    await cluster.put(collection, { ...object, ...("subjects" in object && { subjects }) });
  }
}

/** Takes them away again, all at once. */
export async function takeShippedRoles(cluster: KubernetesCluster): Promise<void> {
  for (const collection of Object.values(collections)) await cluster.remove(`${collection}/${roleName}`);
}

export interface Deed {
  readonly verb: string;
  readonly resource: string;
  readonly group?: string;
  /** Without one: in all namespaces, or of a kind that is in none. */
  readonly namespace?: string;
}

/** What the API server answers when it is asked whether the agent may. */
export async function mayAgent(cluster: KubernetesCluster, deed: Deed): Promise<boolean> {
  const answer = await cluster.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SubjectAccessReview",
    spec: { user: "agent", groups: ["agents", "system:authenticated"], resourceAttributes: { ...deed } },
  });
  return fieldAt(answer.body, "status", "allowed") === true;
}
