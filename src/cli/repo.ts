/** `fsb repo create|status`, and where its other commands come from. */

import type { Command } from "commander";
import { toHex } from "../base/bytes.ts";
import { createRepository, type Repository } from "../repository/repository.ts";
import { listSnapshots } from "../snapshot/snapshots.ts";
import {
  addRepositoryOptions,
  type CommonOptions,
  type Invocation,
  openForReading,
  outputOf,
  outputOptions,
  passwordFileOption,
  repoOption,
  repositoryOptions,
} from "./invocation.ts";
import { addRepoCheckCommand } from "./repo-check.ts";
import { addRepoPartCommands } from "./repo-parts.ts";
import { addRepoSpaceCommand } from "./repo-space.ts";

export function addRepoCommands(program: Command, invocation: Invocation): void {
  const repo = program.command("repo").description("make a repository, or look into one");
  const creating = repo
    .command("create")
    .description("make a repository as Velero makes it (kopia format 3, maintenance owned by default@default)");
  for (const option of [repoOption, passwordFileOption, ...outputOptions]) creating.addOption(option);
  creating.action((options: CommonOptions) => create(invocation, options));
  addRepositoryOptions(
    repo.command("status").description("what the repository is made of, and how much is in it"),
  ).action((options: CommonOptions) => status(invocation, options));
  addRepoCheckCommand(repo, invocation);
  addRepoSpaceCommand(repo, invocation);
  addRepoPartCommands(repo, invocation);
}

async function create(invocation: Invocation, options: CommonOptions): Promise<void> {
  await using repository = await createRepository(await repositoryOptions(invocation, options, "create"));
  await outputOf(invocation, options).result(
    { location: repository.displayName, ...describe(repository) },
    () => `created repository ${toHex(repository.format.uniqueId)} at ${repository.displayName}`,
  );
}

async function status(invocation: Invocation, options: CommonOptions): Promise<void> {
  await using repository = await openForReading(invocation, options);
  const output = outputOf(invocation, options);
  const snapshots = listSnapshots(await repository.loadManifests(invocation.signal), (message) => output.note(message));
  const result = {
    location: repository.displayName,
    ...describe(repository),
    snapshots: snapshots.length,
    indexEntries: repository.index.recordCount,
  };
  await output.result(result, () => Object.entries(result).map(([key, value]) => `${`${key}:`.padEnd(24)}${value}`));
}

function describe({ format, index }: Repository): Readonly<Record<string, string | number | boolean>> {
  return {
    uniqueId: toHex(format.uniqueId),
    formatVersion: format.version,
    indexVersion: format.indexVersion,
    hash: format.hash,
    encryption: format.encryption,
    splitter: format.splitter,
    errorCorrection: format.parityPercent === undefined ? "none" : `REED-SOLOMON-CRC32, ${format.parityPercent}%`,
    maxPackBytes: format.packBytesMax,
    epochs: format.epochs.enabled,
    epoch: index.writeEpoch,
    passwordChange: format.enablePasswordChange,
  };
}
