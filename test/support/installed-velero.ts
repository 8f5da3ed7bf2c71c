/**
 * A cluster as it is where Velero and this agent are installed and in order: the server's Deployment, its objects, the
 * shipped DaemonSet with its rights and a pod of it that runs, a location in a real bucket and a repository there. Only
 * nothing runs: an API server, and what stands in it. A test breaks one thing and puts it right again.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { parse } from "yaml";
import { fieldAt, type JsonObject } from "../../src/kubernetes/json.ts";
import { fsb } from "./fsb.ts";
import type { KubernetesCluster } from "./kubernetes-cluster.ts";
import { credentialsFile, type ObjectServer } from "./object-server.ts";
import { readyRepository } from "./ready-repository.ts";
import { until } from "./until.ts";
import { veleroCrds } from "./velero-crds.ts";
import { serverDeployment, veleroSecret } from "./velero-objects.ts";

export const veleroApi = "/apis/velero.io/v1/namespaces/velero";
export const coreApi = "/api/v1/namespaces/velero";
export const appsApi = "/apis/apps/v1/namespaces/velero";
const rbac = "/apis/rbac.authorization.k8s.io/v1";
const base = join(import.meta.dirname, "..", "..", "daemonset", "base");

/** What none of the commands may tell. */
export const installedPassword = "a password of nobody else";
export const backupUid = "0f5a4b6e-0000-4000-8000-000000000001";

/** Of files of daemonset/base, with where the API keeps them. */
const shipped: Readonly<Record<string, string>> = {
  "service-account.yaml": `${coreApi}/serviceaccounts`,
  "cluster-role.yaml": `${rbac}/clusterroles`,
  "cluster-role-binding.yaml": `${rbac}/clusterrolebindings`,
  "role.yaml": `${rbac}/namespaces/velero/roles`,
  "role-binding.yaml": `${rbac}/namespaces/velero/rolebindings`,
  "daemon-set.yaml": `${appsApi}/daemonsets`,
};

/** Counts of a DaemonSet whose one pod is ready. */
export const allReady: JsonObject = {
  desiredNumberScheduled: 1,
  currentNumberScheduled: 1,
  numberReady: 1,
  numberAvailable: 1,
};

export function shippedObject(file: string): JsonObject {
  return parse(readFileSync(join(base, file), "utf8")) as JsonObject;
}

export class InstalledVelero {
  readonly cluster: KubernetesCluster;
  readonly server: ObjectServer;
  readonly prefix: string;

  constructor(cluster: KubernetesCluster, server: ObjectServer) {
    this.cluster = cluster;
    this.server = server;
    this.prefix = server.newLocation().prefix;
  }

  /** Flags and environment of the repository by hand. */
  get repository(): { readonly url: string; readonly env: NodeJS.ProcessEnv } {
    const { bucket, endpoint, region, owner } = this.server;
    return {
      url: `s3://${bucket}/${this.prefix}kopia/shop?endpoint=${endpoint}&region=${region}`,
      env: { AWS_ACCESS_KEY_ID: owner.accessKeyId, AWS_SECRET_ACCESS_KEY: owner.secretAccessKey },
    };
  }

  async install(): Promise<void> {
    const { cluster } = this;
    for (const name of ["velero", "shop"]) {
      await cluster.put("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
    }
    await cluster.define(veleroCrds);
    await this.putSecrets();
    await this.putLocation();
    await this.putRepository(new Date());
    await this.putServer("v1.18.1");
    for (const [file, collection] of Object.entries(shipped)) await cluster.put(collection, shippedObject(file));
    await this.setDaemonSetStatus(allReady);
    await this.putAgentPod({ ready: true });
    const { url, env } = this.repository;
    await fsb(["repo", "create", "--repo", url], { password: installedPassword, env });
  }

  /** As its Deployment's controller has it, too. */
  async putServer(version: string, args: readonly string[] = [], availableReplicas = 1): Promise<void> {
    await this.cluster.put(`${appsApi}/deployments`, serverDeployment(version, args));
    const path = `${appsApi}/deployments/velero`;
    const status = { replicas: 1, readyReplicas: availableReplicas, availableReplicas };
    await this.#putStatus(path, status);
  }

  /** A program of somebody else's beside Velero, whose argument is nobody's business. */
  async putNeighbour(arg: string): Promise<void> {
    const { spec, ...rest } = serverDeployment("v1.18.1", [arg]);
    const metadata = { namespace: "velero", name: "neighbour" };
    await this.cluster.put(`${appsApi}/deployments`, { ...rest, metadata, spec: spec ?? {} });
  }

  async putSecrets(
    cloud: string = credentialsFile(this.server.owner),
    password: string = installedPassword,
  ): Promise<void> {
    await this.cluster.put(`${coreApi}/secrets`, veleroSecret("cloud-credentials", { cloud }));
    await this.cluster.put(
      `${coreApi}/secrets`,
      veleroSecret("velero-repo-credentials", { "repository-password": password }),
    );
  }

  /** With `credential: false`, those of the server. */
  async putLocation(
    change: {
      readonly bucket?: string;
      readonly config?: JsonObject;
      readonly credential?: false;
      readonly accessMode?: "ReadOnly";
      readonly status?: JsonObject;
    } = {},
  ): Promise<void> {
    const { bucket, region, endpoint } = this.server;
    await this.cluster.put(`${veleroApi}/backupstoragelocations`, {
      apiVersion: "velero.io/v1",
      kind: "BackupStorageLocation",
      metadata: { namespace: "velero", name: "default" },
      spec: {
        default: true,
        accessMode: change.accessMode ?? "ReadWrite",
        provider: "aws",
        objectStorage: { bucket: change.bucket ?? bucket, prefix: this.prefix },
        config: { region, s3Url: endpoint, s3ForcePathStyle: "true", ...change.config },
        ...(change.credential === false ? {} : { credential: { name: "cloud-credentials", key: "cloud" } }),
      },
      status: change.status ?? { phase: "Available" },
    });
  }

  async putRepository(maintainedAt: Date, status: JsonObject = {}): Promise<void> {
    await this.cluster.put(`${veleroApi}/backuprepositories`, maintained(maintainedAt, status));
  }

  /** With a status as its controller gives it. */
  async putDaemonSet(object: JsonObject): Promise<void> {
    await this.cluster.put(`${appsApi}/daemonsets`, object);
    await this.setDaemonSetStatus(allReady);
  }

  /** Returns when the API server's authorizer goes by it: whether the agent may then patch PodVolumeBackups. */
  async putRole(object: JsonObject, mayPatch: boolean): Promise<void> {
    await this.cluster.put(`${rbac}/namespaces/velero/roles`, object);
    const user = "system:serviceaccount:velero:fsb-node-agent";
    const resourceAttributes = { verb: "patch", group: "velero.io", resource: "podvolumebackups", namespace: "velero" };
    await until(
      async () => {
        const answer = await this.cluster.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {
          apiVersion: "authorization.k8s.io/v1",
          kind: "SubjectAccessReview",
          spec: { user, resourceAttributes },
        });
        return (fieldAt(answer.body, "status", "allowed") === true) === mayPatch ? true : undefined;
      },
      () => "the role does not count",
    );
  }

  /** What is in the bucket below the location's prefix. */
  async keys(): Promise<readonly string[]> {
    const client = this.server.newClient();
    try {
      const listed = await client.send(new ListObjectsV2Command({ Bucket: this.server.bucket, Prefix: this.prefix }));
      return (listed.Contents ?? []).map(({ Key = "" }) => Key);
    } finally {
      client.destroy();
    }
  }

  async setDaemonSetStatus(status: JsonObject): Promise<void> {
    const path = `${appsApi}/daemonsets/node-agent`;
    const counts = { numberMisscheduled: 0, numberUnavailable: 0, observedGeneration: 1, ...status };
    await this.#putStatus(path, counts);
  }

  /** Of an object that is there, as its controller does. */
  async #putStatus(path: string, status: JsonObject): Promise<void> {
    const now = (await this.cluster.ask("GET", path)).body as JsonObject;
    const answer = await this.cluster.ask("PUT", `${path}/status`, { ...now, status });
    assert.equal(answer.status, 200, `${path}: ${JSON.stringify(answer.body)}`);
  }

  async putAgentPod({ ready, restarts = 0 }: { readonly ready: boolean; readonly restarts?: number }): Promise<void> {
    const labels = { name: "node-agent", role: "node-agent", component: "velero" };
    await this.cluster.put(`${coreApi}/pods`, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { namespace: "velero", name: "node-agent-abcde", labels },
      spec: { nodeName: "node-a", containers: [{ name: "node-agent", image: "fsb:0.1.0" }] },
    });
    const path = `${coreApi}/pods/node-agent-abcde`;
    const state = ready
      ? { running: { startedAt: "2026-01-01T00:00:00Z" } }
      : { waiting: { reason: "CrashLoopBackOff", message: "back-off 5m0s restarting failed container" } };
    const container = { name: "node-agent", image: "fsb:0.1.0", imageID: "", ready, restartCount: restarts, state };
    const status = { phase: "Running", containerStatuses: [container] };
    await this.#putStatus(path, status);
  }

  /** Whose kubelet is at that port of the loopback interface. */
  async putNode(name: string, kubeletPort: number): Promise<void> {
    await this.cluster.put("/api/v1/nodes", { apiVersion: "v1", kind: "Node", metadata: { name } });
    const path = `/api/v1/nodes/${name}`;
    const addresses = [{ type: "InternalIP", address: "127.0.0.1" }];
    const status = { addresses, daemonEndpoints: { kubeletEndpoint: { Port: kubeletPort } } };
    await this.#putStatus(path, status);
  }

  async putEvent(message: string): Promise<void> {
    await this.cluster.put(`${coreApi}/events`, {
      apiVersion: "v1",
      kind: "Event",
      metadata: { namespace: "velero", name: "one" },
      involvedObject: { kind: "PodVolumeBackup", namespace: "velero", name: "nightly-data" },
      reason: "BackupFailed",
      type: "Warning",
      message,
    });
  }

  /** Backup nightly of pod shop/db-0, which runs: volume data completed, volume logs failed. */
  async putBackup(): Promise<void> {
    const { cluster } = this;
    await cluster.put(`${veleroApi}/backups`, {
      apiVersion: "velero.io/v1",
      kind: "Backup",
      metadata: { namespace: "velero", name: "nightly" },
      spec: { storageLocation: "default" },
      status: {
        phase: "PartiallyFailed",
        startTimestamp: "2026-11-23T02:00:00Z",
        completionTimestamp: "2026-11-23T02:05:00Z",
        errors: 1,
      },
    });
    await cluster.put("/api/v1/namespaces/shop/pods", {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { namespace: "shop", name: "db-0" },
      spec: {
        nodeName: "node-a",
        containers: [{ name: "main", image: "example/main:1" }],
        volumes: [
          { name: "data", emptyDir: {} },
          { name: "logs", hostPath: { path: "/var/log" } },
          { name: "inline", csi: { driver: "example.com" } },
        ],
      },
    });
    const volume = (name: string, status: JsonObject): Promise<void> =>
      cluster.put(`${veleroApi}/podvolumebackups`, podVolumeBackup(name, status));
    await volume("data", { phase: "Completed", snapshotID: "4f1c", progress: { bytesDone: 2048, totalBytes: 2048 } });
    await volume("logs", { phase: "Failed", message: "it was not there", progress: {} });
  }
}

function maintained(at: Date, status: JsonObject = {}): JsonObject {
  const lastMaintenanceTime = at.toISOString().replace(/\.\d+Z$/, "Z");
  return { ...readyRepository("shop"), status: { phase: "Ready", lastMaintenanceTime, ...status } };
}

function podVolumeBackup(volume: string, status: JsonObject): JsonObject {
  return {
    apiVersion: "velero.io/v1",
    kind: "PodVolumeBackup",
    metadata: {
      namespace: "velero",
      name: `nightly-${volume}`,
      labels: { "velero.io/backup-name": "nightly" },
      ownerReferences: [
        { apiVersion: "velero.io/v1", kind: "Backup", name: "nightly", uid: backupUid, controller: true },
      ],
    },
    spec: {
      node: "node-a",
      pod: { kind: "Pod", namespace: "shop", name: "db-0", uid: "" },
      volume,
      backupStorageLocation: "default",
      repoIdentifier: "",
      uploaderType: "kopia",
    },
    status: { startTimestamp: "2026-11-23T02:01:00Z", completionTimestamp: "2026-11-23T02:02:00Z", ...status },
  };
}
