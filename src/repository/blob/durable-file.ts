/**
 * Files that are whole or absent, also after a crash or a loss of power.
 *
 * The order is: all bytes to a temporary file, `fsync`, the name, `fsync` of the folder that holds the name. What a
 * crash leaves behind is called `.tmp.` and 16 hex digits. (kopia appends `.tmp.` and the digits to the file's own name;
 * ours are short, so that an id of full length does not exceed what a file system takes, and begin with a dot, which no
 * blob's id does, so that nobody takes them for blobs in a folder whose files have no `.f`.)
 */

import { constants } from "node:fs";
import { type FileHandle, link, lstat, open, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import { toHex, totalLength } from "../../base/bytes.ts";
import { errnoOf } from "../../base/errors.ts";
import type { Pace } from "../../base/pace.ts";
import type { RandomSource } from "../../base/random.ts";

export interface DurableFile {
  readonly folder: string;
  readonly name: string;
  /** The file is the parts, one after the other. */
  readonly parts: readonly Uint8Array[];
  /** "keep" leaves a file of this name as it is. */
  readonly existing: "replace" | "keep";
}

/**
 * Writes the file, mode 0600, and tells whether it is the one that is there now. The caller then syncs the folder.
 *
 * Errors: of the system calls. Whatever goes wrong, the old file is whole and no temporary file is left, unless it
 * cannot be removed either.
 */
export async function writeDurableFile(
  file: DurableFile,
  { signal, random, pace }: { signal: AbortSignal; random: RandomSource; pace?: Pace | undefined },
): Promise<boolean> {
  const temporary = join(file.folder, `.tmp.${toHex(random(8))}`);
  const target = join(file.folder, file.name);
  const handle = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    try {
      await writeAll(handle, file.parts, pace, signal);
      await handle.sync();
    } finally {
      await handle.close();
    }
    signal.throwIfAborted();
    if (file.existing === "keep") return await publishUnlessPresent(temporary, target);
    await rename(temporary, target);
    return true;
  } catch (error) {
    // The error to tell is the one that brought us here; a temporary file that stays is garbage and never listed.
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
}

/** Makes the names in the folder durable. Some network file systems take no `fsync` of a folder; they need none. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } catch (error) {
    if (!["EINVAL", "ENOTSUP", "EOPNOTSUPP"].includes(errnoOf(error) ?? "")) throw error;
  } finally {
    await handle.close();
  }
}

async function writeAll(
  handle: FileHandle,
  parts: readonly Uint8Array[],
  pace: Pace | undefined,
  signal: AbortSignal,
): Promise<void> {
  let left = parts.filter((part) => part.byteLength > 0);
  while (left.length > 0) {
    signal.throwIfAborted();
    const now = pace === undefined ? left : [(left[0] as Uint8Array).subarray(0, pace.stepBytes)];
    await pace?.admit(totalLength(now), signal);
    const { bytesWritten } = await handle.writev(now);
    left = withoutFirst(left, bytesWritten);
  }
}

/** A write may take less than it was given, and the next one tells why. */
function withoutFirst(parts: readonly Uint8Array[], byteCount: number): Uint8Array[] {
  let skip = byteCount;
  const left: Uint8Array[] = [];
  for (const part of parts) {
    const taken = Math.min(skip, part.byteLength);
    skip -= taken;
    if (taken < part.byteLength) left.push(part.subarray(taken));
  }
  return left;
}

/**
 * `link` makes the name only if it is new, whoever else tries. A file system without hard links leaves to look first and
 * then `rename`, which two at the very same time can both pass.
 */
async function publishUnlessPresent(temporary: string, target: string): Promise<boolean> {
  let published = true;
  try {
    await link(temporary, target);
  } catch (error) {
    const errno = errnoOf(error) ?? "";
    if (errno !== "EEXIST" && !["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes(errno)) throw error;
    published = errno !== "EEXIST" && !(await isPresent(target));
    if (published) {
      await rename(temporary, target);
      return true;
    }
  }
  await unlink(temporary);
  return published;
}

async function isPresent(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
}
