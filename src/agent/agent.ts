/**
 * The daemon: does what PodVolumeBackups and PodVolumeRestores in a cluster, or in a folder of files, ask of this node.
 *
 * Guarantees: what another process left unfinished is failed first; no job starts after the signal aborts, those that
 * run are stopped and their objects failed within the grace period; a final phase is written only when what it says is
 * true.
 *
 * In a cluster it stays up whatever it meets, and says what it misses: an API server that is not there is waited for, as
 * are rights; where the pods' folder is not mounted, the objects of this node are failed and say so. For the Velero server
 * looks only at whether the agent's pod runs, which one in a crash loop does as well, and waits hours for it.
 * Errors: AgentError for options; over a folder also AgentError and ResourceError for what is not there at the start.
 */

import { availableParallelism } from "node:os";
import { isAbsolute, join } from "node:path";
import { type Clock, systemClock } from "../base/clock.ts";
import type { EngineSettings } from "../base/engine-settings.ts";
import { isAbort } from "../base/errors.ts";
import type { ListenAddress } from "../base/listen-address.ts";
import type { Log } from "../base/log.ts";
import type { ApiConnection } from "../kubernetes/api-connection.ts";
import { runController } from "../kubernetes/controller.ts";
import { ResourceError } from "../kubernetes/resource-error.ts";
import type { ResourceStore } from "../kubernetes/resource-store.ts";
import { untilReachable } from "../kubernetes/until-reachable.ts";
import { WorkQueue } from "../kubernetes/work-queue.ts";
import { AgentError } from "./agent-error.ts";
import type { AgentContext, AgentSettings } from "./agent-settings.ts";
import type { OnFileError, VolumeWork } from "./engine/volume-work.ts";
import { podVolumeBackupKind } from "./jobs/backup-controller.ts";
import { NodeJobs } from "./jobs/node-jobs.ts";
import { PodVolumeController, type PodVolumeKind } from "./jobs/pod-volume-controller.ts";
import { podVolumeRestoreKind } from "./jobs/restore-controller.ts";
import { StoreTrouble } from "./jobs/store-trouble.ts";
import { assertPodsRoot, warnOfStrangePodsRoot } from "./node/pods-root.ts";
import { AgentHealth } from "./observability/agent-health.ts";
import { type AgentObserver, blindObserver } from "./observability/agent-observer.ts";
import { serveEndpoint } from "./observability/http-endpoint.ts";
import { holdAsOnlyAgent } from "./only-agent.ts";
import type { SourceStyle } from "./velero/backup-source.ts";
import { readNodeAgentSettings } from "./velero/node-agent-config.ts";
import { KnownGeneration } from "./velero/velero-generation.ts";
import {
  agentResourceTypes,
  type PodVolumeResource,
  podVolumeBackups,
  podVolumeRestores,
} from "./velero/velero-resources.ts";

/** Where the objects are: resource files, or an API server with a Velero server behind it. */
export type AgentResources =
  | {
      readonly folder: string;
      /** How long a resource file must be unchanged before it counts; default 200 ms. */
      readonly settleMs?: number;
    }
  | { readonly cluster: ApiConnection };

export interface AgentOptions {
  readonly resources: AgentResources;
  /** The kubelet's folder of pods; absolute. */
  readonly podsRoot: string;
  /** This node's name, as in `spec.node`. */
  readonly node: string;
  readonly work: VolumeWork;
  readonly log: Log;
  /** Default "velero". */
  readonly veleroNamespace?: string;
  /** Backups and restores at once; default what the ConfigMap says, else 1, as Velero's. */
  readonly concurrency?: number;
  /** Hears, before any work is done, what the ConfigMap says of what that may take. */
  readonly onEngineSettings?: (settings: EngineSettings) => void;
  /** The name of a ConfigMap of Velero's namespace; default "node-agent-config", which need not exist. */
  readonly configMap?: string;
  /** How long to wait for a BackupRepository; default 10 minutes. */
  readonly resourceTimeoutMs?: number;
  /** Default that of the stock agent of the cluster's generation of Velero. */
  readonly sourceStyle?: SourceStyle;
  /** Default "fail", as Velero's. */
  readonly onFileError?: OnFileError;
  /** Of new data, by kopia's name for it; default none, as Velero's. */
  readonly compression?: string;
  /** Between two writes of a status' progress; default 5 seconds. */
  readonly progressIntervalMs?: number;
  /** How long a job may move no byte before that is told; default 10 minutes, 0 for as long as it likes. */
  readonly stallMs?: number;
  /** Told of the work while it is done. */
  readonly observer?: AgentObserver;
  /** Told of requests to repositories' stores by whoever does the work, for what is said of a job that stalls. */
  readonly storeTrouble?: StoreTrouble;
  /** Where metrics are given at `/metrics`; default nowhere. */
  readonly metrics?: { readonly address: ListenAddress; readonly contentType: string; text(): Promise<string> };
  /** Where `/healthz` and `/readyz` are answered; default nowhere. */
  readonly healthAddress?: ListenAddress;
  /** Of this program, for the log. */
  readonly version?: string;
  /** For stopping jobs and writing their status at the end; default 25 seconds, as a pod has 30. */
  readonly graceMs?: number;
  readonly clock?: Clock;
}

/** Runs until the signal aborts, and returns when all that ran has been stopped or the grace period is over. */
export async function runAgent(options: AgentOptions, signal: AbortSignal): Promise<void> {
  const { log } = options;
  const clock = options.clock ?? systemClock;
  const settings = settingsOf(options);
  const { resources } = options;
  log.info("Starting Velero node-agent server", {
    version: options.version,
    node: settings.node,
    resources: "folder" in resources ? resources.folder : resources.cluster.displayName,
  });
  await assertPodsRoot(settings.podsRoot).catch((error: unknown) => {
    if ("folder" in resources) throw error;
    log.error("Backups and restores of this node fail until its pods' folder is there", error);
  });
  await using _ = "folder" in resources ? await holdAsOnlyAgent(resources.folder, settings.node) : undefined;
  const observer = options.observer ?? blindObserver;
  await using opened = await openResources(resources, { settings, clock, log, observer }, signal);
  const { store } = opened;
  const generation = new KnownGeneration(opened.readSchema, { clock, log });
  const storeTrouble = options.storeTrouble ?? new StoreTrouble();
  const context = { settings, store, work: options.work, clock, generation, observer, storeTrouble };
  const health = new AgentHealth([podVolumeBackups.kind, podVolumeRestores.kind]);
  signal.addEventListener("abort", () => health.stopping(), { once: true });
  const over = new AbortController();
  const endpoints = serveEndpoints(options, { health, clock }, over.signal);
  try {
    const concurrency = await prepare(options, context, signal).catch((error: unknown) => {
      if (!signal.aborted || !isAbort(error)) throw error;
      return "stopped" as const;
    });
    if (concurrency === "stopped") log.info("Stopped before it had started");
    else await serve(context, { concurrency, graceMs: options.graceMs ?? 25_000, log, health }, signal);
  } finally {
    over.abort();
    await endpoints;
  }
}

/** For metrics and probes, on addresses of their own. */
async function serveEndpoints(
  { log, metrics, healthAddress }: AgentOptions,
  { health, clock }: { readonly health: AgentHealth; readonly clock: Clock },
  signal: AbortSignal,
): Promise<void> {
  const serving: Promise<void>[] = [];
  if (metrics !== undefined) {
    const { address, contentType } = metrics;
    const route = async () => ({ status: 200, contentType, text: await metrics.text() });
    const onListening = (at: string) => log.info(`Starting metric server for node agent at address [${at}]`);
    serving.push(serveEndpoint({ address, routes: { "/metrics": route }, clock, log, onListening }, signal));
  }
  if (healthAddress !== undefined) {
    const onListening = (at: string) => log.info("Answering probes", { address: at });
    serving.push(serveEndpoint({ address: healthAddress, routes: health.routes, clock, log, onListening }, signal));
  }
  await Promise.all(serving);
}

/** What is asked for once at the start. Gives how many volumes are worked on at once. */
async function prepare(
  options: AgentOptions,
  { settings, store, clock, generation }: AgentContext,
  signal: AbortSignal,
): Promise<number> {
  const { log, configMap } = options;
  const { veleroNamespace, node } = settings;
  const patience = { clock, random: Math.random, log };
  await untilReachable(() => warnOfStrangePodsRoot(store, settings, log, signal), patience, signal).catch(
    (error: unknown) => {
      if (!(error instanceof ResourceError)) throw error;
      log.error("Failed to check the pods' folder", error); // A right that is missing the watch of pods waits for.
    },
  );
  await generation.now(signal);
  const read = () => readNodeAgentSettings(store, { veleroNamespace, node, configMap, log }, signal);
  const { engine, ...config } = await untilReachable(read, patience, signal);
  const concurrency = options.concurrency ?? config.concurrency;
  options.onEngineSettings?.({ ...engine, volumesAtOnce: concurrency });
  return concurrency;
}

interface OpenResources extends AsyncDisposable {
  readonly store: ResourceStore;
  /** What is known of PodVolumeBackups' fields; undefined where nothing is. */
  readonly readSchema: (signal: AbortSignal) => Promise<unknown>;
}

/** Imports only what this one needs: what it does not, an agent need not carry while it waits. */
async function openResources(
  resources: AgentResources,
  { settings, clock, log, observer }: Pick<AgentContext, "settings" | "clock" | "observer"> & { readonly log: Log },
  signal: AbortSignal,
): Promise<OpenResources> {
  if ("folder" in resources) {
    const { openFolderResourceStore } = await import("../kubernetes/folder-resource-store.ts");
    const types = agentResourceTypes;
    const store = await openFolderResourceStore(
      { ...resources, types, defaultNamespace: settings.veleroNamespace, clock, log },
      signal,
    );
    const readSchema = async () => undefined;
    return { store, readSchema, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
  }
  const { ApiResourceStore } = await import("../kubernetes/api-resource-store.ts");
  const by = { component: "node-agent", host: settings.node };
  const store = new ApiResourceStore({
    ...{ connection: resources.cluster, clock, log, random: Math.random, ...by },
    onWatchRestarted: (kind, reason) => observer.watchRestarted(kind, reason),
  });
  const readSchema = (schemaSignal: AbortSignal) => store.schema(podVolumeBackups, { signal: schemaSignal });
  return { store, readSchema, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

async function serve(
  context: AgentContext,
  options: {
    readonly concurrency: number;
    readonly graceMs: number;
    readonly log: Log;
    readonly health: AgentHealth;
  },
  signal: AbortSignal,
): Promise<void> {
  const { log, health } = options;
  const jobs = new NodeJobs(options.concurrency);
  const last = new AbortController();
  const bug = new AbortController();
  const stop = AbortSignal.any([signal, bug.signal]);
  stop.addEventListener("abort", () => jobs.stopAll("shutdown"), { once: true });
  const queues = new Map<string, WorkQueue>();
  context.observer.loadKnown(() => ({
    waiting: jobs.waitingCount,
    queued: Object.fromEntries([...queues].map(([kind, queue]) => [kind, queue.depth])),
  }));
  const control = async <Seen extends PodVolumeResource>(kind: PodVolumeKind<Seen>) => {
    const queue = new WorkQueue({ clock: context.clock, random: Math.random });
    queues.set(kind.type.kind, queue);
    const controller = new PodVolumeController(kind, { context, jobs, queue, log, lastSignal: last.signal });
    await runController(
      {
        name: kind.type.kind,
        store: context.store,
        queue,
        sources: kind.sources,
        workers: 2,
        log,
        onSynced: () => health.synchronised(kind.type.kind),
        reconcile: (key, reconcileSignal) => controller.reconcile(key, reconcileSignal),
      },
      stop,
    ).catch((error: unknown) => bug.abort(error));
  };
  log.info("Starting controllers", { concurrency: options.concurrency });
  log.info("Controllers starting...");
  await Promise.all([control(podVolumeBackupKind(context)), control(podVolumeRestoreKind(context))]);
  log.info("Stopping", { graceMs: options.graceMs });
  const settled = new AbortController();
  const isSettled = await Promise.race([
    jobs.settled().then(() => true),
    context.clock.sleep(options.graceMs, settled.signal).then(() => false),
  ]);
  settled.abort();
  last.abort();
  if (!isSettled) log.warn("Stopped before all jobs had ended; the next start fails what they left");
  else log.info("Stopped");
  if (bug.signal.aborted) throw bug.signal.reason;
}

function settingsOf(options: AgentOptions): AgentSettings {
  const { concurrency = 1 } = options;
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw invalid("the concurrency must be a whole number above 0");
  }
  if (options.node === "") throw invalid("the node's name is empty");
  if (!isAbsolute(options.podsRoot)) throw invalid("the pods root must be an absolute path");
  return {
    node: options.node,
    podsRoot: join(options.podsRoot, "/").slice(0, -1) || "/",
    veleroNamespace: options.veleroNamespace ?? "velero",
    resourceTimeoutMs: options.resourceTimeoutMs ?? 600_000,
    progressIntervalMs: options.progressIntervalMs ?? 5_000,
    stallMs: options.stallMs ?? 600_000,
    sourceStyle: options.sourceStyle,
    onFileError: options.onFileError ?? "fail",
    ...(options.compression !== undefined && { compression: options.compression }),
    processors: availableParallelism(),
    isWithoutServer: "folder" in options.resources,
  };
}

function invalid(what: string): AgentError {
  return new AgentError("AGENT_OPTIONS_INVALID", what);
}
