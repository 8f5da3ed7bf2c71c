/** How many contents an index has, and what they take. */

import type { ContentRecord } from "../kernel/content-table.ts";
import { compressionNameOf } from "../repository/format/compressions.ts";

interface Totals {
  readonly count: number;
  /** Before compression. */
  readonly bytes: number;
  /** As they are stored, sealed. */
  readonly packedBytes: number;
}

export interface ContentTotals extends Totals {
  /** Not among the others: they are deleted, and can still be read. */
  readonly deleted: Totals;
  readonly compressions: Readonly<Record<string, Totals>>;
  /** By the letter that their ids begin with, "" for the bytes of files. */
  readonly prefixes: Readonly<Record<string, Totals>>;
}

export function countContents(records: Iterable<ContentRecord>): ContentTotals {
  const all = new Sum();
  const deleted = new Sum();
  const compressions: Record<string, Sum> = {};
  const prefixes: Record<string, Sum> = {};
  for (const record of records) {
    if (record.deleted) {
      deleted.add(record);
      continue;
    }
    all.add(record);
    const compression = compressionNameOf(record.form.compressionId);
    compressions[compression] ??= new Sum();
    compressions[compression].add(record);
    const prefix = record.key[0] === 0 ? "" : String.fromCharCode(record.key[0] as number);
    prefixes[prefix] ??= new Sum();
    prefixes[prefix].add(record);
  }
  return { ...all, deleted, compressions, prefixes };
}

class Sum implements Totals {
  count = 0;
  bytes = 0;
  packedBytes = 0;

  add({ originalLength, packedLength }: ContentRecord): void {
    this.count++;
    this.bytes += originalLength;
    this.packedBytes += packedLength;
  }
}
