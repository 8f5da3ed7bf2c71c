/**
 * Notices that a job moves no byte any more: a store or a volume that does not answer, which nothing else would tell before the
 * Velero server gives up hours later.
 *
 * Guarantees: "stalled" comes once for each pause, "moving" when it is over, "over" when the job ends during one; nothing
 * after `stop`. Bytes that are read and not uploaded, since the repository has them, count as moved.
 */

import type { Clock } from "../../base/clock.ts";
import type { WorkProgress } from "../engine/volume-work.ts";

/** A timer cannot be set for longer than some weeks. */
const sleepMsMax = 3_600_000;

export interface StallWatchOptions {
  /** How long a pause may be; 0 for as long as it likes. */
  readonly pauseMsMax: number;
  readonly clock: Clock;
  /** With the progress that was made last, if there was any. */
  onChange(state: "stalled" | "moving" | "over", last: WorkProgress | undefined): void;
}

export class StallWatch {
  readonly #options: StallWatchOptions;
  readonly #stopping = new AbortController();
  #last: WorkProgress | undefined;
  #movedMs: number;
  #isStalled = false;

  constructor(options: StallWatchOptions) {
    this.#options = options;
    this.#movedMs = options.clock.nowMs();
    if (options.pauseMsMax > 0) this.#waitForPause();
  }

  progressed(progress: WorkProgress): void {
    const last = this.#last;
    if (last?.bytesDone === progress.bytesDone && last.totalBytes === progress.totalBytes) return;
    this.#last = progress;
    this.#movedMs = this.#options.clock.nowMs();
    if (!this.#isStalled || this.#stopping.signal.aborted) return;
    this.#isStalled = false;
    this.#options.onChange("moving", progress);
    this.#waitForPause();
  }

  stop(): void {
    this.#stopping.abort();
    if (this.#isStalled) this.#options.onChange("over", this.#last);
    this.#isStalled = false;
  }

  #waitForPause(): void {
    const { pauseMsMax, clock, onChange } = this.#options;
    const { signal } = this.#stopping;
    const leftMs = this.#movedMs + pauseMsMax - clock.nowMs();
    clock.sleep(Math.min(Math.max(0, leftMs), sleepMsMax), signal).then(
      () => {
        if (signal.aborted) return;
        if (clock.nowMs() - this.#movedMs < pauseMsMax) return this.#waitForPause();
        this.#isStalled = true;
        onChange("stalled", this.#last);
      },
      () => undefined, // Stopped.
    );
  }
}
