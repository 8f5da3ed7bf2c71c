/** `fsb snapshot diff A B`, and `diff A --folder PATH`. */

import type { Command } from "commander";
import { type ComparedEntry, compareTrees, compareWithFolder, type Difference } from "../inspect/tree-difference.ts";
import { CliError } from "./cli-error.ts";
import type { Invocation } from "./invocation.ts";
import { addListOptions, asBytes, type Column, type Row, writeList } from "./listing.ts";
import { cdThere, requireUtf8 } from "./path-argument.ts";
import { type Action, addSnapshotAction, type SnapshotOptions, tellUnreadable } from "./snapshot-command.ts";
import { attributesOf } from "./snapshot-rows.ts";
import { findEntry, snapshotArgument } from "./snapshot-selection.ts";
import { formatBytes } from "./terminal.ts";

interface DiffOptions extends SnapshotOptions {
  readonly folder?: string;
  readonly readData?: boolean;
}

const columns: readonly Column[] = [
  { field: "change" },
  { field: "what", text: (what: readonly string[]) => what.join(",") },
  { field: "size", ...asBytes },
  { field: "growth", text: signed },
  { field: "path", text: (path: string, { type }) => `${path || "."}${type === "folder" ? "/" : ""}` },
];

export function addDiffCommand(snapshot: Command, invocation: Invocation): void {
  const command = snapshot
    .command("diff")
    .description("what differs between two snapshots, or a snapshot and a folder here")
    .argument("<snapshot[:path]>", snapshotArgument)
    .argument("[other[:path]]", "the snapshot that it is compared with")
    .option("--folder <path>", "compare with this folder of this machine instead")
    .option("--read-data", "read files of the folder that have the size and time they had, too");
  addListOptions(addSnapshotAction(command, invocation, diff));
}

const diff: Action<DiffOptions> = async (choice, selector = "latest", other?: string) => {
  const { repository, options, output, signal } = choice;
  const { folder, readData = false } = options;
  if ((other === undefined) === (folder === undefined)) {
    throw new CliError("CLI_USAGE", "a snapshot is compared with one other, or with one folder", {
      hint: "fsb snapshot diff latest~1 latest, or fsb snapshot diff latest --folder PATH",
    });
  }
  const before = (await findEntry(choice, selector)).entry;
  const counts = { added: 0, removed: 0, changed: 0 };
  const how = { signal, readsData: readData, ...tellUnreadable(choice) };
  const differences =
    folder === undefined
      ? compareTrees(repository, before, (await findEntry(choice, other ?? "latest")).entry, how)
      : compareWithFolder(repository, before, requireUtf8(folder, cdThere), how);
  async function* rows(): AsyncIterable<Row> {
    for await (const difference of differences) {
      counts[difference.change]++;
      yield rowOf(difference);
    }
  }
  await writeList(output, columns, rows(), options);
  if (output.isTable) output.note(`${counts.added} added, ${counts.removed} removed, ${counts.changed} changed`);
};

function rowOf({ change, path, what, before, after }: Difference): Row {
  const { kind } = (after ?? before) as ComparedEntry;
  const sizes = { size: after?.size ?? before?.size, growth: (after?.size ?? 0) - (before?.size ?? 0) };
  return {
    change,
    path,
    type: kind,
    what,
    ...(kind === "folder" ? {} : sizes),
    before: before && attributesOf(before),
    after: after && attributesOf(after),
  };
}

function signed(bytes: number): string {
  return bytes === 0 ? "" : `${bytes < 0 ? "-" : "+"}${formatBytes(Math.abs(bytes))}`;
}
