/** `fsb snapshot list|show|ls|cat|verify`, and the rest of the noun's commands. */

import type { Command } from "commander";
import { CodedError, explainInOneLine } from "../base/errors.ts";
import { parseObjectId } from "../repository/object/object-id.ts";
import { SnapshotError } from "../snapshot/snapshot-error.ts";
import { readFolder } from "../snapshot/snapshots.ts";
import { SnapshotVerifier } from "../snapshot/verify.ts";
import { CliError } from "./cli-error.ts";
import type { Invocation } from "./invocation.ts";
import { addListOptions, writeList } from "./listing.ts";
import { type Action, addSnapshotAction, type SnapshotOptions } from "./snapshot-command.ts";
import { addDiffCommand } from "./snapshot-diff.ts";
import { addExportCommand } from "./snapshot-export.ts";
import { describeSnapshot, entryColumns, entryRow, snapshotColumns, snapshotRow } from "./snapshot-rows.ts";
import { addSearchCommands } from "./snapshot-search.ts";
import { chosenSnapshots, findEntry, snapshotArgument } from "./snapshot-selection.ts";
import { documentLines, formatBytes } from "./terminal.ts";

export function addSnapshotCommands(program: Command, invocation: Invocation): void {
  const snapshot = program.command("snapshot").description("look at what was backed up");
  const add = (name: string, description: string, argument: string | undefined, action: Action<SnapshotOptions>) => {
    const command = snapshot.command(name).description(description);
    if (argument !== undefined) command.argument(argument, snapshotArgument, "latest");
    return addSnapshotAction(command, invocation, action);
  };
  addListOptions(add("list", "all snapshots, oldest first", undefined, list));
  add("show", "one snapshot in full", "[snapshot]", show);
  addListOptions(add("ls", "what is in a folder of a snapshot", "[snapshot[:path]]", ls));
  add("cat", "the bytes of a file in a snapshot", "[snapshot:path]", cat);
  add("verify", "read all that a snapshot is made of, and check it", "[snapshot[:path]]", verify);
  addDiffCommand(snapshot, invocation);
  addSearchCommands(snapshot, invocation);
  addExportCommand(snapshot, invocation);
}

const list: Action<SnapshotOptions> = async (choice) => {
  const snapshots = await chosenSnapshots(choice);
  await writeList(choice.output, snapshotColumns, snapshots.values().map(snapshotRow), choice.options);
};

const show: Action<SnapshotOptions> = async (choice, selector = "latest") => {
  const value = describeSnapshot((await findEntry(choice, selector)).snapshot);
  await choice.output.result(value, () => documentLines(value));
};

const ls: Action<SnapshotOptions> = async (choice, selector = "latest") => {
  const { repository, output, signal, options } = choice;
  const { entry } = await findEntry(choice, selector);
  const { entries } =
    entry.kind === "folder" ? await readFolder(repository, entry.objectId, signal) : { entries: [entry] };
  await writeList(output, entryColumns, Iterator.from(entries).map(entryRow), options);
};

const cat: Action<SnapshotOptions> = async (choice, selector = "latest") => {
  const { repository, output, signal } = choice;
  const { entry } = await findEntry(choice, selector);
  if (entry.kind !== "file") {
    throw new SnapshotError("SNAPSHOT_PATH_NOT_FOUND", `${selector} is a ${entry.kind}, not a file`, {
      hint: "name a file: `fsb snapshot cat latest:path/of/file`",
    });
  }
  for await (const piece of repository.objects.read(parseObjectId(entry.objectId), signal)) {
    if (!(await output.bytes(piece))) return;
  }
};

const verify: Action<SnapshotOptions> = async (choice, selector = "latest") => {
  const { repository, output, signal } = choice;
  const { snapshot, entry } = await findEntry(choice, selector);
  const problems: string[] = [];
  const verifier = new SnapshotVerifier(repository, signal, {
    onProblem: (path, error) => {
      problems.push(path);
      output.note(
        `${path === "" ? "." : path}: ${error instanceof CodedError ? explainInOneLine(error) : String(error)}`,
      );
    },
    onProgress: ({ files, bytes }) => output.progress(() => `verified ${files} files, ${formatBytes(bytes)}`),
  });
  const { files, folders, bytes } = await verifier.verify(entry);
  await output.result(
    { snapshotId: snapshot.id, files, folders, bytes, damaged: problems.length },
    () =>
      `snapshot ${snapshot.id}: read ${files} files, ${folders} folders, ${formatBytes(bytes)}; ${problems.length} damaged`,
  );
  if (problems.length > 0) {
    throw new CliError(
      "CLI_VERIFY_FAILED",
      `snapshot ${snapshot.id} has ${problems.length} damaged entries, named above`,
    );
  }
};
