import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { toHex } from "../../src/base/bytes.ts";
import { CodedError } from "../../src/base/errors.ts";
import { type ContentRecord, ContentTableBuilder } from "../../src/kernel/content-table.ts";
import { decodeIndex, encodeIndex } from "../../src/kernel/index-codec.ts";

const keyBytes = 17;
const sealOverheadBytes = 28;

function record(id: string, fields: Partial<ContentRecord> = {}): ContentRecord {
  const prefixed = id.length % 2 === 1;
  const key = Buffer.alloc(keyBytes);
  if (prefixed) key[0] = id.charCodeAt(0);
  key.write(prefixed ? id.slice(1) : id, 1, "hex");
  return {
    key,
    timestampSeconds: 0,
    deleted: false,
    packId: "p",
    packOffset: 0,
    packedLength: sealOverheadBytes,
    originalLength: 0,
    form: { compressionId: 0, formatVersion: 3, encryptionKeyId: 0 },
    ...fields,
  };
}

function tableOf(records: Iterable<ContentRecord>) {
  const builder = new ContentTableBuilder(keyBytes);
  for (const one of records) builder.add(one);
  return builder.build();
}

/** Entries of spec section 13.3. */
function vectorRecords(version: 1 | 2): ContentRecord[] {
  const form = (compressionId: number, formatVersion: number) => ({
    compressionId: version === 1 ? 0 : compressionId,
    formatVersion,
    encryptionKeyId: 0,
  });
  return [
    record("m00112233445566778899aabbccddeeff", {
      packId: "qaaaa-s1",
      timestampSeconds: 1_700_000_000,
      packOffset: 32,
      packedLength: 128,
      originalLength: 100,
      form: form(0, 3),
    }),
    record("ff112233445566778899aabbccddeeff", {
      packId: "pbbbb-s1",
      timestampSeconds: 1_700_000_001,
      packOffset: 33,
      packedLength: 5000,
      originalLength: 9999,
      form: form(0x1101, 3),
    }),
    record("0a112233445566778899aabbccddeeff", {
      packId: "pbbbb-s1",
      timestampSeconds: 1_700_000_002,
      packOffset: 0x1234_5678,
      packedLength: 20_971_520,
      originalLength: 22_020_096,
      deleted: true,
      form: form(0, 2),
    }),
  ];
}

function* manyRecords(version: 1 | 2): Generator<ContentRecord> {
  yield* vectorRecords(version);
  for (let i = 0; i < 70_000; i++) {
    yield record((7919 * i + 1).toString(16).padStart(32, "0"), {
      packId: `p${String(i).padStart(6, "0")}`,
      timestampSeconds: i,
      packOffset: i,
      packedLength: i + 28,
      originalLength: i,
      form: { compressionId: version === 1 ? 0 : 0x1000 + (i % 3), formatVersion: i % 4, encryptionKeyId: 0 },
    });
  }
}

const v1 =
  "0111001400000003000a112233445566778899aabbccddeeff00006553f102020800000077923456780140000000ff112233445566778899aabbccddeeff00006553f10103080000007700000021000013886d00112233445566778899aabbccddeeff00006553f10003080000007f000000200000008070626262622d733171616161612d7331";
const v2 =
  "0211001300000003000000020300000000000a112233445566778899aabbccddeeff6553f10292345678500000400000000000001100ff112233445566778899aabbccddeeff6553f1010000002100270f00138800000100006d00112233445566778899aabbccddeeff6553f100000000200000640000800001020000080000009908000000a100000000020000001101030000000000030070626262622d733171616161612d7331";

test("an index of version 1 has the bytes of the vector", () => {
  assert.equal(toHex(encodeIndex(tableOf(vectorRecords(1)), 1)), v1);
});

test("an index of version 2 has the bytes of the vector", () => {
  assert.equal(toHex(encodeIndex(tableOf(vectorRecords(2)), 2)), v2);
});

test("seventy thousand entries give the digests of the vectors", () => {
  const one = encodeIndex(tableOf(manyRecords(1)), 1);
  assert.equal(one.byteLength, 3_080_135);
  assert.equal(sha256(one), "fbe9af10791d0002d1cb1a27cd9e28a6fc7aafeb10fe67fc0807bd8996ec7030");
  const two = encodeIndex(tableOf(manyRecords(2)), 2);
  assert.equal(two.byteLength, 3_360_241);
  assert.equal(sha256(two), "cd24f6299ba3b7855ea05a617aa576b91938e3fbd36a15bab591228b0d75b312");
});

test("lengths of 2^28 and offsets of 2^30 are refused in version 2, one less is stored", () => {
  const at = (fields: Partial<ContentRecord>) => encodeIndex(tableOf([record("00".repeat(16), fields)]), 2);
  for (const fields of [{ packedLength: 2 ** 28 }, { originalLength: 2 ** 28 }, { packOffset: 2 ** 30 }]) {
    assert.throws(() => at(fields), { code: "KERNEL_INDEX_INVALID" });
  }
  const edge = { packedLength: 2 ** 28 - 1, originalLength: 2 ** 28 - 1, packOffset: 2 ** 30 - 1 };
  const [read] = [...decodeIndex(at(edge), keyBytes, sealOverheadBytes).records()];
  assert.partialDeepStrictEqual(read, edge);
});

test("what is encoded decodes to the same records, whatever they are", () => {
  const anyRecord = fc
    .record({
      hash: fc.uint8Array({ minLength: 16, maxLength: 16 }),
      prefix: fc.constantFrom(0, 0x67, 0x6b, 0x7a),
      timestampSeconds: fc.nat(0xffff_ffff),
      deleted: fc.boolean(),
      packId: fc.stringMatching(/^[pq][0-9a-f]{1,12}(-s[0-9a-f]{3})?$/),
      packOffset: fc.nat(2 ** 30 - 1),
      originalLength: fc.oneof(fc.nat(1000), fc.nat(2 ** 28 - 29)),
      form: fc.record({
        compressionId: fc.constantFrom(0, 0x1100, 0x1200),
        formatVersion: fc.constantFrom(1, 2, 3),
        encryptionKeyId: fc.constant(0),
      }),
    })
    .map(({ hash, prefix, ...rest }) => ({
      ...rest,
      key: Buffer.concat([Uint8Array.of(prefix), hash]),
      packedLength: rest.originalLength + sealOverheadBytes,
    }));
  fc.assert(
    fc.property(
      fc.array(anyRecord, { minLength: 1, maxLength: 40 }),
      fc.constantFrom<1 | 2>(1, 2),
      (records, version) => {
        const table = tableOf(
          records.map((one) => (version === 1 ? { ...one, form: { ...one.form, compressionId: 0 } } : one)),
        );
        const bytes = Buffer.concat([encodeIndex(table, version), Buffer.from("random suffix")]);
        const back = decodeIndex(bytes, keyBytes, sealOverheadBytes);
        assert.deepEqual([...back.records()].map(plain), [...table.records()].map(plain));
      },
    ),
  );
});

test("damaged index bytes give records or a coded error, nothing else", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(v1, v2),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 }),
      fc.nat(200),
      (hex, flips, cut) => {
        const bytes = Buffer.from(hex, "hex");
        for (const [at, value] of flips) bytes[at % bytes.byteLength] = value;
        try {
          decodeIndex(bytes.subarray(0, Math.max(0, bytes.byteLength - (cut > 150 ? cut - 150 : 0))), keyBytes, 28);
        } catch (error) {
          assert(error instanceof CodedError, String(error));
        }
      },
    ),
    { numRuns: 2000 },
  );
});

function plain(one: ContentRecord) {
  return { ...one, form: { ...one.form }, key: toHex(one.key) };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
