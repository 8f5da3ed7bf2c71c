/**
 * What an agent counts, as text for Prometheus: the stock agent's metrics, with their names, labels, buckets and moments, and
 * beside them those that say what it does not tell. docs/operations/observability.md has the table.
 *
 * Memory is bounded: the stock agent keeps a time series for every PodVolumeBackup there ever was, here the oldest go.
 *
 * Source: Velero pkg/metrics/metrics.go, 1.14 to 1.18; Prometheus' text format 0.0.4.
 */

import Counter from "prom-client/lib/counter.js";
import Gauge from "prom-client/lib/gauge.js";
import Histogram from "prom-client/lib/histogram.js";
import Registry from "prom-client/lib/registry.js";
import type { Clock } from "../../base/clock.ts";
import type { MemoryUse } from "../../base/profile.ts";
import type { StoreRequest } from "../engine/volume-work.ts";
import type { PodVolumeResource } from "../velero/velero-resources.ts";
import type { AgentLoad, AgentObserver, FileProblem, JobEnd, Operation } from "./agent-observer.ts";

const operations: readonly Operation[] = ["backup", "restore"];
const fileProblems: Readonly<Record<Operation, readonly FileProblem[]>> = {
  backup: ["unreadable", "changed", "vanished"],
  restore: ["attributes differ"],
};
const stockLatencyBuckets = [60, 300, 600, 900, 1800, 3600, 7200, 10_800, 14_400];
/** Of a work that this agent does not do: always 0. */
const stockDataMoverCounters = [
  ["podVolume_data_upload_success_total", "Total number of successful uploaded snapshots"],
  ["podVolume_data_upload_failure_total", "Total number of failed uploaded snapshots"],
  ["podVolume_data_upload_cancel_total", "Total number of canceled uploaded snapshots"],
  ["podVolume_data_download_success_total", "Total number of successful downloaded snapshots"],
  ["podVolume_data_download_failure_total", "Total number of failed downloaded snapshots"],
  ["podVolume_data_download_cancel_total", "Total number of canceled downloaded snapshots"],
] as const;
const durationBuckets = [1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14_400];
const requestBuckets = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60];
/** PodVolumeBackups whose latency is told: more than were finished between two scrapes. */
const latencySeriesMax = 200;

export interface AgentMetricsOptions {
  readonly node: string;
  /** Of this program. */
  readonly version: string;
  readonly clock: Clock;
  /** Whether what only work needs is in memory. */
  isEngineRunning(): boolean;
  /** Of the memory budget; undefined where nothing is known of it. */
  memoryUse(): MemoryUse | undefined;
}

export class AgentMetrics implements AgentObserver {
  readonly contentType = "text/plain; version=0.0.4; charset=utf-8";
  readonly #options: AgentMetricsOptions;
  readonly #registry = new Registry();
  readonly #latencyLabels: Readonly<Record<string, string>>[] = [];
  #load: () => AgentLoad = () => ({ waiting: 0, queued: {} });

  readonly #stockEnqueued = this.#counter(
    "podVolume_pod_volume_backup_enqueue_count",
    "Total number of pod_volume_backup objects enqueued",
    ["node"],
  );
  readonly #stockDequeued = this.#counter(
    "podVolume_pod_volume_backup_dequeue_count",
    "Total number of pod_volume_backup objects dequeued",
    ["node"],
  );
  readonly #stockLatency = new Histogram({
    name: "podVolume_pod_volume_operation_latency_seconds",
    help: "Time taken to complete pod volume operations, in seconds",
    labelNames: ["node", "operation", "backupName", "pod_volume_backup"],
    buckets: stockLatencyBuckets,
    registers: [this.#registry],
  });
  readonly #stockLatencyGauge = this.#gauge(
    "podVolume_pod_volume_operation_latency_seconds_gauge",
    "Gauge metric indicating time taken, in seconds, to perform pod volume operations",
    ["node", "operation", "backupName", "pod_volume_backup"],
  );

  readonly #bytes = this.#counter("fsb_bytes_total", "Bytes of volumes read, found unchanged, or written", [
    "operation",
  ]);
  readonly #files = this.#counter("fsb_files_total", "Files stored or restored", ["operation"]);
  readonly #fileProblems = this.#counter("fsb_file_problems_total", "Files with which something was wrong", [
    "operation",
    "problem",
  ]);
  readonly #jobs = this.#counter("fsb_jobs_total", "PodVolumeBackups and PodVolumeRestores by final phase", [
    "operation",
    "phase",
  ]);
  readonly #errors = this.#counter("fsb_errors_total", "Failures by the code nearest to the trouble", [
    "operation",
    "code",
  ]);
  readonly #duration = new Histogram({
    name: "fsb_duration_seconds",
    help: "Time that completed backups and restores took",
    labelNames: ["operation"],
    buckets: durationBuckets,
    registers: [this.#registry],
  });
  readonly #lastSuccess = this.#gauge(
    "fsb_last_success_timestamp_seconds",
    "When one was completed last; not there before the first since the start",
    ["operation"],
  );
  readonly #lastProgress = this.#gauge(
    "fsb_last_progress_timestamp_seconds",
    "When a byte of a volume was moved last; likewise",
    ["operation"],
  );
  readonly #running = this.#gauge("fsb_running", "Backups and restores that are running", ["operation"]);
  readonly #stalled = this.#gauge("fsb_stalled", "Running ones that move no byte", ["operation"]);
  readonly #stalls = this.#counter("fsb_stalls_total", "How often one stopped moving bytes", ["operation"]);
  readonly #requests = this.#counter("fsb_store_requests_total", "Requests to repositories' stores", [
    "operation",
    "result",
  ]);
  readonly #requestBytes = this.#counter("fsb_store_request_bytes_total", "Bytes that they moved", ["operation"]);
  readonly #requestDuration = new Histogram({
    name: "fsb_store_request_duration_seconds",
    help: "Time that they took",
    labelNames: ["operation"],
    buckets: requestBuckets,
    registers: [this.#registry],
  });
  readonly #watchRestarts = this.#counter("fsb_watch_restarts_total", "Watches of the API server that began anew", [
    "kind",
    "reason",
  ]);

  constructor(options: AgentMetricsOptions) {
    this.#options = options;
    const { node } = options;
    this.#stockEnqueued.inc({ node }, 0);
    this.#stockDequeued.inc({ node }, 0);
    for (const [name, help] of stockDataMoverCounters) this.#counter(name, help, ["node"]).inc({ node }, 0);
    for (const operation of operations) {
      for (const counter of [this.#bytes, this.#files, this.#stalls]) counter.inc({ operation }, 0);
      for (const gauge of [this.#running, this.#stalled]) gauge.set({ operation }, 0);
      for (const phase of ["Completed", "Failed", "Canceled"]) this.#jobs.inc({ operation, phase }, 0);
      for (const problem of fileProblems[operation]) this.#fileProblems.inc({ operation, problem }, 0);
      this.#duration.zero({ operation });
    }
    this.#addSampled();
  }

  /** What Prometheus reads. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  loadKnown(load: () => AgentLoad): void {
    this.#load = load;
  }

  started(operation: Operation): void {
    this.#running.inc({ operation });
    if (operation === "backup") this.#stockEnqueued.inc({ node: this.#options.node });
  }

  moved(operation: Operation, bytes: number): void {
    this.#bytes.inc({ operation }, bytes);
    this.#lastProgress.set({ operation }, this.#nowSeconds());
  }

  filesDone(operation: Operation, count: number, problems: Readonly<Partial<Record<FileProblem, number>>>): void {
    this.#files.inc({ operation }, count);
    for (const [problem, found] of Object.entries(problems)) this.#fileProblems.inc({ operation, problem }, found);
  }

  ended(operation: Operation, seen: PodVolumeResource, end: JobEnd): void {
    this.#running.dec({ operation });
    this.#jobs.inc({ operation, phase: end.phase });
    if (end.phase === "Failed") this.#errors.inc({ operation, code: end.code });
    if (end.phase !== "Completed") return;
    this.#duration.observe({ operation }, end.seconds);
    this.#lastSuccess.set({ operation }, this.#nowSeconds());
    if (operation === "backup") this.#tellLatency(seen, end.seconds);
  }

  refused(operation: Operation, phase: "Failed" | "Canceled"): void {
    this.#jobs.inc({ operation, phase });
  }

  stalled(operation: Operation, isStalled: boolean): void {
    if (isStalled) this.#stalls.inc({ operation });
    this.#stalled.inc({ operation }, isStalled ? 1 : -1);
  }

  watchRestarted(kind: string, reason: string): void {
    this.#watchRestarts.inc({ kind, reason });
  }

  storeRequests(batch: readonly StoreRequest[]): void {
    for (const { operation, result, durationMs, bytes } of batch) {
      this.#requests.inc({ operation, result });
      this.#requestBytes.inc({ operation }, bytes);
      this.#requestDuration.observe({ operation }, durationMs / 1000);
    }
  }

  #tellLatency(seen: PodVolumeResource, seconds: number): void {
    const { node } = this.#options;
    this.#stockDequeued.inc({ node });
    const { name, namespace, ownerReferences } = seen.object.metadata;
    const labels = {
      node,
      operation: `${name}-${seen.backupStorageLocation}-${seen.pod.namespace}-${seen.uploaderType}-backup`,
      backupName: `${namespace}/${ownerReferences[0]?.name ?? ""}`,
      pod_volume_backup: name,
    };
    this.#stockLatency.observe(labels, seconds);
    this.#stockLatencyGauge.set(labels, seconds);
    this.#latencyLabels.push(labels);
    if (this.#latencyLabels.length <= latencySeriesMax) return;
    const oldest = this.#latencyLabels.shift() as typeof labels;
    this.#stockLatency.remove(oldest);
    this.#stockLatencyGauge.remove(oldest);
  }

  /** Gauges that are looked at when somebody asks. */
  #addSampled(): void {
    const { version, isEngineRunning, memoryUse } = this.#options;
    const startedSeconds = this.#nowSeconds() - process.uptime();
    this.#gauge("fsb_build_info", "Always 1", ["version", "nodejs_version"]).set(
      { version, nodejs_version: process.versions.node },
      1,
    );
    this.#sampled("fsb_waiting", "Backups and restores that wait for others to end", () => this.#load().waiting);
    const queued = this.#gauge("fsb_queue_depth", "Objects that need a look", ["kind"], () => {
      for (const [kind, count] of Object.entries(this.#load().queued)) queued.set({ kind }, count);
    });
    this.#sampled("fsb_engine_running", "Whether what only work needs is in memory", () => (isEngineRunning() ? 1 : 0));
    this.#sampled(
      "fsb_memory_budget_bytes",
      "Memory that buffers and indexes may take, 0 while there is no work",
      () => memoryUse()?.limitBytes ?? 0,
    );
    this.#sampled("fsb_memory_used_bytes", "Memory of it that is charged", () => memoryUse()?.usedBytes ?? 0);
    // As Prometheus' clients of all languages call them.
    this.#sampled("process_resident_memory_bytes", "Resident memory size in bytes", () => process.memoryUsage.rss());
    this.#sampled("process_start_time_seconds", "Start time of the process since unix epoch", () => startedSeconds);
    new Counter({
      name: "process_cpu_seconds_total",
      help: "Total user and system CPU time spent",
      registers: [this.#registry],
      collect() {
        const { user, system } = process.cpuUsage();
        this.reset();
        this.inc((user + system) / 1e6);
      },
    });
  }

  #sampled(name: string, help: string, sample: () => number): void {
    const gauge = this.#gauge(name, help, [], () => gauge.set(sample()));
  }

  #counter(name: string, help: string, labelNames: string[]): Counter {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  #gauge(name: string, help: string, labelNames: string[], collect?: () => void): Gauge {
    const registers = [this.#registry];
    return new Gauge({ name, help, labelNames, registers, ...(collect === undefined ? {} : { collect }) });
  }

  #nowSeconds(): number {
    return this.#options.clock.nowMs() / 1000;
  }
}
