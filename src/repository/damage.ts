/** Damage that whoever looks through a repository passes over and tells, and trouble that ends the looking. */

import { CodedError } from "../base/errors.ts";

/** Whether the error is about one thing in the repository. What the store itself refuses is about all of them. */
export function isDamage(error: unknown): error is CodedError {
  return error instanceof CodedError && !error.code.startsWith("BLOB_STORE_");
}
