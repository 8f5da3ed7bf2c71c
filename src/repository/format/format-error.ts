import { CodedError } from "../../base/errors.ts";

export type FormatErrorCode =
  | "REPOSITORY_EXISTS"
  | "REPOSITORY_FORMAT_INVALID"
  | "REPOSITORY_NOT_FOUND"
  | "REPOSITORY_PASSWORD_WRONG"
  | "REPOSITORY_UNSUPPORTED"
  | "REPOSITORY_UPGRADING";

/** What can be wrong with a repository before its first content is read. */
export class FormatError extends CodedError<FormatErrorCode> {}
