/**
 * The agent in a cluster, as a process that logs in as a user with the roles that daemonset/ ships and no other rights.
 * What a Velero server and a kubelet would do, the test does.
 */

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { setTimeout as sleepFor } from "node:timers/promises";
import { fieldAt, itemsAt, type JsonObject, textAt } from "../../src/kubernetes/json.ts";
import { type ClusterAgent, startClusterAgent } from "../support/cluster-agent.ts";
import { fsb, fsbJson } from "../support/fsb.ts";
import { repositoryPassword } from "../support/kopia.ts";
import { KubernetesCluster, startCluster } from "../support/kubernetes-cluster.ts";
import { readyRepository } from "../support/ready-repository.ts";
import { lacking, requireRoot } from "../support/required.ts";
import { giveShippedRoles, takeShippedRoles } from "../support/shipped-roles.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { veleroCrds } from "../support/velero-crds.ts";

const patienceMs = 60_000;
const velero = "/apis/velero.io/v1/namespaces/velero";
const shop = "/api/v1/namespaces/shop";

const cluster = await startCluster();
if (cluster instanceof KubernetesCluster) after(() => cluster[Symbol.asyncDispose]());

describe("the agent in a cluster", () => {
  it("backs up a pod's volume, goes on when the API server restarts, and restores into another pod", async (t) => {
    if (!(cluster instanceof KubernetesCluster)) return lacking(t, cluster.missing);
    if (!requireRoot(t)) return;
    const folder = temporaryFolder(t);
    const podsRoot = join(folder, "pods");
    mkdirSync(podsRoot);
    await prepare(cluster, join(folder, "store"));
    await fsb(["repo", "create", "--repo", join(folder, "store", "kopia", "shop")]);
    const source = await putPod(cluster, podsRoot, "db-0");
    writeFileSync(join(source.volume, "table"), "rows", { mode: 0o640 });
    await using agent = await startClusterAgent(cluster, { node: "node-a", podsRoot });

    const ownerReferences = [await putBackup(cluster, "nightly")];
    const backup = named("velero.io/v1", "PodVolumeBackup", "velero", "nightly-1", { ownerReferences });
    const common = { pod: source.reference, volume: "data", backupStorageLocation: "default", uploaderType: "kopia" };
    await put(cluster, `${velero}/podvolumebackups`, {
      ...backup,
      spec: { ...common, node: "node-a", repoIdentifier: "" },
    });
    const backedUp = await final(cluster, "podvolumebackups", "nightly-1", agent);
    assert.equal(textAt(backedUp, "status", "phase"), "Completed", JSON.stringify(backedUp));
    assert.equal(fieldAt(backedUp, "status", "progress", "bytesDone"), 4);
    const snapshotID = textAt(backedUp, "status", "snapshotID") ?? "";
    const { source: filedAs } = await fsbJson([
      ...["snapshot", "show", snapshotID, "--repo", join(folder, "store", "kopia", "shop")],
    ]);
    assert.equal(filedAs, "default@default:snapshot-pod-volume/kopia/shop/db-0/data");

    assert.deepEqual(await eventReasons(cluster, 2), ["Data-Path-Completed", "Data-Path-Started"]);

    // An API server that has just started denies everything for a moment, so this is seen only before.
    assert.doesNotMatch(agent.log(), /RESOURCE_STORE_DENIED/);
    await cluster.stopApiServer();
    await cluster.startApiServer();

    const target = await putPod(cluster, podsRoot, "db-1");
    await put(cluster, `${velero}/podvolumerestores`, {
      ...named("velero.io/v1", "PodVolumeRestore", "velero", "again-1", {
        ownerReferences: [{ apiVersion: "velero.io/v1", kind: "Restore", name: "again", uid: "restore-uid" }],
      }),
      spec: { ...common, pod: target.reference, repoIdentifier: "", snapshotID, sourceNamespace: "shop" },
    });
    const waiting = { name: "restore-wait", image: "x", imageID: "", ready: false, restartCount: 0 };
    const running = { state: { running: { startedAt: "2026-01-01T00:00:00Z" } } };
    const status = { phase: "Pending", initContainerStatuses: [{ ...waiting, ...running }] };
    const patched = await cluster.ask("PATCH", `${shop}/pods/db-1/status`, { status }, "application/merge-patch+json");
    assert.equal(patched.status, 200, JSON.stringify(patched.body));
    const restored = await final(cluster, "podvolumerestores", "again-1", agent);
    assert.equal(textAt(restored, "status", "phase"), "Completed", JSON.stringify(restored));
    assert.equal(textAt(restored, "status", "node"), "node-a");
    assert.equal(readFileSync(join(target.volume, "table"), "utf8"), "rows");
    assert.equal(readFileSync(join(target.volume, ".velero", "restore-uid"), "utf8"), "");
    // A server that has just started knows no roles for a moment, and denies the first requests of the watches.
    assert.doesNotMatch(agent.log(), /denied to (get|patch|create)/);
    assert.doesNotMatch(agent.log(), new RegExp(`${cluster.token("agent")}|${repositoryPassword}`));
  });

  it("stays up without a server, without a right and without the pods' folder, and says what it misses", async (t) => {
    if (!(cluster instanceof KubernetesCluster)) return lacking(t, cluster.missing);
    if (!requireRoot(t)) return;
    const folder = temporaryFolder(t);
    const podsRoot = join(folder, "pods");
    await prepare(cluster, join(folder, "store"));
    await fsb(["repo", "create", "--repo", join(folder, "store", "kopia", "shop")]);
    await takeShippedRoles(cluster);
    await cluster.stopApiServer();
    await using agent = await startClusterAgent(cluster, {
      ...{ node: "node-a", podsRoot, command: ["node-agent", "server", "--features=EnableCSI"] },
      args: ["--metrics-address", "127.0.0.1:0", "--health-address", "127.0.0.1:0"],
    });
    await agent.says(/Backups and restores of this node fail until its pods' folder is there.*AGENT_PODS_ROOT_INVALID/);
    await agent.says(/Failed to reach the API server, trying again.*RESOURCE_STORE_UNAVAILABLE/);
    assert.match(await asked(agent, "/healthz"), /^200 ok/);
    assert.match(await asked(agent, "/readyz"), /^503 not yet synchronised: PodVolumeBackup/);
    await cluster.startApiServer();
    for (const where of ["pods in all namespaces", "podvolumebackups.velero.io in namespace velero"]) {
      await agent.says(new RegExp(`Failed to watch, trying again.*hint: a role must allow the verb list on ${where}`));
    }
    await giveShippedRoles(cluster);

    const source = await putPod(cluster, folder, "db-2");
    const ownerReferences = [await putBackup(cluster, "weekly")];
    const common = { pod: source.reference, volume: "data", backupStorageLocation: "default", uploaderType: "kopia" };
    const putPodVolumeBackup = (name: string) =>
      put(cluster, `${velero}/podvolumebackups`, {
        ...named("velero.io/v1", "PodVolumeBackup", "velero", name, { ownerReferences }),
        spec: { ...common, node: "node-a", repoIdentifier: "" },
      });
    await putPodVolumeBackup("weekly-1");
    const failed = await final(cluster, "podvolumebackups", "weekly-1", agent);
    assert.equal(textAt(failed, "status", "phase"), "Failed");
    assert.match(
      textAt(failed, "status", "message") ?? "",
      /pod volumes host path .* does not exist \[AGENT_PODS_ROOT_INVALID\] \(hint: mount the kubelet's folder of pods there/,
    );
    mkdirSync(podsRoot);
    renameSync(join(folder, source.reference.uid), join(podsRoot, source.reference.uid));
    await putPodVolumeBackup("weekly-2");
    const completed = await final(cluster, "podvolumebackups", "weekly-2", agent);
    assert.equal(textAt(completed, "status", "phase"), "Completed", JSON.stringify(completed));

    assert.match(await asked(agent, "/readyz"), /^200 ok/);
    const metrics = await asked(agent, "/metrics");
    for (const line of [
      /^fsb_store_requests_total\{operation="put",result="ok"\} [1-9]\d*$/m,
      /^fsb_watch_restarts_total\{kind="Pod",reason="RESOURCE_STORE_DENIED"\} [1-9]\d*$/m,
      /^fsb_errors_total\{operation="backup",code="AGENT_PODS_ROOT_INVALID"\} 1$/m,
      /^fsb_engine_running 1$/m,
    ]) {
      assert.match(metrics, line);
    }
  });

  it("files snapshots as the stock agent of 1.16 does where PodVolumeBackups cannot be canceled", async (t) => {
    if (!(cluster instanceof KubernetesCluster)) return lacking(t, cluster.missing);
    if (!requireRoot(t)) return;
    const folder = temporaryFolder(t);
    const [podsRoot, repository] = [join(folder, "pods"), join(folder, "store", "kopia", "shop")];
    mkdirSync(podsRoot);
    await prepare(cluster, join(folder, "store"));
    await cluster.define(withoutCancel(veleroCrds));
    await untilForgotten(cluster, "cancel");
    await fsb(["repo", "create", "--repo", repository]);
    const { reference } = await putPod(cluster, podsRoot, "db-3");
    await using agent = await startClusterAgent(cluster, { node: "node-a", podsRoot });
    await agent.says(/Learnt the generation of Velero" generation=1\.16/);
    await put(cluster, `${velero}/podvolumebackups`, {
      ...named("velero.io/v1", "PodVolumeBackup", "velero", "old-1", {
        ownerReferences: [await putBackup(cluster, "old")],
      }),
      spec: {
        ...{ pod: reference, volume: "data", backupStorageLocation: "default", uploaderType: "kopia" },
        ...{ node: "node-a", repoIdentifier: "", tags: { backup: "old" } },
      },
    });
    const completed = await final(cluster, "podvolumebackups", "old-1", agent);
    assert.equal(textAt(completed, "status", "phase"), "Completed", JSON.stringify(completed));
    const { source, tags } = await fsbJson(["snapshot", "show", "latest", "--repo", repository]);
    assert.equal(source, `default@default:/host_pods/${reference.uid}/volumes/kubernetes.io~empty-dir/data`);
    assert.deepEqual(tags, {
      backup: "old",
      "snapshot-requester": "pod-volume-backup-restore",
      "snapshot-uploader": "kopia",
    });
  });
});

async function prepare(cluster: KubernetesCluster, fspath: string): Promise<void> {
  for (const name of ["velero", "shop"]) {
    await cluster.put("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  }
  await cluster.define(veleroCrds);
  await giveShippedRoles(cluster);
  await put(cluster, "/api/v1/namespaces/velero/secrets", {
    ...named("v1", "Secret", "velero", "velero-repo-credentials"),
    stringData: { "repository-password": repositoryPassword },
  });
  await put(cluster, `${velero}/backupstoragelocations`, {
    ...named("velero.io/v1", "BackupStorageLocation", "velero", "default"),
    spec: { provider: "velero.io/fs", config: { fspath }, objectStorage: { bucket: "b" } },
  });
  await put(cluster, `${velero}/backuprepositories`, readyRepository("shop"));
}

/** A pod on the node, and the folder of its volume as the kubelet makes it. */
async function putPod(cluster: KubernetesCluster, podsRoot: string, name: string) {
  const container = { image: "x", volumeMounts: [{ name: "data", mountPath: "/data" }] };
  const uid = await put(cluster, `${shop}/pods`, {
    ...named("v1", "Pod", "shop", name),
    spec: {
      nodeName: "node-a",
      securityContext: {},
      initContainers: [{ ...container, name: "restore-wait" }],
      containers: [{ ...container, name: "main" }],
      volumes: [{ name: "data", emptyDir: {} }],
    },
  });
  const volume = join(podsRoot, uid, "volumes", "kubernetes.io~empty-dir", "data");
  mkdirSync(volume, { recursive: true });
  return { volume, reference: { kind: "Pod", namespace: "shop", name, uid } };
}

function withoutCancel(definitions: readonly JsonObject[]): JsonObject[] {
  return JSON.parse(JSON.stringify(definitions), (key, value) => (key === "cancel" ? undefined : value));
}

/** The server tells of its kinds a moment after they were defined. */
async function untilForgotten(cluster: KubernetesCluster, field: string): Promise<void> {
  for (const until = performance.now() + patienceMs; ; await sleepFor(100)) {
    const { body } = await cluster.ask("GET", "/openapi/v3/apis/velero.io/v1");
    if (!JSON.stringify(body).includes(`"${field}"`)) return;
    assert.ok(performance.now() < until, field);
  }
}

/** What the agent answers at the path, on the port that its log names. */
async function asked(agent: ClusterAgent, path: string): Promise<string> {
  const says = path === "/metrics" ? /metric server .* at address \[(.+?)\]/ : /Answering probes" address="(.+?)"/;
  await agent.says(says);
  const answer = await fetch(`http://${says.exec(agent.log())?.[1]}${path}`);
  return `${answer.status} ${await answer.text()}`;
}

/** A Backup in progress, as its PodVolumeBackups refer to it. */
async function putBackup(cluster: KubernetesCluster, name: string) {
  const uid = await put(cluster, `${velero}/backups`, {
    ...named("velero.io/v1", "Backup", "velero", name),
    status: { phase: "InProgress" },
  });
  return { apiVersion: "velero.io/v1", kind: "Backup", name, uid, controller: true };
}

async function final(cluster: KubernetesCluster, plural: string, name: string, agent: ClusterAgent): Promise<unknown> {
  const until = performance.now() + patienceMs;
  while (true) {
    const { body } = await cluster.ask("GET", `${velero}/${plural}/${name}`);
    if (["Completed", "Failed", "Canceled"].includes(textAt(body, "status", "phase") ?? "")) return body;
    assert.ok(agent.isRunning, agent.log());
    assert.ok(performance.now() < until, JSON.stringify(body));
    await sleepFor(100);
  }
}

/** Of all events; the agent records them a moment after the phase. */
async function eventReasons(cluster: KubernetesCluster, count: number): Promise<(string | undefined)[]> {
  for (const until = performance.now() + patienceMs; ; await sleepFor(50)) {
    const { body } = await cluster.ask("GET", "/api/v1/namespaces/velero/events");
    const reasons = itemsAt(body, "items").map((item) => textAt(item, "reason"));
    if (reasons.length >= count || performance.now() > until) return reasons.sort();
  }
}

/** The uid it got. */
async function put(cluster: KubernetesCluster, collection: string, object: JsonObject): Promise<string> {
  await cluster.put(collection, object);
  const made = await cluster.ask("GET", `${collection}/${textAt(object, "metadata", "name")}`);
  return textAt(made.body, "metadata", "uid") ?? "";
}

function named(apiVersion: string, kind: string, namespace: string, name: string, metadata: JsonObject = {}) {
  return { apiVersion, kind, metadata: { ...metadata, namespace, name } };
}
