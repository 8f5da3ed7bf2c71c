/** What may be said about all work of a process, and how it is written. Plain data, so that it can be sent to a thread. */

import { parseByteSize } from "./byte-size.ts";

export interface EngineSettings {
  /** Threads that read, split, hash and open; undefined: the cores that this process may use. */
  readonly parallelism?: number;
  /** How many volumes may be worked on at the same time; undefined: one. */
  readonly volumesAtOnce?: number;
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

/** What a text says, or why it says nothing, as "it must be …". */
export type Parsed<Value> = { readonly value: Value } | { readonly problem: string };

export type EngineSettingValue = "idle" | number;

/** As people call a setting: on the command line with dashes, in the ConfigMap as it is here. */
export type EngineSettingName =
  | "memoryBudget"
  | "parallelism"
  | "uploadLimit"
  | "downloadLimit"
  | "readLimit"
  | "ioPriority"
  | "nice";

export const engineSettingByName: Readonly<
  Record<
    EngineSettingName,
    { readonly setting: keyof EngineSettings; readonly parse: (text: string) => Parsed<EngineSettingValue> }
  >
> = {
  memoryBudget: { setting: "memoryBudgetBytes", parse: (text) => parseSize(text, memoryBudgetBytesMin, "128MiB") },
  parallelism: { setting: "parallelism", parse: (text) => parseWholeNumber(text, 1, 256) },
  uploadLimit: { setting: "uploadBytesPerSecond", parse: parseRate },
  downloadLimit: { setting: "downloadBytesPerSecond", parse: parseRate },
  readLimit: { setting: "readBytesPerSecond", parse: parseRate },
  ioPriority: { setting: "ioPriority", parse: parseIoPriority },
  nice: { setting: "niceness", parse: (text) => parseWholeNumber(text, 1, 19) },
};

/** Bytes a second. */
function parseRate(text: string): Parsed<number> {
  return parseSize(text, bytesPerSecondMin, "1KB");
}

function parseIoPriority(text: string): Parsed<EngineSettingValue> {
  if (text === "idle") return { value: "idle" };
  const match = /^best-effort(?::([0-7]))?$/.exec(text);
  if (match !== null) return { value: Number(match[1] ?? 4) }; // 4 is what the system takes for those that say nothing.
  return { problem: "it must be idle, best-effort, or best-effort:0 (first) to best-effort:7" };
}

function parseSize(text: string, least: number, leastAsText: string): Parsed<number> {
  const value = parseByteSize(text);
  if (value === undefined) return { problem: "it must be a size, as 20MB or 256MiB" };
  return value < least ? { problem: `it must be at least ${leastAsText}` } : { value };
}

function parseWholeNumber(text: string, least: number, most: number): Parsed<number> {
  const value = /^[0-9]{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return { value };
  return { problem: `it must be a whole number from ${least} to ${most}` };
}
