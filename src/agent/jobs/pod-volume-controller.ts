/**
 * The loop for one kind of work on pod volumes: reads an object, lets its kind decide, and carries the answer out.
 *
 * A job runs beside the loop and writes the one final phase itself; the loop only starts and stops it. What a process
 * that died left behind is found by the same look at the object. One that is told to stop and cannot, since a call into
 * a file system does not return, writes the phase without waiting for it, and keeps its room until it does.
 */

import type { Clock } from "../../base/clock.ts";
import { explainInOneLine, innermostCode } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Reconciled, WatchSource } from "../../kubernetes/controller.ts";
import { fieldAt, type JsonObject, textAt } from "../../kubernetes/json.ts";
import { type KubernetesObject, keyOf, nameOf, type ResourceType } from "../../kubernetes/kubernetes-object.ts";
import type { ResourceEvent } from "../../kubernetes/resource-store.ts";
import type { WorkQueue } from "../../kubernetes/work-queue.ts";
import { AgentError } from "../agent-error.ts";
import type { AgentContext } from "../agent-settings.ts";
import type { WorkProgress, WorkRun } from "../engine/volume-work.ts";
import type { JobEnd } from "../observability/agent-observer.ts";
import { type PodVolumeResource, podVolumeFinalizer } from "../velero/velero-resources.ts";
import { type Decision, finishedAgeMsMin } from "./decide-backup.ts";
import type { Job, NodeJobs } from "./node-jobs.ts";
import { finishedEvent, stalledEvent, startedEvent } from "./pod-volume-events.ts";
import { ProgressWriter } from "./progress-writer.ts";
import { StallWatch } from "./stall-watch.ts";
import { StatusWriter } from "./status-writer.ts";

/** How long work that was told to stop may take to; less than the grace period, so that its status is written in that. */
const stopMsMax = 20_000;

/** What differs between backups and restores. */
export interface PodVolumeKind<Seen extends PodVolumeResource> {
  readonly type: ResourceType;
  /** "backup" or "restore", as stock agents say in logs and messages. */
  readonly noun: "backup" | "restore";
  /** "PVB" or "PVR", likewise. */
  readonly abbreviation: "PVB" | "PVR";
  readonly startedMessage: string;
  readonly completedMessage: string;
  /** Beside phase and time when a job starts. */
  readonly startStatus: JsonObject;
  readonly sources: readonly WatchSource[];
  parse(object: KubernetesObject): Seen;
  /** Gathers what is known and decides. */
  decide(
    seen: Seen | undefined,
    known: { readonly jobUid: string | undefined; readonly knownForMs: number; readonly canceledForMs: number },
    signal: AbortSignal,
  ): Promise<Decision>;
  /** The phase of one whose job was canceled or whose object is being deleted. */
  canceledPhase(seen: Seen, signal: AbortSignal): Promise<"Failed" | "Canceled">;
  /** Does the work and gives what the status of a completed one says beside its phase. */
  run(seen: Seen, log: Log, run: WorkRun): Promise<JsonObject>;
}

interface StartedJob {
  readonly writer: StatusWriter;
  readonly log: Log;
  /** When this process first saw the object. */
  readonly sinceMs: number;
  readonly startedMs: number;
}

interface EarlyEnd {
  readonly status: JsonObject & { readonly phase: string };
  readonly end: JobEnd;
}

export interface PodVolumeControllerOptions {
  readonly context: AgentContext;
  readonly jobs: NodeJobs;
  readonly queue: WorkQueue;
  readonly log: Log;
  /** Aborts when there is no more time to write a status. */
  readonly lastSignal: AbortSignal;
}

/** What this process remembers of an object. */
interface KnownObject {
  readonly uid: string;
  /** When it was first seen. */
  readonly sinceMs: number;
  /** When it was first seen with spec.cancel. */
  canceledSinceMs: number | undefined;
  /** What was last logged about it. */
  because: string;
}

export class PodVolumeController<Seen extends PodVolumeResource> {
  readonly #kind: PodVolumeKind<Seen>;
  readonly #context: AgentContext;
  readonly #options: PodVolumeControllerOptions;
  readonly #clock: Clock;
  readonly #known = new Map<string, KnownObject>();

  constructor(kind: PodVolumeKind<Seen>, options: PodVolumeControllerOptions) {
    this.#kind = kind;
    this.#options = options;
    this.#context = options.context;
    this.#clock = options.context.clock;
  }

  async reconcile(key: string, signal: AbortSignal): Promise<Reconciled> {
    const { jobs } = this.#options;
    const jobName = `${this.#kind.type.kind} ${key}`;
    const object = await this.#context.store.get(this.#kind.type, nameOf(key), { signal });
    const seen = object === undefined ? undefined : this.#kind.parse(object);
    const job = jobs.get(jobName);
    const decision = await this.#kind.decide(seen, { jobUid: job?.uid, ...this.#agesOf(key, seen) }, signal);
    if (decision.do !== "start") jobs.withdraw(jobName);
    this.#tell(key, decision);
    if (decision.do === "stop job") job?.stop(decision.reason);
    if (decision.do === "look again") return { againInMs: decision.inMs };
    if (seen === undefined) return "done";
    if (decision.do === "start") await this.#start(key, jobName, seen, signal);
    if (decision.do === "finish") await this.#finishUnstarted(seen, decision, signal);
    if (decision.do === "remove finalizer") await this.#removeFinalizer(seen, signal);
    return "done";
  }

  async #start(key: string, jobName: string, seen: Seen, signal: AbortSignal): Promise<void> {
    const { jobs, queue } = this.#options;
    const { metadata } = seen.object;
    const created = Date.parse(metadata.creationTimestamp ?? "");
    const sinceMs = this.#known.get(key)?.sinceMs ?? this.#clock.nowMs();
    const job = jobs.take(jobName, {
      uid: metadata.uid,
      createdMs: Number.isNaN(created) ? sinceMs : created,
      wake: () => queue.add(key),
    });
    if (job === undefined) {
      this.#options.log.debug("Waiting for room to work in", this.#fieldsOf(seen));
      return;
    }
    const { noun, abbreviation, startedMessage, startStatus, type } = this.#kind;
    const { observer } = this.#context;
    const log = this.#options.log.with(this.#fieldsOf(seen));
    const writer = this.#writerFor(seen, log);
    const startedMs = this.#clock.nowMs();
    try {
      await writer.start(startStatus, signal);
    } catch (error) {
      job.release();
      throw error;
    }
    log.info(startedMessage);
    log.info(`${abbreviation} is marked as in progress`);
    observer.started(noun);
    job.run(async () => {
      let end: JobEnd = { phase: "Failed", code: "AGENT_STOPPED" };
      try {
        end = await this.#runJob(seen, job, { writer, log, sinceMs, startedMs });
      } catch (error) {
        log.error(`Ended ${type.kind} without writing its final status`, error);
      } finally {
        observer.ended(noun, seen, end);
      }
    });
    void job.ended.then(() => queue.add(key));
  }

  async #runJob(seen: Seen, job: Job, { writer, log, sinceMs, startedMs }: StartedJob): Promise<JobEnd> {
    const { noun } = this.#kind;
    const { lastSignal } = this.#options;
    const { settings, observer } = this.#context;
    const progress = new ProgressWriter({ writer, intervalMs: settings.progressIntervalMs, clock: this.#clock, log });
    const stall = new StallWatch({
      pauseMsMax: settings.stallMs,
      clock: this.#clock,
      onChange: (state, last) => this.#tellStall(seen, log, state, last),
    });
    let bytesMoved = 0;
    const count = (bytesDone: unknown): void => {
      // A file that is read anew sets it back.
      if (typeof bytesDone !== "number" || bytesDone <= bytesMoved) return;
      observer.moved(noun, bytesDone - bytesMoved);
      bytesMoved = bytesDone;
    };
    let end: JobEnd;
    let status: JsonObject & { readonly phase: string };
    this.#tellAside(seen, startedEvent(noun, seen, settings.node));
    log.info(`Async fs ${noun} data path started`);
    const work = this.#kind.run(seen, log, {
      signal: job.signal,
      onProgress: (latest) => {
        progress.report(latest);
        stall.progressed(latest);
        count(latest.bytesDone);
      },
    });
    try {
      const outcome = await this.#unlessStuck(work, job.signal, log);
      count(fieldAt(outcome, "progress", "bytesDone"));
      status = { phase: "Completed", ...outcome };
      end = { phase: "Completed", seconds: 0 };
      log.info(`Async fs ${noun} data path completed`);
    } catch (error) {
      ({ status, end } = await this.#endedEarly(seen, job, error, log));
    } finally {
      stall.stop();
      await progress.stop();
    }
    const tooYoungMs = finishedAgeMsMin - (this.#clock.nowMs() - sinceMs);
    if (tooYoungMs > 0) await this.#clock.sleep(tooYoungMs, lastSignal);
    const written = await writer.finish(status, lastSignal);
    const seconds = wholeSecondsBetween(startedMs, this.#clock.nowMs());
    if (written === "too late") log.warn("Left a status alone, since the object is gone or was finished by another");
    else this.#tellFinished(status.phase, log);
    if (written === "written") await this.#recordEvent(seen, finishedEvent(noun, seen, status, seconds), lastSignal);
    await work.catch(() => undefined); // Told above, unless it was stuck.
    // What nobody asks for any more is no success.
    if (written === "too late") return { phase: "Canceled" };
    return end.phase === "Completed" ? { ...end, seconds } : end;
  }

  /** The work's outcome; the signal's reason where it aborted and the work goes on for too long all the same. */
  async #unlessStuck<Outcome>(work: Promise<Outcome>, signal: AbortSignal, log: Log): Promise<Outcome> {
    const over = new AbortController();
    const stuck = Promise.withResolvers<never>();
    const giveUp = (): void => {
      log.warn("Work does not stop, ending its object without it", { waitedMs: stopMsMax });
      stuck.reject(signal.reason);
    };
    const onAbort = (): void => {
      this.#clock.sleep(stopMsMax, over.signal).then(giveUp, () => undefined); // It has ended.
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { signal: over.signal });
    try {
      return await Promise.race([work, stuck.promise]);
    } finally {
      over.abort();
    }
  }

  /** As stock agents of both generations say it. */
  #tellFinished(phase: string, log: Log): void {
    const { abbreviation, completedMessage } = this.#kind;
    if (phase === "Completed") {
      log.info(completedMessage);
      log.info(`${abbreviation} completed`);
    } else {
      log.info(phase === "Canceled" ? `${abbreviation} is canceled` : `update ${abbreviation} status to Failed`);
    }
  }

  #tellStall(seen: Seen, log: Log, state: "stalled" | "moving" | "over", last: WorkProgress | undefined): void {
    const { noun } = this.#kind;
    const { settings, observer, storeTrouble } = this.#context;
    observer.stalled(noun, state === "stalled");
    if (state === "over") return;
    const fields = { bytesDone: last?.bytesDone ?? 0, totalBytes: last?.totalBytes ?? 0 };
    if (state === "moving") {
      log.info(`Async fs ${noun} data path moves again`, fields);
      return;
    }
    const known = { node: settings.node, pauseMs: settings.stallMs, last, storeTrouble: storeTrouble.description };
    const event = stalledEvent(noun, seen, known);
    log.warn(`Async fs ${noun} data path is stalled`, { ...fields, because: event.message });
    this.#tellAside(seen, event);
  }

  /** What its status is to say, and how it is counted. */
  async #endedEarly(seen: Seen, job: Job, error: unknown, log: Log): Promise<EarlyEnd> {
    const { noun, abbreviation } = this.#kind;
    if (job.stopReason === "cancel" || job.stopReason === "deletion") {
      const why = job.stopReason === "cancel" ? "is canceled" : "is being deleted";
      log.info(`Async fs ${noun} data path canceled`, { reason: job.stopReason });
      const { lastSignal } = this.#options;
      // What was started for may lack the cancel that is there now.
      const now = await this.#context.store.get(this.#kind.type, seen.object.metadata, { signal: lastSignal });
      const decided = await this.#kind.canceledPhase(now === undefined ? seen : this.#kind.parse(now), lastSignal);
      const phase = await this.#knownPhase(decided, lastSignal);
      const told = textAt(now?.content, "status", "message"); // By who canceled it, as Velero servers do.
      const canceled = `data path ${noun} canceled: ${abbreviation} ${why}`;
      const message = told === undefined || told === "" ? canceled : `${canceled}: ${told}`;
      return { status: { phase, message }, end: phase === "Failed" ? { phase, code: "CANCELED" } : { phase } };
    }
    const cause =
      job.stopReason === "shutdown"
        ? new AgentError("AGENT_STOPPED", "the node agent was stopped meanwhile", { hint: `start the ${noun} anew` })
        : error;
    log.error(`Async fs ${noun} data path failed`, cause);
    const message = `data path ${noun} failed: ${explainInOneLine(cause)}`;
    return { status: { phase: "Failed", message }, end: { phase: "Failed", code: innermostCode(cause) ?? "UNKNOWN" } };
  }

  async #finishUnstarted(
    seen: Seen,
    decision: { readonly phase: "Failed" | "Canceled"; readonly message: string },
    signal: AbortSignal,
  ): Promise<void> {
    const log = this.#options.log.with(this.#fieldsOf(seen));
    const status = { phase: await this.#knownPhase(decision.phase, signal), message: decision.message };
    if ((await this.#writerFor(seen, log).tryToFinish(status, signal)) !== "written") return;
    log.warn(`Updated ${this.#kind.abbreviation} status without starting it`, status);
    this.#tellFinished(status.phase, log);
    this.#context.observer.refused(this.#kind.noun, status.phase);
    await this.#recordEvent(seen, finishedEvent(this.#kind.noun, seen, status, undefined), signal);
  }

  /** Velero up to 1.16 has no phase Canceled, and its API server takes none. */
  async #knownPhase(phase: "Failed" | "Canceled", signal: AbortSignal): Promise<"Failed" | "Canceled"> {
    return phase === "Canceled" && (await this.#context.generation.now(signal)) === "1.16" ? "Failed" : phase;
  }

  /** Left by a stock agent that may be no more; without it, the object goes. */
  async #removeFinalizer(seen: Seen, signal: AbortSignal): Promise<void> {
    const { metadata } = seen.object;
    const finalizers = metadata.finalizers.filter((finalizer) => finalizer !== podVolumeFinalizer);
    const { resourceVersion } = metadata;
    await this.#context.store.patch(
      this.#kind.type,
      metadata,
      { metadata: { finalizers } },
      { resourceVersion, signal },
    );
    this.#options.log.info("Removed a stock agent's finalizer", this.#fieldsOf(seen));
  }

  async #recordEvent(seen: Seen, event: ResourceEvent, signal: AbortSignal): Promise<void> {
    await this.#context.store.recordEvent(seen.object, event, { signal });
  }

  /** Without waiting for it. */
  #tellAside(seen: Seen, event: ResourceEvent): void {
    this.#recordEvent(seen, event, this.#options.lastSignal).catch(() => undefined); // It ends: nobody is told any more.
  }

  #writerFor(seen: Seen, log: Log): StatusWriter {
    const { store, clock } = this.#context;
    return new StatusWriter({ store, type: this.#kind.type, object: seen.object, clock, log });
  }

  #agesOf(key: string, seen: Seen | undefined): { readonly knownForMs: number; readonly canceledForMs: number } {
    if (seen === undefined) {
      this.#known.delete(key);
      return { knownForMs: 0, canceledForMs: 0 };
    }
    const nowMs = this.#clock.nowMs();
    const { uid } = seen.object.metadata;
    let known = this.#known.get(key);
    if (known?.uid !== uid) {
      known = { uid, sinceMs: nowMs, canceledSinceMs: undefined, because: "" };
      this.#known.set(key, known);
    }
    if (seen.isCanceled) known.canceledSinceMs ??= nowMs;
    return { knownForMs: nowMs - known.sinceMs, canceledForMs: nowMs - (known.canceledSinceMs ?? nowMs) };
  }

  /** Once for each reason in a row. */
  #tell(key: string, decision: Decision): void {
    const because = "because" in decision ? decision.because : "";
    const known = this.#known.get(key);
    if (known === undefined || known.because === because) return;
    known.because = because;
    if (because === "") return;
    const fields = { ...nameOf(key), because };
    if (decision.do === "wait") this.#options.log.info(`Waiting with ${this.#kind.type.kind}`, fields);
    else this.#options.log.debug(`Left ${this.#kind.type.kind} alone`, fields);
  }

  #fieldsOf(seen: Seen): Readonly<Record<string, string>> {
    const { namespace, name } = seen.object.metadata;
    return { [this.#kind.type.kind.toLowerCase()]: `${namespace}/${name}`, pod: keyOf(seen.pod), volume: seen.volume };
  }
}

/** As between two times that a status has. */
function wholeSecondsBetween(startMs: number, endMs: number): number {
  return Math.max(0, Math.floor(endMs / 1000) - Math.floor(startMs / 1000));
}
