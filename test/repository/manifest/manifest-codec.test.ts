import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { concatBytes, fromUtf8, toUtf8 } from "../../../src/base/bytes.ts";
import { CodedError } from "../../../src/base/errors.ts";
import {
  decodeManifests,
  encodeManifests,
  type ManifestEntry,
  type ManifestId,
} from "../../../src/repository/manifest/manifest-codec.ts";

function entry(id: string, fields: Partial<ManifestEntry> = {}): ManifestEntry {
  const data = toUtf8('{"a":1}');
  return {
    id: id as ManifestId,
    labels: { type: "snapshot" },
    modifiedNs: 1_700_000_000_000_000_000n,
    deleted: false,
    data,
    ...fields,
  };
}

function decode(json: string): ManifestEntry[] {
  return [...decodeManifests(gzipSync(json))];
}

function plain({ data, ...fields }: ManifestEntry) {
  return { ...fields, data: fromUtf8(data) };
}

test("a content of manifests has the text that kopia writes, tombstones with nulls", () => {
  const content = encodeManifests([
    entry("aa", { labels: { type: "snapshot", path: "/a<b", b: "" }, modifiedNs: 1_795_380_157_706_431_216n }),
    entry("bb", { deleted: true, data: new Uint8Array(0) }),
  ]);
  assert.equal(
    gunzipSync(content).toString(),
    '{"entries":[{"id":"aa","labels":{"b":"","path":"/a\\u003cb","type":"snapshot"},"modified":"2026-11-22T20:42:37.706431216Z","data":{"a":1}},' +
      '{"id":"bb","labels":null,"modified":"2023-11-14T22:13:20Z","deleted":true,"data":null}]}\n',
  );
});

test("what is encoded decodes to the same manifests", () => {
  const anyLabel = fc.string({ minLength: 1 }).filter((key) => key !== "__proto__");
  const anyEntry = fc
    .record({
      id: fc.stringMatching(/^[0-9a-f]{4}$/),
      labels: fc.dictionary(anyLabel, fc.string(), { noNullPrototype: true }),
      modifiedNs: fc.bigInt({ min: -(10n ** 18n), max: 4n * 10n ** 18n }),
      deleted: fc.boolean(),
      data: fc.jsonValue().map((value) => toUtf8(JSON.stringify({ value }))),
    })
    .map((one) => ({ ...one, ...(one.deleted && { labels: {}, data: new Uint8Array(0) }) }) as ManifestEntry);
  fc.assert(
    fc.property(fc.array(anyEntry, { minLength: 1 }), (entries) => {
      assert.deepEqual([...decodeManifests(encodeManifests(entries))].map(plain), entries.map(plain));
    }),
  );
});

test("the document is kept as it was written, to the byte", () => {
  const data = '{ "big":12345678901234567890, "dup":1,"dup":2, "f":1.50e+1, "s":"\\u0041" }';
  const [read] = decode(`{"entries":[{"id":"aa","labels":{},"modified":"2026-01-01T00:00:00Z","data":${data}}]}`);
  assert.equal(fromUtf8((read as ManifestEntry).data), data);
});

test("gzip of several members is read", () => {
  const json = '{"entries":[{"id":"aa","labels":{"type":"t"},"modified":"2026-01-01T00:00:00Z","data":{}}]}';
  const content = concatBytes([gzipSync(json.slice(0, 20)), gzipSync(json.slice(20))]);
  assert.deepEqual(
    [...decodeManifests(content)].map(({ id }) => id),
    ["aa"],
  );
});

test("unknown keys are passed over, and times may have any offset and nine digits", () => {
  const [read] = decode(
    '{"version":{"x":[1]},"entries":[{"new":null,"id":"aa","modified":"2026-01-01T01:00:00.000000001+01:00","data":5}],"entries2":[]} more',
  );
  assert.deepEqual(plain(read as ManifestEntry), {
    id: "aa",
    labels: {},
    modifiedNs: BigInt(Date.UTC(2026, 0, 1)) * 1_000_000n + 1n,
    deleted: false,
    data: "5",
  });
});

test("a content without entries has none", () => {
  for (const json of ["{}", '{"entries":null}', '{"entries":[]}']) assert.deepEqual(decode(json), []);
});

for (const [problem, json] of [
  ["no JSON", '{"entries":[{]}'],
  ["a list instead of an object", "[]"],
  ["an entry that is null", '{"entries":[null]}'],
  ["an entry without id", '{"entries":[{"labels":{},"modified":"2026-01-01T00:00:00Z","data":{}}]}'],
  ["an empty id", '{"entries":[{"id":"","modified":"2026-01-01T00:00:00Z","data":{}}]}'],
  ["an id that is a number", '{"entries":[{"id":5,"modified":"2026-01-01T00:00:00Z","data":{}}]}'],
  ["an entry without time", '{"entries":[{"id":"aa","data":{}}]}'],
  ["a time that is none", '{"entries":[{"id":"aa","modified":"yesterday","data":{}}]}'],
  ["labels that are a list", '{"entries":[{"id":"aa","labels":[],"modified":"2026-01-01T00:00:00Z"}]}'],
  ["a label that is a number", '{"entries":[{"id":"aa","labels":{"type":5},"modified":"2026-01-01T00:00:00Z"}]}'],
  ["nesting without end", `{"entries":[{"id":"aa","data":${"[".repeat(10_000)}`],
] as const) {
  test(`a content with ${problem} is corrupt`, () => {
    assert.throws(() => decode(json), { code: "MANIFEST_CORRUPT" });
  });
}

test("damaged contents give manifests or a coded error, nothing else", () => {
  const content = encodeManifests([entry("aa"), entry("bb", { deleted: true, data: new Uint8Array(0) }), entry("cc")]);
  const json = gunzipSync(content);
  const anyDamage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 });
  const damaged = (bytes: Uint8Array, changes: readonly (readonly [number, number])[]): Uint8Array => {
    const copy = Uint8Array.from(bytes);
    for (const [at, value] of changes) copy[at % copy.byteLength] = value;
    return copy;
  };
  const readsOrFails = (bytes: Uint8Array): void => {
    try {
      for (const one of decodeManifests(bytes)) assert.equal(typeof one.id, "string");
    } catch (error) {
      assert.ok(error instanceof CodedError, String(error));
    }
  };
  fc.assert(
    fc.property(anyDamage, fc.nat(content.byteLength), (changes, length) => {
      readsOrFails(damaged(content, changes).subarray(0, length));
      readsOrFails(gzipSync(damaged(json, changes), { level: 1 }));
    }),
    { numRuns: 1000 },
  );
});
