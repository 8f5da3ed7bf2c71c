/** A node in a temporary folder: pods, resource files, a place for repositories, and the agent. */

import { renameSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleepFor } from "node:timers/promises";
import { stringify } from "yaml";
import { type AgentOptions, runAgent } from "../../src/agent/agent.ts";
import { createAgentLog } from "../../src/agent/observability/agent-log.ts";
import { agentResourceTypes, podVolumeBackups, podVolumeRestores } from "../../src/agent/velero/velero-resources.ts";
import type { Clock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { type FolderResourceStore, openFolderResourceStore } from "../../src/kubernetes/folder-resource-store.ts";
import { isJsonObject, type JsonObject, textAt } from "../../src/kubernetes/json.ts";
import type { ResourceType } from "../../src/kubernetes/kubernetes-object.ts";
import { CopyingWork } from "./copying-work.ts";

/** Runs twenty times as fast as time does, so that waiting two seconds takes a tenth of one. */
class HurriedClock implements Clock {
  readonly #startMs = Date.now();
  nowMs(): number {
    return this.#startMs + (Date.now() - this.#startMs) * 20;
  }
  nowNs(): bigint {
    return BigInt(this.nowMs()) * 1_000_000n;
  }
  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const timer = setTimeout(done, ms / 20);
      function done() {
        signal.removeEventListener("abort", abort);
        resolve();
      }
      function abort() {
        clearTimeout(timer);
        reject(signal.reason);
      }
      signal.addEventListener("abort", abort, { once: true });
    });
  }
}

/** A node that does not get anywhere for so long fails its test. */
const patienceMs = 60_000;

/** Throws when it takes longer than a node may. */
export async function inTime(what: string, happening: Promise<void>): Promise<void> {
  const over = new AbortController();
  const isLate = sleepFor(patienceMs, true, { signal: over.signal }).catch(() => true);
  const late = await Promise.race([happening.then(() => false), isLate]);
  over.abort();
  if (late) throw new Error(`waited in vain: ${what}`);
}

export class NodeUnderTest implements AsyncDisposable {
  readonly root: string;
  readonly work = new CopyingWork();
  readonly logLines: string[] = [];
  readonly #patience = AbortSignal.timeout(patienceMs);
  readonly #store: FolderResourceStore;
  readonly #agents: { readonly stop: AbortController; readonly ended: Promise<void> }[] = [];

  static async create(): Promise<NodeUnderTest> {
    const root = await mkdtemp(join(tmpdir(), "fsb-agent-"));
    await mkdir(join(root, "pods"));
    await mkdir(join(root, "resources"));
    const store = await openFolderResourceStore(
      {
        folder: join(root, "resources"),
        types: agentResourceTypes,
        defaultNamespace: "velero",
        clock: new HurriedClock(),
        log: silentLog,
        settleMs: 400,
      },
      AbortSignal.timeout(patienceMs),
    );
    const node = new NodeUnderTest(root, store);
    await node.put("location.yaml", {
      apiVersion: "velero.io/v1",
      kind: "BackupStorageLocation",
      metadata: { name: "default" },
      spec: {
        provider: "velero.io/fs",
        config: { fspath: join(root, "store") },
        objectStorage: { bucket: "b", prefix: "/p/" },
      },
    });
    await node.put("secret.yaml", {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "velero-repo-credentials" },
      data: { "repository-password": Buffer.from(" pass word\n").toString("base64") },
    });
    return node;
  }

  constructor(root: string, store: FolderResourceStore) {
    this.root = root;
    this.#store = store;
  }

  start(options: Partial<AgentOptions> = {}): { stop(): Promise<void> } {
    const stop = new AbortController();
    const write = (line: string) => void this.logLines.push(line);
    const ended = runAgent(
      {
        resources: { folder: join(this.root, "resources"), settleMs: 400 },
        podsRoot: join(this.root, "pods"),
        node: "node-1",
        work: this.work,
        log: createAgentLog({ format: "text", level: "debug", write }),
        clock: new HurriedClock(),
        ...options,
      },
      stop.signal,
    );
    this.#agents.push({ stop, ended });
    return {
      stop: async () => {
        stop.abort();
        await ended;
      },
    };
  }

  /** Writes a resource file as a whole; several objects become several documents. */
  async put(fileName: string, ...objects: readonly JsonObject[]): Promise<void> {
    await this.putText(fileName, objects.map((object) => stringify(object)).join("---\n"));
  }

  async putText(fileName: string, text: string): Promise<void> {
    await writeFile(join(this.root, `${fileName}.new`), text);
    // At once, as an edit between the agent's last look and its own rename would be lost.
    renameSync(join(this.root, `${fileName}.new`), this.file(fileName));
  }

  file(fileName: string): string {
    return join(this.root, "resources", fileName);
  }

  /** A pod with emptyDir volumes of these files; returns the pod object. */
  async addPod(name: string, volumes: Readonly<Record<string, Readonly<Record<string, string>>>>): Promise<JsonObject> {
    for (const [volume, files] of Object.entries(volumes)) {
      const folder = this.volume(name, volume);
      await mkdir(folder, { recursive: true });
      for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text);
    }
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { namespace: "shop", name, uid: `uid-of-${name}` },
      spec: {
        nodeName: "node-1",
        volumes: Object.keys(volumes).map((volume) => ({ name: volume, emptyDir: {} })),
        initContainers: [{ name: "restore-wait" }],
      },
      status: { phase: "Running", initContainerStatuses: [{ name: "restore-wait", state: { running: {} } }] },
    };
    await this.put(`pod-${name}.yaml`, pod);
    return pod;
  }

  volume(pod: string, volume: string): string {
    return join(this.root, "pods", `uid-of-${pod}`, "volumes", "kubernetes.io~empty-dir", volume);
  }

  /** The status once it holds, of the first state for which it does. */
  async until(
    type: ResourceType,
    name: string,
    holds: (status: Readonly<Record<string, unknown>>) => boolean,
  ): Promise<Readonly<Record<string, unknown>>> {
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.#patience]);
    for await (const event of this.#store.watch(type, { namespace: "velero" }, { signal })) {
      if (event.kind !== "present" || event.object.metadata.name !== name) continue;
      const status = isJsonObject(event.object.content.status) ? event.object.content.status : {};
      if (holds(status)) return status;
    }
    throw new Error("the watch ended");
  }

  untilFinal(type: ResourceType, name: string): Promise<Readonly<Record<string, unknown>>> {
    return this.until(type, name, ({ phase }) => phase === "Completed" || phase === "Failed" || phase === "Canceled");
  }

  untilBackup(name: string): Promise<Readonly<Record<string, unknown>>> {
    return this.untilFinal(podVolumeBackups, name);
  }

  untilRestore(name: string): Promise<Readonly<Record<string, unknown>>> {
    return this.untilFinal(podVolumeRestores, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.#agents) {
      agent.stop.abort();
      await agent.ended.catch(() => undefined); // A test that cares awaits it itself.
    }
    await this.#store[Symbol.asyncDispose]();
    await rm(this.root, { recursive: true, force: true });
  }
}

export function backupOf(name: string, pod: string, volume: string, spec: JsonObject = {}): JsonObject {
  return {
    apiVersion: "velero.io/v1",
    kind: "PodVolumeBackup",
    metadata: { namespace: "velero", name },
    spec: {
      node: "node-1",
      pod: { kind: "Pod", namespace: "shop", name: pod, uid: `uid-of-${pod}` },
      volume,
      backupStorageLocation: "default",
      repoIdentifier: "",
      uploaderType: "kopia",
      tags: { backup: "b1" },
      ...spec,
    },
    status: { progress: {} },
  };
}

export function restoreOf(
  name: string,
  pod: string,
  volume: string,
  snapshotID: string,
  spec: JsonObject = {},
): JsonObject {
  return {
    apiVersion: "velero.io/v1",
    kind: "PodVolumeRestore",
    metadata: {
      namespace: "velero",
      name,
      ownerReferences: [
        { apiVersion: "velero.io/v1", kind: "Restore", name: "r1", uid: "restore-uid-1", controller: true },
      ],
    },
    spec: {
      pod: { kind: "Pod", namespace: "shop", name: pod, uid: `uid-of-${pod}` },
      volume,
      backupStorageLocation: "default",
      repoIdentifier: "",
      uploaderType: "kopia",
      sourceNamespace: "shop",
      snapshotID,
      ...spec,
    },
  };
}

/** Resolves when it is called for the nth time; `wait` keeps whoever calls it until the signal aborts or `open`. */
export class Gate {
  readonly #arrivals: (() => void)[] = [];
  #open: () => void = () => undefined;
  readonly #opened = new Promise<void>((resolve) => {
    this.#open = resolve;
  });
  #count = 0;

  async wait(signal: AbortSignal): Promise<void> {
    this.#count++;
    for (const arrived of this.#arrivals) arrived();
    await Promise.race([
      this.#opened,
      new Promise((_, reject) => {
        if (signal.aborted) reject(signal.reason);
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      }),
    ]);
  }

  async arrived(count: number): Promise<void> {
    while (this.#count < count) {
      const arrival = new Promise<void>((resolve) => {
        this.#arrivals.push(resolve);
      });
      await inTime(`${count} at the gate, there are ${this.#count}`, arrival);
    }
  }

  open(): void {
    this.#open();
  }
}

export function messageOf(status: Readonly<Record<string, unknown>>): string {
  return textAt(status, "message") ?? "";
}
