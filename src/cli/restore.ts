/** `fsb restore SNAPSHOT TARGET`. */

import { type Command, Option } from "commander";
import { toUtf8 } from "../base/bytes.ts";
import { errnoOf } from "../base/errors.ts";
import { makeFolders } from "../base/make-folders.ts";
import { type RestoreResult, restore } from "../restore/restore.ts";
import { RestoreError } from "../restore/restore-error.ts";
import { displayNameOf } from "../volume/entry-name.ts";
import { attempt, VolumeError } from "../volume/volume-error.ts";
import { addEngineOptions, type EngineOptions } from "./engine-options.ts";
import { exitCodes } from "./exit-code.ts";
import {
  addRepositoryOptions,
  type CommonOptions,
  engineResources,
  type Invocation,
  openForReading,
  outputOf,
} from "./invocation.ts";
import { cdThere, requireUtf8 } from "./path-argument.ts";
import { profiled, profileOption } from "./profile.ts";
import { addSelectionOptions, findEntry, type SelectionOptions, snapshotArgument } from "./snapshot-selection.ts";
import { formatBytes, type Output } from "./terminal.ts";

interface RestoreCommandOptions extends CommonOptions, EngineOptions, SelectionOptions {
  readonly profile?: string;
  readonly sparse: boolean;
}

export function addRestoreCommand(program: Command, invocation: Invocation): void {
  const command = program
    .command("restore")
    .description("write a snapshot, or what lies at a path in it, into a folder")
    .argument("<snapshot[:path]>", snapshotArgument)
    .argument("<target>", "the folder; made if it is not there, and what it holds besides is kept");
  addSelectionOptions(addRepositoryOptions(command))
    .addOption(new Option("--no-sparse", "write long runs of zeros out, instead of leaving holes"))
    .addOption(profileOption);
  addEngineOptions(command);
  command.action((selector: string, target: string, options: RestoreCommandOptions) =>
    restoreSnapshot(invocation, selector, target, options),
  );
}

async function restoreSnapshot(
  invocation: Invocation,
  selector: string,
  target: string,
  options: RestoreCommandOptions,
): Promise<void> {
  const { signal } = invocation;
  requireUtf8(target, cdThere);
  const output = outputOf(invocation, options);
  const resources = await engineResources(invocation, options);
  await using repository = await openForReading(invocation, options, { resources });
  const { snapshot, entry } = await findEntry({ repository, options, output, signal }, selector);
  await makeTarget(target);
  const profile = { resources, output, file: options.profile };
  const restoring = () =>
    restore({
      repository,
      entry,
      target,
      zeros: options.sparse ? "holes" : "written",
      signal,
      warn: (message) => output.note(message),
      onProgress: ({ bytesDone, bytesTotal, entriesDone }) =>
        output.progress(() => `${entriesDone} entries, ${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)}`),
    });
  const result = await profiled(invocation, profile, restoring).catch((error: unknown) => {
    throw error instanceof RestoreError && error.failures.length > 0 ? tellFailures(error, output) : error;
  });
  const { differences, ...counts } = result;
  for (const line of describeDifferences(differences)) output.note(line);
  await output.result(
    { snapshotId: snapshot.id, target, ...counts, attributeErrors: differences.count, differences: differences.named },
    () =>
      `restored ${counts.files} files, ${counts.folders} folders, ${counts.symlinks} links, ` +
      `${formatBytes(counts.bytes)} of snapshot ${snapshot.id} to ${target}`,
  );
  if (differences.count > 0) invocation.exitCode = exitCodes.incomplete;
}

/** What else is there is left for the restore to refuse by its name. */
async function makeTarget(target: string): Promise<void> {
  const path = displayNameOf(toUtf8(target));
  await attempt("make folder", path, async () => {
    try {
      await makeFolders(target);
    } catch (cause) {
      const errno = errnoOf(cause);
      if (errno === "ENOENT") {
        throw new VolumeError("VOLUME_NOT_FOUND", `there is no folder at ${path}, and none can be made`, {
          cause,
          detail: { path, errno },
        });
      }
      if (errno === "ENOTDIR" || errno === "ELOOP") {
        throw new VolumeError("VOLUME_NOT_A_FOLDER", `what leads to ${path} is no folder`, {
          cause,
          detail: { path, errno },
        });
      }
      throw cause;
    }
  });
}

/** Names each entry on a line of its own, where the error's message has but the first. */
function tellFailures(error: RestoreError, output: Output): RestoreError {
  for (const { path, cause } of error.failures) output.note(`${path}: ${cause}`);
  const count = Number(error.detail.count);
  if (count > error.failures.length) output.note(`and ${count - error.failures.length} more entries`);
  return new RestoreError(
    error.code,
    `${count === 1 ? "1 entry" : `${count} entries`} could not be restored, named above`,
    { detail: error.detail, ...(error.hint !== undefined && { hint: error.hint }) },
  );
}

function describeDifferences({ count, named }: RestoreResult["differences"]): string[] {
  const lines = named
    .slice(0, 10)
    .map(
      ({ path, attribute, wanted, found, errno }) =>
        `${path}: ${attribute} is ${found}, not ${wanted}${errno ? ` (${errno})` : ""}`,
    );
  return count > lines.length ? [...lines, `and ${count - lines.length} more attributes that were not taken`] : lines;
}
