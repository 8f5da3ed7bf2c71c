import { CodedError } from "../base/errors.ts";

export type RestoreErrorCode =
  | "RESTORE_ENTRY_INVALID"
  | "RESTORE_INCOMPLETE"
  | "RESTORE_SIZE_MISMATCH"
  | "RESTORE_STOPPED";

export class RestoreError extends CodedError<RestoreErrorCode> {}
