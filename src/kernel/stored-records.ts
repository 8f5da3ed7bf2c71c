import type { ContentRecord } from "./content-table.ts";

/** Entries of one stored index, read in place. */
export interface StoredRecords extends Iterable<ContentRecord> {
  readonly keyBytes: number;
  readonly count: number;
}
