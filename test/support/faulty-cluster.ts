/**
 * A cluster with a real Velero server in which things go wrong while the agent works: by a gate in front of the bucket it
 * is in the middle of its work for certain.
 *
 *     const scene = await requireFaultyCluster(t, "1.18");
 *     if (scene === undefined) return;
 *     await scene.runPod("shop");
 *     const held = scene.gate.hold(packsOf("shop", "PUT"));
 *     await scene.begin("backup", "shop-1", { includedNamespaces: ["shop"], defaultVolumesToFsBackup: true });
 *     await scene.middleOf("backup", "shop-1", held);
 *     // What goes wrong.
 *     held.release();
 *     await scene.assertEnded("backup", "shop-1", "the agent was killed during a backup");
 */

import assert from "node:assert/strict";
import { createCipheriv, createHash } from "node:crypto";
import { after, type TestContext } from "node:test";
import { fieldAt, itemsAt, type JsonObject, textAt } from "../../src/kubernetes/json.ts";
import { type BucketGate, type Hold, type HoldOptions, openBucketGate } from "./bucket-gate.ts";
import { assertAsOnPage } from "./failures-page.ts";
import { exitCodes, tryFsb } from "./fsb.ts";
import { describeRun } from "./program.ts";
import { requireSeaweedfs } from "./seaweedfs.ts";
import { writeTree } from "./tree.ts";
import { until } from "./until.ts";
import { assertCompleted, type RunningPod, requireVelero, type VeleroCluster } from "./velero-cluster.ts";
import { type VeleroVersion, veleroNamespace, veleroPath } from "./velero-server.ts";

const mebibyte = 1 << 20;
const mergePatch = "application/merge-patch+json";
/** Bounds what a Velero server waits for volumes; by itself it waits four hours. */
const volumeTimeout = "100s";
/** What a server says when that is over: then the agent has let it wait. */
const timedOut = /timed out waiting for all PodVolume/;

export type Owner = "backup" | "restore";

let gate: Promise<BucketGate> | undefined;

// Of the file that imports this.
after(async () => {
  await (await gate)?.[Symbol.asyncDispose]();
});

/** Undefined when the test was skipped because a part cannot be had here. */
export async function requireFaultyCluster(t: TestContext, version: VeleroVersion): Promise<FaultyCluster | undefined> {
  const bucket = await requireSeaweedfs(t);
  if (bucket === undefined) return undefined;
  gate ??= openBucketGate(bucket.endpoint);
  const opened = await gate;
  const velero = await requireVelero(t, version, opened.endpoint);
  if (velero === undefined) return undefined;
  const scene = new FaultyCluster(velero, opened);
  await scene.lookOftenAtLocation();
  return scene;
}

/** Requests for the packs with files' contents of a namespace's repository. */
export function packsOf(namespace: string, method: "GET" | "PUT", after = 0): HoldOptions {
  return { method, path: new RegExp(`/kopia/${namespace}/p[0-9a-f]`), after };
}

export class FaultyCluster {
  readonly velero: VeleroCluster;
  readonly gate: BucketGate;

  constructor(velero: VeleroCluster, gate: BucketGate) {
    this.velero = velero;
    this.gate = gate;
  }

  /** A pod in a namespace of that name, with one volume of several packs. */
  async runPod(namespace: string): Promise<RunningPod> {
    const pod = await this.velero.runPod({ namespace, name: "db-0", volumes: { data: "emptyDir" } });
    const tree = Object.fromEntries(
      Array.from({ length: 12 }, (_, index) => [`file-${index}`, bytesOf(`${namespace} ${index}`, 4 * mebibyte)]),
    );
    writeTree(pod.volumes.data ?? "", tree);
    return pod;
  }

  async begin(owner: Owner, name: string, spec: JsonObject): Promise<void> {
    const annotations = { "velero.io/pod-volume-timeout": volumeTimeout };
    await this.velero.cluster.put(`${veleroPath}/${owner}s`, {
      apiVersion: "velero.io/v1",
      kind: owner === "backup" ? "Backup" : "Restore",
      metadata: { namespace: veleroNamespace, name, annotations },
      spec: owner === "backup" ? { storageLocation: "default", ...spec } : spec,
    });
  }

  async beginBackup(namespace: string, name: string): Promise<void> {
    await this.untilLocationIs("Available");
    await this.begin("backup", name, { includedNamespaces: [namespace], defaultVolumesToFsBackup: true });
  }

  /** Into a namespace that has the restore's name. */
  async beginRestore(namespace: string, backupName: string, name: string): Promise<void> {
    await this.untilLocationIs("Available");
    await this.begin("restore", name, { backupName, namespaceMapping: { [namespace]: name } });
  }

  /** A backup of the namespace that is to go well. */
  async backUpWell(namespace: string, name: string): Promise<void> {
    await this.beginBackup(namespace, name);
    await assertCompleted(this.velero, "backup", await this.velero.ended("backups", name));
  }

  /** Into a namespace that has the restore's name; is to go well. */
  async restoreWell(namespace: string, backupName: string, name: string): Promise<RunningPod> {
    await this.beginRestore(namespace, backupName, name);
    await assertCompleted(this.velero, "restore", await this.velero.ended("restores", name));
    return await this.velero.runningPod(name, "db-0");
  }

  /** Until there is progress to be seen and the rest is held. */
  async middleOf(owner: Owner, name: string, held: Hold): Promise<void> {
    let isHeld = false;
    void held.reached.then(() => {
      isHeld = true;
    });
    await this.#untilVolumeOf(owner, name, "is in the middle", (volume) => {
      assert.ok(!isOver(volume), JSON.stringify(volume));
      return isHeld && Number(fieldAt(volume, "status", "progress", "bytesDone") ?? 0) > 0;
    });
  }

  /** The first volume of a Backup or Restore, once it is there. */
  async volumeOf(owner: Owner, name: string): Promise<unknown> {
    return await this.#untilVolumeOf(owner, name, "is there", () => true);
  }

  async endedVolumeOf(owner: Owner, name: string): Promise<unknown> {
    return await this.#untilVolumeOf(owner, name, "has ended", isOver);
  }

  /** Asks for a volume to be canceled, as a person would. */
  async cancel(owner: Owner, name: string): Promise<void> {
    const volume = textAt(await this.volumeOf(owner, name), "metadata", "name");
    await this.patch(`${veleroPath}/podvolume${owner}s/${volume}`, { spec: { cancel: true } });
  }

  async patch(path: string, change: JsonObject): Promise<void> {
    const { status, body } = await this.velero.cluster.ask("PATCH", path, change, mergePatch);
    assert.ok(status < 300, `${status} ${JSON.stringify(body)} for ${path}`);
  }

  /**
   * That a Backup or Restore came to what docs/operations/failures.md tells of `what` happened: the phase and the message
   * of its one volume, which Velero's own results repeat, and that it was not left waiting.
   */
  async assertEnded(owner: Owner, name: string, what: string, phase = "PartiallyFailed"): Promise<void> {
    const ended = await this.velero.ended(`${owner}s`, name);
    const [volume, ...others] = await this.velero.volumesOf(owner, name);
    assert.equal(others.length, 0, JSON.stringify(others));
    assertAsOnPage(what, volume);
    assert.equal(textAt(ended, "status", "phase"), phase, JSON.stringify(ended));
    if (phase !== "PartiallyFailed") return;
    const results = JSON.stringify(await this.velero.results(owner, name));
    assert.doesNotMatch(results, timedOut);
    const message = textAt(volume, "status", "message");
    assert.ok(results.includes(JSON.stringify(message).slice(1, -1)), `${message} in ${results}`);
  }

  /** Of the volume that a restored pod waits for. */
  async assertPodWaits(namespace: string): Promise<void> {
    const { body } = await this.velero.cluster.ask("GET", `/api/v1/namespaces/${namespace}/pods/db-0`);
    const [restoreWait] = itemsAt(body, "status", "initContainerStatuses");
    assert.equal(textAt(body, "status", "phase"), "Pending", JSON.stringify(body));
    assert.ok(fieldAt(restoreWait, "state", "running") !== undefined, JSON.stringify(body));
  }

  /** By the real kopia and by `fsb`: all that can be found can be read, and there are so many complete snapshots. */
  async assertWhole(t: TestContext, namespace: string, snapshotCount: number): Promise<void> {
    const kopia = await this.velero.kopia(t, namespace);
    if (kopia === undefined) return;
    await kopia.verify();
    const snapshots = await kopia.snapshotList();
    assert.equal(snapshots.length, snapshotCount, JSON.stringify(snapshots));
    const { bucket, location } = this.velero;
    const query = new URLSearchParams({ endpoint: bucket.endpoint, region: bucket.region });
    const repository = `s3://${bucket.bucket}/${location.prefix}kopia/${namespace}/?${query}`;
    const { accessKeyId, secretAccessKey } = bucket.owner;
    const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    const run = await tryFsb(["snapshot", "verify", "--repo", repository], { env });
    assert.equal(run.exitCode, exitCodes.ok, describeRun(run));
  }

  /** The server looks at its location once a minute by itself, and refuses backups until it has seen that it is back. */
  async lookOftenAtLocation(): Promise<void> {
    await this.patch(`${veleroPath}/backupstoragelocations/default`, { spec: { validationFrequency: "1s" } });
  }

  async untilLocationIs(phase: "Available" | "Unavailable"): Promise<void> {
    let location: unknown;
    await until(
      async () => {
        location = (await this.velero.cluster.ask("GET", `${veleroPath}/backupstoragelocations/default`)).body;
        return textAt(location, "status", "phase") === phase || undefined;
      },
      () => `the location is not ${phase}: ${JSON.stringify(location)}`,
    );
  }

  async #untilVolumeOf(
    owner: Owner,
    name: string,
    what: string,
    matches: (volume: unknown) => boolean,
  ): Promise<unknown> {
    let volume: unknown;
    return await until(
      async () => {
        [volume] = await this.velero.volumesOf(owner, name);
        return volume !== undefined && matches(volume) ? volume : undefined;
      },
      () => `no volume of ${owner} ${name} ${what}: ${JSON.stringify(volume)}`,
    );
  }
}

function isOver(volume: unknown): boolean {
  return ["Completed", "Failed", "Canceled"].includes(textAt(volume, "status", "phase") ?? "");
}

/** The same bytes for the same seed; they do not compress. */
function bytesOf(seed: string, length: number): Buffer {
  const key = createHash("sha256").update(seed).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(length));
}
