/**
 * A real Velero server, of one of the versions in test/peers/, on a cluster and a bucket of the tests, and what an
 * installation of Velero consists of: definitions, namespace, location, credentials, and the objects that the server
 * looks for before it trusts a node's agent.
 */

import assert from "node:assert/strict";
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { type JsonObject, textAt } from "../../src/kubernetes/json.ts";
import type { S3Location } from "../../src/repository/blob/s3-location.ts";
import { BackgroundProgram } from "./background-program.ts";
import { csiDriver } from "./cluster-node.ts";
import type { KubernetesCluster } from "./kubernetes-cluster.ts";
import { type BuiltPeer, buildPeer } from "./peers.ts";
import { describeRun, runProgram } from "./program.ts";
import { until } from "./until.ts";

export const veleroVersions = ["1.15", "1.18"] as const;
export type VeleroVersion = (typeof veleroVersions)[number];

export const veleroNamespace = "velero";
/** Of the API. */
export const veleroPath = `/apis/velero.io/v1/namespaces/${veleroNamespace}`;
export const storageClass = "standard";

const releases: Readonly<Record<VeleroVersion, string>> = { "1.15": "v1.15.2", "1.18": "v1.18.1" };

/** The program `velero`, which is the server, a stock agent and a command line at once. */
export function buildVelero(version: VeleroVersion): Promise<BuiltPeer> {
  return buildPeer(`velero-${version}`, "github.com/vmware-tanzu/velero/cmd/velero", {
    "github.com/vmware-tanzu/velero/pkg/buildinfo.Version": releases[version],
    // A library would listen on port 8080 besides.
    "sigs.k8s.io/controller-runtime/pkg/metrics/server.DefaultBindAddress": "0",
  });
}

/** The object store of the servers: one plugin for all versions, whose protocol is the same. */
export function buildObjectStorePlugin(): Promise<BuiltPeer> {
  return buildPeer("object-store-plugin", ".");
}

export interface VeleroPrograms {
  readonly version: VeleroVersion;
  /** Of the program `velero`. */
  readonly velero: string;
  readonly plugin: string;
}

export interface VeleroPlace {
  readonly cluster: KubernetesCluster;
  /** Where the location `default` is; with credentials as text. */
  readonly location: S3Location;
  /** The one node. */
  readonly node: string;
}

/** Puts everything into the cluster that an installation of Velero and its agent on one node consists of. */
export async function installVelero(programs: VeleroPrograms, place: VeleroPlace): Promise<void> {
  const { cluster, node } = place;
  await cluster.define([...(await definitions(programs.velero)), groupSnapshotContents]);
  await cluster.put("/api/v1/namespaces", named("v1", "Namespace", veleroNamespace));
  await cluster.put("/api/v1/nodes", {
    ...named("v1", "Node", node, { labels: { "kubernetes.io/os": "linux", "kubernetes.io/hostname": node } }),
  });
  await cluster.put("/apis/storage.k8s.io/v1/csidrivers", {
    ...named("storage.k8s.io/v1", "CSIDriver", csiDriver),
    spec: { attachRequired: false },
  });
  await cluster.put("/apis/storage.k8s.io/v1/storageclasses", {
    ...named("storage.k8s.io/v1", "StorageClass", storageClass),
    provisioner: csiDriver,
  });
  await putStorageLocation(place);
  await putWorkloads(place, releases[programs.version]);
}

/** The location `default` with its credentials, whose Secret no other cluster of this machine has. */
export async function putStorageLocation({ cluster, location }: VeleroPlace): Promise<void> {
  const credentials = credentialsName(cluster);
  assert.ok(location.credentials !== undefined && "text" in location.credentials);
  await cluster.put(`/api/v1/namespaces/${veleroNamespace}/secrets`, {
    ...named("v1", "Secret", credentials),
    stringData: { cloud: location.credentials.text },
  });
  await cluster.put(`${veleroPath}/backupstoragelocations`, {
    ...named("velero.io/v1", "BackupStorageLocation", "default"),
    spec: {
      provider: "aws",
      default: true,
      objectStorage: { bucket: location.bucket, prefix: location.prefix.replace(/\/$/, "") },
      config: {
        region: location.region ?? "",
        s3ForcePathStyle: "true",
        s3Url: location.endpoint ?? "",
        checksumAlgorithm: "",
      },
      credential: { name: credentials, key: "cloud" },
    },
  });
}

export class VeleroServer implements AsyncDisposable {
  readonly #cluster: KubernetesCluster;
  readonly #program: BackgroundProgram;

  constructor({ version, velero, plugin }: VeleroPrograms, cluster: KubernetesCluster) {
    const plugins = join(cluster.folder, "plugins");
    const folder = join(cluster.folder, "velero");
    for (const made of [plugins, folder]) mkdirSync(made, { recursive: true });
    this.#cluster = cluster;
    this.#program = new BackgroundProgram({
      name: `Velero ${version}`,
      command: velero,
      args: [
        "server",
        `--kubeconfig=${cluster.kubeconfig("admin")}`,
        `--plugin-dir=${plugins}`,
        "--metrics-address=127.0.0.1:0",
        "--profiler-address=",
        "--default-repo-maintain-frequency=100h",
        "--log-level=debug",
        // Several pods at once, as servers up to 1.15 do by themselves.
        ...(version === "1.15" ? ["--uploader-type=kopia"] : ["--item-block-worker-count=6"]),
      ],
      env: {
        PATH: process.env.PATH,
        HOME: folder,
        TMPDIR: folder,
        VELERO_NAMESPACE: veleroNamespace,
        POD_NAMESPACE: veleroNamespace,
        VELERO_SCRATCH_DIR: folder,
      },
      logFile: join(cluster.folder, "velero.log"),
    });
    symlinkSync(plugin, join(plugins, basename(plugin)));
  }

  /** Returns when it can reach the bucket. With further flags. */
  async start(...flags: readonly string[]): Promise<void> {
    this.#program.start(...flags);
    const location = `${veleroPath}/backupstoragelocations/default`;
    await until(
      async () => {
        assert.ok(this.isRunning, `the server ended:\n${this.log().slice(-4000)}`);
        const { body } = await this.#cluster.ask("GET", location);
        return textAt(body, "status", "phase") === "Available" ? true : undefined;
      },
      () => `the server cannot reach the bucket:\n${this.log().slice(-4000)}`,
    );
  }

  async stop(): Promise<void> {
    await this.#program.end("SIGKILL");
  }

  /** It does nothing meanwhile, and goes on as if no time had passed. */
  async whilePaused(work: () => Promise<void>): Promise<void> {
    this.#program.pause();
    try {
      await work();
    } finally {
      this.#program.resume();
    }
  }

  get isRunning(): boolean {
    return this.#program.isRunning;
  }

  /** Of all its runs. */
  log(): string {
    return this.#program.log();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
    // Servers up to 1.16 write credentials to a folder that they cannot be told.
    rmSync(join("/", "tmp", "credentials", veleroNamespace, `${credentialsName(this.#cluster)}-cloud`), {
      force: true,
    });
  }
}

/** Servers from 1.18 on look for such after each restore, and warn in its results where they are not defined. */
const groupSnapshotContents: JsonObject = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: {
    name: "volumegroupsnapshotcontents.groupsnapshot.storage.k8s.io",
    annotations: { "api-approved.kubernetes.io": "unapproved, for a test" },
  },
  spec: {
    group: "groupsnapshot.storage.k8s.io",
    names: { kind: "VolumeGroupSnapshotContent", plural: "volumegroupsnapshotcontents" },
    scope: "Cluster",
    versions: [{ name: "v1beta2", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
  },
};

/** Without their status, which the API server sets. */
async function definitions(velero: string): Promise<readonly JsonObject[]> {
  const args = ["install", "--crds-only", "--dry-run", "-o", "json"];
  const run = await runProgram(velero, args, { env: { HOME: "/nonexistent" } });
  assert.equal(run.exitCode, 0, describeRun(run));
  const { items } = JSON.parse(run.stdout.toString("utf8")) as { readonly items: readonly JsonObject[] };
  return items.map(({ status: _, ...definition }) => definition);
}

/** The server reads images and labels from the templates, and looks for a running pod of the agent on a node. */
async function putWorkloads({ cluster, node }: VeleroPlace, release: string): Promise<void> {
  const containers = (name: string): JsonObject[] => [{ name, image: `velero/velero:${release}` }];
  const workload = (kind: string, name: string, labels: JsonObject): JsonObject => ({
    ...named("apps/v1", kind, name, { labels: { component: "velero" } }),
    spec: {
      selector: { matchLabels: { name } },
      template: {
        metadata: { labels: { component: "velero", name, ...labels } },
        spec: { containers: containers(name) },
      },
    },
  });
  const apps = `/apis/apps/v1/namespaces/${veleroNamespace}`;
  const role = { role: "node-agent" };
  await cluster.put(`${apps}/deployments`, workload("Deployment", "velero", { deploy: "velero" }));
  await cluster.put(`${apps}/daemonsets`, workload("DaemonSet", "node-agent", role));
  await cluster.put(`/api/v1/namespaces/${veleroNamespace}/pods`, {
    ...named("v1", "Pod", "node-agent-1", { labels: { component: "velero", name: "node-agent", ...role } }),
    spec: { nodeName: node, securityContext: {}, containers: containers("node-agent") },
  });
}

/** Of the location's Secret: another one for each cluster, as servers up to 1.16 keep it in a file of that name. */
function credentialsName(cluster: KubernetesCluster): string {
  return `cloud-credentials-${basename(cluster.folder).toLowerCase()}`;
}

function named(apiVersion: string, kind: string, name: string, metadata: JsonObject = {}): JsonObject {
  return { apiVersion, kind, metadata: { ...metadata, name } };
}
