/**
 * Where the time of a command goes, told when it ends (`--profile`) and whenever the process gets SIGUSR2, which Node keeps
 * for no purpose of its own.
 */

import { writeFile } from "node:fs/promises";
import { Option } from "commander";
import { errnoOf } from "../base/errors.ts";
import { formatProfile } from "../base/profile.ts";
import { type EngineResources, reportProfile } from "../repository/engine-resources.ts";
import { CliError } from "./cli-error.ts";
import type { Invocation } from "./invocation.ts";
import type { Output } from "./terminal.ts";

export const profileOption = new Option(
  "--profile <file>",
  "write where the time went, as JSON, and tell it in words (SIGUSR2 does so at any time)",
);

/**
 * What `work` gives; the profile is told also where it fails. Errors: those of `work`; CLI_OUTPUT_FAILED, before it where
 * nothing can be written to the file.
 */
export async function profiled<Result>(
  invocation: Invocation,
  { resources, output, file }: { resources: EngineResources; output: Output; file: string | undefined },
  work: () => Promise<Result>,
): Promise<Result> {
  const write = async (): Promise<void> => {
    const json = `${JSON.stringify(reportProfile(resources))}\n`;
    if (file === undefined) invocation.terminal.stderr.write(json);
    else await writeProfile(file, json);
  };
  const onSignal = (): void => {
    write().catch((error: unknown) => output.error(error));
  };
  if (file !== undefined) await writeProfile(file, "");
  process.on("SIGUSR2", onSignal);
  try {
    return await work();
  } finally {
    process.off("SIGUSR2", onSignal);
    if (file !== undefined) {
      await write();
      invocation.terminal.stderr.write(`${formatProfile(reportProfile(resources))}\n`);
    }
  }
}

async function writeProfile(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (cause) {
    const code = errnoOf(cause) ?? "unknown";
    throw new CliError("CLI_OUTPUT_FAILED", `could not write the profile to ${file}: ${code}`, { cause });
  }
}
