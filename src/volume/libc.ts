/**
 * The two things that a restore needs and Node lacks: modification times to the nanosecond, also before 1970, and
 * `syncfs`. They come from the libc through koffi (docs/decisions/koffi.md), loaded when first needed.
 *
 * Where koffi does not load, Node's own calls stand in: times are then off by up to a microsecond (before 1970, by up
 * to a millisecond), which reading back reports, and only a folder is synced, not its file system. `name` and
 * `fallbackBecause` say which it is, so that nobody falls back in silence.
 */

import { utimes } from "node:fs/promises";
import { constants } from "node:os";
import { fsync, pathOfDescriptor } from "./descriptor.ts";

/** Errors: those of Node's own calls, with `code`, `errno` and `syscall`. */
export interface SystemCalls {
  readonly name: "libc" | "node";
  /** Why the libc is not in use; undefined where it is. */
  readonly fallbackBecause: string | undefined;
  /**
   * Sets access and modification time (ns since the epoch) of what the descriptor is open on, which may be a symbolic
   * link opened as such.
   */
  setTimes(fd: number, timeNs: bigint): Promise<void>;
  /** Returns once the file system that the descriptor is on has written what it holds in memory. */
  syncFileSystem(fd: number): Promise<void>;
}

let loaded: Promise<SystemCalls> | undefined;

/** The libc's, or Node's where that cannot be. Never rejects; loads once a thread. */
export function loadSystemCalls(): Promise<SystemCalls> {
  loaded ??= loadLibc().catch((error: unknown) =>
    nodeSystemCalls(error instanceof Error ? error.message : "koffi does not load"),
  );
  return loaded;
}

/**
 * koffi refuses more than 256 calls at once and takes 256 KiB of stack and heap for each: 16 of them are 4 MiB, and
 * four times as many as Node's thread pool runs.
 */
const callsAtOnceMax = 16;

const nsPerSecond = 1_000_000_000n;
const AT_FDCWD = -100;

interface Timespecs {
  readonly accessSeconds: bigint;
  readonly accessNs: bigint;
  readonly modifySeconds: bigint;
  readonly modifyNs: bigint;
}

async function loadLibc(): Promise<SystemCalls> {
  const { default: koffi } = await import("koffi");
  if (koffi.sizeof("long") !== 8) throw new Error("time_t may not have 64 bits here");
  // The process itself: glibc or musl, whichever Node runs on.
  const libc = koffi.load(null);
  // struct timespec[2]. koffi copies it and the path for the time of the call.
  const timespecs = koffi.struct({
    accessSeconds: "int64",
    accessNs: "int64",
    modifySeconds: "int64",
    modifyNs: "int64",
  });
  const utimensat = libc.func("utimensat", "int", ["int", "str", koffi.pointer(timespecs), "int"]) as ForeignFunction<
    [folder: number, path: string, times: Timespecs, flags: number]
  >;
  const syncfs = libc.func("syncfs", "int", ["int"]) as ForeignFunction<[fd: number]>;
  const gate = new Gate(callsAtOnceMax);

  function call<Arguments extends unknown[]>(
    name: string,
    foreign: ForeignFunction<Arguments>,
    ...args: Arguments
  ): Promise<void> {
    return gate.pass(
      () =>
        new Promise((resolve, reject) => {
          foreign.async(...args, (error, result) => {
            if (error) reject(error);
            else if (result === 0) resolve();
            else reject(systemError(name, koffi.errno()));
          });
        }),
    );
  }

  return {
    name: "libc",
    fallbackBecause: undefined,
    setTimes: (fd, timeNs) => {
      // The nanoseconds count upwards, before the epoch too: -1 ns is second -1 and 999,999,999.
      const ns = ((timeNs % nsPerSecond) + nsPerSecond) % nsPerSecond;
      const seconds = (timeNs - ns) / nsPerSecond;
      const times = { accessSeconds: seconds, accessNs: ns, modifySeconds: seconds, modifyNs: ns };
      // By the descriptor's path and not by futimens, which does not take a symbolic link opened as such.
      return call("utimensat", utimensat, AT_FDCWD, pathOfDescriptor(fd), times, 0);
    },
    syncFileSystem: (fd) => call("syncfs", syncfs, fd),
  };
}

/** Node's own calls, and why they are used. */
export function nodeSystemCalls(because: string): SystemCalls {
  return {
    name: "node",
    fallbackBecause: because,
    setTimes: async (fd, timeNs) => {
      // Node takes a negative number for "now", but not a date before 1970.
      const time = timeNs < 0n ? new Date(Number(timeNs / 1_000_000n)) : Number(timeNs) / 1e9;
      await utimes(pathOfDescriptor(fd), time, time);
    },
    syncFileSystem: fsync,
  };
}

interface ForeignFunction<Arguments extends unknown[]> {
  async(...args: [...Arguments, (error: Error | null, result: number) => void]): void;
}

function systemError(syscall: string, errno: number): NodeJS.ErrnoException {
  const code = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
  return Object.assign(new Error(`${code}: ${syscall}`), { code, errno: -errno, syscall });
}

/** Lets a bounded number through; the others wait in order. */
class Gate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(limit: number) {
    this.#free = limit;
  }

  async pass<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
