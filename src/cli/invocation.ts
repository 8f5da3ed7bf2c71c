/** What every command gets: where it runs, what was asked for in common, and a repository opened by that. */

import { resolve } from "node:path";
import { Option } from "commander";
import { systemClock } from "../base/clock.ts";
import { openStore, type StoreLocation } from "../repository/blob/open-store.ts";
import type { ClientIdentity } from "../repository/content/session.ts";
import { type OpenOptions, openRepository, type Repository } from "../repository/repository.ts";
import { CliError } from "./cli-error.ts";
import type { ExitCode } from "./exit-code.ts";
import { readPassword } from "./password.ts";
import { requireUtf8 } from "./path-argument.ts";
import { parseS3Url } from "./s3-url.ts";
import { Output, type Terminal } from "./terminal.ts";

/** Flags that commands share, each defined once. */
export const repoOption = new Option("--repo <location>", "the repository: a folder, or s3://bucket/prefix").env(
  "FSB_REPO",
);
export const passwordFileOption = new Option(
  "--password-file <file>",
  "file that holds the password (else FSB_PASSWORD, KOPIA_PASSWORD, or the terminal)",
);
export const jsonOption = new Option("--json", "one JSON object for each result");

export interface CommonOptions {
  readonly repo?: string;
  readonly passwordFile?: string;
  readonly json?: boolean;
}

export interface Invocation {
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
  /** Set by a command that did its work, but not all of it. */
  exitCode: ExitCode;
}

export function outputOf(invocation: Invocation, options: CommonOptions): Output {
  return new Output(invocation.terminal, options.json === true);
}

/** Errors: CLI_USAGE, CLI_LOCATION_UNSUPPORTED. */
export function parseLocation(text: string | undefined): StoreLocation {
  if (text === undefined || text === "") {
    throw new CliError("CLI_USAGE", "no repository was named", { hint: "give --repo LOCATION, or set FSB_REPO" });
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1];
  if (scheme?.toLowerCase() === "s3") return parseS3Url(text);
  if (scheme !== undefined) {
    throw new CliError("CLI_LOCATION_UNSUPPORTED", `repositories at ${scheme}:// cannot be opened by this version`, {
      hint: "give a folder, or s3://bucket/prefix",
    });
  }
  return {
    kind: "fs",
    folder: requireUtf8(absolute(text), "mount the repository, or move it, to a path that is UTF-8"),
  };
}

function absolute(path: string): string {
  try {
    return resolve(path);
  } catch (cause) {
    throw new CliError("CLI_USAGE", `repository ${path} cannot be found from here: the working directory is gone`, {
      cause,
      hint: "cd to a folder that is there",
    });
  }
}

/** What `openRepository` and `createRepository` take. The store is the caller's until it hands it on. */
export async function repositoryOptions(
  invocation: Invocation,
  options: CommonOptions,
  mode: "create" | "open" | "read-only",
  identity?: ClientIdentity,
): Promise<OpenOptions> {
  const { terminal, signal } = invocation;
  const output = outputOf(invocation, options);
  const location = parseLocation(options.repo);
  const password = await readPassword(terminal, { file: options.passwordFile, isNew: mode === "create" }, signal);
  const store = await openStore(location, { mode, clock: systemClock, log: output.log(), signal });
  const warn = (message: string): void => output.note(message);
  return { store, password, clock: systemClock, signal, warn, ...(identity && { identity }) };
}

export async function openForReading(invocation: Invocation, options: CommonOptions): Promise<Repository> {
  return await openRepository(await repositoryOptions(invocation, options, "read-only"));
}
