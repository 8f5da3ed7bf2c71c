/**
 * Where the time of a command goes, told when it ends (`--profile`) and whenever the process gets SIGUSR2, which Node keeps
 * for no purpose of its own.
 */

import { writeFile } from "node:fs/promises";
import { Option } from "commander";
import { formatProfile } from "../base/profile.ts";
import { type EngineResources, reportProfile } from "../repository/engine-resources.ts";
import { CliError } from "./cli-error.ts";
import type { Invocation } from "./invocation.ts";
import type { Output } from "./terminal.ts";

export const profileOption = new Option(
  "--profile <file>",
  "write where the time went, as JSON, and tell it in words (SIGUSR2 does so at any time)",
);

/** What `work` gives; the profile is told also where it fails. Errors: those of `work`; CLI_OUTPUT_FAILED. */
export async function profiled<Result>(
  invocation: Invocation,
  { resources, output, file }: { resources: EngineResources; output: Output; file: string | undefined },
  work: () => Promise<Result>,
): Promise<Result> {
  const write = async (): Promise<void> => {
    const json = `${JSON.stringify(reportProfile(resources))}\n`;
    if (file === undefined) invocation.terminal.stderr.write(json);
    else await writeFile(file, json);
  };
  const onSignal = (): void => {
    write().catch((error: unknown) => output.error(notWritten(file, error)));
  };
  process.on("SIGUSR2", onSignal);
  try {
    return await work();
  } finally {
    process.off("SIGUSR2", onSignal);
    if (file !== undefined) {
      await write().catch((cause: unknown) => {
        throw notWritten(file, cause);
      });
      invocation.terminal.stderr.write(`${formatProfile(reportProfile(resources))}\n`);
    }
  }
}

function notWritten(file: string | undefined, cause: unknown): CliError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
  return new CliError("CLI_OUTPUT_FAILED", `could not write the profile to ${file}: ${code}`, { cause });
}
