/** What the folders of a stored tree hold: out of their summaries, and added up where kopia left none. */

import type { Repository } from "../repository/repository.ts";
import type { DirectoryEntry } from "../snapshot/directory-entry.ts";
import { type TreeEntry, type WalkOptions, walkTree } from "./stored-tree.ts";

export interface FolderTotals {
  readonly found: TreeEntry;
  /** Bytes of all files below. */
  readonly size: number;
  readonly files: number;
  readonly symlinks: number;
  /** Below, and the folder itself. */
  readonly folders: number;
}

/** A folder before those in it, down to `depth` below the root; a file alone where it is the root. */
export async function* folderTotals(
  repository: Repository,
  root: DirectoryEntry,
  options: Omit<WalkOptions, "enters"> & { readonly depth: number },
): AsyncGenerator<FolderTotals, void, undefined> {
  for await (const found of walkTree(repository, root, { ...options, enters: ({ depth }) => depth < options.depth })) {
    const { entry } = found;
    if (entry.kind !== "folder" && found.depth > 0) continue;
    yield { found, ...(await totalsOf(repository, entry, { ...options, path: found.path })) };
  }
}

async function totalsOf(
  repository: Repository,
  entry: DirectoryEntry,
  options: WalkOptions,
): Promise<Omit<FolderTotals, "found">> {
  const totals = { size: 0, files: 0, symlinks: 0, folders: 0 };
  const enters = (below: TreeEntry) => below.entry.summary === undefined;
  for await (const { entry: below } of walkTree(repository, entry, { ...options, enters })) {
    const { kind, size, summary } = below;
    totals.size += summary?.size ?? (kind === "file" ? size : 0);
    totals.files += summary?.files ?? (kind === "file" ? 1 : 0);
    totals.symlinks += summary?.symlinks ?? (kind === "symlink" ? 1 : 0);
    totals.folders += summary?.dirs ?? (kind === "folder" ? 1 : 0);
  }
  return totals;
}
