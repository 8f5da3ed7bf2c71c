import { CodedError } from "../../base/errors.ts";

export type IndexErrorCode = "INDEX_BLOB_DAMAGED" | "INDEX_INVALID" | "INDEX_UNSTABLE" | "INDEX_WRITE_EXPIRED";

export class IndexError extends CodedError<IndexErrorCode> {}
