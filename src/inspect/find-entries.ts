/** Entries of stored trees whose name or path matches a pattern. */

import type { Repository } from "../repository/repository.ts";
import type { DirectoryEntry } from "../snapshot/directory-entry.ts";
import type { Glob } from "./glob.ts";
import { type TreeEntry, type WalkOptions, walkTree } from "./stored-tree.ts";

/** About 100 bytes each. */
const barrenMax = 500_000;

/**
 * Searches trees one after the other. A folder below which no name matched is not entered again, wherever it is met: of
 * snapshots that have most folders in common each is read once.
 */
export class EntryFinder {
  readonly #repository: Repository;
  readonly #glob: Glob;
  /** Objects of such folders. */
  readonly #barren = new Set<string>();

  constructor(repository: Repository, glob: Glob) {
    this.#repository = repository;
    this.#glob = glob;
  }

  async *find(root: DirectoryEntry, options: WalkOptions): AsyncGenerator<TreeEntry, void, undefined> {
    const unreadable = new Set<string>();
    const onUnreadable = options.onUnreadable && {
      onUnreadable: (path: string, error: Parameters<NonNullable<WalkOptions["onUnreadable"]>>[1]) => {
        unreadable.add(path);
        options.onUnreadable?.(path, error);
      },
    };
    const enters = ({ entry }: TreeEntry) => !this.#barren.has(entry.objectId);
    const open: { readonly found: TreeEntry; isBarren: boolean }[] = [];
    const leave = (depth: number): void => {
      while ((open.at(-1)?.found.depth ?? -1) >= depth) {
        const { found, isBarren } = open.pop() as (typeof open)[number];
        const above = open.at(-1);
        if (!isBarren || unreadable.has(found.path)) {
          if (above !== undefined) above.isBarren = false;
        } else if (this.#glob.isOfNames && this.#barren.size < barrenMax) {
          this.#barren.add(found.entry.objectId);
        }
      }
    };
    for await (const found of walkTree(this.#repository, root, { ...options, ...onUnreadable, enters })) {
      leave(found.depth);
      const { entry, path, depth } = found;
      const isFound = depth > 0 && this.#glob.matches(path, entry.name);
      const above = open.at(-1);
      if (isFound && above !== undefined) above.isBarren = false;
      if (entry.kind === "folder") open.push({ found, isBarren: true });
      if (isFound) yield found;
    }
    leave(0);
  }
}
