/** A folder in a folder, whatever is in the way. */

import { mkdir, unlink } from "node:fs/promises";
import { errnoOf } from "../base/errors.ts";
import type { OpenFolder } from "./open-folder.ts";
import { attempt, contested, hasVolumeCode } from "./volume-error.ts";

/** Rounds in which someone else undid what the round before did. */
const roundsMax = 64;

/**
 * Opens the folder of that name. One that exists is kept as it is, with what it holds; anything else is unlinked, never
 * followed, and a new folder made, for its owner only (0700) until its attributes are set.
 *
 * Errors: VOLUME_CONTESTED when something else keeps appearing there, VOLUME_ACCESS_DENIED, VOLUME_FULL,
 * VOLUME_READ_ONLY, VOLUME_FAILED. The caller disposes the folder.
 */
export async function makeFolder(parent: OpenFolder, name: Uint8Array): Promise<OpenFolder> {
  const path = parent.pathOf(name);
  const displayPath = parent.displayPathOf(name);
  for (let round = 0; round < roundsMax; round++) {
    await attempt("make folder", displayPath, () => passing(["EEXIST"], mkdir(path, { mode: 0o700 })));
    try {
      return await parent.openFolder(name);
    } catch (error) {
      if (hasVolumeCode(error, "VOLUME_ENTRY_VANISHED")) continue;
      if (!hasVolumeCode(error, "VOLUME_ENTRY_CHANGED_KIND")) throw error;
    }
    // EISDIR: the folder is back, and the next round opens it.
    await attempt("replace", displayPath, () => passing(["ENOENT", "EISDIR"], unlink(path)));
  }
  throw contested(displayPath);
}

/** Lets these failures pass. */
async function passing(errnos: readonly string[], call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined || !errnos.includes(errno)) throw error;
  }
}
