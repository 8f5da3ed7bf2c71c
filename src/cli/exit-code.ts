/** Exit codes, as restic's users know them. Documented in docs/operations/command-line.md. */

import { hasCode, isAbort } from "../base/errors.ts";

export const exitCodes = {
  done: 0,
  failed: 1,
  /** Done, but some files could not be read, or some attributes not be set. */
  incomplete: 3,
  noRepository: 10,
  wrongPassword: 12,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export function exitCodeOf(error: unknown): ExitCode {
  if (isAbort(error)) return exitCodes.interrupted;
  if (hasCode(error, "REPOSITORY_PASSWORD_WRONG")) return exitCodes.wrongPassword;
  if (hasCode(error, "REPOSITORY_NOT_FOUND") || hasCode(error, "BLOB_STORE_NOT_FOUND")) return exitCodes.noRepository;
  return exitCodes.failed;
}
