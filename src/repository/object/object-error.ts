import { CodedError } from "../../base/errors.ts";

export type ObjectErrorCode = "OBJECT_CORRUPT" | "OBJECT_ID_INVALID" | "OBJECT_TOO_LARGE";

export class ObjectError extends CodedError<ObjectErrorCode> {}
