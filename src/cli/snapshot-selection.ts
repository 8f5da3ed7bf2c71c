/** SNAPSHOT[:PATH] on the command line: found in a repository. */

import { compareText } from "../base/go-json.ts";
import type { Repository } from "../repository/repository.ts";
import type { DirectoryEntry } from "../snapshot/directory-entry.ts";
import { parseSnapshotSelector, selectSnapshot } from "../snapshot/selector.ts";
import { SnapshotError } from "../snapshot/snapshot-error.ts";
import type { SnapshotManifest } from "../snapshot/snapshot-manifest.ts";
import { listSnapshots, readFolder } from "../snapshot/snapshots.ts";
import type { Output } from "./terminal.ts";

export interface SelectedEntry {
  readonly snapshot: SnapshotManifest;
  readonly entry: DirectoryEntry;
}

export async function findEntry(
  repository: Repository,
  text: string,
  output: Output,
  signal: AbortSignal,
): Promise<SelectedEntry> {
  const selector = parseSnapshotSelector(text);
  const snapshots = listSnapshots(await repository.loadManifests(signal), (message) => output.note(message));
  const snapshot = selectSnapshot(selector.snapshot, snapshots);
  if (snapshot.incomplete) output.note(`snapshot ${snapshot.id} is not complete (${snapshot.incomplete})`);
  let entry = snapshot.rootEntry;
  for (const name of selector.path) entry = await childOf(repository, entry, name, text, signal);
  return { snapshot, entry };
}

async function childOf(
  repository: Repository,
  parent: DirectoryEntry,
  name: string,
  text: string,
  signal: AbortSignal,
): Promise<DirectoryEntry> {
  if (parent.kind === "folder") {
    for (const entry of (await readFolder(repository, parent.objectId, signal)).entries) {
      if (compareText(entry.name, name) === 0) return entry;
    }
  }
  throw new SnapshotError("SNAPSHOT_PATH_NOT_FOUND", `there is no ${JSON.stringify(name)} on the way to ${text}`, {
    hint: "`fsb snapshot ls` shows what is in a folder of a snapshot",
  });
}
