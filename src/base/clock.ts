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

const nsPerMs = 1_000_000n;
/** Who sets the clock back by less is not followed. */
const setBackNs = 1_000_000_000n;
let lastNs = 0n;

/** The wall clock to the millisecond, and below that a counter. A reading is greater than the one before, unless the clock was set back. */
function systemNs(): bigint {
  const ns = BigInt(Date.now()) * nsPerMs + (process.hrtime.bigint() % nsPerMs);
  lastNs = ns > lastNs || lastNs - ns >= setBackNs ? ns : lastNs + 1n;
  return lastNs;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  nowNs: systemNs,
  sleep: async (ms, signal) => {
    await sleepFor(ms, undefined, { signal });
  },
};
