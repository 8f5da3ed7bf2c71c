/** What a failed system call on a filesystem repository means: errno to BlobError, with what to do about it. */

import { errnoOf } from "../../base/errors.ts";
import { BlobError, type BlobErrorCode } from "./blob-store.ts";

/**
 * The error to throw for one that came up while `doing` ("write blob p5f3c"). Errors that are none of a system call
 * (a BlobError, an abort, a bug) are given back as they are.
 */
export function translateFilesystemError(error: unknown, doing: string, folder: string): unknown {
  const errno = errnoOf(error);
  if (errno === undefined) return error;
  const path = (error as NodeJS.ErrnoException).path ?? folder;
  const code = codesByErrno[errno] ?? "BLOB_STORE_UNAVAILABLE";
  const hint = hintFor(errno, code, path);
  return new BlobError(code, `could not ${doing} in folder ${folder}`, {
    cause: error,
    detail: { errno, path },
    ...(hint === undefined ? {} : { hint }),
  });
}

/** What is not here is worth another attempt, such as EIO, ESTALE, ETIMEDOUT, EBUSY, EMFILE. */
const codesByErrno: Readonly<Record<string, BlobErrorCode>> = {
  EACCES: "BLOB_STORE_DENIED",
  EPERM: "BLOB_STORE_DENIED",
  EROFS: "BLOB_STORE_DENIED",
  ENOSPC: "BLOB_STORE_FULL",
  EDQUOT: "BLOB_STORE_FULL",
  EFBIG: "BLOB_STORE_FULL",
  ENOENT: "BLOB_STORE_NOT_FOUND",
  EEXIST: "BLOB_STORE_INVALID",
  ENOTDIR: "BLOB_STORE_INVALID",
  EISDIR: "BLOB_STORE_INVALID",
  ELOOP: "BLOB_STORE_INVALID",
  ENAMETOOLONG: "BLOB_STORE_INVALID",
};

function hintFor(errno: string, code: BlobErrorCode, path: string): string | undefined {
  if (errno === "EROFS") return `the file system that holds ${path} is mounted read-only; mount it for writing`;
  if (errno === "EDQUOT") return `raise the quota of user ${userId()} on the file system that holds ${path}`;
  if (errno === "EFBIG") return `the file system that holds ${path} takes no file of this length`;
  if (errno === "EMFILE" || errno === "ENFILE") return "raise the limit of open files";
  switch (code) {
    case "BLOB_STORE_DENIED":
      return `give user ${userId()} read and write permission on ${path} and on the folders that lead to it`;
    case "BLOB_STORE_FULL":
      return `free space, or inodes, on the file system that holds ${path}`;
    case "BLOB_STORE_NOT_FOUND":
      return `check the path ${path}, and that the file system which should be there is mounted`;
    case "BLOB_STORE_INVALID":
      return `${path}, or what leads to it, is of another type than a repository has there`;
    default:
      return undefined;
  }
}

function userId(): string {
  return String(process.geteuid?.() ?? "of this process");
}
