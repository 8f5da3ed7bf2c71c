/**
 * The engine in a thread of its own, which is there only while there is work: what only work needs (the engine, the S3
 * client, their memory) is given back some minutes after the last job. docs/decisions/engine-in-a-thread.md has the
 * figures.
 *
 * Guarantees, beyond those of VolumeWork: passwords and credentials are in messages between the threads alone. A thread
 * that crashes takes its own jobs with it and no others; the next job starts a new one. When it is disposed, the thread
 * has ended, and jobs that still ran have failed.
 * Errors: those of the work, as sent-error.ts sends them; ENGINE_THREAD_FAILED and ENGINE_OUT_OF_MEMORY.
 */

import { strict as assert } from "node:assert";
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { type Clock, systemClock } from "../../base/clock.ts";
import type { EngineSettings } from "../../base/engine-settings.ts";
import { isAbort } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { MemoryUse } from "../../base/profile.ts";
import { AgentError } from "../agent-error.ts";
import { fromSentError, toSentError } from "./sent-error.ts";
import type { JobReport, JobRequest, Question, SentAnswer, ThreadCommand, ThreadReport } from "./thread-messages.ts";
import type {
  BackupOutcome,
  BackupRequest,
  BackupWorkRun,
  RestoreOutcome,
  RestoreRequest,
  RestoreWorkRun,
  StoreRequest,
  VolumeWork,
} from "./volume-work.ts";

export interface EngineThreadOptions {
  /** Gets the thread's lines too. */
  readonly log: Log;
  /** How long the thread stays after its last job; default 5 minutes. */
  readonly idleMs?: number;
  readonly clock?: Clock;
  /** Told a few times a second of what has ended meanwhile, and of the rest before a job ends; must not throw. */
  onStoreRequests?(batch: readonly StoreRequest[]): void;
  /** What holds for all that the thread does. */
  readonly settings?: EngineSettings;
  /** What the thread runs; default: the engine. */
  readonly program?: URL;
  /** Of the thread's JavaScript heap; default: what Node takes for this machine or container. */
  readonly heapMiBMax?: number;
}

// Beside this file, which is .ts in a clone and .js when it is built.
const engineProgram = new URL(`./engine-thread-main${extname(import.meta.url)}`, import.meta.url);

export class EngineThread implements VolumeWork, AsyncDisposable {
  readonly #options: EngineThreadOptions;
  readonly #clock: Clock;
  readonly #idleMs: number;
  #thread: Thread | undefined;
  /** Aborts when there is work again. */
  #idle: AbortController | undefined;
  /** Threads that have not ended yet, also those that are given up. */
  readonly #ending = new Set<Promise<void>>();
  #isDisposed = false;
  #settings: EngineSettings;

  constructor(options: EngineThreadOptions) {
    this.#options = options;
    this.#settings = options.settings ?? {};
    this.#clock = options.clock ?? systemClock;
    this.#idleMs = options.idleMs ?? 300_000;
  }

  /** As it was told last; undefined where there is no thread, or none has told yet. */
  get memoryUse(): MemoryUse | undefined {
    return this.#thread?.memoryUse;
  }

  /** Whether there is a thread now. */
  get isRunning(): boolean {
    return this.#thread !== undefined;
  }

  async backUp(request: BackupRequest, run: BackupWorkRun): Promise<BackupOutcome> {
    return (await this.#run({ do: "back up", request }, run)) as BackupOutcome;
  }

  async restore(request: RestoreRequest, run: RestoreWorkRun): Promise<RestoreOutcome> {
    return (await this.#run({ do: "restore", request }, run)) as RestoreOutcome;
  }

  /** For threads that are started from now on; what was given when this was made goes first. */
  configure(settings: EngineSettings): void {
    this.#settings = { ...settings, ...this.#options.settings };
  }

  /** Into the log: where the time went since the thread was started. */
  tellProfile(): void {
    if (this.#thread === undefined) this.#options.log.info("Found no profile: the engine is not running");
    else this.#thread.tellProfile();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    this.#idle?.abort();
    this.#thread?.end();
    await Promise.all(this.#ending);
  }

  async #run(asked: JobRequest, run: RestoreWorkRun | BackupWorkRun): Promise<BackupOutcome | RestoreOutcome> {
    assert(!this.#isDisposed, "there is work after the end");
    run.signal.throwIfAborted();
    this.#idle?.abort();
    this.#thread ??= this.#start();
    const thread = this.#thread;
    try {
      return await thread.run(asked, run);
    } finally {
      if (thread === this.#thread && thread.isIdle) this.#endLater(thread);
    }
  }

  #start(): Thread {
    const { log, program = engineProgram, heapMiBMax } = this.#options;
    const thread: Thread = new Thread({
      program,
      heapMiBMax,
      settings: this.#settings,
      log,
      onStoreRequests: (batch) => this.#options.onStoreRequests?.(batch),
      onUnusable: () => {
        if (this.#thread === thread) this.#thread = undefined;
      },
    });
    log.debug("Started the engine's thread");
    const ended = thread.ended.then(() => {
      this.#ending.delete(ended);
      log.debug("Ended the engine's thread");
    });
    this.#ending.add(ended);
    return thread;
  }

  #endLater(thread: Thread): void {
    if (this.#isDisposed) return;
    const idle = new AbortController();
    this.#idle = idle;
    this.#clock.sleep(this.#idleMs, idle.signal).then(
      () => {
        if (!idle.signal.aborted) thread.end();
      },
      () => undefined, // There is work again, or the end.
    );
  }
}

interface ThreadOptions
  extends Required<Pick<EngineThreadOptions, "log" | "program" | "settings" | "onStoreRequests">> {
  readonly heapMiBMax: number | undefined;
  /** It takes no more work; called at least once before it has ended. */
  onUnusable(): void;
}

interface PendingJob {
  readonly run: RestoreWorkRun | BackupWorkRun;
  readonly outcome: PromiseWithResolvers<BackupOutcome | RestoreOutcome>;
}

/** One run of the thread, from its start to its end. */
class Thread {
  readonly #options: ThreadOptions;
  readonly #worker: Worker;
  readonly #jobs = new Map<number, PendingJob>();
  readonly #ended = Promise.withResolvers<void>();
  #jobCount = 0;
  #memory: MemoryUse | undefined;
  #failure: AgentError | undefined;

  constructor(options: ThreadOptions) {
    this.#options = options;
    const limits = options.heapMiBMax === undefined ? {} : { maxOldGenerationSizeMb: options.heapMiBMax };
    this.#worker = new Worker(options.program, {
      name: "fsb-engine",
      resourceLimits: limits,
      workerData: { settings: options.settings },
    });
    this.#worker.on("message", (report: ThreadReport) => this.#take(report));
    this.#worker.on("messageerror", (error) => this.#fail(error));
    this.#worker.on("error", (error) => this.#fail(error));
    this.#worker.on("exit", () => this.#exited());
  }

  get memoryUse(): MemoryUse | undefined {
    return this.#memory;
  }

  get isIdle(): boolean {
    return this.#jobs.size === 0;
  }

  /** Resolves when nothing of it runs any more. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  async run(asked: JobRequest, run: RestoreWorkRun | BackupWorkRun): Promise<BackupOutcome | RestoreOutcome> {
    const job = ++this.#jobCount;
    const outcome = Promise.withResolvers<BackupOutcome | RestoreOutcome>();
    const onAbort = () => this.#command({ do: "abort", job });
    this.#jobs.set(job, { run, outcome });
    this.#command({ ...asked, job });
    run.signal.addEventListener("abort", onAbort);
    try {
      return await outcome.promise;
    } catch (error) {
      throw run.signal.aborted && isAbort(error) ? run.signal.reason : error;
    } finally {
      run.signal.removeEventListener("abort", onAbort);
    }
  }

  tellProfile(): void {
    this.#command({ do: "tell profile" });
  }

  end(): void {
    this.#options.onUnusable();
    void this.#worker.terminate();
  }

  #command(command: ThreadCommand): void {
    this.#worker.postMessage(command);
  }

  #take(report: ThreadReport): void {
    const { log } = this.#options;
    if (report.say === "store requests") {
      this.#options.onStoreRequests(report.batch);
      this.#memory = report.memory ?? this.#memory;
    } else if (report.say === "profile")
      log.info("Told the engine's profile", { profile: JSON.stringify(report.profile) });
    else if (report.say === "log") log[report.level](report.message, report.fields);
    else if (report.say === "log error") log.error(report.message, fromSentError(report.error), report.fields);
    else this.#takeOfJob(report);
  }

  #takeOfJob(report: JobReport): void {
    const pending = this.#jobs.get(report.job);
    assert(pending, "it is told of a job that runs");
    if ("question" in report) void this.#answer(report.question, report.say, pending.run);
    else if (report.say === "progress") pending.run.onProgress(report.progress);
    else {
      this.#jobs.delete(report.job);
      if (report.say === "done") pending.outcome.resolve(report.outcome);
      else pending.outcome.reject(fromSentError(report.error));
    }
  }

  async #answer(question: number, asked: Question, run: RestoreWorkRun | BackupWorkRun): Promise<void> {
    const answer = await answerTo(asked, run).catch((thrown: unknown) => ({ error: toSentError(thrown) }));
    this.#command({ do: "answer", question, answer });
  }

  /** Its jobs fail only when it has ended: until then it may still write. */
  #fail(cause: unknown): void {
    this.#failure ??= failureOf(cause);
    this.end();
  }

  #exited(): void {
    this.#options.onUnusable();
    const failure =
      this.#failure ?? new AgentError("ENGINE_THREAD_FAILED", "the engine's thread ended while it worked");
    for (const { outcome } of this.#jobs.values()) outcome.reject(failure);
    this.#jobs.clear();
    this.#ended.resolve();
  }
}

async function answerTo(asked: Question, run: RestoreWorkRun | BackupWorkRun): Promise<SentAnswer> {
  if (asked === "what are the credentials?") {
    const credentials = await run.readCredentials();
    return credentials === undefined ? {} : { credentials };
  }
  assert("assertVolumeInUse" in run, "only a backup asks");
  await run.assertVolumeInUse();
  return {};
}

function failureOf(cause: unknown): AgentError {
  if (cause instanceof Error && "code" in cause && cause.code === "ERR_WORKER_OUT_OF_MEMORY") {
    return new AgentError("ENGINE_OUT_OF_MEMORY", "the engine ran out of memory", {
      cause,
      hint: "give the node agent's container more memory, or let it work on fewer volumes at once",
    });
  }
  return new AgentError("ENGINE_THREAD_FAILED", "the engine's thread failed", {
    cause,
    hint: "start the backup or restore anew, and report this: it is a bug",
  });
}
