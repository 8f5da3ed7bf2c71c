/** `fsb repo space`. */

import { type Command, Option } from "commander";
import { snapshotOrigin } from "../agent/velero/snapshot-origin.ts";
import { systemClock } from "../base/clock.ts";
import { formatGoTime } from "../base/go-time.ts";
import { type GroupSpace, measureSpace, type RepositorySpace, spaceParts } from "../inspect/repository-space.ts";
import type { SnapshotManifest } from "../snapshot/snapshot-manifest.ts";
import { listSnapshots } from "../snapshot/snapshots.ts";
import { addRepositoryOptions, type CommonOptions, type Invocation, openForReading, outputOf } from "./invocation.ts";
import { addListOptions, asBytes, asTime, type Column, type ListOptions, type Row, writeList } from "./listing.ts";
import { formatSource } from "./source.ts";

const groupings = ["part", "snapshot", "source"] as const;

interface SpaceOptions extends CommonOptions, ListOptions {
  readonly by: (typeof groupings)[number];
}

export function addRepoSpaceCommand(repo: Command, invocation: Invocation): void {
  addListOptions(
    addRepositoryOptions(repo.command("space").description("what the bytes in the store are, and for which snapshots")),
  )
    .addOption(
      new Option("--by <what>", "tell parts of the store, or what each snapshot or source has of it")
        .choices([...groupings])
        .default("part"),
    )
    .action((options: SpaceOptions) => space(invocation, options));
}

const partColumns: readonly Column[] = [
  { field: "part" },
  { field: "bytes", title: "SIZE", ...asBytes },
  { field: "count" },
  { field: "until", ...asTime },
];

const groupColumns: readonly Column[] = [
  { field: "uniqueBytes", title: "UNIQUE", ...asBytes },
  { field: "addedBytes", title: "ADDED", ...asBytes },
  { field: "addedContents", title: "CONTENTS", isWide: true },
  { field: "startTime", title: "LAST", ...asTime },
  { field: "snapshots" },
  { field: "snapshotId", title: "SNAPSHOT" },
  { field: "source" },
];

async function space(invocation: Invocation, options: SpaceOptions): Promise<void> {
  const { signal } = invocation;
  await using repository = await openForReading(invocation, options);
  const output = outputOf(invocation, options);
  const note = (problem: string): void => output.note(problem);
  const snapshots = listSnapshots(await repository.loadManifests(signal), note);
  const groupOf = (snapshot: SnapshotManifest): string =>
    options.by === "source" ? formatSource(snapshot.source) : snapshot.id;
  const measured = await measureSpace(
    repository,
    snapshots,
    {
      nowMs: systemClock.nowMs(),
      groupOf,
      onProblem: note,
      onProgress: (walked) =>
        output.progress(
          () => `walked ${walked.entries} entries in ${walked.snapshots} of ${snapshots.length} snapshots`,
        ),
    },
    signal,
  );
  if (options.by === "part") await writeList(output, partColumns, partRows(measured), options);
  else await writeList(output, groupColumns, measured.groups.map(groupRow), options);
}

function* partRows({ parts, totalBytes }: RepositorySpace): Iterable<Row> {
  for (const part of spaceParts) {
    const { bytes, count, untilMs } = parts[part];
    if (count > 0) yield { part, bytes, count, until: untilMs === 0 ? "" : new Date(untilMs).toISOString() };
  }
  const count = spaceParts.reduce((sum, part) => sum + parts[part].count, 0);
  yield { part: "total", bytes: totalBytes, count, until: "" };
}

/** What a group has of one snapshot is of its last. */
function groupRow({ snapshots, uniqueBytes, addedBytes, addedContents }: GroupSpace): Row {
  const last = snapshots.at(-1) as SnapshotManifest;
  return {
    snapshotId: last.id,
    source: formatSource(last.source),
    ...snapshotOrigin(last.source, last.tags),
    startTime: formatGoTime(last.startTimeNs),
    snapshots: snapshots.length,
    uniqueBytes,
    addedBytes,
    addedContents,
  };
}
