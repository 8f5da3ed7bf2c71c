/**
 * Velero as its users have it: an API server, a bucket, a real Velero server, one node, and the agent on it. One for a
 * test file; the tests of a file have namespaces of their own in it. It ends with the file.
 *
 *     const velero = await requireVelero(t, "1.18");
 *     if (velero === undefined) return;
 *     const pod = await velero.runPod({ namespace: "shop", name: "db-0", volumes: { data: "claim", scratch: "emptyDir" } });
 *     writeTree(pod.volumes.data, { "a.txt": "hello" });
 *     await velero.backUp("nightly", { includedNamespaces: ["shop"], defaultVolumesToFsBackup: true });
 *     await velero.restore("again", { backupName: "nightly", namespaceMapping: { shop: "shop-again" } });
 *     const restored = await velero.runningPod("shop-again", "db-0");
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, type TestContext } from "node:test";
import { gunzipSync } from "node:zlib";
import { GetObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { fieldAt, itemsAt, type JsonObject, textAt } from "../../src/kubernetes/json.ts";
import type { S3Location } from "../../src/repository/blob/s3-location.ts";
import { type ClusterAgent, startClusterAgent } from "./cluster-agent.ts";
import { ClusterNode } from "./cluster-node.ts";
import { type Kopia, requireKopia } from "./kopia.ts";
import { KubernetesCluster, startCluster } from "./kubernetes-cluster.ts";
import type { ObjectServer } from "./object-server.ts";
import { lacking, requireRoot } from "./required.ts";
import { requireSeaweedfs } from "./seaweedfs.ts";
import { giveShippedRoles } from "./shipped-roles.ts";
import { temporaryFolder } from "./temporary-folder.ts";
import { until } from "./until.ts";
import {
  buildObjectStorePlugin,
  buildVelero,
  installVelero,
  storageClass,
  VeleroServer,
  type VeleroVersion,
  veleroNamespace,
  veleroPath,
} from "./velero-server.ts";

const nodeName = "node-a";
const finalPhases = ["Completed", "PartiallyFailed", "Failed", "FailedValidation", "Canceled", "Processed"];
/** Of each log, shown where a test fails. */
const logLinesMax = 100;

const running = new Map<VeleroVersion, Promise<VeleroCluster | string>>();

// Of the file that imports this, not of the test that happens to need it first.
after(async () => {
  for (const starting of running.values()) {
    const velero = await starting;
    if (velero instanceof VeleroCluster) await velero[Symbol.asyncDispose]();
  }
});

/**
 * Undefined when the test was skipped because a part cannot be had here. The server and the agent reach the bucket by
 * `endpoint`, or directly where none is given.
 */
export async function requireVelero(
  t: TestContext,
  version: VeleroVersion,
  endpoint?: string,
): Promise<VeleroCluster | undefined> {
  if (!requireRoot(t)) return undefined;
  const bucket = await requireSeaweedfs(t);
  if (bucket === undefined) return undefined;
  const known = running.get(version);
  const starting = known ?? start(version, bucket, endpoint);
  if (known === undefined) running.set(version, starting);
  const velero = await starting;
  if (typeof velero === "string") return lacking(t, velero);
  velero.showLogsIfItFails(t);
  return velero;
}

async function start(
  version: VeleroVersion,
  bucket: ObjectServer,
  endpoint: string = bucket.endpoint,
): Promise<VeleroCluster | string> {
  const peers = [await buildVelero(version), await buildObjectStorePlugin()] as const;
  const [velero, plugin] = peers;
  if (!("program" in velero)) return velero.missing;
  if (!("program" in plugin)) return plugin.missing;
  const cluster = await startCluster();
  if (!(cluster instanceof KubernetesCluster)) return cluster.missing;
  await using parts = new AsyncDisposableStack();
  parts.use(cluster);
  const programs = { version, velero: velero.program, plugin: plugin.program };
  const location = { ...bucket.newLocation(), endpoint };
  await installVelero(programs, { cluster, location, node: nodeName });
  const node = parts.use(new ClusterNode(cluster, nodeName, join(cluster.folder, "pods")));
  const server = parts.use(new VeleroServer(programs, cluster));
  await server.start();
  await giveShippedRoles(cluster);
  const agent = parts.use(await startClusterAgent(cluster, { node: nodeName, podsRoot: node.podsRoot }));
  return new VeleroCluster({ version, cluster, bucket, location, node, server, agent, parts: parts.move() });
}

export interface VeleroClusterParts {
  readonly version: VeleroVersion;
  readonly cluster: KubernetesCluster;
  readonly bucket: ObjectServer;
  readonly location: S3Location;
  readonly node: ClusterNode;
  readonly server: VeleroServer;
  readonly agent: ClusterAgent;
  /** Disposes of them. */
  readonly parts: AsyncDisposableStack;
}

export interface NewPod {
  readonly namespace: string;
  readonly name: string;
  readonly volumes: Readonly<Record<string, "emptyDir" | "claim">>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface RunningPod {
  readonly uid: string;
  /** Folders on the node. */
  readonly volumes: Readonly<Record<string, string>>;
}

export class VeleroCluster implements AsyncDisposable {
  readonly version: VeleroVersion;
  readonly cluster: KubernetesCluster;
  readonly bucket: ObjectServer;
  readonly location: S3Location;
  readonly node: ClusterNode;
  readonly server: VeleroServer;
  readonly agent: ClusterAgent;
  readonly #parts: AsyncDisposableStack;

  constructor(parts: VeleroClusterParts) {
    this.version = parts.version;
    this.cluster = parts.cluster;
    this.bucket = parts.bucket;
    this.location = parts.location;
    this.node = parts.node;
    this.server = parts.server;
    this.agent = parts.agent;
    this.#parts = parts.parts;
  }

  /** In a namespace that is made where it is missing, with a claim for each volume that asks for one; until it runs. */
  async runPod({ namespace, name, volumes, annotations = {} }: NewPod): Promise<RunningPod> {
    await this.cluster.put("/api/v1/namespaces", {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: namespace },
    });
    const path = `/api/v1/namespaces/${namespace}`;
    const names = Object.keys(volumes);
    const claimName = (volume: string): string => `${name}-${volume}`;
    for (const volume of names.filter((one) => volumes[one] === "claim")) {
      await this.cluster.put(`${path}/persistentvolumeclaims`, {
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        metadata: { namespace, name: claimName(volume) },
        spec: {
          accessModes: ["ReadWriteOnce"],
          resources: { requests: { storage: "1Gi" } },
          storageClassName: storageClass,
        },
      });
    }
    const volumeMounts = names.map((volume) => ({ name: volume, mountPath: `/${volume}` }));
    await this.cluster.put(`${path}/pods`, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { namespace, name, annotations },
      spec: {
        securityContext: {},
        containers: [{ name: "main", image: "example/main:1", volumeMounts }],
        volumes: names.map((volume) =>
          volumes[volume] === "emptyDir"
            ? { name: volume, emptyDir: {} }
            : { name: volume, persistentVolumeClaim: { claimName: claimName(volume) } },
        ),
      },
    });
    return await this.runningPod(namespace, name);
  }

  /** Waits until it runs, as one that is restored does once its volumes are there. */
  async runningPod(namespace: string, name: string): Promise<RunningPod> {
    const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
    const uid = await until(
      async () => {
        const { body } = await this.cluster.ask("GET", path);
        return textAt(body, "status", "phase") === "Running" ? textAt(body, "metadata", "uid") : undefined;
      },
      () => `pod ${namespace}/${name} does not run; the node's trouble: ${this.node.trouble}`,
    );
    return { uid, volumes: await this.node.volumeFolders(namespace, name) };
  }

  /** A Backup, until it is over. */
  async backUp(name: string, spec: JsonObject): Promise<unknown> {
    await this.create("Backup", "backups", name, { storageLocation: "default", ...spec });
    return await this.ended("backups", name);
  }

  /** A Restore, until it is over. */
  async restore(name: string, spec: JsonObject): Promise<unknown> {
    await this.create("Restore", "restores", name, spec);
    return await this.ended("restores", name);
  }

  /** Any object of Velero's that has a spec. */
  async create(kind: string, plural: string, name: string, spec: JsonObject, status: JsonObject = {}): Promise<void> {
    const metadata = { namespace: veleroNamespace, name };
    await this.cluster.put(`${veleroPath}/${plural}`, { apiVersion: "velero.io/v1", kind, metadata, spec, status });
  }

  /** The Backups that a Schedule made. */
  async backupsOf(schedule: string): Promise<readonly unknown[]> {
    const selector = `labelSelector=${encodeURIComponent(`velero.io/schedule-name=${schedule}`)}`;
    return itemsAt((await this.cluster.ask("GET", `${veleroPath}/backups?${selector}`)).body, "items");
  }

  /** The object, once its phase is final. */
  async ended(plural: string, name: string): Promise<unknown> {
    let last: unknown;
    return await until(
      async () => {
        assert.ok(this.server.isRunning, "the Velero server runs");
        last = (await this.cluster.ask("GET", `${veleroPath}/${plural}/${name}`)).body;
        return finalPhases.includes(textAt(last, "status", "phase") ?? "") ? last : undefined;
      },
      () => `${plural} ${name} is not over: ${JSON.stringify(last)}`,
    );
  }

  /** Asks Velero to delete a Backup with all that belongs to it, until it is gone. */
  async deleteBackup(name: string): Promise<void> {
    await this.create("DeleteBackupRequest", "deletebackuprequests", name, { backupName: name });
    await until(
      async () => ((await this.cluster.ask("GET", `${veleroPath}/backups/${name}`)).status === 404 ? true : undefined),
      () => `backup ${name} is not gone`,
    );
  }

  /** PodVolumeBackups of a Backup, or PodVolumeRestores of a Restore. */
  async volumesOf(owner: "backup" | "restore", name: string): Promise<readonly unknown[]> {
    const selector = `labelSelector=${encodeURIComponent(`velero.io/${owner}-name=${name}`)}`;
    const { body } = await this.cluster.ask("GET", `${veleroPath}/podvolume${owner}s?${selector}`);
    return itemsAt(body, "items");
  }

  /** Errors and warnings that Velero stored with a Backup or Restore, by where they come from. */
  async results(owner: "backup" | "restore", name: string): Promise<unknown> {
    const file = owner === "backup" ? `${name}-results.gz` : `restore-${name}-results.gz`;
    const client = this.bucket.newClient();
    try {
      const key = `${this.location.prefix}${owner}s/${name}/${file}`;
      const { Body } = await client.send(new GetObjectCommand({ Bucket: this.location.bucket, Key: key }));
      assert.ok(Body !== undefined);
      return JSON.parse(gunzipSync(await Body.transformToByteArray()).toString("utf8"));
    } finally {
      client.destroy();
    }
  }

  /** The real kopia, connected to a namespace's repository. Undefined when the test was skipped for want of it. */
  async kopia(t: TestContext, namespace: string): Promise<Kopia | undefined> {
    const kopia = await requireKopia(t, temporaryFolder(t));
    const { endpoint, region, owner } = this.bucket;
    const { bucket, prefix } = this.location;
    await kopia?.connectS3({ bucket, prefix: `${prefix}kopia/${namespace}/`, endpoint, region, ...owner });
    return kopia;
  }

  /** What a namespace's repository takes in the bucket, in bytes. */
  async repositorySize(namespace: string): Promise<number> {
    const client = this.bucket.newClient();
    try {
      const place = { Bucket: this.location.bucket, Prefix: `${this.location.prefix}kopia/${namespace}/` };
      const { Contents = [], IsTruncated } = await client.send(new ListObjectsV2Command(place));
      assert.ok(IsTruncated !== true, "one page of a list tells it all");
      return Contents.reduce((sum, { Size = 0 }) => sum + Size, 0);
    } finally {
      client.destroy();
    }
  }

  /** What the server complained of during the test, and what the agent said. */
  showLogsIfItFails(t: TestContext): void {
    const [server, agent] = [this.server.log().length, this.agent.log().length];
    t.after(() => {
      if ("passed" in t && t.passed === true) return;
      const complaints =
        this.server
          .log()
          .slice(server)
          .match(/^.* level=(warning|error|fatal|panic) .*$/gm) ?? [];
      const said = this.agent.log().slice(agent).trimEnd().split("\n");
      t.diagnostic(`the server complained:\n${complaints.slice(-logLinesMax).join("\n")}`);
      t.diagnostic(`the agent said:\n${said.slice(-logLinesMax).join("\n")}`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }
}

/** Fails with what Velero has against it unless it completed without errors and warnings. */
export async function assertCompleted(
  velero: VeleroCluster,
  owner: "backup" | "restore",
  ended: unknown,
): Promise<void> {
  const name = textAt(ended, "metadata", "name") ?? "";
  const status = { phase: "Completed", errors: undefined, warnings: undefined };
  const found = Object.fromEntries(Object.keys(status).map((key) => [key, fieldAt(ended, "status", key)]));
  if (textAt(ended, "status", "phase") === "FailedValidation") assert.fail(JSON.stringify(ended));
  assert.deepEqual(found, status, JSON.stringify(await velero.results(owner, name)));
}
