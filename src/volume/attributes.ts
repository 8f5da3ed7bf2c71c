/**
 * Owner, mode and modification time: set by descriptor, then read back.
 *
 * What a file system does not take, because it squashes root, has no owners or rounds times, is no error but a
 * difference that the caller reports. Trouble with the storage itself is an error.
 */

import { chown } from "node:fs/promises";
import { errnoOf } from "../base/errors.ts";
import { clampGoTime, formatGoTime } from "../base/go-time.ts";
import { fchmod, fchown, fstat, pathOfDescriptor } from "./descriptor.ts";
import { type EntryStat, entryStatOf } from "./entry.ts";
import type { SystemCalls } from "./libc.ts";
import type { OpenFolder } from "./open-folder.ts";
import { attempt } from "./volume-error.ts";

/** Of a symbolic link the mode does not count: Linux has none for it. */
export interface Attributes {
  /** The twelve permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Also becomes the access time, as kopia restores it. */
  readonly mtimeNs: bigint;
}

export type AttributeName = "owner" | "mode" | "mtime" | "size";

export interface AttributeDifference {
  readonly attribute: AttributeName;
  /** As a person writes it: `1000:1000`, `0644`, `2024-01-02T03:04:05.000000006Z`, bytes. */
  readonly wanted: string;
  readonly found: string;
  /** Why it could not be set; undefined where the call went well and the file system made something else of it. */
  readonly errno?: string;
}

/** The errno with which setting an attribute was refused. */
type Refusals = Partial<Record<AttributeName, string>>;

/**
 * Setting an attribute may fail with these: not permitted, not known to this kind of file system (SMB, FUSE), or an
 * owner that does not exist in this user namespace or mount.
 */
const refusals: ReadonlySet<string> = new Set([
  "EPERM",
  "EACCES",
  "ENOTSUP",
  "EOPNOTSUPP",
  "EINVAL",
  "ENOSYS",
  "EOVERFLOW",
]);

/** Of a folder, after everything in it is done: its own modification time would change again. */
export function setFolderAttributes(folder: OpenFolder, wanted: Attributes): Promise<AttributeDifference[]> {
  return attempt("set the attributes of", folder.displayPath, () => applyAttributes(folder.fd, wanted, folder.system));
}

/**
 * Sets them on the open file or folder and gives what reading back found different. Owner before mode, because a change
 * of owner takes the set-uid and set-gid bits away; times last.
 *
 * Throws the errors of the system calls as they are.
 */
export async function applyAttributes(
  fd: number,
  wanted: Attributes & { readonly size?: number },
  system: SystemCalls,
): Promise<AttributeDifference[]> {
  const refused: Refusals = {};
  await unlessRefused("owner", refused, () => fchown(fd, wanted.uid, wanted.gid));
  await unlessRefused("mode", refused, () => fchmod(fd, wanted.mode & 0o7777));
  await unlessRefused("mtime", refused, () => system.setTimes(fd, wanted.mtimeNs));
  return differencesOf(wanted, entryStatOf(await fstat(fd, { bigint: true })), refused);
}

/** The same for a symbolic link that is open as such (`O_PATH`). */
export async function applyLinkAttributes(
  fd: number,
  wanted: Omit<Attributes, "mode">,
  system: SystemCalls,
): Promise<AttributeDifference[]> {
  const refused: Refusals = {};
  // The descriptor's own path ends at the link, it is not followed further.
  await unlessRefused("owner", refused, () => chown(pathOfDescriptor(fd), wanted.uid, wanted.gid));
  await unlessRefused("mtime", refused, () => system.setTimes(fd, wanted.mtimeNs));
  const { uid, gid, mtimeNs } = wanted;
  return differencesOf({ uid, gid, mtimeNs }, entryStatOf(await fstat(fd, { bigint: true })), refused);
}

/** The mode alone, whatever the process's umask made of it. */
export async function applyMode(fd: number, mode: number): Promise<AttributeDifference[]> {
  const refused: Refusals = {};
  await unlessRefused("mode", refused, () => fchmod(fd, mode));
  return differencesOf({ mode }, entryStatOf(await fstat(fd, { bigint: true })), refused);
}

async function unlessRefused(attribute: AttributeName, refused: Refusals, set: () => Promise<void>): Promise<void> {
  try {
    await set();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined || !refusals.has(errno)) throw error;
    refused[attribute] = errno;
  }
}

type Wanted = Partial<Pick<EntryStat, "mode" | "mtimeNs" | "size">> & Partial<Record<"uid" | "gid", number>>;

type Found = Pick<EntryStat, "mode" | "uid" | "gid" | "size" | "mtimeNs">;

/** Compares what is wanted; a refusal counts only where it left a difference. */
export function differencesOf(wanted: Wanted, found: Found, refused: Refusals): AttributeDifference[] {
  const differences: AttributeDifference[] = [];
  const compare = (attribute: AttributeName, wantedText: string, foundText: string): void => {
    if (wantedText === foundText) return;
    const errno = refused[attribute];
    differences.push({ attribute, wanted: wantedText, found: foundText, ...(errno === undefined ? {} : { errno }) });
  };
  if (wanted.uid !== undefined && wanted.gid !== undefined) {
    compare("owner", `${wanted.uid}:${wanted.gid}`, `${found.uid}:${found.gid}`);
  }
  if (wanted.mode !== undefined) compare("mode", modeText(wanted.mode), modeText(found.mode));
  if (wanted.size !== undefined) compare("size", `${wanted.size}`, `${found.size}`);
  if (wanted.mtimeNs !== undefined)
    compare("mtime", formatGoTime(clampGoTime(wanted.mtimeNs)), formatGoTime(found.mtimeNs));
  return differences;
}

function modeText(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}
