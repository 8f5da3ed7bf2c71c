/**
 * The jobs of this node, backups and restores together, and how many of them may run at once.
 *
 * Guarantees: at most `limit` run; of those that wait, the one created first comes next; each name has one job at most.
 */

export type StopReason = "cancel" | "deletion" | "shutdown";

export interface JobRequest {
  /** Of the object it is for. */
  readonly uid: string;
  /** When the object was created, in milliseconds since the epoch. */
  readonly createdMs: number;
  /** Asks again, because there may be room now. */
  wake(): void;
}

/** Has room to run in, until its work has ended or it is released. */
export class Job {
  readonly uid: string;
  readonly #stopping = new AbortController();
  readonly #onEnded: () => void;
  #stopReason: StopReason | undefined;
  readonly #ended = Promise.withResolvers<void>();

  constructor(uid: string, onEnded: () => void) {
    this.uid = uid;
    this.#onEnded = onEnded;
  }

  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Why the signal aborted; the first reason counts. */
  get stopReason(): StopReason | undefined {
    return this.#stopReason;
  }

  /** Resolves when its room has been given back. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  stop(reason: StopReason): void {
    this.#stopReason ??= reason;
    this.#stopping.abort();
  }

  /** Runs the work, which must not throw, and gives the room back. */
  run(work: () => Promise<void>): void {
    void work().finally(() => this.release());
  }

  /** Gives the room back. */
  release(): void {
    this.#onEnded();
    this.#ended.resolve();
  }
}

export class NodeJobs {
  readonly #limit: number;
  readonly #jobs = new Map<string, Job>();
  readonly #waiting = new Map<string, JobRequest>();
  #isStopping = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many names wait for room. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  get(name: string): Job | undefined {
    return this.#jobs.get(name);
  }

  /** Undefined when there is no room; then the name waits until it is withdrawn, and is woken when there may be. */
  take(name: string, request: JobRequest): Job | undefined {
    this.#waiting.set(name, request);
    if (this.#isStopping || this.#jobs.size >= this.#limit || this.#next() !== name) return undefined;
    this.#waiting.delete(name);
    const job = new Job(request.uid, () => {
      this.#jobs.delete(name);
      this.#wakeNext();
    });
    this.#jobs.set(name, job);
    this.#wakeNext();
    return job;
  }

  withdraw(name: string): void {
    if (this.#waiting.delete(name)) this.#wakeNext();
  }

  /** No job starts any more. */
  stopAll(reason: StopReason): void {
    this.#isStopping = true;
    for (const job of this.#jobs.values()) job.stop(reason);
  }

  async settled(): Promise<void> {
    while (this.#jobs.size > 0) await Promise.all([...this.#jobs.values()].map((job) => job.ended));
  }

  #next(): string | undefined {
    let next: readonly [string, JobRequest] | undefined;
    for (const entry of this.#waiting) {
      if (next === undefined || entry[1].createdMs < next[1].createdMs) next = entry;
    }
    return next?.[0];
  }

  #wakeNext(): void {
    if (this.#isStopping || this.#jobs.size >= this.#limit) return;
    const next = this.#next();
    if (next !== undefined) this.#waiting.get(next)?.wake();
  }
}
