import { CodedError } from "../../base/errors.ts";

export type ContentErrorCode =
  | "CONTENT_CORRUPT"
  | "CONTENT_ID_INVALID"
  | "CONTENT_NOT_FOUND"
  | "CONTENT_UNSUPPORTED"
  | "CONTENT_WRITE_FAILED";

export class ContentError extends CodedError<ContentErrorCode> {}
