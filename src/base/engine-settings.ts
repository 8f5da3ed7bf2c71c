/** What may be said about all work of a process. Plain data, so that it can be sent to a thread. */

export interface EngineSettings {
  /** Threads that read, split, hash and open; undefined: the cores that this process may use. */
  readonly parallelism?: number;
  /** Undefined: `memoryBudgetBytesByDefault`. */
  readonly memoryBudgetBytes?: number;
  /** Rates are in bytes a second; undefined: as fast as may be. */
  readonly uploadBytesPerSecond?: number;
  readonly downloadBytesPerSecond?: number;
  readonly readBytesPerSecond?: number;
  /** Of the threads that work: "idle", or 0 (the highest) to 7 of "best effort". */
  readonly ioPriority?: "idle" | number;
  /** 1 to 19: how far other processes are let go first. */
  readonly niceness?: number;
}

export const memoryBudgetBytesByDefault = 256 * 2 ** 20;
/** One volume with packs of 20 MiB, 94 MiB, and an index of some 900,000 contents. */
export const memoryBudgetBytesMin = 128 * 2 ** 20;
/** Slower, and one pack would take hours. */
export const bytesPerSecondMin = 1000;
