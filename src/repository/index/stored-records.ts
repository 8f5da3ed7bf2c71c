import type { ContentRecord } from "../../kernel/content-table.ts";

/** Entries of one stored index, read in place. */
export interface StoredRecords extends Iterable<ContentRecord> {
  readonly keyBytes: number;
  readonly count: number;
}
