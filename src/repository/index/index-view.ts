/**
 * The committed state at one moment, in which each entry has a number: what is to be remembered of many contents is a bit or a
 * small number each, in an array by that number. A later refresh changes nothing here.
 */

import assert from "node:assert/strict";
import { type ContentRecord, type ContentTable, findInTables } from "../../kernel/content-table.ts";

export interface NumberedRecord {
  readonly number: number;
  readonly record: ContentRecord;
}

/** A tombstone shows until the watermark has passed it, for its bytes are still there. */
export function isGone({ deleted, timestampSeconds }: ContentRecord, watermarkSeconds: number): boolean {
  return deleted && timestampSeconds <= watermarkSeconds;
}

export class IndexView {
  /** Numbers are below it; not each is a winning entry's. */
  readonly count: number;
  readonly #tables: readonly ContentTable[];
  readonly #firstNumbers = new Map<ContentTable, number>();
  readonly #watermarkSeconds: number;

  /** Tombstones at or before the watermark are gone. */
  constructor(tables: readonly ContentTable[], watermarkSeconds: number) {
    this.#tables = tables;
    this.#watermarkSeconds = watermarkSeconds;
    let count = 0;
    for (const table of tables) {
      this.#firstNumbers.set(table, count);
      count += table.count;
    }
    this.count = count;
  }

  /** The winning entry, tombstones that are not gone among them. */
  find(key: Uint8Array): NumberedRecord | undefined {
    const found = findInTables(this.#tables, key);
    if (found === undefined) return undefined;
    const record = found.table.at(found.record);
    if (isGone(record, this.#watermarkSeconds)) return undefined;
    return { number: (this.#firstNumbers.get(found.table) as number) + found.record, record };
  }

  at(number: number): ContentRecord {
    const [table, record] = this.#locate(number);
    return table.at(record);
  }

  /** Orders numbers by where their bytes lie: by table, then by pack, then by offset. */
  comparePlaces(a: number, b: number): number {
    const [tableOfA, recordOfA] = this.#locate(a);
    const [tableOfB, recordOfB] = this.#locate(b);
    if (tableOfA !== tableOfB) return a - b;
    const packs = tableOfA.packNumber(recordOfA) - tableOfB.packNumber(recordOfB);
    return packs || tableOfA.packOffsetWord(recordOfA) - tableOfB.packOffsetWord(recordOfB);
  }

  /** Every winning entry once, tombstones that are not gone among them; table by table, in each by key. */
  *records(): IterableIterator<NumberedRecord> {
    for (const table of this.#tables) {
      const first = this.#firstNumbers.get(table) as number;
      for (let record = 0; record < table.count; record++) {
        const found = this.find(table.key(record));
        if (found?.number === first + record) yield found;
      }
    }
  }

  #locate(number: number): readonly [table: ContentTable, record: number] {
    let left = number;
    for (const table of this.#tables) {
      if (left < table.count) return [table, left];
      left -= table.count;
    }
    assert.fail("a number is one of this view");
  }
}
