/** What every command gets: where it runs, what was asked for in common, and a repository opened by that. */

import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { systemClock } from "../base/clock.ts";
import { openStore, putsInFlightOf, type StoreLocation } from "../repository/blob/open-store.ts";
import { type EngineResources, openEngineResources } from "../repository/engine-resources.ts";
import { type OpenOptions, openRepository, type Repository } from "../repository/repository.ts";
import { CliError } from "./cli-error.ts";
import { type EngineOptions, engineSettingsOf } from "./engine-options.ts";
import type { ExitCode } from "./exit-code.ts";
import { readPassword } from "./password.ts";
import { requireUtf8 } from "./path-argument.ts";
import { parseS3Url } from "./s3-url.ts";
import { Output, type OutputFormat, outputFormats, type Terminal } from "./terminal.ts";
import type { VeleroOptions } from "./velero-repository.ts";

/** Flags that commands share, each defined once. */
export const repoOption = new Option("--repo <location>", "the repository: a folder, or s3://bucket/prefix").env(
  "FSB_REPO",
);
export const passwordFileOption = new Option(
  "--password-file <file>",
  "file that holds the password (else FSB_PASSWORD, KOPIA_PASSWORD, or the terminal)",
);
const outputOption = new Option("-o, --output <format>", "table, wide (with more columns), json or yaml")
  .choices([...outputFormats])
  .default("table" satisfies OutputFormat);
const jsonOption = new Option("--json", "one JSON object for each result, as -o json").implies({ output: "json" });

/** How results are told. */
export const outputOptions: readonly Option[] = [outputOption, jsonOption];

const veleroNamespaceOption = new Option("-n, --velero-namespace <name>", "Velero's namespace")
  .env("VELERO_NAMESPACE")
  .default("velero");
const kubeconfigOption = new Option("--kubeconfig <file>", "of the cluster (else as kubectl)");
const contextOption = new Option("--context <name>", "of the kubeconfig (else its current one)");

/** Where a Velero server is. */
export const clusterOptions: readonly Option[] = [veleroNamespaceOption, kubeconfigOption, contextOption];

/** Each of VeleroOptions. */
export const veleroOptions: readonly Option[] = [
  new Option("--velero", "the repository of a namespace under a Velero server, instead of --repo"),
  veleroNamespaceOption,
  new Option("--bsl <name>", "the BackupStorageLocation (else the default one)"),
  new Option("--namespace <name>", "the namespace whose volumes are in the repository"),
  kubeconfigOption,
  contextOption,
  new Option("--endpoint <url>", "the bucket's server as it is called here, instead of the location's"),
];

export interface CommonOptions extends VeleroOptions {
  readonly repo?: string;
  readonly passwordFile?: string;
  readonly output?: OutputFormat;
}

/** For commands that work on a repository which is there. */
export function addRepositoryOptions(command: Command): Command {
  for (const option of [repoOption, ...veleroOptions, passwordFileOption, ...outputOptions]) command.addOption(option);
  return command;
}

export interface Invocation {
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
  /** Set by a command that did its work, but not all of it. */
  exitCode: ExitCode;
}

export function outputOf(invocation: Invocation, options: CommonOptions): Output {
  return new Output(invocation.terminal, options.output);
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
  more: Pick<OpenOptions, "identity" | "resources" | "compression" | "onDamagedIndex"> = {},
): Promise<OpenOptions> {
  const { signal } = invocation;
  const output = outputOf(invocation, options);
  const { location, password } = await repositoryAccess(invocation, options, mode);
  const { resources } = more;
  const store = await openStore(location, {
    mode,
    clock: systemClock,
    log: output.log(),
    signal,
    ...(resources && { paces: resources }),
  });
  const warn = (message: string): void => output.note(message);
  const putsInFlight = putsInFlightOf(location, resources?.kernel.conditions.parallelism ?? 1);
  return { store, password, clock: systemClock, signal, warn, putsInFlight, ...more };
}

async function repositoryAccess(
  invocation: Invocation,
  options: CommonOptions,
  mode: "create" | "open" | "read-only",
): Promise<{ readonly location: StoreLocation; readonly password: string }> {
  const { terminal, signal } = invocation;
  const ofFile = options.passwordFile;
  if (options.velero !== true) {
    refuseVeleroFlags(options);
    const location = parseLocation(options.repo);
    return { location, password: await readPassword(terminal, { file: ofFile, isNew: mode === "create" }, signal) };
  }
  if (options.repo !== undefined && options.repo !== terminal.env.FSB_REPO) {
    throw new CliError("CLI_USAGE", "--repo and --velero name two repositories", { hint: "leave one of them out" });
  }
  // Not before: what speaks to a cluster takes memory and time that a folder need not spend.
  const { findVeleroRepository } = await import("./velero-repository.ts");
  const readOwn = async () => await readPassword(terminal, { file: ofFile, isNew: false }, signal);
  return await findVeleroRepository(options, {
    env: terminal.env,
    output: outputOf(invocation, options),
    signal,
    ...(ofFile === undefined ? {} : { readOwnPassword: readOwn }),
  });
}

/** For who works on the repository that `--repo` names. Errors: CLI_USAGE. */
export function refuseVeleroFlags(options: CommonOptions): void {
  const names = ["bsl", "namespace", "kubeconfig", "context", "endpoint"] as const;
  const alone = names.find((name) => options[name] !== undefined);
  if (alone === undefined) return;
  throw new CliError("CLI_USAGE", `--${alone} is for repositories of a Velero server`, { hint: "add --velero" });
}

/** What the process works with; made once a command. Errors: as `openEngineResources`. */
export async function engineResources(
  invocation: Invocation,
  options: CommonOptions & EngineOptions,
): Promise<EngineResources> {
  const output = outputOf(invocation, options);
  return await openEngineResources(engineSettingsOf(options), {
    clock: systemClock,
    warn: (message) => output.note(message),
  });
}

export async function openForReading(
  invocation: Invocation,
  options: CommonOptions,
  more: Pick<OpenOptions, "resources" | "onDamagedIndex"> = {},
): Promise<Repository> {
  return await openRepository(await repositoryOptions(invocation, options, "read-only", more));
}
