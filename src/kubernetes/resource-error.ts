import { CodedError } from "../base/errors.ts";

export type ResourceErrorCode =
  /** Somebody else changed the object since it was read. */
  | "RESOURCE_CONFLICT"
  | "RESOURCE_FILE_MALFORMED"
  | "RESOURCE_INVALID"
  | "RESOURCE_NOT_FOUND"
  | "RESOURCE_STORE_DENIED"
  | "RESOURCE_STORE_INVALID"
  | "RESOURCE_STORE_UNAVAILABLE";

export class ResourceError extends CodedError<ResourceErrorCode> {}
