/**
 * Turns a stream of progress calls into a status write every few seconds.
 *
 * Guarantees: the first is written at once, then at most one an interval, the newest always in the end; after `stop`
 * nothing more is written. Trouble with it is logged and does not disturb the work.
 */

import type { Clock } from "../../base/clock.ts";
import { isAbort } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { WorkProgress } from "../engine/volume-work.ts";
import type { StatusWriter } from "./status-writer.ts";

export interface ProgressWriterOptions {
  readonly writer: StatusWriter;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

export class ProgressWriter {
  readonly #options: ProgressWriterOptions;
  readonly #stopping = new AbortController();
  readonly #ended: Promise<void>;
  #latest: WorkProgress | undefined;
  #wake: (() => void) | undefined;

  constructor(options: ProgressWriterOptions) {
    this.#options = options;
    this.#ended = this.#run();
  }

  report(progress: WorkProgress): void {
    this.#latest = progress;
    this.#wake?.();
  }

  /** Waits for a write that is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake?.();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { writer, intervalMs, clock, log } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const progress = this.#latest;
      if (progress === undefined) {
        await this.#reported();
        continue;
      }
      this.#latest = undefined;
      try {
        await writer.progress({ totalBytes: progress.totalBytes, bytesDone: progress.bytesDone }, signal);
        await clock.sleep(intervalMs, signal);
      } catch (error) {
        if (isAbort(error)) return;
        log.error("Failed to write progress", error);
        await clock.sleep(intervalMs, signal).catch(() => undefined); // Stopped meanwhile.
      }
    }
  }

  async #reported(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }
}
