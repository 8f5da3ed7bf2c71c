import { CodedError } from "../base/errors.ts";

export type CliErrorCode =
  | "CLI_BUNDLE_FAILED"
  | "CLI_CHECK_FAILED"
  | "CLI_ENDPOINT_UNRESOLVED"
  | "CLI_LOCATION_UNSUPPORTED"
  | "CLI_MANIFEST_NOT_FOUND"
  | "CLI_OUTPUT_FAILED"
  | "CLI_PASSWORD_MISSING"
  | "CLI_USAGE"
  | "CLI_VERIFY_FAILED";

export class CliError extends CodedError<CliErrorCode> {}
