/** `fsb repo check`. */

import { type Command, InvalidArgumentError } from "commander";
import { snapshotOrigin } from "../agent/velero/snapshot-origin.ts";
import { explainWithoutHint } from "../base/errors.ts";
import { type Damage, RepositoryCheck } from "../inspect/repository-check.ts";
import { CliError } from "./cli-error.ts";
import { addRepositoryOptions, type CommonOptions, type Invocation, openForReading, outputOf } from "./invocation.ts";
import { type Column, type Row, writeList } from "./listing.ts";
import { formatSource } from "./source.ts";
import { formatBytes } from "./terminal.ts";

interface CheckOptions extends CommonOptions {
  /** True where it is given without a value. */
  readonly readData?: number | true;
}

const columns: readonly Column[] = [
  { field: "what" },
  { field: "snapshotId", title: "SNAPSHOT", text: (id: string) => id.slice(0, 12) },
  { field: "source", isWide: true },
  { field: "pod", text: (pod: string, { namespace, volume }) => `${namespace}/${pod}:${volume}` },
  {
    field: "path",
    title: "PATH OR ID",
    text: (path: string, row) => String(row.snapshotId === "" ? row.id : path || "."),
  },
  { field: "problem" },
];

export function addRepoCheckCommand(repo: Command, invocation: Invocation): void {
  addRepositoryOptions(
    repo
      .command("check")
      .description("walk all that snapshots are made of; tell what is damaged, and the files that it touches"),
  )
    .option("--read-data [percent]", "also read the contents of files, all or a part of them", percentOf)
    .action((options: CheckOptions) => check(invocation, options));
}

async function check(invocation: Invocation, options: CheckOptions): Promise<void> {
  const { signal } = invocation;
  const output = outputOf(invocation, options);
  const damagedIndexes: Damage[] = [];
  await using repository = await openForReading(invocation, options, {
    onDamagedIndex: (id, error) => {
      damagedIndexes.push({ what: "index", id, problem: explainWithoutHint(error) });
    },
  });
  const damages: Damage[] = [];
  const run = new RepositoryCheck(
    repository,
    {
      damagedIndexes,
      readPercent: options.readData === true ? 100 : (options.readData ?? 0),
      random: Math.random,
      onDamage: (damage) => damages.push(damage),
      onProgress: ({ folders, files, bytesRead }) =>
        output.progress(() => `walked ${folders} folders, ${files} files; read ${formatBytes(bytesRead)}`),
    },
    signal,
  );
  await run.run();
  const touchedSnapshots = new Set<string>();
  let touchedEntries = 0;
  async function* rows(): AsyncIterable<Row> {
    for (const { what, id, problem } of damages) {
      yield { what, id, problem, snapshotId: "", source: "", path: "" };
    }
    for await (const { snapshot, path, kind, objectId, problem } of run.touched()) {
      touchedEntries++;
      touchedSnapshots.add(snapshot.id);
      const { source, tags } = snapshot;
      const whose = { snapshotId: snapshot.id, source: formatSource(source), ...snapshotOrigin(source, tags) };
      yield { what: kind, id: objectId, problem, ...whose, path };
    }
  }
  const { counts } = run;
  if (counts.damaged > 0 || run.foundAny) await writeList(output, columns, rows());
  const summary = { ...counts, touchedEntries, touchedSnapshots: touchedSnapshots.size };
  await output.result({ what: "summary", ...summary }, () => [
    `${counts.snapshots} snapshots: ${counts.folders} folders and ${counts.files} files, each once; ${counts.contents} contents, ${counts.packs} packs`,
    ...(counts.unnamedPacks === 0
      ? []
      : [
          `${counts.unnamedPacks} packs are named by no index: garbage that maintenance collects, or an index blob is lost`,
        ]),
    counts.contentsRead === 0
      ? "the contents of files were not read: --read-data does"
      : `read ${counts.contentsRead} contents of files, ${formatBytes(counts.bytesRead)}`,
    touchedEntries === 0 && counts.damaged === 0
      ? "nothing is damaged"
      : `damaged: ${counts.damaged}; that touches ${touchedEntries} entries of ${touchedSnapshots.size} snapshots`,
  ]);
  if (counts.damaged === 0 && touchedEntries === 0) return;
  throw new CliError("CLI_CHECK_FAILED", "the repository is damaged, as told above", {
    detail: summary,
    hint: "bring back what is lost from a copy of the store; entries that are not named can be restored",
  });
}

function percentOf(text: string): number {
  const percent = Number(text.replace(/%$/, ""));
  if (/^\d+(\.\d+)?%?$/.test(text) && percent > 0 && percent <= 100) return percent;
  throw new InvalidArgumentError("a part of 100 is wanted, as 5 or 12.5");
}
