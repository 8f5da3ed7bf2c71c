/** Flags about memory, processors, bandwidth and priority: the same for commands by hand and for the daemon. */

import { type Command, InvalidArgumentError, Option } from "commander";
import {
  type EngineSettings,
  type Parsed,
  parseIoPriority,
  parseMemoryBudget,
  parseNiceness,
  parseParallelism,
  parseRate,
} from "../base/engine-settings.ts";

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
        .argParser(by(parseMemoryBudget)),
    )
    .addOption(
      new Option("--parallelism <count>", "threads that read, split, hash and open (default: the cores there are)")
        .env("FSB_PARALLELISM")
        .argParser(by(parseParallelism)),
    )
    .addOption(rateOption("--upload-limit <rate>", "bytes a second to the repository, as 20MB", "FSB_UPLOAD_LIMIT"))
    .addOption(
      rateOption("--download-limit <rate>", "bytes a second from the repository, as 20MB", "FSB_DOWNLOAD_LIMIT"),
    )
    .addOption(rateOption("--read-limit <rate>", "bytes a second that volumes are read at, as 20MB", "FSB_READ_LIMIT"))
    .addOption(
      new Option("--io-priority <idle|best-effort[:0-7]>", "of reading and writing, where the disk's scheduler has any")
        .env("FSB_IO_PRIORITY")
        .argParser(by(parseIoPriority)),
    )
    .addOption(
      new Option("--nice <1-19>", "how far other processes are let go first")
        .env("FSB_NICE")
        .argParser(by(parseNiceness)),
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
  return new Option(flags, description).env(environment).argParser(by(parseRate));
}

/** As commander takes it. */
function by<Value>(parse: (text: string) => Parsed<Value>): (text: string) => Value {
  return (text) => {
    const parsed = parse(text);
    if ("problem" in parsed) throw new InvalidArgumentError(parsed.problem);
    return parsed.value;
  };
}
