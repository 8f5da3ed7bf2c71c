import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { toUtf8 } from "../../src/base/bytes.ts";
import { hasCode } from "../../src/base/errors.ts";
import { parseLossless } from "../../src/base/go-json.ts";
import {
  decodeSnapshotManifest,
  encodeSnapshotManifest,
  isComplete,
  type SnapshotManifest,
  snapshotLabels,
  snapshotManifestOf,
  sourceLabels,
  zeroStats,
} from "../../src/snapshot/snapshot-manifest.ts";
import { mutated } from "./arbitraries.ts";
import { entryOf, exampleManifest, exampleManifestText, timeNs } from "./stored-examples.ts";

const id = "7f3d0000000000000000000000000001";
const source = { host: "h", userName: "u", path: "/p" };
const root = entryOf({ name: "p", kind: "folder", objectId: "k00" });
const small: SnapshotManifest = {
  id,
  source,
  description: "",
  startTimeNs: 0n,
  endTimeNs: 1n,
  stats: zeroStats,
  rootEntry: root,
};
const rootText = '"rootEntry":{"name":"p","type":"d","obj":"k00"}';

describe("a snapshot's body", () => {
  it("is byte for byte the worked example", () => {
    assert.equal(encodeSnapshotManifest(exampleManifest), exampleManifestText);
  });

  it("reads back, with the id of its item", () => {
    const read = decodeSnapshotManifest(id, exampleManifestText);
    assert.deepEqual({ ...read, rootEntry: { ...read.rootEntry } }, { ...exampleManifest, id });
    assert.deepEqual(snapshotManifestOf(id, parseLossless(exampleManifestText)), read);
  });

  it("never has an id in it, and leaves out what is empty", () => {
    const text = encodeSnapshotManifest({ ...small, tags: {}, pins: [], incomplete: "" });
    assert(text.startsWith('{"id":"","source":'), text);
    assert(text.endsWith(`${rootText}}`), text);
  });

  it("sorts tags and pins by their bytes and says why it is not whole", () => {
    const text = encodeSnapshotManifest({
      ...small,
      incomplete: "checkpoint",
      tags: { "10": "x", "9": "<y>", "": "z" },
      pins: ["\u{1f600}", "\uff5e"],
    });
    assert(
      text.endsWith(
        `,"incomplete":"checkpoint",${rootText},"tags":{"":"z","10":"x","9":"\\u003cy\\u003e"},"pins":["\uff5e","\u{1f600}"]}`,
      ),
      text,
    );
  });

  it("may lack everything but the root entry", () => {
    assert.deepEqual(decodeSnapshotManifest(id, `{${rootText}}`), {
      ...small,
      source: { host: "", userName: "", path: "" },
      endTimeNs: 0n,
    });
  });

  it("may have more than we know, nulls, and keys in another case", () => {
    const text = `{"Source":{"HOST":"h","username":"u","path":"/p"},"stats":null,"tags":null,"pins":null,"retentionReason":["latest-1"],"storageStats":{"newData":{"x":1.5}},"endTime":"1970-01-01T01:00:00+01:00",${rootText}}`;
    assert.deepEqual(decodeSnapshotManifest(id, text), { ...small, endTimeNs: timeNs("1970-01-01T00:00:00Z") });
  });

  const refused: [what: string, text: string][] = [
    ["a null root entry", '{"rootEntry":null}'],
    ["no root entry", "{}"],
    ["a list", "[]"],
    ["no JSON", "{"],
    ["a bad mode in its root", '{"rootEntry":{"mode":"x"}}'],
    ["a start that is no time", `{"startTime":"now",${rootText}}`],
    ["a count with a fraction", `{"stats":{"fileCount":1.0},${rootText}}`],
    ["a tag that is no text", `{"tags":{"a":1},${rootText}}`],
    ["pins that are no texts", `{"pins":[1],${rootText}}`],
    ["a source that is text", `{"source":"x",${rootText}}`],
  ];
  for (const [what, text] of refused) {
    it(`is refused with ${what}`, () => {
      assert.throws(() => decodeSnapshotManifest(id, text), { code: "SNAPSHOT_INVALID", message: new RegExp(id) });
    });
  }

  it("keeps a tag named __proto__ a tag", () => {
    const read = decodeSnapshotManifest(id, `{${rootText},"tags":{"__proto__":"x"}}`);
    assert.deepEqual(Object.entries(read.tags ?? {}), [["__proto__", "x"]]);
    assert.deepEqual(encodeSnapshotManifest(read).match(/"tags":.*/)?.[0], '"tags":{"__proto__":"x"}}');
  });

  it("reads back as it was, for any texts and numbers", () => {
    const text = fc.string({ unit: "grapheme" });
    const any = fc.record({
      description: text,
      totalSize: fc.maxSafeNat(),
      startTimeNs: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      tags: fc.dictionary(text, text, { minKeys: 1, noNullPrototype: true }),
      pins: fc.uniqueArray(text, { minLength: 1, maxLength: 1 }),
    });
    fc.assert(
      fc.property(any, ({ totalSize, ...given }) => {
        const value = { ...small, ...given, stats: { ...zeroStats, totalSize } };
        assert.deepEqual(decodeSnapshotManifest(id, encodeSnapshotManifest(value)), value);
      }),
    );
  });

  it("is a value or a coded error after any change of its bytes", () => {
    fc.assert(
      fc.property(mutated(toUtf8(exampleManifestText)), (bytes) => {
        try {
          decodeSnapshotManifest(id, bytes);
        } catch (error) {
          assert(hasCode(error, "SNAPSHOT_INVALID"), String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("a snapshot's labels", () => {
  it("are its source and every tag", () => {
    assert.deepEqual(snapshotLabels(exampleManifest), {
      hostname: "default",
      path: "snapshot-pod-volume/kopia/shop/web-0/data-web-0",
      "snapshot-requester": "snapshot-pod-volume",
      "snapshot-uploader": "kopia",
      type: "snapshot",
      username: "default",
    });
    assert.deepEqual(sourceLabels(source), { type: "snapshot", hostname: "h", username: "u", path: "/p" });
  });

  for (const key of ["type", "hostname", "username", "path"]) {
    it(`do not take a tag named ${key}`, () => {
      assert.throws(() => snapshotLabels({ source, tags: { [key]: "x" } }), { code: "SNAPSHOT_TAG_RESERVED" });
    });
  }

  it("need a host, a user and a path", () => {
    for (const part of ["host", "userName", "path"]) {
      assert.throws(() => snapshotLabels({ source: { ...source, [part]: "" } }), { code: "SNAPSHOT_INVALID" });
    }
  });
});

describe("isComplete", () => {
  it("is what kopia takes for complete: no reason or an empty one", () => {
    assert.equal(isComplete({}), true);
    assert.equal(isComplete({ incomplete: "" }), true);
    assert.equal(isComplete({ incomplete: "canceled" }), false);
  });
});
