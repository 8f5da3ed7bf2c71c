import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromUtf8, toUtf8 } from "../../../src/base/bytes.ts";
import { CodedError } from "../../../src/base/errors.ts";
import {
  encodeIndirectList,
  iterateIndirectList,
  type ListEntry,
} from "../../../src/repository/object/indirect-list.ts";
import { type ObjectId, parseObjectId } from "../../../src/repository/object/object-id.ts";

const list = "Ixabcd" as ObjectId;

function decode(text: string): ListEntry[] {
  return [...iterateIndirectList(toUtf8(text), list)];
}

const example =
  '{"stream":"kopia:indirect","entries":[{"l":8388608,"o":"6f5c"},{"s":8388608,"l":5357122,"o":"f796"}]}\n';

test("a list has the bytes that Go writes, for they are hashed", () => {
  const [a, b] = ["6f5c", "f796"] as unknown as [ObjectId, ObjectId];
  const bytes = encodeIndirectList([
    { length: 8_388_608, objectId: a },
    { length: 5_357_122, objectId: b },
  ]);
  assert.equal(fromUtf8(bytes), example);
  assert.equal(
    fromUtf8(encodeIndirectList([0, 5, 0].map((length) => ({ length, objectId: a })))),
    '{"stream":"kopia:indirect","entries":[{"o":"6f5c"},{"l":5,"o":"6f5c"},{"s":5,"o":"6f5c"}]}\n',
  );
});

test("what is encoded decodes to the same entries, each where the one before it ends", () => {
  const anyEntry = fc.record({
    length: fc.oneof(fc.constant(0), fc.nat(), fc.nat(2 ** 40)),
    objectId: fc.constantFrom("abcd", "Zabcd", "Ixabcd", "kabcd").map(parseObjectId),
  });
  fc.assert(
    fc.property(fc.array(anyEntry, { minLength: 1 }), (entries) => {
      let start = 0;
      const expected = entries.map((entry) => {
        const at = { start, ...entry };
        start += entry.length;
        return at;
      });
      assert.deepEqual([...iterateIndirectList(encodeIndirectList(entries), list)], expected);
    }),
  );
});

test("other spellings of a list are read: any stream, unknown keys, white space, bytes behind it", () => {
  for (const text of [
    '{"entries":[{"s":0,"l":5,"o":"abcd"}]}',
    '{"stream":"another","more":{"entries":[]},"entries":[{"future":[1],"l":5,"o":"abcd"}]}',
    '\n{ "entries" : [ { "o":"abcd", "l":5, "s":null } ] } trailing',
  ]) {
    assert.deepEqual(decode(text), [{ start: 0, length: 5, objectId: "abcd" }], text);
  }
});

for (const [problem, text] of [
  ["a gap", '{"entries":[{"l":5,"o":"abcd"},{"s":6,"l":5,"o":"abcd"}]}'],
  ["an overlap", '{"entries":[{"l":5,"o":"abcd"},{"s":4,"l":5,"o":"abcd"}]}'],
  ["a first entry that does not begin at 0", '{"entries":[{"s":1,"l":5,"o":"abcd"}]}'],
  ["entries out of order", '{"entries":[{"s":5,"l":5,"o":"abcd"},{"l":5,"o":"abcd"}]}'],
  ["no entries", '{"entries":[]}'],
  ["no list of entries", '{"stream":"kopia:indirect"}'],
  ["entries that are none", '{"entries":{"l":5}}'],
  ["an entry that is null", '{"entries":[null]}'],
  ["an entry that is a number", '{"entries":[5]}'],
  ["an entry without an object", '{"entries":[{"l":5}]}'],
  ["a negative length", '{"entries":[{"l":-5,"o":"abcd"}]}'],
  ["a length with a fraction", '{"entries":[{"l":0.5,"o":"abcd"}]}'],
  ["a length beyond 2^53", '{"entries":[{"l":9007199254740993,"o":"abcd"}]}'],
  ["a length that is a text", '{"entries":[{"l":"5","o":"abcd"}]}'],
  [
    "lengths that add up beyond counting",
    `{"entries":[{"l":${2 ** 53 - 1},"o":"ab"},{"s":${2 ** 53 - 1},"l":9,"o":"ab"},{"s":9,"o":"ab"}]}`,
  ],
  ["no JSON", '{"entries":[{"l":5,"o":"abcd"}'],
  ["nothing at all", ""],
] as const) {
  test(`a list with ${problem} is corrupt`, () => {
    assert.throws(() => decode(text), { code: "OBJECT_CORRUPT", message: /^the list of object Ixabcd / });
  });
}

test("an entry that names no object is refused by what it names", () => {
  assert.throws(() => decode('{"entries":[{"l":5,"o":"../etc"}]}'), {
    code: "OBJECT_ID_INVALID",
    message: /"\.\.\/etc"/,
  });
});

test("damaged lists give entries that follow each other, or a coded error", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
      fc.nat(example.length),
      (changes, length) => {
        const bytes = Buffer.from(example);
        for (const [at, value] of changes) bytes[at % bytes.byteLength] = value;
        try {
          let end = 0;
          for (const entry of iterateIndirectList(bytes.subarray(0, length), list)) {
            assert.equal(entry.start, end);
            end += entry.length;
          }
        } catch (error) {
          assert.ok(error instanceof CodedError, String(error));
        }
      },
    ),
    { numRuns: 2000 },
  );
});
