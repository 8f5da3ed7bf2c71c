/**
 * The program: one line of arguments in, an exit code out.
 *
 * Called as `velero`, which is what a DaemonSet of Velero's own agent calls, it has that agent's command and no other.
 */

import { Command, CommanderError } from "commander";
import { isAbort } from "../base/errors.ts";
import { addAgentCommand } from "./agent.ts";
import { addCheckNodeCommand } from "./check-node.ts";
import { CliError } from "./cli-error.ts";
import { addCompletionCommand } from "./completion.ts";
import { type ExitCode, exitCodeOf, exitCodes } from "./exit-code.ts";
import type { Invocation } from "./invocation.ts";
import { addNodeAgentCommand, withCommandFirst } from "./node-agent.ts";
import { versionOfPackage } from "./package-version.ts";
import { Output, type Terminal } from "./terminal.ts";

const exitCodesHelp = `
Exit codes: 0 done; 1 failed; 3 done, but some files could not be read or some attributes not set;
10 no repository there; 12 wrong password; 130 interrupted.`;

export type ProgramName = "fsb" | "velero";

export async function run(
  name: ProgramName,
  args: readonly string[],
  terminal: Terminal,
  signal: AbortSignal,
): Promise<ExitCode> {
  const invocation: Invocation = { terminal, signal, exitCode: exitCodes.done };
  const output = new Output(terminal);
  let help = "";
  const program = new Command(name)
    .description("File-system backup in the kopia repository format, for Kubernetes nodes and by hand")
    .version(versionOfPackage())
    .addHelpText("after", exitCodesHelp)
    .configureOutput({
      writeOut: (text) => {
        help += text;
      },
      writeErr: (text) => void terminal.stderr.write(text),
      outputError: () => undefined, // Told below, as every error is.
    })
    .exitOverride();
  if (name === "fsb") {
    await addEngineCommands(program, invocation, args[0]);
    addAgentCommand(program, invocation);
    addCheckNodeCommand(program, invocation);
    addCompletionCommand(program, invocation);
  }
  addNodeAgentCommand(program, invocation);
  try {
    await parse(program, name === "velero" ? withCommandFirst(args) : args);
    if (help !== "") await output.bytes(Buffer.from(help));
    return invocation.exitCode;
  } catch (error) {
    if (isAbort(error)) output.note("interrupted; what was stored so far is found again by the next run");
    else output.error(error);
    return exitCodeOf(error);
  }
}

type AddCommand = (program: Command, invocation: Invocation) => void;

/** Those that work on a repository in this process, in the order of the help, and what brings each. */
const engineCommands: Readonly<Record<string, () => Promise<AddCommand>>> = {
  repo: async () => (await import("./repo.ts")).addRepoCommands,
  backup: async () => (await import("./backup.ts")).addBackupCommand,
  restore: async () => (await import("./restore.ts")).addRestoreCommand,
  snapshot: async () => (await import("./snapshot.ts")).addSnapshotCommands,
  blob: async () => (await import("./blob.ts")).addBlobCommands,
  content: async () => (await import("./content.ts")).addContentCommands,
  index: async () => (await import("./index-blobs.ts")).addIndexCommands,
  manifest: async () => (await import("./manifest.ts")).addManifestCommands,
  object: async () => (await import("./object.ts")).addObjectCommands,
  velero: async () => (await import("./velero.ts")).addVeleroCommands,
  doctor: async () => (await import("./doctor.ts")).addDoctorCommand,
};

/** The one that is called, or all where none is: each carries what it imports, the daemon must carry none of it. */
async function addEngineCommands(program: Command, invocation: Invocation, called: string | undefined): Promise<void> {
  if (called === "agent" || called === "node-agent") return;
  const one = Object.hasOwn(engineCommands, called ?? "") ? engineCommands[called as string] : undefined;
  const loads = one === undefined ? Object.values(engineCommands) : [one];
  for (const add of await Promise.all(loads.map((load) => load()))) add(program, invocation);
}

/** Runs the command. What commander ends early for, and is no mistake, returns. Errors: CLI_USAGE, and the command's. */
async function parse(program: Command, args: readonly string[]): Promise<void> {
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return;
    const command = commandNamed(program, args);
    const what = error.code === "commander.help" ? "no command was named" : error.message.replace(/^error: /, "");
    throw new CliError("CLI_USAGE", what, { hint: `see \`${command} --help\`` });
  }
}

/** As much of the arguments as names a command. */
function commandNamed(program: Command, args: readonly string[]): string {
  const names = [program.name()];
  let command = program;
  for (const name of args) {
    const next = command.commands.find((candidate) => candidate.name() === name);
    if (next === undefined) break;
    command = next;
    names.push(name);
  }
  return names.join(" ");
}
