import { CodedError } from "../base/errors.ts";

export type ResourceErrorCode =
  /** Somebody else changed the object since it was read. */
  | "RESOURCE_CONFLICT"
  | "RESOURCE_FILE_MALFORMED"
  | "RESOURCE_INVALID"
  | "RESOURCE_KIND_UNKNOWN"
  | "RESOURCE_NOT_FOUND"
  /** The API server's rules for the kind forbid it. */
  | "RESOURCE_REJECTED"
  | "RESOURCE_STORE_DENIED"
  | "RESOURCE_STORE_INVALID"
  | "RESOURCE_STORE_UNAUTHENTICATED"
  | "RESOURCE_STORE_UNAVAILABLE"
  /** A list or watch cannot go on from where it was: it must begin anew. */
  | "RESOURCE_VERSION_GONE";

export class ResourceError extends CodedError<ResourceErrorCode> {}
