/** `mkdir -p` that says what is wrong. */

import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf } from "./errors.ts";

/**
 * Makes the folder and those above it that are missing; gives the topmost that was made. One that is there, or a link to
 * one, is left as it is.
 *
 * Not `mkdir` with `recursive`: that one never returns where making a folder answers ENOENT though its parent is there
 * (`/proc`), and it tells a read-only file system as ENOENT. Errors: of the system calls, as they are.
 */
export async function makeFolders(path: string, mode = 0o777): Promise<string | undefined> {
  try {
    return await makeFolder(path, mode);
  } catch (error) {
    const parent = dirname(path);
    if (errnoOf(error) !== "ENOENT" || parent === path) throw error;
    const topmost = await makeFolders(parent, mode);
    const made = await makeFolder(path, mode);
    return topmost ?? made;
  }
}

async function makeFolder(path: string, mode: number): Promise<string | undefined> {
  try {
    await mkdir(path, { mode });
    return path;
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
    return undefined;
  }
}
