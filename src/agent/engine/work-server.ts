/**
 * The thread's side: does the work that it is told to, and tells how it goes.
 *
 * Guarantees: a job's last word comes when nothing of it runs any more, and after everything that was to be said of it.
 * Progress and requests to stores are told a few times a second, however many there are.
 */

import type { MessagePort } from "node:worker_threads";
import { type Clock, systemClock } from "../../base/clock.ts";
import type { Log, LogFields } from "../../base/log.ts";
import type { MemoryUse } from "../../base/profile.ts";
import { Paced } from "./paced.ts";
import { fromSentError, toSentError } from "./sent-error.ts";
import type { JobRequest, Question, SentAnswer, ThreadCommand, ThreadReport } from "./thread-messages.ts";
import type { BackupWorkRun, NamedText, ReportingWork, StoreRequest, WorkProgress } from "./volume-work.ts";

const tellIntervalMs = 250;
/** Told earlier than that: 1000 × about 100 bytes. */
const batchLengthMax = 1000;

/** What the work has from its daemon. */
export interface WorkSurroundings {
  readonly clock: Clock;
  readonly log: Log;
  onStoreRequest(request: StoreRequest): void;
}

/** Works for as long as the port is open. */
export function serveWork(port: MessagePort, startWork: (surroundings: WorkSurroundings) => ReportingWork): void {
  const clock = systemClock;
  const report = (message: ThreadReport) => port.postMessage(message);
  const batch = new StoreRequestBatch(clock, report, () => work.memoryUse());
  const work: ReportingWork = startWork({
    clock,
    log: new ReportingLog(report, {}),
    onStoreRequest: (request) => batch.add(request),
  });
  const running = new Map<number, AbortController>();
  const questions = new Questions(report);

  const run = async (job: number, asked: JobRequest): Promise<void> => {
    const stopping = new AbortController();
    running.set(job, stopping);
    const progress = new LatestProgress(job, clock, report);
    const workRun: BackupWorkRun = {
      signal: stopping.signal,
      onProgress: (latest) => progress.set(latest),
      readCredentials: () => questions.ask(job, "what are the credentials?"),
      assertVolumeInUse: async () => {
        await questions.ask(job, "is volume in use?");
      },
    };
    let last: ThreadReport;
    try {
      const outcome =
        asked.do === "back up" ? await work.backUp(asked.request, workRun) : await work.restore(asked.request, workRun);
      last = { say: "done", job, outcome };
    } catch (error) {
      last = { say: "failed", job, error: toSentError(error) };
    }
    running.delete(job);
    progress.end();
    batch.flush();
    report(last);
  };

  port.on("message", (command: ThreadCommand) => {
    if (command.do === "abort") running.get(command.job)?.abort();
    else if (command.do === "tell profile") report({ say: "profile", profile: work.profile() });
    else if (command.do === "answer") questions.answer(command.question, command.answer);
    else void run(command.job, command);
  });
}

class LatestProgress {
  readonly #paced: Paced;
  #latest: WorkProgress = { bytesDone: 0, totalBytes: 0 };

  constructor(job: number, clock: Clock, report: (message: ThreadReport) => void) {
    const send = () => report({ say: "progress", job, progress: this.#latest });
    this.#paced = new Paced({ intervalMs: tellIntervalMs, clock, send });
  }

  set(latest: WorkProgress): void {
    this.#latest = latest;
    this.#paced.tell();
  }

  end(): void {
    this.#paced.flush();
    this.#paced[Symbol.dispose]();
  }
}

class StoreRequestBatch {
  readonly #paced: Paced;
  #requests: StoreRequest[] = [];

  constructor(clock: Clock, report: (message: ThreadReport) => void, memory: () => MemoryUse | undefined) {
    const send = () => {
      const batch = this.#requests;
      this.#requests = [];
      const used = memory();
      report({ say: "store requests", batch, ...(used && { memory: used }) });
    };
    this.#paced = new Paced({ intervalMs: tellIntervalMs, clock, send });
  }

  add(request: StoreRequest): void {
    this.#requests.push(request);
    this.#paced.tell();
    if (this.#requests.length >= batchLengthMax) this.flush();
  }

  flush(): void {
    this.#paced.flush();
  }
}

/** What the daemon is asked. */
class Questions {
  readonly #report: (message: ThreadReport) => void;
  readonly #open = new Map<number, PromiseWithResolvers<NamedText | undefined>>();
  #count = 0;

  constructor(report: (message: ThreadReport) => void) {
    this.#report = report;
  }

  async ask(job: number, say: Question): Promise<NamedText | undefined> {
    const question = ++this.#count;
    const answered = Promise.withResolvers<NamedText | undefined>();
    this.#open.set(question, answered);
    this.#report({ say, job, question });
    return await answered.promise;
  }

  answer(question: number, answer: SentAnswer): void {
    const answered = this.#open.get(question);
    this.#open.delete(question);
    if ("error" in answer) answered?.reject(fromSentError(answer.error));
    else answered?.resolve(answer.credentials);
  }
}

class ReportingLog implements Log {
  readonly #report: (message: ThreadReport) => void;
  readonly #fields: LogFields;

  constructor(report: (message: ThreadReport) => void, fields: LogFields) {
    this.#report = report;
    this.#fields = fields;
  }

  debug(message: string, fields?: LogFields): void {
    this.#tell("debug", message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#tell("info", message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#tell("warn", message, fields);
  }

  error(message: string, error: unknown, fields?: LogFields): void {
    this.#report({ say: "log error", message, error: toSentError(error), fields: { ...this.#fields, ...fields } });
  }

  with(fields: LogFields): Log {
    return new ReportingLog(this.#report, { ...this.#fields, ...fields });
  }

  #tell(level: "debug" | "info" | "warn", message: string, fields?: LogFields): void {
    this.#report({ say: "log", level, message, fields: { ...this.#fields, ...fields } });
  }
}
