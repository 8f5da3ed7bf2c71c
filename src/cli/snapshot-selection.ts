/** SNAPSHOT[:PATH] on the command line: found in a repository, among those that the flags leave. */

import type { Command } from "commander";
import { snapshotOrigin } from "../agent/velero/snapshot-origin.ts";
import { systemClock } from "../base/clock.ts";
import type { Repository } from "../repository/repository.ts";
import type { DirectoryEntry } from "../snapshot/directory-entry.ts";
import { parseSnapshotSelector, selectSnapshot } from "../snapshot/selector.ts";
import { SnapshotError } from "../snapshot/snapshot-error.ts";
import type { SnapshotManifest } from "../snapshot/snapshot-manifest.ts";
import { findChild, listSnapshots } from "../snapshot/snapshots.ts";
import { formatSource } from "./source.ts";
import type { Output } from "./terminal.ts";

export const snapshotArgument = "an id, a beginning of one, latest, latest~N, 2026-11-20 or '2 days ago'";

/** Which snapshots there are at all for a command. */
export interface SelectionOptions {
  readonly backup?: string;
  readonly podNamespace?: string;
  readonly pod?: string;
  readonly volume?: string;
  readonly source?: string;
}

export interface SnapshotChoice {
  readonly repository: Repository;
  readonly options: SelectionOptions;
  readonly output: Output;
  readonly signal: AbortSignal;
}

export interface SelectedEntry {
  readonly snapshot: SnapshotManifest;
  readonly entry: DirectoryEntry;
  /** From the snapshot's root, whose own is "". */
  readonly path: string;
}

export function addSelectionOptions(command: Command): Command {
  return command
    .option("--backup <name>", "snapshots of this backup of Velero's only (before 1.17)")
    .option("--pod-namespace <name>", "of pods in this namespace only")
    .option("--pod <name>", "of this pod only")
    .option("--volume <name>", "of this volume, or claim, only")
    .option("--source <user@host:path>", "of this source only");
}

/** Oldest first; those that the flags leave. */
export async function chosenSnapshots(choice: SnapshotChoice): Promise<SnapshotManifest[]> {
  const { repository, options, output, signal } = choice;
  const all = listSnapshots(await repository.loadManifests(signal), (message) => output.note(message));
  const chosen = all.filter((snapshot) => isChosen(snapshot, options));
  const knowsBackups = all.some(({ source, tags }) => snapshotOrigin(source, tags).backup !== undefined);
  if (options.backup !== undefined && all.length > 0 && !knowsBackups) {
    output.note("no snapshot here says which backup it is of: those of Velero 1.17 and later do not");
  }
  return chosen;
}

export async function findEntry(choice: SnapshotChoice, text: string): Promise<SelectedEntry> {
  const selector = parseSnapshotSelector(text, systemClock.nowNs());
  const snapshot = selectSnapshot(selector.snapshot, await someSnapshots(choice));
  if (snapshot.incomplete) choice.output.note(`snapshot ${snapshot.id} is not complete (${snapshot.incomplete})`);
  const entry = await entryAt(choice, snapshot.rootEntry, selector.path, text);
  return { snapshot, entry, path: selector.path.join("/") };
}

/** Errors: SNAPSHOT_NOT_FOUND where the flags leave none. */
export async function someSnapshots(choice: SnapshotChoice): Promise<readonly SnapshotManifest[]> {
  const snapshots = await chosenSnapshots(choice);
  const { backup, podNamespace, pod, volume, source } = choice.options;
  const wanted = Object.entries({ backup, namespace: podNamespace, pod, volume, source }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name} ${value}`],
  );
  if (snapshots.length > 0 || wanted.length === 0) return snapshots;
  throw new SnapshotError("SNAPSHOT_NOT_FOUND", `there is no snapshot of ${wanted.join(", ")}`, {
    hint: "`fsb snapshot list -o wide` shows which there are",
  });
}

async function entryAt(
  { repository, signal }: SnapshotChoice,
  root: DirectoryEntry,
  path: readonly string[],
  text: string,
): Promise<DirectoryEntry> {
  let entry = root;
  for (const name of path) {
    const child = entry.kind === "folder" ? await findChild(repository, entry, name, signal) : undefined;
    if (child === undefined) {
      throw new SnapshotError("SNAPSHOT_PATH_NOT_FOUND", `there is no ${JSON.stringify(name)} on the way to ${text}`, {
        hint: "`fsb snapshot ls` shows what is in a folder of a snapshot",
      });
    }
    entry = child;
  }
  return entry;
}

function isChosen({ source, tags }: SnapshotManifest, options: SelectionOptions): boolean {
  const { backup, namespace, pod, volume } = snapshotOrigin(source, tags);
  const pairs = [
    [options.backup, backup],
    [options.podNamespace, namespace],
    [options.pod, pod],
    [options.volume, volume],
    [options.source, formatSource(source)],
  ];
  return pairs.every(([wanted, actual]) => wanted === undefined || wanted === actual);
}
