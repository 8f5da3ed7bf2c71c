import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isUnchanged, type LocalEntry } from "../../src/snapshot/unchanged.ts";
import { entryOf } from "./stored-examples.ts";

const local: LocalEntry = { kind: "file", mode: 0o644, uid: 1, gid: 2, size: 3, mtimeNs: 4n };
const stored = entryOf({ name: "a", ...local, objectId: "00" });

describe("an unchanged file", () => {
  it("is one whose kind, mode, owner, size and time are all the same", () => {
    assert.equal(isUnchanged(local, stored), true);
    assert.equal(isUnchanged({ ...local, kind: "symlink" }, { ...stored, kind: "symlink" }), true);
  });

  const changes: Partial<LocalEntry>[] = [
    { kind: "symlink" },
    { mode: 0o4644 },
    { uid: 0 },
    { gid: 0 },
    { size: 4 },
    { mtimeNs: 5n },
  ];
  for (const change of changes) {
    it(`is none that differs in its ${Object.keys(change)}`, () => {
      assert.equal(isUnchanged({ ...local, ...change }, stored), false);
    });
  }

  it("is never a folder, nor an entry of unknown type", () => {
    for (const kind of ["folder", "error"] as const) {
      assert.equal(isUnchanged({ ...local, kind }, { ...stored, kind }), false);
    }
  });

  it("is none whose stored entry has no object", () => {
    assert.equal(isUnchanged(local, { ...stored, objectId: "" }), false);
  });
});
