/**
 * What can go wrong with a file tree on this node, by name.
 *
 * System calls fail with an errno; `attempt` turns it, once, into a VolumeError that names the operation and the path
 * as a person knows it, not the `/proc/self/fd/…` that was used. The failed call stays as the cause.
 */

import { CodedError, errnoOf } from "../base/errors.ts";

export type VolumeErrorCode =
  | "VOLUME_ACCESS_DENIED"
  | "VOLUME_CONTESTED"
  | "VOLUME_ENTRY_CHANGED_KIND"
  | "VOLUME_ENTRY_VANISHED"
  | "VOLUME_FAILED"
  | "VOLUME_FOLDER_IN_THE_WAY"
  | "VOLUME_FULL"
  | "VOLUME_LINK_TARGET_INVALID"
  | "VOLUME_NAME_INVALID"
  | "VOLUME_NOT_A_FOLDER"
  | "VOLUME_NOT_FOUND"
  | "VOLUME_READ_ONLY";

export class VolumeError extends CodedError<VolumeErrorCode> {}

interface Meaning {
  readonly code: VolumeErrorCode;
  readonly text: string;
  readonly hint?: string;
}

const whenFull = "free space or enlarge the volume, then restore again";

const meanings: Readonly<Record<string, Meaning>> = {
  EACCES: { code: "VOLUME_ACCESS_DENIED", text: "access denied" },
  EPERM: { code: "VOLUME_ACCESS_DENIED", text: "not permitted" },
  ENOENT: { code: "VOLUME_ENTRY_VANISHED", text: "it is gone" },
  ENOTDIR: { code: "VOLUME_ENTRY_CHANGED_KIND", text: "it is no folder" },
  ELOOP: { code: "VOLUME_ENTRY_CHANGED_KIND", text: "it is a symbolic link" },
  EINVAL: { code: "VOLUME_FAILED", text: "the file system does not take it" },
  ENXIO: { code: "VOLUME_ENTRY_CHANGED_KIND", text: "it is no regular file" },
  EISDIR: { code: "VOLUME_FOLDER_IN_THE_WAY", text: "a folder is in the way" },
  ENOSPC: { code: "VOLUME_FULL", text: "no space is left", hint: whenFull },
  EDQUOT: { code: "VOLUME_FULL", text: "the quota is used up", hint: whenFull },
  EROFS: { code: "VOLUME_READ_ONLY", text: "the file system is read-only" },
};

/** Does the work; a system call that fails becomes a VolumeError, whatever else is thrown passes. */
export async function attempt<Result>(
  operation: string,
  displayPath: string,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw translate(error, operation, displayPath);
  }
}

function translate(error: unknown, operation: string, displayPath: string): unknown {
  const errno = errnoOf(error);
  return errno === undefined ? error : volumeErrorOf(errno, operation, displayPath, error);
}

/** Of a call that failed with `errno`. */
export function volumeErrorOf(errno: string, operation: string, displayPath: string, cause?: unknown): VolumeError {
  const { code, text, hint }: Meaning = meanings[errno] ?? { code: "VOLUME_FAILED", text: errno };
  return new VolumeError(code, `could not ${operation} ${displayPath}: ${text}`, {
    ...(cause === undefined ? {} : { cause }),
    detail: { path: displayPath, operation, errno },
    ...(hint === undefined ? {} : { hint }),
  });
}

export function hasVolumeCode(error: unknown, ...codes: readonly VolumeErrorCode[]): boolean {
  return error instanceof VolumeError && codes.includes(error.code);
}

/** An entry that did not stay what it was for long enough. */
export function contested(displayPath: string): VolumeError {
  return new VolumeError("VOLUME_CONTESTED", `${displayPath} keeps being changed by someone else`, {
    detail: { path: displayPath },
    hint: "stop what writes to the volume meanwhile and try again",
  });
}
