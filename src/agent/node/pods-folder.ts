/** Looking at what the kubelet has on this node. Symbolic links are no folders here, and nothing is followed. */

import { lstat, opendir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../../base/errors.ts";
import { AgentError } from "../agent-error.ts";

export type EntryLook = "absent" | "folder" | "link" | "other";

/** POD_VOLUME_PATH_NOT_FOUND where it may not be looked at. */
export async function lookAt(path: string): Promise<EntryLook> {
  try {
    const stats = await lstat(path);
    return stats.isDirectory() ? "folder" : stats.isSymbolicLink() ? "link" : "other";
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === "ENOENT" || errno === "ENOTDIR") return "absent";
    throw new AgentError("POD_VOLUME_PATH_NOT_FOUND", `could not look at ${path}: ${errno ?? "unknown error"}`, {
      cause,
    });
  }
}

/** In order; none where there is no folder. */
export async function namesInFolder(folder: string): Promise<readonly string[]> {
  if ((await lookAt(folder)) !== "folder") return [];
  return (await readdir(folder)).sort();
}

export async function isFolderChain(root: string, names: readonly string[]): Promise<boolean> {
  return (await firstThatIsNoFolder(root, names)) === undefined;
}

/** What stands in the way from the root down, if anything. */
export async function firstThatIsNoFolder(
  root: string,
  names: readonly string[],
): Promise<{ readonly path: string; readonly is: Exclude<EntryLook, "folder"> } | undefined> {
  let path = root;
  for (const name of names) {
    path = join(path, name);
    const is = await lookAt(path);
    if (is !== "folder") return { path, is };
  }
  return undefined;
}

/** Without reading more than one name. */
export async function isEmptyFolder(path: string): Promise<boolean> {
  await using folder = await opendir(path);
  return (await folder.read()) === null;
}
