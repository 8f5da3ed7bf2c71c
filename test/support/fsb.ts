/** Runs the command line as its users do: through src/launch.mjs, in a process of its own, with a password in FSB_PASSWORD. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { kernelChoice } from "./kernel-choice.ts";
import { repositoryPassword } from "./kopia.ts";
import { describeRun, type ProgramOptions, type ProgramResult, runProgram } from "./program.ts";

export const exitCodes = {
  ok: 0,
  failed: 1,
  /** Done, but some files could not be read. */
  incomplete: 3,
  noRepository: 10,
  wrongPassword: 12,
  interrupted: 130,
} as const;

export interface FsbOptions extends Pick<ProgramOptions, "ownProcessGroup" | "onStart" | "onStdout"> {
  /** Added to the environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** Given in FSB_PASSWORD; undefined gives none. */
  readonly password?: string | undefined;
  /** A command that runs the rest of its arguments in other circumstances, such as `setpriv`. */
  readonly through?: readonly string[];
}

export interface BackupResult {
  readonly snapshotId: string;
  readonly rootObjectId: string;
  readonly source: unknown;
  readonly files: number;
  readonly directories: number;
  readonly bytes: number;
  readonly uploadedBytes: number;
  /** A count, or the list of them. */
  readonly fileErrors: unknown;
}

const launcher = join(import.meta.dirname, "..", "..", "src", "launch.mjs");

/** Never rejects because of what the command did. */
export async function tryFsb(args: readonly string[], options: FsbOptions = {}): Promise<ProgramResult> {
  const { FSB_PASSWORD: _1, KOPIA_PASSWORD: _2, FSB_REPO: _3, ...inherited } = process.env;
  const password = "password" in options ? options.password : repositoryPassword;
  const env = {
    ...inherited,
    ...kernelChoice,
    ...(password === undefined ? {} : { FSB_PASSWORD: password }),
    ...options.env,
  };
  const [command = process.execPath, ...rest] = [...(options.through ?? []), process.execPath, launcher, ...args];
  const run = await runProgram(command, rest, {
    env,
    ownProcessGroup: options.ownProcessGroup ?? false,
    ...(options.onStart === undefined ? {} : { onStart: options.onStart }),
    ...(options.onStdout === undefined ? {} : { onStdout: options.onStdout }),
  });
  return { ...run, command: ["fsb", ...args].join(" ") };
}

/** A command that is to succeed; its standard output as text. */
export async function fsb(args: readonly string[], options: FsbOptions = {}): Promise<string> {
  const run = await tryFsb(args, options);
  assert.equal(run.exitCode, exitCodes.ok, describeRun(run));
  return run.stdout.toString("utf8");
}

/** With `--json`: the one object that the command tells. */
export async function fsbJson(args: readonly string[], options: FsbOptions = {}): Promise<Record<string, unknown>> {
  return parseObject(await fsb([...args, "--json"], options));
}

/** With `--json`: a list, one object a line. */
export async function fsbJsonLines(
  args: readonly string[],
  options: FsbOptions = {},
): Promise<readonly Record<string, unknown>[]> {
  const text = await fsb([...args, "--json"], options);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map(parseObject);
}

/** `fsb backup` that is to succeed. `args` are further flags. */
export async function fsbBackup(path: string, repository: string, ...args: readonly string[]): Promise<BackupResult> {
  return parseBackup(await fsb(["backup", path, "--repo", repository, ...args, "--json"]));
}

export async function fsbRestore(snapshot: string, target: string, repository: string): Promise<void> {
  await fsb(["restore", snapshot, target, "--repo", repository]);
}

export function parseBackup(json: string): BackupResult {
  const result = parseObject(json);
  for (const key of ["snapshotId", "rootObjectId"]) assert.equal(typeof result[key], "string", `${key} in ${json}`);
  for (const key of ["files", "directories", "bytes", "uploadedBytes"]) {
    assert.equal(typeof result[key], "number", `${key} in ${json}`);
  }
  for (const key of ["source", "fileErrors"]) assert.ok(key in result, `${key} in ${json}`);
  return result as unknown as BackupResult;
}

/**
 * Checks that a command failed as the contract says: the exit code, and on standard error what went wrong, as a message
 * with a code that names the thing, without a stack trace or the password.
 */
export function assertFailed(run: ProgramResult, exitCode: number, named: RegExp): void {
  assert.equal(run.exitCode, exitCode, describeRun(run));
  assert.match(run.stderr, /^fsb: .+ \[[A-Z][A-Z0-9_]+\]$/m, describeRun(run));
  assert.match(run.stderr, named, describeRun(run));
  assert.doesNotMatch(run.stderr, /^\s+at .+:\d+:\d+\)?$/m, `a stack trace:\n${run.stderr}`);
  assert.doesNotMatch(run.stderr, new RegExp(repositoryPassword), "the password is on standard error");
}

function parseObject(text: string): Record<string, unknown> {
  const value: unknown = JSON.parse(text);
  assert.ok(typeof value === "object" && value !== null && !Array.isArray(value), `one JSON object: ${text}`);
  return value as Record<string, unknown>;
}
