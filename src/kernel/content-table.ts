/**
 * Many content records in one block of memory, sorted by key and searched in place: about 37 bytes a content, never an
 * object each. A repository's index is a few of these; a native kernel reads the same bytes.
 *
 * Record, big-endian, `keyBytes + 20` bytes:
 *
 *   key       prefix byte (0 for none), then the hash
 *   +0  u32   timestamp, whole seconds since the Unix epoch
 *   +4  u32   bit 31 deleted, bits 0..30 offset in the pack
 *   +8  u32   packed length
 *   +12 u32   original length
 *   +16 u24   pack number, an index into `packs`
 *   +19 u8    form number, an index into `forms`
 *
 * This layout is ours and lives in memory only; what is stored is docs/format/index-v1.md and index-v2.md.
 */

import { strict as assert } from "node:assert";
import { bufferOf, compareBytes, viewOf } from "../base/bytes.ts";

/** How a content's bytes were made; most repositories have one or two of these. */
export interface ContentForm {
  readonly compressionId: number;
  /** The repository's format version when it was written: informational. */
  readonly formatVersion: number;
  readonly encryptionKeyId: number;
}

/** One record, taken apart. */
export interface ContentRecord {
  readonly key: Uint8Array;
  readonly timestampSeconds: number;
  readonly deleted: boolean;
  readonly packId: string;
  readonly packOffset: number;
  readonly packedLength: number;
  readonly originalLength: number;
  readonly form: ContentForm;
}

const fieldBytes = 20;
const timestampAt = 0;
const offsetAt = 4;
const packedLengthAt = 8;
const originalLengthAt = 12;
const packNumberAt = 16;
const deletedBit = 0x8000_0000;
const packsMax = 1 << 24;
const formsMax = 1 << 8;

/** Immutable once made. Keys are unique and ascending. */
export class ContentTable {
  readonly keyBytes: number;
  readonly recordBytes: number;
  readonly count: number;
  readonly bytes: Uint8Array;
  readonly packs: readonly string[];
  readonly forms: readonly ContentForm[];
  readonly #view: DataView;

  constructor(keyBytes: number, bytes: Uint8Array, packs: readonly string[], forms: readonly ContentForm[]) {
    this.keyBytes = keyBytes;
    this.recordBytes = keyBytes + fieldBytes;
    this.count = bytes.byteLength / this.recordBytes;
    assert(Number.isInteger(this.count), "a table holds whole records");
    this.bytes = bytes;
    this.packs = packs;
    this.forms = forms;
    this.#view = viewOf(bytes);
  }

  /** The same records, all in the one pack of this name. For a table of a pack that had no name yet. */
  inPack(packId: string): ContentTable {
    assert(this.packs.length <= 1, "only a table of one pack can be given its name");
    return new ContentTable(this.keyBytes, this.bytes, [packId], this.forms);
  }

  /** Number of the record with this key, or -1. */
  find(key: Uint8Array): number {
    const at = this.lowerBound(key);
    return at < this.count && this.#compareKey(at, key) === 0 ? at : -1;
  }

  /** Number of the first record whose key is not less than `key`; `count` when all are less. */
  lowerBound(key: Uint8Array): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compareKey(middle, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** A view, valid as long as the table. */
  key(record: number): Uint8Array {
    const start = record * this.recordBytes;
    return this.bytes.subarray(start, start + this.keyBytes);
  }

  timestampSeconds(record: number): number {
    return this.#view.getUint32(this.#fields(record) + timestampAt);
  }

  isDeleted(record: number): boolean {
    return this.#view.getUint32(this.#fields(record) + offsetAt) >= deletedBit;
  }

  packId(record: number): string {
    return this.packs[this.packNumber(record)] as string;
  }

  packNumber(record: number): number {
    const at = this.#fields(record) + packNumberAt;
    return this.#view.getUint32(at) >>> 8;
  }

  /** Into `forms`. */
  formNumber(record: number): number {
    return this.#view.getUint32(this.#fields(record) + packNumberAt) & 0xff;
  }

  /** Bit 31 where it is deleted, and the offset below. */
  packOffsetWord(record: number): number {
    return this.#view.getUint32(this.#fields(record) + offsetAt);
  }

  packedLength(record: number): number {
    return this.#view.getUint32(this.#fields(record) + packedLengthAt);
  }

  originalLength(record: number): number {
    return this.#view.getUint32(this.#fields(record) + originalLengthAt);
  }

  /** Without a view of it, which costs more than the few bytes. */
  copyKey(record: number, target: Uint8Array, at: number): void {
    const start = record * this.recordBytes;
    for (let i = 0; i < this.keyBytes; i++) target[at + i] = this.bytes[start + i] as number;
  }

  at(record: number): ContentRecord {
    const offset = this.packOffsetWord(record);
    return {
      key: this.key(record),
      timestampSeconds: this.timestampSeconds(record),
      deleted: offset >= deletedBit,
      packId: this.packId(record),
      packOffset: offset & 0x7fff_ffff,
      packedLength: this.packedLength(record),
      originalLength: this.originalLength(record),
      form: this.forms[this.formNumber(record)] as ContentForm,
    };
  }

  /** Records in key order, those whose key begins with `prefix`, or all. */
  *records(prefix?: number): IterableIterator<ContentRecord> {
    let record = prefix === undefined ? 0 : this.lowerBound(Uint8Array.of(prefix));
    for (; record < this.count; record++) {
      if (prefix !== undefined && this.bytes[record * this.recordBytes] !== prefix) return;
      yield this.at(record);
    }
  }

  /** As `compareBytes` of a record's key and this one, without a view of it: most keys differ in the first few bytes. */
  #compareKey(record: number, key: Uint8Array): number {
    const start = record * this.recordBytes;
    const length = Math.min(this.keyBytes, key.byteLength);
    for (let i = 0; i < length; i++) {
      const difference = (this.bytes[start + i] as number) - (key[i] as number);
      if (difference !== 0) return difference;
    }
    return this.keyBytes - key.byteLength;
  }

  #fields(record: number): number {
    return record * this.recordBytes + this.keyBytes;
  }
}

/** Takes records in any order; one key may come several times, the winner stays. */
export class ContentTableBuilder {
  readonly keyBytes: number;
  readonly #recordBytes: number;
  readonly #packNumbers = new Map<string, number>();
  readonly #forms: ContentForm[] = [];
  #bytes: Uint8Array;
  #view: DataView;
  #count = 0;

  /** `capacity` in records; grows when it must. */
  constructor(keyBytes: number, capacity = 64) {
    this.keyBytes = keyBytes;
    this.#recordBytes = keyBytes + fieldBytes;
    this.#bytes = new Uint8Array(Math.max(1, capacity) * this.#recordBytes);
    this.#view = viewOf(this.#bytes);
  }

  get count(): number {
    return this.#count;
  }

  add(record: ContentRecord): void {
    assert(record.key.byteLength === this.keyBytes, "keys of one table have one length");
    const start = this.#count * this.#recordBytes;
    if (start + this.#recordBytes > this.#bytes.byteLength) this.#grow();
    this.#bytes.set(record.key, start);
    const at = start + this.keyBytes;
    this.#view.setUint32(at + timestampAt, Math.min(record.timestampSeconds, 0xffff_ffff));
    this.#view.setUint32(at + offsetAt, (record.packOffset | (record.deleted ? deletedBit : 0)) >>> 0);
    this.#view.setUint32(at + packedLengthAt, record.packedLength);
    this.#view.setUint32(at + originalLengthAt, record.originalLength);
    const last = this.#packNumber(record.packId) * 256 + this.#formNumber(record.form);
    this.#view.setUint32(at + packNumberAt, last);
    this.#count++;
  }

  /** Sorted, each key once. The builder is empty afterwards. */
  build(): ContentTable {
    const unsorted = new ContentTable(
      this.keyBytes,
      this.#bytes.subarray(0, this.#count * this.#recordBytes),
      [...this.#packNumbers.keys()],
      [...this.#forms],
    );
    const sorted = sortRecords(unsorted);
    this.#packNumbers.clear();
    this.#forms.length = 0;
    this.#bytes = new Uint8Array(0);
    this.#view = viewOf(this.#bytes);
    this.#count = 0;
    return sorted;
  }

  #grow(): void {
    const larger = new Uint8Array(Math.max(64 * this.#recordBytes, this.#bytes.byteLength * 2));
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = viewOf(larger);
  }

  #packNumber(packId: string): number {
    const known = this.#packNumbers.get(packId);
    if (known !== undefined) return known;
    const number = this.#packNumbers.size;
    assert(number < packsMax, "a table names at most 2^24 packs");
    this.#packNumbers.set(packId, number);
    return number;
  }

  #formNumber(form: ContentForm): number {
    const known = this.#forms.findIndex((other) => sameForm(other, form));
    if (known >= 0) return known;
    assert(this.#forms.length < formsMax, "a table has at most 256 forms");
    return this.#forms.push(form) - 1;
  }
}

/** Numbers from 0 in the order of first appearance. */
export class Appearances {
  /** The numbers of before, in the new order. */
  readonly order: number[] = [];
  readonly #numbers: Int32Array;

  /** Of `count` numbers of before. */
  constructor(count: number) {
    this.#numbers = new Int32Array(count).fill(-1);
  }

  add(number: number): void {
    if (this.#numbers[number] === -1) this.#numbers[number] = this.order.push(number) - 1;
  }

  /** Of one that was added. */
  of(number: number): number {
    return this.#numbers[number] as number;
  }
}

/** What packs and forms are called in a merged table. */
export interface MergedNames {
  readonly packs: readonly string[];
  readonly forms: readonly ContentForm[];
  /** For each table the new number of each of its packs, and of each of its forms. */
  readonly packNumbers: readonly Uint32Array[];
  readonly formNumbers: readonly Uint8Array[];
}

/** Each once, in the order of the tables. */
export function mergeNames(tables: readonly ContentTable[]): MergedNames {
  const numberOfPack = new Map<string, number>();
  const forms: ContentForm[] = [];
  const packNumbers: Uint32Array[] = [];
  const formNumbers: Uint8Array[] = [];
  for (const table of tables) {
    const numbers = Uint32Array.from(table.packs, (packId) => {
      const known = numberOfPack.get(packId);
      if (known !== undefined) return known;
      numberOfPack.set(packId, numberOfPack.size);
      return numberOfPack.size - 1;
    });
    packNumbers.push(numbers);
    const numberOfForm = (form: ContentForm): number => {
      const known = forms.findIndex((other) => sameForm(other, form));
      return known >= 0 ? known : forms.push(form) - 1;
    };
    formNumbers.push(Uint8Array.from(table.forms.map(numberOfForm)));
  }
  assert(numberOfPack.size <= packsMax && forms.length <= formsMax, "a table names at most 2^24 packs and 256 forms");
  return { packs: [...numberOfPack.keys()], forms, packNumbers, formNumbers };
}

/** All records of the tables, of which there is one at least; each key once. Neighbours are paired until one is left. */
export function mergeTables(tables: readonly ContentTable[]): ContentTable {
  let rest = tables;
  while (rest.length > 1) {
    const merged: ContentTable[] = [];
    for (let i = 0; i < rest.length; i += 2) {
      const [a, b] = [rest[i] as ContentTable, rest[i + 1]];
      merged.push(b === undefined ? a : mergeTwo(a, b));
    }
    rest = merged;
  }
  assert(rest[0] !== undefined, "there is a table to merge");
  return rest[0];
}

/** Linear. */
function mergeTwo(a: ContentTable, b: ContentTable): ContentTable {
  assert(a.keyBytes === b.keyBytes, "tables of one repository have one key length");
  const merged = new Uint8Array(a.bytes.byteLength + b.bytes.byteLength);
  const { packs, forms, packNumbers, formNumbers } = mergeNames([a, b]);
  const [packOfB, formOfB] = [packNumbers[1] as Uint32Array, formNumbers[1] as Uint8Array];

  const view = viewOf(merged);
  const { recordBytes, keyBytes } = a;
  let out = 0;
  const copyA = (record: number): void => {
    merged.set(a.bytes.subarray(record * recordBytes, (record + 1) * recordBytes), out);
    out += recordBytes;
  };
  const copyB = (record: number): void => {
    merged.set(b.bytes.subarray(record * recordBytes, (record + 1) * recordBytes), out);
    const at = out + keyBytes + packNumberAt;
    const last = view.getUint32(at);
    view.setUint32(at, (packOfB[last >>> 8] as number) * 256 + (formOfB[last & 0xff] as number));
    out += recordBytes;
  };
  let i = 0;
  let j = 0;
  while (i < a.count && j < b.count) {
    const order = compareBytes(a.key(i), b.key(j));
    if (order < 0) copyA(i++);
    else if (order > 0) copyB(j++);
    else {
      if (beats(b, j, a, i)) copyB(j);
      else copyA(i);
      i++;
      j++;
    }
  }
  while (i < a.count) copyA(i++);
  while (j < b.count) copyB(j++);
  return new ContentTable(keyBytes, merged.subarray(0, out), packs, forms);
}

/** The winning record for a key over several tables, or undefined. */
export function findInTables(
  tables: readonly ContentTable[],
  key: Uint8Array,
): { readonly table: ContentTable; readonly record: number } | undefined {
  let best: { table: ContentTable; record: number } | undefined;
  for (const table of tables) {
    if (table.keyBytes !== key.byteLength) continue;
    const record = table.find(key);
    if (record >= 0 && (best === undefined || beats(table, record, best.table, best.record))) best = { table, record };
  }
  return best;
}

/**
 * Which of two records of one content counts: the younger; else the one that is not deleted; else the one whose pack
 * has the greater name. Source: kopia repo/content/index/merged.go.
 */
function beats(a: ContentTable, i: number, b: ContentTable, j: number): boolean {
  const age = a.timestampSeconds(i) - b.timestampSeconds(j);
  if (age !== 0) return age > 0;
  if (a.isDeleted(i) !== b.isDeleted(j)) return !a.isDeleted(i);
  return a.packId(i) > b.packId(j);
}

function sameForm(a: ContentForm, b: ContentForm): boolean {
  return (
    a.compressionId === b.compressionId &&
    a.formatVersion === b.formatVersion &&
    a.encryptionKeyId === b.encryptionKeyId
  );
}

/** Sorts by a number made of the key's first six bytes, and looks at whole keys only where those are equal. */
function sortRecords(table: ContentTable): ContentTable {
  const { count, keyBytes, recordBytes, bytes } = table;
  const buffer = bufferOf(bytes);
  const headBytes = Math.min(6, keyBytes);
  const heads = new Float64Array(count);
  for (let record = 0; record < count; record++) heads[record] = buffer.readUIntBE(record * recordBytes, headBytes);
  const order = new Uint32Array(count).map((_, record) => record);
  order.sort((i, j) => (heads[i] as number) - (heads[j] as number) || compareBytes(table.key(i), table.key(j)));

  const sorted = new Uint8Array(bytes.byteLength);
  let out = 0;
  let last = -1;
  for (const record of order) {
    const repeats =
      last >= 0 && heads[last] === heads[record] && compareBytes(table.key(last), table.key(record)) === 0;
    if (repeats && !beats(table, record, table, last)) continue;
    if (repeats) out -= recordBytes;
    sorted.set(bytes.subarray(record * recordBytes, (record + 1) * recordBytes), out);
    out += recordBytes;
    last = record;
  }
  return new ContentTable(keyBytes, sorted.subarray(0, out), table.packs, table.forms);
}
