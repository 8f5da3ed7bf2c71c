import { CodedError, type ErrorOptionsWithDetail } from "../base/errors.ts";

export type RestoreErrorCode =
  | "RESTORE_ENTRY_INVALID"
  | "RESTORE_INCOMPLETE"
  | "RESTORE_SIZE_MISMATCH"
  | "RESTORE_STOPPED";

/** An entry that could not be restored. */
export interface RestoreFailure {
  /** Relative to the target, for messages. */
  readonly path: string;
  /** One line: the error and its causes, without hints. */
  readonly cause: string;
}

export class RestoreError extends CodedError<RestoreErrorCode> {
  /** With RESTORE_INCOMPLETE: the first entries that could not be restored; `detail.count` counts all. */
  readonly failures: readonly RestoreFailure[];

  constructor(
    code: RestoreErrorCode,
    message: string,
    options: ErrorOptionsWithDetail & { readonly failures?: readonly RestoreFailure[] } = {},
  ) {
    super(code, message, options);
    this.failures = options.failures ?? [];
  }
}
