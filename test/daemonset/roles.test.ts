/** What the shipped roles allow, as a real API server answers: what the agent does, and nothing else. */

import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { fsb, tryFsb } from "../support/fsb.ts";
import { KubernetesCluster, startCluster } from "../support/kubernetes-cluster.ts";
import { lacking } from "../support/required.ts";
import { type Deed, giveShippedRoles, mayAgent, takeShippedRoles } from "../support/shipped-roles.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { veleroCrds } from "../support/velero-crds.ts";

const verbs = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
/** All that it might wish for. */
const resourcesOfGroups: Readonly<Record<string, readonly string[]>> = {
  "": [
    ...["configmaps", "endpoints", "events", "namespaces", "nodes", "nodes/proxy", "nodes/status"],
    ...["persistentvolumeclaims", "persistentvolumes", "pods", "pods/exec", "pods/ephemeralcontainers", "pods/log"],
    ...["pods/status", "secrets", "serviceaccounts", "serviceaccounts/token", "services"],
  ],
  apps: ["daemonsets", "deployments"],
  batch: ["jobs"],
  "coordination.k8s.io": ["leases"],
  "rbac.authorization.k8s.io": ["clusterrolebindings", "clusterroles", "rolebindings", "roles"],
  "snapshot.storage.k8s.io": ["volumesnapshots"],
  "storage.k8s.io": ["csidrivers", "storageclasses", "volumeattachments"],
  "velero.io": [
    ...["backuprepositories", "backups", "backupstoragelocations", "deletebackuprequests", "datauploads"],
    ...["podvolumebackups", "podvolumebackups/status", "podvolumerestores", "podvolumerestores/status", "restores"],
  ],
};

const cluster = await startCluster();
if (cluster instanceof KubernetesCluster) after(() => cluster[Symbol.asyncDispose]());

describe("the shipped roles", () => {
  it("allow what the agent does, and no more", async (t) => {
    if (!(cluster instanceof KubernetesCluster)) return lacking(t, cluster.missing);
    await prepare(cluster);
    const namespaces = ["velero", "shop", undefined];
    const allowed: string[] = [];
    for (const [group, resources] of Object.entries(resourcesOfGroups)) {
      for (const resource of resources) {
        for (const verb of verbs) {
          const where: (string | undefined)[] = [];
          for (const namespace of namespaces) {
            const deed: Deed = { verb, resource, group, ...(namespace !== undefined && { namespace }) };
            if (await mayAgent(cluster, deed)) where.push(namespace);
          }
          if (where.length > 0) allowed.push(`${verb} ${resource} ${where.length === 3 ? "anywhere" : where}`);
        }
      }
    }
    assert.deepEqual(allowed.sort(), [
      "create events velero",
      "get backuprepositories velero",
      "get backups velero",
      "get backupstoragelocations velero",
      "get configmaps velero",
      "get csidrivers anywhere",
      "get nodes anywhere",
      "get persistentvolumeclaims anywhere",
      "get persistentvolumes anywhere",
      "get pods anywhere",
      "get podvolumebackups velero",
      "get podvolumerestores velero",
      "get secrets velero",
      "list backuprepositories velero",
      "list pods anywhere",
      "list podvolumebackups velero",
      "list podvolumerestores velero",
      "patch events velero",
      "patch podvolumebackups velero",
      "patch podvolumerestores velero",
      "watch backuprepositories velero",
      "watch pods anywhere",
      "watch podvolumebackups velero",
      "watch podvolumerestores velero",
    ]);
  });

  it("are enough for the check of a node, which else says what is missing", async (t) => {
    if (!(cluster instanceof KubernetesCluster)) return lacking(t, cluster.missing);
    await prepare(cluster);
    const folder = temporaryFolder(t);
    const args = ["check-node", "--kubeconfig", cluster.kubeconfig("agent"), "--node", "node-a", "--pods-root", folder];
    assert.match(await fsb(args), /^an agent can work on node node-a: 0 of 0 running pods/);
    await takeShippedRoles(cluster);
    const run = await tryFsb(args);
    assert.equal(run.exitCode, 1, run.stderr);
    assert.match(run.stderr, /RESOURCE_STORE_DENIED/);
    assert.match(run.stderr, /hint: a role must allow the verb list on pods in all namespaces/);
  });
});

async function prepare(cluster: KubernetesCluster): Promise<void> {
  await cluster.put("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "velero" } });
  await cluster.define(veleroCrds);
  await giveShippedRoles(cluster);
}
