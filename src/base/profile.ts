/**
 * Where the time of a run goes, by stage, and how long its queues are: so that one sees whether disk, processor or object
 * store is the bottleneck.
 *
 * Seconds of a stage are summed over all threads, and over all requests for those that wait for a store; so they may be
 * more than the wall time. Always on, and cheap: a stage is timed by the batch.
 */

import { performance } from "node:perf_hooks";

export const stageNames = [
  "walk",
  "read",
  "split",
  "hash",
  "look-up",
  "compress",
  "seal",
  "put",
  "commit",
  "fetch",
  "open",
  "write",
  "attributes",
  "sync",
  "wait for puts",
  "wait for memory",
] as const;
export type StageName = (typeof stageNames)[number];

export const queueNames = ["reads ahead", "packs waiting", "puts in flight", "ranges in flight"] as const;
export type QueueName = (typeof queueNames)[number];

/** How often a queue was looked at, the sum of its lengths then, and the largest. */
export interface QueueLengths {
  readonly looks: number;
  readonly sum: number;
  readonly max: number;
}

/** What a kernel counts on threads of its own. */
export interface KernelProfile {
  readonly seconds: Partial<Record<StageName, number>>;
  readonly queues: Partial<Record<QueueName, QueueLengths>>;
}

/** Of the memory budget: what is charged now, and at most so far. */
export interface MemoryUse {
  readonly limitBytes: number;
  readonly usedBytes: number;
  readonly peakBytes: number;
}

export interface ProfileReport {
  readonly wallSeconds: number;
  readonly threads: number;
  readonly kernel: string;
  /** Those that took some time. */
  readonly seconds: Partial<Record<StageName, number>>;
  /** Those that were looked at. */
  readonly queues: Partial<Record<QueueName, { readonly average: number; readonly max: number }>>;
  readonly memory: MemoryUse;
  readonly verdict: string;
}

export interface ProfileSurroundings {
  readonly kernel: string;
  readonly threads: number;
  readonly kernelProfile: KernelProfile;
  readonly memory: MemoryUse;
}

export class Profile {
  readonly #startedMs = performance.now();
  readonly #ms = new Map<StageName, number>();
  readonly #queues = new Map<QueueName, QueueLengths>();

  /** Adds what the work takes; for work that waits, each at its own. */
  async time<Result>(stage: StageName, work: () => Promise<Result>): Promise<Result> {
    const startMs = performance.now();
    try {
      return await work();
    } finally {
      this.add(stage, performance.now() - startMs);
    }
  }

  timeNow<Result>(stage: StageName, work: () => Result): Result {
    const startMs = performance.now();
    try {
      return work();
    } finally {
      this.add(stage, performance.now() - startMs);
    }
  }

  add(stage: StageName, ms: number): void {
    this.#ms.set(stage, (this.#ms.get(stage) ?? 0) + ms);
  }

  /** The length as somebody finds it who puts something in or takes something out. */
  queue(name: QueueName, length: number): void {
    const { looks, sum, max } = this.#queues.get(name) ?? { looks: 0, sum: 0, max: 0 };
    this.#queues.set(name, { looks: looks + 1, sum: sum + length, max: Math.max(max, length) });
  }

  /** What was added and looked at here. */
  counts(): KernelProfile {
    const seconds = [...this.#ms].map(([name, ms]) => [name, ms / 1000] as const);
    return { seconds: Object.fromEntries(seconds), queues: Object.fromEntries(this.#queues) };
  }

  report({ kernel, threads, kernelProfile, memory }: ProfileSurroundings): ProfileReport {
    const wallSeconds = (performance.now() - this.#startedMs) / 1000;
    const seconds: Partial<Record<StageName, number>> = {};
    for (const name of stageNames) {
      const spent = (this.#ms.get(name) ?? 0) / 1000 + (kernelProfile.seconds[name] ?? 0);
      if (spent > 0) seconds[name] = rounded(spent);
    }
    const queues: Partial<Record<QueueName, { average: number; max: number }>> = {};
    for (const name of queueNames) {
      const { looks, sum, max } = joined(this.#queues.get(name), kernelProfile.queues[name]);
      if (looks > 0) queues[name] = { average: rounded(sum / looks), max };
    }
    const verdict = verdictOf(seconds, wallSeconds, threads);
    return { wallSeconds: rounded(wallSeconds), threads, kernel, seconds, queues, memory, verdict };
  }
}

const processorStages: readonly StageName[] = ["walk", "split", "hash", "look-up", "compress", "seal", "open"];
const diskStages: readonly StageName[] = ["read", "write", "attributes", "sync"];

/** Which of the three a run waits for most, as a sentence. */
export function verdictOf(seconds: ProfileReport["seconds"], wallSeconds: number, threads: number): string {
  const sum = (names: readonly StageName[]): number => names.reduce((all, name) => all + (seconds[name] ?? 0), 0);
  const percent = (part: number): number => Math.min(100, Math.round((100 * part) / Math.max(wallSeconds, 1e-9)));
  // Waiting for a put stops the run; fetching overlaps with itself and the rest, so only as much as nothing else explains.
  const processor = percent(sum(processorStages) / threads);
  const disk = percent(sum(diskStages) / threads);
  const memory = percent(sum(["wait for memory"]));
  const fetching = Math.min(percent(sum(["fetch"])), Math.max(0, 100 - processor - disk));
  const store = Math.max(percent(sum(["wait for puts"])), fetching);
  const shares = `object store ${store} %, processor ${processor} %, disk ${disk} % of the time`;
  const most = Math.max(store, processor, disk, memory);
  if (most < 20) return `nothing stands out: ${shares}`;
  if (most === memory) return `the memory budget is the bottleneck (${memory} % of the time waited for): ${shares}`;
  const name = most === store ? "object store" : most === processor ? "processor" : "disk";
  return `the ${name} is the bottleneck: ${shares}`;
}

/** For people: a table and the verdict. */
export function formatProfile(report: ProfileReport): string {
  const lines = Object.entries(report.seconds).map(([name, spent]) => {
    const share = Math.round((100 * spent) / Math.max(report.wallSeconds, 1e-9));
    return `${name.padEnd(16)} ${spent.toFixed(2).padStart(9)} s ${String(share).padStart(4)} %`;
  });
  const queues = Object.entries(report.queues).map(
    ([name, { average, max }]) => `${name.padEnd(16)} average ${average.toFixed(1)}, at most ${max}`,
  );
  const { peakBytes, limitBytes } = report.memory;
  return [
    `${report.kernel} kernel, ${report.threads} threads, ${report.wallSeconds.toFixed(2)} s; by stage, summed over threads:`,
    ...lines,
    ...queues,
    `memory charged   at most ${mebibytes(peakBytes)} of ${mebibytes(limitBytes)} MiB`,
    report.verdict,
  ].join("\n");
}

function joined(a: QueueLengths | undefined, b: QueueLengths | undefined): QueueLengths {
  const none = { looks: 0, sum: 0, max: 0 };
  const [x, y] = [a ?? none, b ?? none];
  return { looks: x.looks + y.looks, sum: x.sum + y.sum, max: Math.max(x.max, y.max) };
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}
