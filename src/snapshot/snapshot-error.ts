import { CodedError } from "../base/errors.ts";

export type SnapshotErrorCode =
  | "FOLDER_INVALID"
  | "SNAPSHOT_AMBIGUOUS"
  | "SNAPSHOT_ENTRY_UNREADABLE"
  | "SNAPSHOT_INVALID"
  | "SNAPSHOT_NOT_FOUND"
  | "SNAPSHOT_PATH_NOT_FOUND"
  | "SNAPSHOT_SELECTOR_INVALID"
  | "SNAPSHOT_TAG_RESERVED";

export class SnapshotError extends CodedError<SnapshotErrorCode> {}

/** Text that others chose, fit for a message: quoted, and cut. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
