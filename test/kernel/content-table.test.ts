import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { toHex } from "../../src/base/bytes.ts";
import {
  type ContentRecord,
  type ContentTable,
  ContentTableBuilder,
  findInTables,
  mergeTables,
} from "../../src/kernel/content-table.ts";

const keyBytes = 9;

/** Few keys, so that they meet often; some differ only behind the six bytes that are sorted first. */
const anyKey = fc
  .tuple(fc.constantFrom(0, 0x6b, 0x78), fc.nat(2), fc.nat(3))
  .map(([prefix, high, low]) => Uint8Array.of(prefix, high, 0, 0, 0, 0, 0, 0, low));

const anyRecord: fc.Arbitrary<ContentRecord> = fc.record({
  key: anyKey,
  timestampSeconds: fc.oneof(fc.nat(3), fc.constant(0xffff_ffff)),
  deleted: fc.boolean(),
  packId: fc.constantFrom("p1", "p10", "p2", "q1"),
  packOffset: fc.constantFrom(0, 32, 2 ** 30 - 1, 2 ** 31 - 1),
  packedLength: fc.constantFrom(28, 2 ** 28 - 1, 2 ** 32 - 1),
  originalLength: fc.constantFrom(0, 2 ** 28 - 1, 2 ** 32 - 1),
  form: fc.record({
    compressionId: fc.constantFrom(0, 0x1101),
    formatVersion: fc.constantFrom(1, 3),
    encryptionKeyId: fc.constant(0),
  }),
});

const anyRecords = fc.array(anyRecord, { maxLength: 40, size: "max" });

/** The rule of the specification, section 7.4. */
function beats(a: ContentRecord, b: ContentRecord): boolean {
  if (a.timestampSeconds !== b.timestampSeconds) return a.timestampSeconds > b.timestampSeconds;
  if (a.deleted !== b.deleted) return b.deleted;
  return a.packId > b.packId;
}

/** Key in hex to the winner, in key order. Of equals the first stays. */
function modelOf(records: readonly ContentRecord[]): Map<string, ContentRecord> {
  const winners = new Map<string, ContentRecord>();
  for (const record of records) {
    const key = toHex(record.key);
    const known = winners.get(key);
    if (known === undefined || beats(record, known)) winners.set(key, record);
  }
  return new Map([...winners].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function tableOf(records: readonly ContentRecord[], capacity?: number): ContentTable {
  const builder = new ContentTableBuilder(keyBytes, capacity);
  for (const record of records) builder.add(record);
  return builder.build();
}

/** What decides: records that are equal in it may differ elsewhere, and which of them stays is open. */
function decisive(record: ContentRecord | undefined) {
  if (record === undefined) return undefined;
  const { timestampSeconds, deleted, packId } = record;
  return [toHex(record.key), timestampSeconds, deleted, packId];
}

function plain(record: ContentRecord) {
  return { ...record, key: toHex(record.key), form: { ...record.form } };
}

test("a table gives back every record as it was added, in key order", () => {
  fc.assert(
    fc.property(fc.uniqueArray(anyRecord, { selector: ({ key }) => toHex(key) }), fc.nat(4), (records, capacity) => {
      const table = tableOf(records, capacity);
      assert.deepEqual([...table.records()].map(plain), [...modelOf(records).values()].map(plain));
    }),
  );
});

test("of records with one key the younger counts, then the one that is not deleted, then the greater pack", () => {
  fc.assert(
    fc.property(anyRecords, (records) => {
      const table = tableOf(records);
      const model = modelOf(records);
      assert.deepEqual([...table.records()].map(decisive), [...model.values()].map(decisive));
      assert.equal(table.count, model.size);
    }),
  );
});

test("merging is like building one table of all records, in whatever order and grouping", () => {
  fc.assert(
    fc.property(anyRecords, anyRecords, anyRecords, (a, b, c) => {
      const [first, second, third] = [tableOf(a), tableOf(b), tableOf(c)];
      const expected = [...modelOf([...a, ...b, ...c]).values()].map(decisive);
      for (const merged of [
        mergeTables([mergeTables([first, second]), third]),
        mergeTables([first, mergeTables([second, third])]),
        mergeTables([third, first, second]),
      ]) {
        assert.deepEqual([...merged.records()].map(decisive), expected);
      }
    }),
  );
});

test("a merged record keeps all its fields, also where packs and forms have other numbers", () => {
  fc.assert(
    fc.property(fc.uniqueArray(anyRecord, { selector: ({ key }) => toHex(key) }), fc.nat(40), (records, at) => {
      const merged = mergeTables([tableOf(records.slice(0, at)), tableOf(records.slice(at))]);
      assert.deepEqual([...merged.records()].map(plain), [...modelOf(records).values()].map(plain));
    }),
  );
});

test("a key is found where it is and nowhere else, in one table and over several", () => {
  fc.assert(
    fc.property(anyRecords, anyRecords, anyKey, (a, b, key) => {
      const [one, two] = [tableOf(a), tableOf(b)];
      const found = one.find(key);
      assert.deepEqual(decisive(found < 0 ? undefined : one.at(found)), decisive(modelOf(a).get(toHex(key))));
      const overall = findInTables([one, two], key);
      const expected = modelOf([...a, ...b]).get(toHex(key));
      assert.deepEqual(decisive(overall?.table.at(overall.record)), decisive(expected));
      assert.equal(overall?.table.isDeleted(overall.record), expected?.deleted);
      assert.equal(overall?.table.timestampSeconds(overall.record), expected?.timestampSeconds);
    }),
  );
});

test("the records of a prefix are those whose keys begin with it", () => {
  fc.assert(
    fc.property(anyRecords, fc.constantFrom(0, 0x6a, 0x6b, 0x78, 0x7a), (records, prefix) => {
      const table = tableOf(records);
      const expected = [...table.records()].filter((record) => record.key[0] === prefix);
      assert.deepEqual([...table.records(prefix)].map(plain), expected.map(plain));
    }),
  );
});

test("a key of another length is in no table", () => {
  const table = tableOf(fc.sample(anyRecord, 5));
  assert.equal(findInTables([table], new Uint8Array(17)), undefined);
});

test("a time beyond the year 2106 is kept as the last that fits", () => {
  const [record] = fc.sample(anyRecord, 1) as [ContentRecord];
  assert.equal(tableOf([{ ...record, timestampSeconds: 2 ** 40 }]).timestampSeconds(0), 0xffff_ffff);
});

test("a table of one pack can be given its name", () => {
  const records = fc.sample(anyRecord, 5).map((record) => ({ ...record, packId: "" }));
  const named = tableOf(records).inPack("p7-s1");
  for (const record of named.records()) assert.equal(record.packId, "p7-s1");
});
