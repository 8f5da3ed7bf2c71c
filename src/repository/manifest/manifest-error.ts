import { CodedError } from "../../base/errors.ts";

export type ManifestErrorCode = "MANIFEST_CORRUPT";

export class ManifestError extends CodedError<ManifestErrorCode> {}
