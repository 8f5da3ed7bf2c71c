/** Contents as lists tell them. */

import type { ContentRecord } from "../kernel/content-table.ts";
import { contentIdOfKey } from "../repository/content/content-id.ts";
import { compressionNameOf } from "../repository/format/compressions.ts";
import { asBytes, asTime, type Column, type Row } from "./listing.ts";

export const contentColumns: readonly Column[] = [
  { field: "contentId", title: "CONTENT" },
  { field: "length", title: "SIZE", ...asBytes },
  { field: "packedLength", title: "PACKED", ...asBytes },
  { field: "compression" },
  { field: "time", ...asTime },
  { field: "deleted", text: (deleted: boolean) => (deleted ? "deleted" : "") },
  { field: "pack", isWide: true },
  { field: "packOffset", title: "OFFSET", isWide: true },
];

export function contentRow(record: ContentRecord): Row {
  return {
    contentId: contentIdOfKey(record.key),
    length: record.originalLength,
    packedLength: record.packedLength,
    compression: compressionNameOf(record.form.compressionId),
    time: new Date(record.timestampSeconds * 1000).toISOString(),
    deleted: record.deleted,
    pack: record.packId,
    packOffset: record.packOffset,
  };
}

export function* contentRows(records: Iterable<ContentRecord>): Iterable<Row> {
  for (const record of records) yield contentRow(record);
}
