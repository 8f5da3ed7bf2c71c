/** `fsb snapshot du|find|history`. */

import { type Command, InvalidArgumentError } from "commander";
import { formatGoTime } from "../base/go-time.ts";
import { EntryFinder } from "../inspect/find-entries.ts";
import { folderTotals } from "../inspect/folder-totals.ts";
import { parseGlob } from "../inspect/glob.ts";
import { pathHistory } from "../inspect/path-history.ts";
import { bytesOfPath } from "../inspect/stored-tree.ts";
import { SnapshotError } from "../snapshot/snapshot-error.ts";
import { isComplete, type SnapshotManifest } from "../snapshot/snapshot-manifest.ts";
import { CliError } from "./cli-error.ts";
import type { Invocation } from "./invocation.ts";
import { addListOptions, asBytes, asTime, type Column, type Row, writeList } from "./listing.ts";
import { type Action, addSnapshotAction, type SnapshotOptions, tellUnreadable } from "./snapshot-command.ts";
import { attributeColumns, attributesOf, rawText } from "./snapshot-rows.ts";
import { findEntry, type SelectedEntry, snapshotArgument, someSnapshots } from "./snapshot-selection.ts";
import { formatSource } from "./source.ts";

interface DuOptions extends SnapshotOptions {
  readonly depth: number;
}

interface FindOptions extends SnapshotOptions {
  readonly all?: boolean;
  readonly ignoreCase?: boolean;
}

const pathColumn: Column = {
  field: "path",
  text: (path: string, { type }) => `${path || "."}${type === "folder" && path !== "" ? "/" : ""}`,
};

export function addSearchCommands(snapshot: Command, invocation: Invocation): void {
  const usage = snapshot
    .command("du")
    .description("how much is below a folder of a snapshot, and below each in it")
    .argument("[snapshot[:path]]", snapshotArgument, "latest")
    .option("--depth <count>", "how far down folders are told", depthOf, 1);
  addListOptions(addSnapshotAction(usage, invocation, du));
  const finding = snapshot
    .command("find")
    .description("entries whose name, or with a slash in the pattern whose path, matches")
    .argument("<pattern>", "as in a shell: *, ?, [a-z], and ** across folders")
    .argument("[snapshot[:path]]", `${snapshotArgument} (default: "latest")`)
    .option("--all", "in all snapshots, not in one")
    .option("--ignore-case", "capital and small letters are the same");
  addListOptions(addSnapshotAction(finding, invocation, find));
  const past = snapshot
    .command("history")
    .description("the versions of what lies at a path, over all complete snapshots of each source")
    .argument("<path>", "from the snapshots' root");
  addListOptions(addSnapshotAction(past, invocation, history));
}

const duColumns: readonly Column[] = [
  { field: "size", ...asBytes },
  { field: "files" },
  { field: "folders", isWide: true },
  { field: "symlinks", title: "LINKS", isWide: true },
  pathColumn,
];

const du: Action<DuOptions> = async (choice, selector = "latest") => {
  const { repository, options, output, signal } = choice;
  const { entry, path } = await findEntry(choice, selector);
  const totals = folderTotals(repository, entry, { signal, path, depth: options.depth, ...tellUnreadable(choice) });
  async function* rows(): AsyncIterable<Row> {
    for await (const { found, ...counts } of totals) {
      yield {
        path: found.path,
        ...rawText("pathBase64", found.path, bytesOfPath(found)),
        type: found.entry.kind,
        ...counts,
      };
    }
  }
  await writeList(output, duColumns, rows(), options);
};

const find: Action<FindOptions> = async (choice, pattern = "", selector?: string) => {
  const { repository, options, output, signal } = choice;
  const { all = false, ignoreCase = false } = options;
  if (all && selector !== undefined) {
    throw new CliError("CLI_USAGE", "--all is every snapshot, and one was named", { hint: "leave one of them out" });
  }
  const roots: readonly SelectedEntry[] = all
    ? (await someSnapshots(choice)).map((snapshot) => ({ snapshot, entry: snapshot.rootEntry, path: "" }))
    : [await findEntry(choice, selector ?? "latest")];
  const finder = new EntryFinder(repository, parseGlob(pattern, { ignoreCase }));
  async function* rows(): AsyncIterable<Row> {
    for (const { snapshot, entry, path } of roots) {
      const whose = { snapshotId: snapshot.id, startTime: formatGoTime(snapshot.startTimeNs) };
      for await (const found of finder.find(entry, { signal, path, ...tellUnreadable(choice) })) {
        const raw = rawText("pathBase64", found.path, bytesOfPath(found));
        yield { ...whose, path: found.path, ...raw, ...attributesOf(found.entry) };
      }
    }
  }
  const ofSnapshot: readonly Column[] = [
    { field: "snapshotId", title: "SNAPSHOT", isWide: !all },
    { field: "startTime", title: "BEGUN", isWide: true, ...asTime },
  ];
  await writeList(output, [...ofSnapshot, ...attributeColumns, pathColumn], rows(), options);
};

const historyColumns: readonly Column[] = [
  { field: "startTime", title: "BEGUN", ...asTime },
  { field: "snapshotId", title: "SNAPSHOT" },
  { field: "snapshots", title: "COUNT" },
  { field: "lastSnapshotId", title: "UNTIL", isWide: true },
  { field: "change" },
  { field: "what", text: (what: readonly string[]) => what.join(",") },
  ...attributeColumns,
  { field: "source" },
];

const history: Action<SnapshotOptions> = async (choice, path = "") => {
  const { repository, options, output, signal } = choice;
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  const bySource = Map.groupBy((await someSnapshots(choice)).filter(isComplete), ({ source }) => formatSource(source));
  let count = 0;
  async function* rows(): AsyncIterable<Row> {
    for (const [source, snapshots] of bySource) {
      for await (const version of pathHistory(repository, snapshots, names, signal)) {
        count++;
        const { change, what, entry, first, last } = version;
        const when = { ...beginOf(first), lastSnapshotId: last.id, lastStartTime: beginOf(last).startTime };
        yield { source, change, what, ...when, snapshots: version.count, ...(entry && attributesOf(entry)) };
      }
    }
  }
  await writeList(output, historyColumns, rows(), options);
  if (count > 0) return;
  throw new SnapshotError("SNAPSHOT_PATH_NOT_FOUND", `no complete snapshot has anything at ${JSON.stringify(path)}`, {
    hint: "`fsb snapshot find NAME --all` searches all snapshots",
  });
};

function beginOf({ id, startTimeNs }: SnapshotManifest): { readonly snapshotId: string; readonly startTime: string } {
  return { snapshotId: id, startTime: formatGoTime(startTimeNs) };
}

function depthOf(text: string): number {
  const depth = Number(text);
  if (/^\d{1,6}$/.test(text)) return depth;
  throw new InvalidArgumentError("a whole number of folders is wanted");
}
