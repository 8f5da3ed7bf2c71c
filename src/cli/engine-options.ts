/** Flags about memory, processors, bandwidth and priority: the same for commands by hand and for the daemon. */

import { type Command, InvalidArgumentError, Option } from "commander";
import {
  type EngineSettingName,
  type EngineSettings,
  type EngineSettingValue,
  engineSettingByName,
} from "../base/engine-settings.ts";

/** As commander gives them, parsed. */
export type EngineOptions = { readonly [Name in EngineSettingName]?: EngineSettingValue };

export function addEngineOptions(command: Command): void {
  command
    .addOption(
      option("memoryBudget", "--memory-budget <size>", "memory for buffers and indexes, as 256MiB (the default)"),
    )
    .addOption(
      option(
        "parallelism",
        "--parallelism <count>",
        "threads that read, split, hash and open (default: the cores there are)",
      ),
    )
    .addOption(option("uploadLimit", "--upload-limit <rate>", "bytes a second to the repository, as 20MB"))
    .addOption(option("downloadLimit", "--download-limit <rate>", "bytes a second from the repository, as 20MB"))
    .addOption(option("readLimit", "--read-limit <rate>", "bytes a second that volumes are read at, as 20MB"))
    .addOption(
      option(
        "ioPriority",
        "--io-priority <idle|best-effort[:0-7]>",
        "of reading and writing, where the disk's scheduler has any",
      ),
    )
    .addOption(option("nice", "--nice <1-19>", "how far other processes are let go first"));
}

export function engineSettingsOf(options: EngineOptions): EngineSettings {
  const names = Object.keys(engineSettingByName) as EngineSettingName[];
  return Object.fromEntries(
    names.flatMap((name): [keyof EngineSettings, EngineSettingValue][] => {
      const value = options[name];
      return value === undefined ? [] : [[engineSettingByName[name].setting, value]];
    }),
  );
}

/** `--memory-budget` is also `FSB_MEMORY_BUDGET`. */
function option(name: EngineSettingName, flags: string, description: string): Option {
  const { parse } = engineSettingByName[name];
  const made = new Option(flags, description);
  return made.env(`FSB_${made.name().replaceAll("-", "_").toUpperCase()}`).argParser((text: string) => {
    const parsed = parse(text);
    if ("problem" in parsed) throw new InvalidArgumentError(parsed.problem);
    return parsed.value;
  });
}
