/**
 * What an agent takes of its node: memory before, during and after work, and requests to the API server while it waits.
 * Prints a Markdown table.
 *
 *     npm run bench:agent -- [--pods COUNT] [--megabytes SIZE] [--before MINUTES] [--after MINUTES] [--kubeconfig]
 *         [--plain-malloc] [--memory-budget SIZE] [--markdown FILE]
 *
 * The agent is the built one, alone in its process, with a real kube-apiserver and a bucket of a real S3 server on
 * loopback; it logs in as the service account of a pod, by files in a mount namespace of its own (which takes root), or
 * with a kubeconfig. COUNT pods are on the node (default 200), each of two containers with 30 variables. Two volumes of
 * SIZE MB (default 100) that do not compress are backed up at once, and then restored at once into two others, which
 * must then hold the same. The agent waits some minutes before that and after that (default 10 each); its thread ends
 * five minutes after the last job. The C library's malloc is set as in the image, or as it comes.
 *
 * How far a volume is, is seen from outside every 50 ms: by which of its files the agent has opened, and by how many there
 * are of those it restores. So it is told whether one of two volumes waits for the other.
 *
 * Memory is VmRSS of the agent's process, threads and all, and VmHWM for peaks, which is set back before each step.
 * `--markdown` puts the tables between their markers, as they are in docs/performance.md.
 *
 * Requests are those of the agent's user in the API server's audit log.
 */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleepFor } from "node:timers/promises";
import { parseArgs } from "node:util";
import { fieldAt, type JsonObject, textAt } from "../src/kubernetes/json.ts";
import { fsb } from "../test/support/fsb.ts";
import { repositoryPassword } from "../test/support/kopia.ts";
import { type KubernetesCluster, startCluster } from "../test/support/kubernetes-cluster.ts";
import { type ObjectServer, startObjectServer } from "../test/support/object-server.ts";
import { readyRepository } from "../test/support/ready-repository.ts";
import { veleroCrds } from "../test/support/velero-crds.ts";
import { findBuiltProgram } from "./built-program.ts";
import { describeMachine, formatMachine, formatMegabytes, formatTable, replaceSection } from "./report.ts";
import { Noise } from "./volumes.ts";

export interface AgentMemoryOptions {
  readonly pods: number;
  readonly volumeBytes: number;
  /** How long the agent is watched while it waits, before there is any work and afterwards. */
  readonly beforeMs: number;
  readonly afterMs: number;
  readonly login: "service account" | "kubeconfig";
  readonly malloc: "of the image" | "as it comes";
  /** As the agent's own setting; undefined leaves it as it is. */
  readonly memoryBudget: string | undefined;
}

export interface AgentMemory {
  readonly steps: readonly MemoryStep[];
  /** Of each volume that was worked on, by step. */
  readonly paces: readonly Pace[];
  /** Of the agent's user, by verb and resource, as "watch pods"; those at its start are left out. */
  readonly idleRequests: ReadonlyMap<string, number>;
  readonly idleMs: number;
}

/** Seconds from when both were asked for. */
export interface Pace {
  readonly when: string;
  readonly volume: string;
  /** When half of its files were begun, or there; as it ended where that came between two looks. */
  readonly halfSeconds: number;
  readonly doneSeconds: number;
}

export interface MemoryStep {
  readonly when: string;
  /** At the end of the step. */
  readonly residentBytes: number;
  /** During the step. */
  readonly peakBytes: number;
}

const node = "node-a";
/** docs/decisions/engine-in-a-thread.md says why. */
const imageMalloc = { MALLOC_ARENA_MAX: "1", MALLOC_MMAP_THRESHOLD_: "131072", MALLOC_TRIM_THRESHOLD_: "131072" };
const velero = "/apis/velero.io/v1/namespaces/velero";
const shop = "/api/v1/namespaces/shop";
const patienceMs = 900_000;
/** Of one volume. */
const volumeFiles = 50;
const lookMs = 50;
/** From the start until what the start itself asked is done. */
const settleMs = 10_000;

const rights: readonly JsonObject[] = [
  { apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch"] },
  { apiGroups: [""], resources: ["configmaps"], verbs: ["get", "list", "watch"] },
  { apiGroups: [""], resources: ["persistentvolumeclaims", "persistentvolumes", "secrets"], verbs: ["get"] },
  { apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] },
  { apiGroups: ["storage.k8s.io"], resources: ["csidrivers"], verbs: ["get"] },
  {
    apiGroups: ["velero.io"],
    resources: ["podvolumebackups", "podvolumerestores"],
    verbs: ["get", "list", "watch", "patch"],
  },
  { apiGroups: ["velero.io"], resources: ["backuprepositories"], verbs: ["get", "list", "watch"] },
  { apiGroups: ["velero.io"], resources: ["backupstoragelocations", "backups"], verbs: ["get"] },
];

/** A reason where something is lacking here. */
export async function measureAgentMemory(options: AgentMemoryOptions): Promise<AgentMemory | string> {
  const program = await findBuiltProgram("typescript");
  if (typeof program === "string") return program;
  const folder = mkdtempSync(join(tmpdir(), "fsb-agent-memory-"));
  const bucket = await startObjectServer();
  if (typeof bucket === "string") return bucket;
  try {
    const policy = join(folder, "audit.yaml");
    writeFileSync(policy, "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{ level: Metadata }]\n");
    const auditLog = join(folder, "audit.log");
    const cluster = await startCluster([`--audit-policy-file=${policy}`, `--audit-log-path=${auditLog}`]);
    if ("missing" in cluster) return cluster.missing;
    await using _ = cluster;
    return await measure({ main: program.main, folder, cluster, bucket, auditLog }, options);
  } finally {
    await bucket[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Place {
  /** The agent's file. */
  readonly main: string;
  readonly folder: string;
  readonly cluster: KubernetesCluster;
  readonly bucket: ObjectServer;
  readonly auditLog: string;
}

async function measure(place: Place, options: AgentMemoryOptions): Promise<AgentMemory> {
  const { folder, cluster, auditLog } = place;
  const { beforeMs, afterMs } = options;
  const podsRoot = join(folder, "pods");
  await prepare(place, options.pods);
  const sources = [await putPod(place, podsRoot, "db-0"), await putPod(place, podsRoot, "db-1")];
  const targets = [await putPod(place, podsRoot, "db-2"), await putPod(place, podsRoot, "db-3")];
  for (const [index, { volume }] of sources.entries()) writeNoise(volume, options.volumeBytes, `noise ${index}`);

  await using agent = await MeasuredAgent.start(place, podsRoot, options);
  const steps: MemoryStep[] = [];
  const step = async <Result>(when: string, work: () => Promise<Result>): Promise<Result> => {
    if (steps.length > 0) agent.resetPeak();
    const result = await work();
    steps.push({ when, residentBytes: agent.memory("VmRSS"), peakBytes: agent.memory("VmHWM") });
    return result;
  };

  await sleepFor(settleMs);
  const idleFrom = Date.now();
  await step("idle, before any work", () => sleepFor(beforeMs));
  const idleRequests = countRequests(readFileSync(auditLog, "utf8"), idleFrom, Date.now());
  const paces: Pace[] = [];
  const atOnce = async <Result>(
    when: string,
    pods: readonly PodOnNode[],
    shareOf: (pod: PodOnNode) => number,
    work: (pod: PodOnNode, index: number) => Promise<Result>,
  ): Promise<readonly Result[]> => {
    const pace = new PaceWatch(when, shareOf);
    return await step(when, () => Promise.all(pods.map((pod, index) => pace.watch(pod, work(pod, index), paces))));
  };
  const snapshots = await atOnce(
    "two volumes backed up at once",
    sources,
    ({ volume }) => agent.shareOpened(volume),
    (pod, index) => backUp(cluster, agent, pod, `nightly-${index}`),
  );
  await atOnce("two volumes restored at once", targets, shareThere, (pod, index) =>
    restore(cluster, agent, pod, `again-${index}`, snapshots[index] as string),
  );
  for (const [index, { volume }] of targets.entries()) {
    const source = sources[index] as PodOnNode;
    assert.equal(digestOf(volume), digestOf(source.volume), "what was restored is what was backed up");
  }
  await step(`${formatMinutes(afterMs)} later`, () => sleepFor(afterMs));
  return { steps, paces, idleRequests, idleMs: beforeMs };
}

async function prepare({ cluster, bucket }: Place, podCount: number): Promise<void> {
  for (const name of ["velero", "shop"]) {
    await cluster.put("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  }
  await cluster.define(veleroCrds);
  await cluster.allow("node-agent", rights);
  for (let index = 0; index < podCount; index++) await cluster.put(`${shop}/pods`, ordinaryPod(`app-${index}`));
  const { accessKeyId, secretAccessKey } = bucket.owner;
  const cloud = `[default]\naws_access_key_id=${accessKeyId}\naws_secret_access_key=${secretAccessKey}\n`;
  const secrets = "/api/v1/namespaces/velero/secrets";
  await cluster.put(secrets, {
    ...named("v1", "Secret", "velero", "velero-repo-credentials"),
    stringData: { "repository-password": repositoryPassword },
  });
  await cluster.put(secrets, { ...named("v1", "Secret", "velero", "cloud-credentials"), stringData: { cloud } });
  await cluster.put(`${velero}/backupstoragelocations`, {
    ...named("velero.io/v1", "BackupStorageLocation", "velero", "default"),
    spec: {
      provider: "aws",
      objectStorage: { bucket: bucket.bucket },
      config: { region: bucket.region, s3Url: bucket.endpoint, s3ForcePathStyle: "true" },
      credential: { name: "cloud-credentials", key: "cloud" },
    },
  });
  const query = new URLSearchParams({ endpoint: bucket.endpoint, region: bucket.region });
  await fsb(["repo", "create", "--repo", `s3://${bucket.bucket}/kopia/shop/?${query}`], {
    env: { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
  });
  await cluster.put(`${velero}/backuprepositories`, readyRepository("shop"));
}

/** As most are: nobody wants a backup of it. */
function ordinaryPod(name: string): JsonObject {
  const env = Array.from({ length: 30 }, (_, index) => ({ name: `SETTING_${index}`, value: `of ${name}, ${index}` }));
  const containers = ["main", "sidecar"].map((container) => ({ name: container, image: "registry/app:1", env }));
  return { ...named("v1", "Pod", "shop", name), spec: { nodeName: node, containers } };
}

interface PodOnNode {
  readonly name: string;
  readonly volume: string;
  readonly reference: JsonObject;
}

/** Its init container runs, as that of a pod does which waits for a restore. */
async function putPod({ cluster }: Place, podsRoot: string, name: string): Promise<PodOnNode> {
  const container = { image: "x", volumeMounts: [{ name: "data", mountPath: "/data" }] };
  await cluster.put(`${shop}/pods`, {
    ...named("v1", "Pod", "shop", name),
    spec: {
      nodeName: node,
      initContainers: [{ ...container, name: "restore-wait" }],
      containers: [{ ...container, name: "main" }],
      volumes: [{ name: "data", emptyDir: {} }],
    },
  });
  const waiting = { name: "restore-wait", image: "x", imageID: "", ready: false, restartCount: 0 };
  const running = { state: { running: { startedAt: "2026-01-01T00:00:00Z" } } };
  const status = { phase: "Pending", initContainerStatuses: [{ ...waiting, ...running }] };
  const path = `${shop}/pods/${name}`;
  const { body } = await cluster.ask("PATCH", `${path}/status`, { status }, "application/merge-patch+json");
  const uid = textAt(body, "metadata", "uid") ?? "";
  const volume = join(podsRoot, uid, "volumes", "kubernetes.io~empty-dir", "data");
  mkdirSync(volume, { recursive: true });
  return { name, volume, reference: { kind: "Pod", namespace: "shop", name, uid } };
}

/** The process that is measured. */
class MeasuredAgent implements AsyncDisposable {
  readonly #process: ChildProcess;
  #log = "";

  private constructor(process: ChildProcess) {
    this.#process = process;
    process.stdout?.on("data", (bytes: Buffer) => {
      this.#log += bytes.toString();
    });
  }

  static async start(
    { main, folder, cluster }: Place,
    podsRoot: string,
    { login, malloc, memoryBudget }: AgentMemoryOptions,
  ): Promise<MeasuredAgent> {
    const command = [process.execPath, main, "agent", "--node", node, "--pods-root", podsRoot, "--concurrency", "2"];
    if (memoryBudget !== undefined) command.push("--memory-budget", memoryBudget);
    const env: NodeJS.ProcessEnv = { PATH: process.env.PATH, ...(malloc === "of the image" ? imageMalloc : {}) };
    if (login === "kubeconfig") {
      command.push("--kubeconfig", cluster.kubeconfig("agent"));
    } else {
      const account = join(folder, "account");
      mkdirSync(account);
      writeFileSync(join(account, "token"), cluster.token("agent"), { mode: 0o600 });
      copyFileSync(cluster.certificateFile, join(account, "ca.crt"));
      const place = "/var/run/secrets/kubernetes.io/serviceaccount";
      // `exec` keeps the process's id.
      const script = `mount -t tmpfs tmpfs /var/run && mkdir -p ${place} && cp "$0"/* ${place} && exec "$@"`;
      command.unshift("unshare", "--mount", "sh", "-c", script, account);
      const { hostname, port } = new URL(cluster.server);
      Object.assign(env, { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port });
    }
    const [program = "", ...args] = command;
    const agent = new MeasuredAgent(spawn(program, args, { env, stdio: ["ignore", "pipe", "inherit"] }));
    await agent.until("it starts", async () => agent.#log.includes("Starting controllers") || undefined);
    return agent;
  }

  /** The first answer that is one. */
  async until<Answer>(what: string, ask: () => Promise<Answer | undefined>): Promise<Answer> {
    for (const until = performance.now() + patienceMs; ; await sleepFor(200)) {
      const answer = await ask();
      if (answer !== undefined) return answer;
      assert.ok(this.#isRunning() && performance.now() < until, `${what} does not come to pass:\n${this.#log}`);
    }
  }

  memory(field: "VmRSS" | "VmHWM"): number {
    const status = readFileSync(`/proc/${this.#process.pid}/status`, "utf8");
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * 1024;
  }

  /** How far the agent has come with the files of a volume, which it opens in the order of their names; 0 to 1. */
  shareOpened(volume: string): number {
    const folder = `/proc/${this.#process.pid}/fd`;
    const opened = readdirSync(folder).map((fd) => {
      try {
        const path = readlinkSync(join(folder, fd));
        return path.startsWith(`${volume}/`) ? Number(/file-(\d+)$/.exec(path)?.[1] ?? 0) : 0;
      } catch {
        return 0; // Closed meanwhile.
      }
    });
    return Math.max(0, ...opened) / volumeFiles;
  }

  /** VmHWM counts from now on. */
  resetPeak(): void {
    writeFileSync(`/proc/${this.#process.pid}/clear_refs`, "5");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isRunning()) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    const [code] = await ended;
    assert.equal(code, 0, `the agent ends in good order:\n${this.#log}`);
  }

  #isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }
}

/** The share of a volume's files that are restored; 0 to 1. */
function shareThere({ volume }: PodOnNode): number {
  return readdirSync(volume).filter((name) => name.startsWith("file-")).length / volumeFiles;
}

/** Looks at volumes while they are worked on. */
class PaceWatch {
  readonly #when: string;
  readonly #shareOf: (pod: PodOnNode) => number;
  readonly #startMs = performance.now();

  constructor(when: string, shareOf: (pod: PodOnNode) => number) {
    this.#when = when;
    this.#shareOf = shareOf;
  }

  /** What the work gives; its pace is added to the list. */
  async watch<Result>(pod: PodOnNode, work: Promise<Result>, paces: Pace[]): Promise<Result> {
    let halfSeconds: number | undefined;
    const timer = setInterval(() => {
      if (halfSeconds === undefined && this.#shareOf(pod) >= 0.5) halfSeconds = this.#seconds();
    }, lookMs);
    try {
      const result = await work;
      const doneSeconds = this.#seconds();
      paces.push({ when: this.#when, volume: pod.name, halfSeconds: halfSeconds ?? doneSeconds, doneSeconds });
      return result;
    } finally {
      clearInterval(timer);
    }
  }

  #seconds(): number {
    return (performance.now() - this.#startMs) / 1000;
  }
}

/** The snapshot's id. */
async function backUp(cluster: KubernetesCluster, agent: MeasuredAgent, pod: PodOnNode, name: string): Promise<string> {
  const backups = `${velero}/backups`;
  const status = { phase: "InProgress" };
  await cluster.put(backups, { ...named("velero.io/v1", "Backup", "velero", name), status });
  const uid = textAt((await cluster.ask("GET", `${backups}/${name}`)).body, "metadata", "uid") ?? "";
  const ownerReferences = [{ apiVersion: "velero.io/v1", kind: "Backup", name, uid, controller: true }];
  await cluster.put(`${velero}/podvolumebackups`, {
    ...named("velero.io/v1", "PodVolumeBackup", "velero", name, { ownerReferences }),
    spec: { node, pod: pod.reference, volume: "data", ...common },
  });
  return textAt(await completed(cluster, agent, "podvolumebackups", name), "status", "snapshotID") ?? "";
}

async function restore(
  cluster: KubernetesCluster,
  agent: MeasuredAgent,
  pod: PodOnNode,
  name: string,
  snapshotID: string,
): Promise<void> {
  const ownerReferences = [{ apiVersion: "velero.io/v1", kind: "Restore", name: "again", uid: "restore-uid" }];
  await cluster.put(`${velero}/podvolumerestores`, {
    ...named("velero.io/v1", "PodVolumeRestore", "velero", name, { ownerReferences }),
    spec: { pod: pod.reference, volume: "data", snapshotID, sourceNamespace: "shop", ...common },
  });
  await completed(cluster, agent, "podvolumerestores", name);
}

const common = { backupStorageLocation: "default", uploaderType: "kopia", repoIdentifier: "" };

async function completed(
  cluster: KubernetesCluster,
  agent: MeasuredAgent,
  plural: string,
  name: string,
): Promise<unknown> {
  return await agent.until(`the end of ${name}`, async () => {
    const { body } = await cluster.ask("GET", `${velero}/${plural}/${name}`);
    const phase = textAt(body, "status", "phase") ?? "";
    assert.ok(phase !== "Failed" && phase !== "Canceled", JSON.stringify(fieldAt(body, "status")));
    return phase === "Completed" ? body : undefined;
  });
}

function named(apiVersion: string, kind: string, namespace: string, name: string, metadata: JsonObject = {}) {
  return { apiVersion, kind, metadata: { ...metadata, namespace, name } };
}

function writeNoise(volume: string, bytes: number, seed: string): void {
  const noise = new Noise(seed);
  for (let number = 1; number <= volumeFiles; number++) {
    const name = `file-${String(number).padStart(2, "0")}`;
    writeFileSync(join(volume, name), noise.next(Math.ceil(bytes / volumeFiles)));
  }
}

/** Of the files of one folder, but for the done marker's. */
function digestOf(folder: string): string {
  const hash = createHash("sha256");
  const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
  for (const name of files.map((file) => file.name).sort())
    hash.update(`${name}\0`).update(readFileSync(join(folder, name)));
  return hash.digest("hex");
}

/** A request is an audit event when it came, whatever became of it. */
function countRequests(auditLog: string, fromMs: number, toMs: number): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const line of auditLog.split("\n")) {
    if (line === "") continue;
    const event: unknown = JSON.parse(line);
    if (textAt(event, "stage") !== "RequestReceived" || textAt(event, "user", "username") !== "agent") continue;
    const atMs = Date.parse(textAt(event, "requestReceivedTimestamp") ?? "");
    if (!(atMs >= fromMs && atMs < toMs)) continue;
    const request = `${textAt(event, "verb")} ${textAt(event, "objectRef", "resource")}`;
    counts.set(request, (counts.get(request) ?? 0) + 1);
  }
  return counts;
}

export function formatAgentMemory({ steps, paces, idleRequests, idleMs }: AgentMemory): string {
  const rows = steps.map(({ when, residentBytes, peakBytes }) => {
    return [when, formatMegabytes(residentBytes), formatMegabytes(peakBytes)];
  });
  const pace = paces.map(({ when, volume, halfSeconds, doneSeconds }) => {
    return [when, volume, halfSeconds.toFixed(2), doneSeconds.toFixed(2)];
  });
  const count = [...idleRequests.values()].reduce((sum, one) => sum + one, 0);
  const kinds = [...idleRequests].map(([request, one]) => `${one} × ${request}`).sort();
  return [
    formatTable(["", "resident MB", "peak MB"], rows, 1),
    "",
    formatTable(["", "volume", "half after seconds", "done after seconds"], pace, 2),
    "",
    `Requests while idle, in ${formatMinutes(idleMs)}: ${count}${kinds.length === 0 ? "" : ` (${kinds.join(", ")})`},`,
    `${(count / (idleMs / 60_000)).toFixed(1)} a minute.`,
    "",
  ].join("\n");
}

function formatMinutes(ms: number): string {
  return `${Number((ms / 60_000).toFixed(2))} minutes`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      pods: { type: "string", default: "200" },
      megabytes: { type: "string", default: "100" },
      before: { type: "string", default: "10" },
      after: { type: "string", default: "10" },
      kubeconfig: { type: "boolean", default: false },
      "plain-malloc": { type: "boolean", default: false },
      "memory-budget": { type: "string" },
      markdown: { type: "string" },
    },
  });
  const machine = describeMachine();
  const measured = await measureAgentMemory({
    pods: Number(values.pods),
    volumeBytes: Number(values.megabytes) * 1e6,
    beforeMs: Number(values.before) * 60_000,
    afterMs: Number(values.after) * 60_000,
    login: values.kubeconfig ? "kubeconfig" : "service account",
    malloc: values["plain-malloc"] ? "as it comes" : "of the image",
    memoryBudget: values["memory-budget"],
  });
  if (typeof measured === "string") throw new Error(measured);
  const table = formatAgentMemory(measured);
  process.stdout.write(table);
  if (values.markdown !== undefined) {
    const others = process.argv.slice(2).filter((word) => word !== "--markdown" && word !== values.markdown);
    const command = ["npm run bench:agent --", ...others].join(" ");
    const note = `\`${command}\` on ${new Date().toISOString().slice(0, 10)}.\n${formatMachine(machine)}.`;
    replaceSection(values.markdown, "agent", `${table}\n${note}`);
  }
}
