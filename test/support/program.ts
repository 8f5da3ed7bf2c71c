/** Runs other programs: the CLI as its users run it, and the peers. */

import { spawn } from "node:child_process";

export interface ProgramOptions {
  /** The whole environment of the program; nothing is inherited. */
  readonly env: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Makes the program the leader of a process group of its own, as a shell does, so that `-pid` reaches all of it. */
  readonly ownProcessGroup?: boolean;
  /** Called with the process id once it runs. */
  readonly onStart?: (pid: number) => void;
  /** Called with what it writes to standard output, as it comes. */
  readonly onStdout?: (bytes: Buffer) => void;
}

export interface ProgramResult {
  readonly command: string;
  /** As a shell would tell it: 128 + number when a signal ended the program. */
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

const signalNumbers: Partial<Record<NodeJS.Signals, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

/** Never rejects because of what the program did; rejects when it cannot be started. Standard input is empty. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions,
): Promise<ProgramResult> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  const child = spawn(command, args, {
    env: options.env,
    cwd: options.cwd,
    detached: options.ownProcessGroup ?? false,
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout.on("data", (bytes: Buffer) => {
    stdout.push(bytes);
    options.onStdout?.(bytes);
  });
  child.stderr.on("data", (bytes: Buffer) => void stderr.push(bytes));
  const ended = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : (signalNumbers[signal] ?? 0)));
    });
  });
  if (child.pid !== undefined) options.onStart?.(child.pid);
  const exitCode = await ended;
  return {
    command: [command, ...args].join(" "),
    exitCode,
    stdout: Buffer.concat(stdout),
    stderr: Buffer.concat(stderr).toString("utf8"),
  };
}

/** One line about a run for the message of a failed assertion. */
export function describeRun(run: ProgramResult): string {
  return `${run.command}\nexit code ${run.exitCode}\n${run.stderr.trimEnd().slice(-4000)}`;
}
