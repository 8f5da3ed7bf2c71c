/** Flags about memory, processors, bandwidth and priority: the same for commands by hand and for the daemon. */

import { type Command, InvalidArgumentError, Option } from "commander";
import { parseByteSize } from "../base/byte-size.ts";
import { bytesPerSecondMin, type EngineSettings, memoryBudgetBytesMin } from "../base/engine-settings.ts";

export interface EngineOptions {
  readonly memoryBudget?: number;
  readonly parallelism?: number;
  readonly uploadLimit?: number;
  readonly downloadLimit?: number;
  readonly readLimit?: number;
  readonly ioPriority?: "idle" | number;
  readonly nice?: number;
}

export function addEngineOptions(command: Command): void {
  command
    .addOption(
      new Option("--memory-budget <size>", "memory for buffers and indexes, as 256MiB (the default)")
        .env("FSB_MEMORY_BUDGET")
        .argParser(parseMemoryBudget),
    )
    .addOption(
      new Option("--parallelism <count>", "threads that read, split, hash and open (default: the cores there are)")
        .env("FSB_PARALLELISM")
        .argParser((text) => parseWholeNumber(text, 1, 256)),
    )
    .addOption(rateOption("--upload-limit <rate>", "bytes a second to the repository, as 20MB", "FSB_UPLOAD_LIMIT"))
    .addOption(
      rateOption("--download-limit <rate>", "bytes a second from the repository, as 20MB", "FSB_DOWNLOAD_LIMIT"),
    )
    .addOption(rateOption("--read-limit <rate>", "bytes a second that volumes are read at, as 20MB", "FSB_READ_LIMIT"))
    .addOption(
      new Option("--io-priority <idle|best-effort[:0-7]>", "of reading and writing, where the disk's scheduler has any")
        .env("FSB_IO_PRIORITY")
        .argParser(parseIoPriority),
    )
    .addOption(
      new Option("--nice <1-19>", "how far other processes are let go first")
        .env("FSB_NICE")
        .argParser((text) => parseWholeNumber(text, 1, 19)),
    );
}

export function engineSettingsOf(options: EngineOptions): EngineSettings {
  const { memoryBudget, parallelism, uploadLimit, downloadLimit, readLimit, ioPriority, nice } = options;
  return {
    ...(memoryBudget !== undefined && { memoryBudgetBytes: memoryBudget }),
    ...(parallelism !== undefined && { parallelism }),
    ...(uploadLimit !== undefined && { uploadBytesPerSecond: uploadLimit }),
    ...(downloadLimit !== undefined && { downloadBytesPerSecond: downloadLimit }),
    ...(readLimit !== undefined && { readBytesPerSecond: readLimit }),
    ...(ioPriority !== undefined && { ioPriority }),
    ...(nice !== undefined && { niceness: nice }),
  };
}

function rateOption(flags: string, description: string, environment: string): Option {
  return new Option(flags, description).env(environment).argParser((text) => {
    return parseSize(text, bytesPerSecondMin, "1KB");
  });
}

function parseMemoryBudget(text: string): number {
  return parseSize(text, memoryBudgetBytesMin, "128MiB");
}

function parseSize(text: string, least: number, leastAsText: string): number {
  const bytes = parseByteSize(text);
  if (bytes === undefined) throw new InvalidArgumentError("it must be a size, as 20MB or 256MiB");
  if (bytes < least) throw new InvalidArgumentError(`it must be at least ${leastAsText}`);
  return bytes;
}

function parseIoPriority(text: string): "idle" | number {
  if (text === "idle") return "idle";
  const [, level] = /^best-effort(?::([0-7]))?$/.exec(text) ?? [undefined, "none"];
  if (level !== "none") return Number(level ?? 4);
  throw new InvalidArgumentError("it must be idle, best-effort, or best-effort:0 (first) to best-effort:7");
}

function parseWholeNumber(text: string, least: number, most: number): number {
  const value = /^[0-9]{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new InvalidArgumentError(`it must be a whole number from ${least} to ${most}`);
}
