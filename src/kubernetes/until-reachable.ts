/** Waiting for an API server that is not there yet, or does not accept who asks. */

import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { waitMs } from "./list-watch.ts";
import { ResourceError } from "./resource-error.ts";
import type { ResourceReader } from "./resource-store.ts";

/** A failure that lasts is logged again after this. */
const logAgainMs = 300_000;

/** False for an error which says that nothing can be asked for now; another one is the server's answer. */
export function isReachable(error: unknown): boolean {
  if (!(error instanceof ResourceError)) return true;
  return (
    error.code !== "RESOURCE_STORE_UNAVAILABLE" &&
    error.code !== "RESOURCE_STORE_UNAUTHENTICATED" &&
    error.code !== "RESOURCE_STORE_INVALID"
  );
}

export interface Patience {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

/** Each look waits for a server that is away, as `untilReachable` does. */
export function patientReader(reader: ResourceReader, patience: Patience): ResourceReader {
  return {
    get: (type, name, options) => untilReachable(() => reader.get(type, name, options), patience, options.signal),
    list: (type, scope, options) => untilReachable(() => reader.list(type, scope, options), patience, options.signal),
  };
}

/**
 * What the work gives, once the server answers. Waits between attempts grow to half a minute, with jitter; a failure is
 * logged when it is new, and every five minutes. Errors: the work's, where the server was reached; an abort travels as
 * itself.
 */
export async function untilReachable<Result>(
  work: () => Promise<Result>,
  { clock, random, log }: Patience,
  signal: AbortSignal,
): Promise<Result> {
  let logged: { readonly code: string; readonly atMs: number } | undefined;
  for (let failures = 1; ; failures++) {
    try {
      const result = await work();
      if (logged !== undefined) log.info("Reached the API server");
      return result;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ResourceError) || isReachable(error)) throw error;
      if (logged?.code !== error.code || clock.nowMs() - logged.atMs >= logAgainMs) {
        logged = { code: error.code, atMs: clock.nowMs() };
        log.error("Failed to reach the API server, trying again", error);
      }
      await clock.sleep(waitMs(failures, error, random()), signal);
    }
  }
}
