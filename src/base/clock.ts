/** Time comes from here, so that a test can hold it still or let it jump. */

import { setTimeout as sleepFor } from "node:timers/promises";

export interface Clock {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number;
  /** Nanoseconds since the Unix epoch. */
  nowNs(): bigint;
  /** Rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** Whether what was made at that time has reached the age; also when the clock was set back behind it since. */
export function isOlder(sinceMs: number, ageMs: number, clock: Clock): boolean {
  const agedMs = clock.nowMs() - sinceMs;
  return agedMs >= ageMs || agedMs < 0;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  // The wall clock to the millisecond, and below that a counter, so that two readings rarely agree.
  nowNs: () => BigInt(Date.now()) * 1_000_000n + (process.hrtime.bigint() % 1_000_000n),
  sleep: async (ms, signal) => {
    await sleepFor(ms, undefined, { signal });
  },
};
