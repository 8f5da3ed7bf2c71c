/**
 * Removes an entry with everything below it.
 *
 * A tree may be nested deeper than descriptors or the stack would last, so it is taken apart from the top: a folder in
 * a folder is first moved up, under a temporary name, to the topmost one, and emptied later from there. That holds two
 * folders open at any depth, and moves each folder once. A mount point does not let itself be moved, so other file
 * systems are left alone.
 */

import { rename, rmdir, unlink } from "node:fs/promises";
import { errnoOf } from "../base/errors.ts";
import { type RandomSource, systemRandom } from "../base/random.ts";
import { temporaryName } from "./entry-name.ts";
import type { OpenFolder } from "./open-folder.ts";
import { attempt, contested, hasVolumeCode, VolumeError } from "./volume-error.ts";

/** Rounds in which someone else put something new into a folder that was empty. */
const roundsMax = 64;

export interface RemoveTreeOptions {
  readonly signal: AbortSignal;
  readonly random?: RandomSource;
}

/**
 * Nothing of that name is there afterwards. Links are unlinked, never followed. An abort leaves a part of the tree.
 *
 * Errors: VOLUME_CONTESTED when someone keeps filling it; VOLUME_ACCESS_DENIED, VOLUME_READ_ONLY; VOLUME_FAILED, also
 * when another file system is mounted in it.
 */
export async function removeTree(parent: OpenFolder, name: Uint8Array, options: RemoveTreeOptions): Promise<void> {
  const { signal, random = systemRandom } = options;
  await removeEntry(parent, name, async (top) => {
    await refuseOtherFileSystem(parent, top);
    const folders = await empty(top, top, { signal, random });
    for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
      await removeEntry(top, next, async (folder) => {
        folders.push(...(await empty(folder, top, { signal, random })));
      });
    }
  });
}

/** `emptyFolder` is called as long as the entry is a folder with something in it. */
async function removeEntry(
  parent: OpenFolder,
  name: Uint8Array,
  emptyFolder: (folder: OpenFolder) => Promise<void>,
): Promise<void> {
  const path = parent.pathOf(name);
  const displayPath = parent.displayPathOf(name);
  for (let round = 0; round < roundsMax; round++) {
    if ((await unlinkUnlessFolder(path, displayPath)) === "gone") return;
    try {
      using folder = await parent.openFolder(name);
      await emptyFolder(folder);
    } catch (error) {
      if (hasVolumeCode(error, "VOLUME_ENTRY_VANISHED", "VOLUME_ENTRY_CHANGED_KIND")) continue;
      throw error;
    }
    if (await removeEmptyFolder(path, displayPath)) return;
  }
  throw contested(displayPath);
}

/** Unlinks what is no folder and moves the folders to `top`; gives the names they have there. */
async function empty(
  folder: OpenFolder,
  top: OpenFolder,
  options: { readonly signal: AbortSignal; readonly random: RandomSource },
): Promise<Uint8Array[]> {
  const folders: Uint8Array[] = [];
  for (const name of await folder.listNames()) {
    options.signal.throwIfAborted();
    const path = folder.pathOf(name);
    const displayPath = folder.displayPathOf(name);
    if ((await unlinkUnlessFolder(path, displayPath)) === "gone") continue;
    const moved = temporaryName(options.random);
    await attempt("remove", displayPath, () => rename(path, top.pathOf(moved)));
    folders.push(moved);
  }
  return folders;
}

function unlinkUnlessFolder(path: Buffer, displayPath: string): Promise<"gone" | "folder"> {
  return attempt("remove", displayPath, async () => {
    try {
      await unlink(path);
      return "gone";
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === "EISDIR") return "folder";
      if (errno === "ENOENT") return "gone";
      throw error;
    }
  });
}

/** False when it is not empty, or no folder any more. */
function removeEmptyFolder(path: Buffer, displayPath: string): Promise<boolean> {
  return attempt("remove folder", displayPath, async () => {
    try {
      await rmdir(path);
      return true;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === "ENOENT") return true;
      if (errno === "ENOTEMPTY" || errno === "EEXIST" || errno === "ENOTDIR") return false;
      throw error;
    }
  });
}

async function refuseOtherFileSystem(parent: OpenFolder, folder: OpenFolder): Promise<void> {
  if ((await folder.stat()).device === (await parent.stat()).device) return;
  throw new VolumeError(
    "VOLUME_FAILED",
    `could not remove ${folder.displayPath}: another file system is mounted there`,
    {
      detail: { path: folder.displayPath, operation: "remove", errno: "EXDEV" },
    },
  );
}
