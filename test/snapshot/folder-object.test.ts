import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { toUtf8 } from "../../src/base/bytes.ts";
import { hasCode } from "../../src/base/errors.ts";
import { goText } from "../../src/base/go-json.ts";
import type { DirectoryEntry } from "../../src/snapshot/directory-entry.ts";
import { decodeFolder, encodeFolder, FolderEncoder, iterateFolderEntries } from "../../src/snapshot/folder-object.ts";
import { entry, mutated, summary } from "./arbitraries.ts";
import { contentId, emptyFolder, entryOf, rootFolder, subFolder, summaryOf } from "./stored-examples.ts";

const examples = { emptyFolder, subFolder, rootFolder };
const bytesOf = (...values: number[]): Uint8Array => Uint8Array.from(values);

function fileNamed(nameBytes: Uint8Array): DirectoryEntry {
  return { ...entryOf({ name: goText(nameBytes), kind: "file" }), nameBytes };
}

/** What kopia would list, and what we would. */
function namesOf(entries: readonly DirectoryEntry[]): [shown: string, bytes: string][] {
  const stored = iterateFolderEntries(encodeFolder(entries, summaryOf({})));
  return [...stored].map((value) => [value.name, Buffer.from(value.nameBytes).toString("latin1")]);
}

const comparable = (value: DirectoryEntry): DirectoryEntry => ({ ...value, nameBytes: Buffer.from(value.nameBytes) });

describe("a folder's object", () => {
  for (const [name, folder] of Object.entries(examples)) {
    it(`is ${folder.length} bytes with the id ${folder.objectId} for ${name}`, () => {
      const bytes = encodeFolder(folder.entries.toReversed(), folder.summary);
      assert.equal(bytes.toString(), folder.text);
      assert.equal(bytes.byteLength, folder.length);
      assert.equal(contentId("k", bytes), folder.objectId);
    });

    it(`reads back as ${name}`, () => {
      const read = decodeFolder(toUtf8(folder.text));
      assert.deepEqual([...read.entries].map(comparable), folder.entries.map(comparable));
      assert.deepEqual(read.summary, folder.summary);
    });
  }

  it("has folders first, and each group in the order of the bytes of its names", () => {
    const names = ["\u{1f600}", "\uff5e", "b", "a", "B", "a.b", "a-b"];
    const entries = names.flatMap((name) => [
      entryOf({ name, kind: "file" }),
      entryOf({ name: `${name}d`, kind: "folder" }),
    ]);
    assert.deepEqual(
      namesOf(entries).map(([shown]) => shown),
      ["Bd", "a-bd", "a.bd", "ad", "bd", "\uff5ed", "\u{1f600}d", "B", "a", "a-b", "a.b", "b", "\uff5e", "\u{1f600}"],
    );
  });

  it("keeps no order between files and links", () => {
    const entries = [entryOf({ name: "b", kind: "file" }), entryOf({ name: "a", kind: "symlink" })];
    assert.deepEqual(namesOf(entries), [
      ["a", "a"],
      ["b", "b"],
    ]);
  });

  it("can be encoded again after more was added, as a checkpoint does", () => {
    const encoder = new FolderEncoder();
    encoder.add(entryOf({ name: "b", kind: "file" }));
    const first = Buffer.concat([...encoder.encode(summaryOf({}))]);
    assert.deepEqual(Buffer.concat([...encoder.encode(summaryOf({}))]), first);
    encoder.add(entryOf({ name: "a", kind: "file" }));
    assert.deepEqual(
      [...iterateFolderEntries(Buffer.concat([...encoder.encode(summaryOf({}))]))].map((value) => value.name),
      ["a", "b"],
    );
  });

  it("goes its own way in a copy", () => {
    const namesIn = (encoder: FolderEncoder): string[] =>
      [...iterateFolderEntries(Buffer.concat([...encoder.encode(summaryOf({}))]))].map((value) => value.name);
    const encoder = new FolderEncoder();
    encoder.add(fileNamed(bytesOf(0xff)));
    const copy = encoder.copy();
    encoder.add(entryOf({ name: "b", kind: "file" }));
    copy.add(fileNamed(bytesOf(0x80)));
    assert.deepEqual(namesIn(encoder), ["b", "\ufffd"]);
    assert.deepEqual(namesIn(copy), ["\ufffd", "\ufffd~2"]);
  });

  it("comes in pieces, whole, for twenty thousand entries", () => {
    const encoder = new FolderEncoder();
    const count = 20_000;
    for (let index = 0; index < count; index++) {
      encoder.add(
        entryOf({ name: `file-${(index * 7919) % count}`, kind: "file", size: index, objectId: "00".repeat(16) }),
      );
    }
    const pieces = [...encoder.encode(summaryOf({ files: count }))];
    assert(pieces.length > 1);
    for (const piece of pieces) assert(piece.byteLength < 1.1 * 1024 * 1024);
    let seen = 0;
    let before = Buffer.alloc(0);
    for (const value of iterateFolderEntries(Buffer.concat(pieces))) {
      const name = Buffer.from(value.nameBytes);
      assert(Buffer.compare(before, name) < 0);
      before = name;
      seen++;
    }
    assert.equal(seen, count);
    assert.equal(encoder.count, count);
  });

  it("holds an entry longer than a slab", () => {
    const errors = [{ path: "p".repeat(3_000_000), error: "ü" }];
    const value = entryOf({ name: "a", kind: "folder", summary: summaryOf({ errors }) });
    const [read] = iterateFolderEntries(encodeFolder([value, entryOf({ name: "b", kind: "file" })], summaryOf({})));
    assert.deepEqual(read?.summary?.errors, errors);
  });

  it("refuses two entries of one name, of whatever kinds", () => {
    const kinds = ["file", "folder", "symlink"] as const;
    for (const first of kinds) {
      for (const second of kinds) {
        const entries = [
          entryOf({ name: "b", kind: first }),
          entryOf({ name: "a", kind: "file" }),
          entryOf({ name: "b", kind: second }),
        ];
        assert.throws(() => encodeFolder(entries, summaryOf({})), { code: "FOLDER_INVALID", message: /"b"/ });
      }
    }
  });

  it("refuses names that cannot be in a folder", () => {
    for (const name of ["", ".", "..", "a/b", "a\0"]) {
      assert.throws(() => encodeFolder([entryOf({ name, kind: "file" })], summaryOf({})), { code: "FOLDER_INVALID" });
    }
  });

  it("reads back the same entries, each under a name of its own, for any folder", () => {
    const distinct = fc.uniqueArray(entry, {
      maxLength: 12,
      selector: (value) => Buffer.from(value.nameBytes).toString("latin1"),
    });
    fc.assert(
      fc.property(distinct, summary, (entries, sum) => {
        const bytes = encodeFolder(entries, sum);
        const read = decodeFolder(bytes);
        const stored = [...read.entries];
        const key = (value: DirectoryEntry): string => Buffer.from(value.nameBytes).toString("latin1");
        const byName = new Map(entries.map((value) => [key(value), value]));
        assert.equal(stored.length, entries.length);
        for (const value of stored) {
          const original = byName.get(key(value)) as DirectoryEntry;
          assert.deepEqual(comparable(value), comparable({ ...original, name: value.name }));
        }
        assert.equal(new Set(stored.map((value) => value.name)).size, stored.length);
        assert.deepEqual(read.summary, sum);
        assert.deepEqual(encodeFolder(stored.toReversed(), sum), bytes);
      }),
      { numRuns: 500 },
    );
  });
});

describe("names that read the same", () => {
  it("are told apart by a number, in the order of their bytes", () => {
    const entries = [bytesOf(0x61, 0xff), bytesOf(0x61, 0x80), bytesOf(0x61, 0xfe)].map(fileNamed);
    assert.deepEqual(namesOf(entries), [
      ["a\ufffd", "a\x80"],
      ["a\ufffd~2", "a\xfe"],
      ["a\ufffd~3", "a\xff"],
    ]);
  });

  it("leave a name that is UTF-8 as it is, wherever it sorts", () => {
    const entries = [bytesOf(0x61, 0x80), toUtf8("a\ufffd"), toUtf8("a\ufffd~2")].map(fileNamed);
    assert.deepEqual(
      namesOf(entries).map(([shown]) => shown),
      ["a\ufffd~3", "a\ufffd", "a\ufffd~2"],
    );
  });

  it("never meet the number of another", () => {
    const entries = [bytesOf(0x61, 0x80), bytesOf(0x61, 0x81), bytesOf(0x61, 0xff, 0x7e, 0x32)].map(fileNamed);
    assert.deepEqual(
      namesOf(entries).map(([shown]) => shown),
      ["a\ufffd", "a\ufffd~2", "a\ufffd~2~2"],
    );
  });

  it("are told apart across folders and files", () => {
    const entries = [fileNamed(bytesOf(0x80)), { ...fileNamed(bytesOf(0xff)), kind: "folder" as const }];
    assert.deepEqual(namesOf(entries), [
      ["\ufffd", "\xff"],
      ["\ufffd~2", "\x80"],
    ]);
  });
});

describe("reading a folder's object", () => {
  const readAll = (text: string | Uint8Array): DirectoryEntry[] => [
    ...iterateFolderEntries(typeof text === "string" ? toUtf8(text) : text),
  ];

  it("takes null, an empty list and no list for an empty folder, and does without a summary", () => {
    for (const entries of ['"entries":null,', '"entries":[],', ""]) {
      const read = decodeFolder(toUtf8(`{"stream":"kopia:directory",${entries}"summary":null}`));
      assert.deepEqual([...read.entries], []);
      assert.equal(read.summary, undefined);
    }
  });

  it("takes keys in any order and case, unknown ones, and what follows the object", () => {
    const [read] = readAll(
      '{"future":{"a":[]},"ENTRIES":[{"name":"a","type":"f","obj":"00"}],"Stream":"kopia:directory"}\nmore',
    );
    assert.equal(read?.name, "a");
  });

  it("gives the entries as often as they are asked for", () => {
    const { entries } = decodeFolder(toUtf8(rootFolder.text));
    assert.deepEqual([...entries], [...entries]);
  });

  it("keeps the bytes apart that stand in a name unescaped and are not UTF-8, as Go does", () => {
    const json = Buffer.from(
      '{"stream":"kopia:directory","entries":[{"name":"a\xff\xfe","type":"f","obj":""}]}',
      "latin1",
    );
    assert.equal(readAll(json)[0]?.name, "a\ufffd\ufffd");
  });

  it("gives no entries of a folder that was cut short", () => {
    const whole = toUtf8(rootFolder.text);
    for (let length = 0; length < whole.byteLength - 1; length++) {
      assert.throws(() => decodeFolder(whole.subarray(0, length)), { code: "FOLDER_INVALID" });
    }
  });

  it("names the entry that is wrong", () => {
    const text = rootFolder.text.replace('"size":6', '"size":6.0');
    assert.throws(() => readAll(text), { code: "FOLDER_INVALID", message: /^size of entry 2 of a folder / });
  });

  const refused: [what: string, text: string][] = [
    ["another stream", '{"stream":"kopia:indirect","entries":[]}'],
    ["no stream", '{"entries":[]}'],
    ["entries that are an object", '{"stream":"kopia:directory","entries":{}}'],
    ["an entry that is null", '{"stream":"kopia:directory","entries":[null]}'],
    ["a summary that is a list", '{"stream":"kopia:directory","summary":[]}'],
    ["a list", "[]"],
    ["nothing", ""],
    ["a depth bomb", `{"stream":"kopia:directory","entries":${"[".repeat(200_000)}`],
  ];
  for (const [what, text] of refused) {
    it(`refuses ${what}`, () => assert.throws(() => readAll(text), { code: "FOLDER_INVALID" }));
  }

  it("gives entries or a coded error after any change of the bytes", () => {
    const originals = Object.values(examples).map((folder) => toUtf8(folder.text));
    fc.assert(
      fc.property(fc.constantFrom(...originals).chain(mutated), (bytes) => {
        try {
          readAll(bytes);
        } catch (error) {
          assert(hasCode(error, "FOLDER_INVALID"), String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });
});
