/**
 * A node, as far as backups of files need one: what a scheduler, a kubelet and a provisioner of CSI volumes would do with
 * pods and claims, and the init container `restore-wait`, which Velero's server puts into pods that it restores.
 *
 * It looks at all pods and claims four times a second and does what is to be done next. What the API server refuses, it
 * tries again the next time.
 */

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleepFor } from "node:timers/promises";
import { fieldAt, itemsAt, type JsonObject, textAt } from "../../src/kubernetes/json.ts";
import type { KubernetesCluster } from "./kubernetes-cluster.ts";

const lookEveryMs = 250;
const mergePatch = "application/merge-patch+json";

export const csiDriver = "csi.test";

export class ClusterNode implements AsyncDisposable {
  readonly name: string;
  /** The folder of pods; absolute. */
  readonly podsRoot: string;
  readonly #cluster: KubernetesCluster;
  readonly #over = new AbortController();
  readonly #running: Promise<void>;
  /** What went wrong when it last looked. */
  trouble: unknown;
  /** Told of each volume's folder before its pod starts. */
  onVolumeFolder: (folder: string, pod: { readonly namespace: string; readonly name: string }) => void = () =>
    undefined;

  constructor(cluster: KubernetesCluster, name: string, podsRoot: string) {
    this.#cluster = cluster;
    this.name = name;
    this.podsRoot = podsRoot;
    mkdirSync(podsRoot, { recursive: true });
    this.#running = this.#run();
  }

  /** Where the volumes of a pod that runs here are, by their names. */
  async volumeFolders(namespace: string, podName: string): Promise<Readonly<Record<string, string>>> {
    const pods = await this.#list(`/api/v1/namespaces/${namespace}/pods`);
    const claims = await this.#list(`/api/v1/namespaces/${namespace}/persistentvolumeclaims`);
    const pod = pods.find((one) => textAt(one, "metadata", "name") === podName);
    const folders = itemsAt(pod, "spec", "volumes").map((volume) => {
      const folder = volumeFolder(this.podsRoot, pod, volume, claims);
      assert.ok(folder !== undefined, `volume ${textAt(volume, "name")} of pod ${podName} is attached`);
      return [textAt(volume, "name"), folder];
    });
    return Object.fromEntries(folders);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#over.signal.aborted) {
      // The API server may be away, or an object that was seen may be gone.
      this.trouble = await this.#look().catch((error: unknown) => error);
      await sleepFor(lookEveryMs, undefined, { signal: this.#over.signal }).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    const claims = await this.#list("/api/v1/persistentvolumeclaims");
    for (const claim of claims) if (textAt(claim, "status", "phase") !== "Bound") await this.#provision(claim);
    const pods = await this.#list("/api/v1/pods");
    for (const pod of pods) await this.#serve(pod, claims);
    const uids = pods.map((pod) => textAt(pod, "metadata", "uid"));
    for (const uid of readdirSync(this.podsRoot)) {
      if (!uids.includes(uid)) rmSync(join(this.podsRoot, uid), { recursive: true, force: true });
    }
  }

  async #list(path: string): Promise<readonly unknown[]> {
    const { status, body } = await this.#cluster.ask("GET", path);
    if (status !== 200) throw new Error(`${status} for ${path}`);
    return itemsAt(body, "items");
  }

  async #provision(claim: unknown): Promise<void> {
    const name = `pv-${textAt(claim, "metadata", "uid")}`;
    const { namespace, ...rest } = fieldAt(claim, "metadata") as Readonly<Record<string, string>>;
    const capacity = { storage: "1Gi" };
    const accessModes = ["ReadWriteOnce"];
    await this.#cluster.ask("POST", "/api/v1/persistentvolumes", {
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: { name, annotations: { "pv.kubernetes.io/provisioned-by": csiDriver } },
      spec: {
        capacity,
        accessModes,
        csi: { driver: csiDriver, volumeHandle: name },
        claimRef: {
          kind: "PersistentVolumeClaim",
          namespace: `${namespace}`,
          name: `${rest.name}`,
          uid: `${rest.uid}`,
        },
        persistentVolumeReclaimPolicy: "Delete",
        storageClassName: textAt(claim, "spec", "storageClassName") ?? "",
      },
    });
    const path = `/api/v1/namespaces/${namespace}/persistentvolumeclaims/${rest.name}`;
    await this.#patch(path, { spec: { volumeName: name } });
    await this.#patch(`/api/v1/persistentvolumes/${name}/status`, { status: { phase: "Bound" } });
    await this.#patch(`${path}/status`, { status: { phase: "Bound", capacity, accessModes } });
  }

  async #serve(pod: unknown, claims: readonly unknown[]): Promise<void> {
    const [namespace, name] = ["namespace", "name"].map((key) => textAt(pod, "metadata", key));
    const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
    const node = textAt(pod, "spec", "nodeName");
    if (node === undefined) {
      const target = { kind: "Node", name: this.name };
      const binding = { apiVersion: "v1", kind: "Binding", metadata: { name: `${name}` }, target };
      await this.#cluster.ask("POST", `${path}/binding`, binding);
      return;
    }
    if (node !== this.name) return;
    if (textAt(pod, "metadata", "deletionTimestamp") !== undefined) {
      await this.#cluster.ask("DELETE", `${path}?gracePeriodSeconds=0`);
      return;
    }
    if (textAt(pod, "status", "phase") === "Running") return;
    mkdirSync(volumesFolder(this.podsRoot, pod), { recursive: true });
    const folders = new Map<string | undefined, string>();
    for (const volume of itemsAt(pod, "spec", "volumes")) {
      const folder = volumeFolder(this.podsRoot, pod, volume, claims);
      if (folder === undefined) return; // Its claim is not bound yet.
      if (!existsSync(folder)) {
        mkdirSync(folder, { recursive: true });
        this.onVolumeFolder(folder, { namespace: `${namespace}`, name: `${name}` });
      }
      folders.set(textAt(volume, "name"), folder);
    }
    const waiting = itemsAt(pod, "spec", "initContainers").find((one) => textAt(one, "name") === "restore-wait");
    const isRestored = waiting === undefined || hasRestored(waiting, folders);
    if (!isRestored && itemsAt(pod, "status", "initContainerStatuses").length > 0) return;
    await this.#patch(`${path}/status`, { status: isRestored ? runningStatus(pod) : waitingStatus(pod) });
  }

  async #patch(path: string, change: JsonObject): Promise<void> {
    const { status, body } = await this.#cluster.ask("PATCH", path, change, mergePatch);
    if (status >= 300) throw new Error(`${status} ${JSON.stringify(body)} for ${path}`);
  }
}

function volumesFolder(podsRoot: string, pod: unknown): string {
  return join(podsRoot, textAt(pod, "metadata", "uid") ?? "", "volumes");
}

/** Where the kubelet has it; undefined while a claim has no volume yet. `claims` are all that may be its. */
function volumeFolder(podsRoot: string, pod: unknown, volume: unknown, claims: readonly unknown[]): string | undefined {
  const folder = volumesFolder(podsRoot, pod);
  const claimName = textAt(volume, "persistentVolumeClaim", "claimName");
  if (claimName === undefined) return join(folder, "kubernetes.io~empty-dir", `${textAt(volume, "name")}`);
  const claim = claims.find((one) => keyOf(one) === `${textAt(pod, "metadata", "namespace")}/${claimName}`);
  const bound = textAt(claim, "status", "phase") === "Bound" ? textAt(claim, "spec", "volumeName") : undefined;
  return bound === undefined ? undefined : join(folder, "kubernetes.io~csi", bound, "mount");
}

/** One look of `restore-wait` at its volumes; takes the markers away once all are there, as it does. */
function hasRestored(restoreWait: unknown, folders: ReadonlyMap<string | undefined, string>): boolean {
  const [restoreUid] = itemsAt(restoreWait, "args");
  const markers = itemsAt(restoreWait, "volumeMounts")
    .filter((mount) => textAt(mount, "mountPath")?.startsWith("/restores/"))
    .map((mount) => join(folders.get(textAt(mount, "name")) ?? "", ".velero"));
  if (!markers.every((folder) => existsSync(join(folder, `${restoreUid}`)))) return false;
  for (const folder of markers) rmSync(folder, { recursive: true });
  return true;
}

function waitingStatus(pod: unknown): JsonObject {
  const running = { running: { startedAt: new Date().toISOString() } };
  const initContainerStatuses = itemsAt(pod, "spec", "initContainers").map((container) =>
    containerStatus(container, textAt(container, "name") === "restore-wait" ? running : { waiting: {} }),
  );
  return { phase: "Pending", initContainerStatuses };
}

function runningStatus(pod: unknown): JsonObject {
  const now = new Date().toISOString();
  const state = { running: { startedAt: now } };
  const ended = { terminated: { exitCode: 0, reason: "Completed", startedAt: now, finishedAt: now } };
  return {
    phase: "Running",
    conditions: ["Initialized", "Ready"].map((type) => ({ type, status: "True" })),
    initContainerStatuses: itemsAt(pod, "spec", "initContainers").map((one) => containerStatus(one, ended)),
    containerStatuses: itemsAt(pod, "spec", "containers").map((one) => containerStatus(one, state)),
  };
}

function containerStatus(container: unknown, state: JsonObject): JsonObject {
  const image = textAt(container, "image") ?? "";
  return {
    name: `${textAt(container, "name")}`,
    image,
    imageID: "",
    ready: "running" in state,
    restartCount: 0,
    state,
  };
}

function keyOf(object: unknown): string {
  return `${textAt(object, "metadata", "namespace")}/${textAt(object, "metadata", "name")}`;
}
