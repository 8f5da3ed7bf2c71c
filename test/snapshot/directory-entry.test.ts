import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { toBase64, toUtf8 } from "../../src/base/bytes.ts";
import { hasCode } from "../../src/base/errors.ts";
import { parseLossless } from "../../src/base/go-json.ts";
import { goTimeNsMax } from "../../src/base/go-time.ts";
import {
  type DirectoryEntry,
  decodeDirectoryEntry,
  encodeDirectoryEntry,
  isSafeName,
} from "../../src/snapshot/directory-entry.ts";
import { entry, mutated } from "./arbitraries.ts";
import { entryOf, exampleManifest, rootFolder } from "./stored-examples.ts";

const thing = { what: "the entry", code: "FOLDER_INVALID" } as const;
const decode = (text: string | Uint8Array): DirectoryEntry => decodeDirectoryEntry(parseLossless(text), thing);
const badName = Uint8Array.of(0x61, 0xff, 0x62);

describe("a stored entry", () => {
  it("leaves out every zero but name, type and obj", () => {
    assert.equal(encodeDirectoryEntry(entryOf({ name: "a", kind: "file" })), '{"name":"a","type":"f","obj":""}');
  });

  it("never has a size when it is a folder", () => {
    assert.equal(
      encodeDirectoryEntry(entryOf({ name: "a", kind: "folder", size: 4096, objectId: "k00" })),
      '{"name":"a","type":"d","obj":"k00"}',
    );
  });

  it("has the nearest time that can be written for one that cannot", () => {
    const encoded = encodeDirectoryEntry(entryOf({ name: "a", kind: "file", mtimeNs: goTimeNsMax + 1n }));
    assert.equal(decode(encoded).mtimeNs, goTimeNsMax);
  });

  it("reads back as it was, and is the same bytes when written again", () => {
    fc.assert(
      fc.property(entry, (value) => {
        const text = encodeDirectoryEntry(value);
        const read = decode(text);
        assert.deepEqual(
          { ...read, nameBytes: Buffer.from(read.nameBytes) },
          { ...value, nameBytes: Buffer.from(value.nameBytes) },
        );
        assert.equal(encodeDirectoryEntry(read), text);
      }),
    );
  });

  it("may have unknown keys, keys in another case, and no field at all", () => {
    assert.deepEqual(decode('{"NAME":"a","Type":"s","MODE":"0777","Obj":"00","future":[1.5]}'), {
      ...entryOf({ name: "a", kind: "symlink", mode: 0o777, objectId: "00" }),
    });
    assert.deepEqual(decode("{}"), entryOf({ name: "", kind: "error" }));
  });

  it("of an unknown type is an error entry, which is never written", () => {
    const read = decode('{"name":"a","type":"x","obj":"00"}');
    assert.equal(read.kind, "error");
    assert.throws(() => encodeDirectoryEntry(read));
  });

  it("is an error entry too where its type is a word of JavaScript's", () => {
    for (const type of ["constructor", "toString", "__proto__"]) {
      assert.equal(decode(JSON.stringify({ name: "a", type })).kind, "error");
    }
  });

  const refused = [
    '{"mode":"rwx"}',
    '{"mode":420}',
    '{"mode":""}',
    '{"size":1.0}',
    '{"size":1e3}',
    '{"size":-1}',
    '{"size":9223372036854775807}',
    '{"size":"5"}',
    '{"uid":4294967296}',
    '{"gid":-1}',
    '{"mtime":0}',
    '{"mtime":"yesterday"}',
    '{"name":5}',
    '{"type":1}',
    '{"obj":{}}',
    '{"summ":[]}',
    '{"summ":1.5}',
    "[]",
    '"text"',
    "null",
  ];
  for (const text of refused) {
    it(`is refused as ${text}`, () => assert.throws(() => decode(text), { code: "FOLDER_INVALID" }));
  }

  it("says which field is wrong with which entry", () => {
    assert.throws(() => decode('{"uid":1e3}'), { message: "uid of the entry is not an integer from 0 to 4294967295" });
  });

  it("is a value or a coded error after any change of its bytes", () => {
    const originals = [...rootFolder.entries, exampleManifest.rootEntry].map((value) =>
      toUtf8(encodeDirectoryEntry(value)),
    );
    fc.assert(
      fc.property(fc.constantFrom(...originals).chain(mutated), (bytes) => {
        try {
          decode(bytes);
        } catch (error) {
          assert(hasCode(error, "FOLDER_INVALID") || hasCode(error, "JSON_INVALID"), String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("a name that is not UTF-8", () => {
  const value: DirectoryEntry = { ...entryOf({ name: "a\ufffdb", kind: "file", objectId: "00" }), nameBytes: badName };

  it("is written as kopia writes it, and once more whole at the end of the entry", () => {
    assert.equal(encodeDirectoryEntry(value), '{"name":"a\\ufffdb","type":"f","obj":"00","rawName":"Yf9i"}');
    assert.deepEqual(Buffer.from(decode(encodeDirectoryEntry(value)).nameBytes), Buffer.from(badName));
  });

  const withRaw = (name: string, rawName: unknown): Buffer =>
    Buffer.from(decode(JSON.stringify({ name, type: "f", obj: "", rawName })).nameBytes);

  it("may have a number behind its shown form", () => {
    for (const name of ["a\ufffdb~2", "a\ufffdb~10"]) assert.deepEqual(withRaw(name, "Yf9i"), Buffer.from(badName));
  });

  const hostile: [why: string, name: string, rawName: unknown][] = [
    ["the name was not made from it", "harmless", "Yf9i"],
    ["it is UTF-8, so the name would be itself", "a", toBase64(toUtf8("b"))],
    ["it is the same UTF-8 text", "a", toBase64(toUtf8("a"))],
    ["it is not base64", "a\ufffdb", "Yf9i!"],
    ["it is not text", "a\ufffdb", 5],
    ["the number behind the name is none of ours", "a\ufffdb~1", "Yf9i"],
    ["something else stands behind the name", "a\ufffdb~2/..", "Yf9i"],
    ["it is empty", "", ""],
  ];
  for (const [why, name, rawName] of hostile) {
    it(`is not believed where ${why}`, () => assert.deepEqual(withRaw(name, rawName), Buffer.from(name)));
  }
});

describe("isSafeName", () => {
  for (const name of ["", ".", "..", "a/b", "/", "a\0b", "\0"]) {
    it(`refuses ${JSON.stringify(name)}`, () => assert.equal(isSafeName(toUtf8(name)), false));
  }
  for (const name of ["a", "...", ".a", "..a", "a.", " ", "\n", "~", "-rf"]) {
    it(`takes ${JSON.stringify(name)}`, () => assert.equal(isSafeName(toUtf8(name)), true));
  }
  it("takes bytes that are not UTF-8", () => assert.equal(isSafeName(badName), true));
});
