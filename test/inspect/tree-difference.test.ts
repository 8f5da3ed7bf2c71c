/** What a comparison reads, and what becomes of what it cannot. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compareTrees, type Difference } from "../../src/inspect/tree-difference.ts";
import type { DirectoryEntry } from "../../src/snapshot/directory-entry.ts";
import { entryOf } from "../snapshot/stored-examples.ts";
import { FoldersInMemory } from "./folders-in-memory.ts";

const file = (name: string, objectId = "c0", more: Partial<DirectoryEntry> = {}) =>
  entryOf({ name, kind: "file", objectId, size: objectId.length, ...more });

describe("a comparison of stored trees", () => {
  it("does not read sub-trees that are the same object", async () => {
    const folders = new FoldersInMemory();
    const same = folders.folder("same", [folders.folder("inner", [file("x")])]);
    const one = folders.folder("one", [same, folders.folder("a", [file("f")])]);
    const two = folders.folder("two", [{ ...same, mode: 0o700 }, folders.folder("b", [file("f")])]);
    assert.deepEqual(await compared(folders, one, two), ["- a", "- a/f", "+ b", "+ b/f", "~ same mode"]);
    assert.ok(!folders.read.includes(same.objectId));
  });

  it("tells each aspect that changed, of names by their bytes", async () => {
    const folders = new FoldersInMemory();
    const raw = { name: "\ufffd", nameBytes: Uint8Array.of(0xff) };
    const one = folders.folder("one", [file("a"), file("b"), file("c"), file("d"), { ...file(""), ...raw }]);
    const two = folders.folder("two", [
      file("a", "c11"),
      file("b", "c0", { uid: 5 }),
      file("c", "c0", { mtimeNs: 1n, gid: 5, mode: 1 }),
      { ...file("d"), kind: "symlink" },
      { ...file(""), ...raw, nameBytes: Uint8Array.of(0xfe) },
    ]);
    const expected = ["~ a contents,size", "~ b owner", "~ c mode,owner,time", "- d", "+ d", "+ \ufffd", "- \ufffd"];
    assert.deepEqual(await compared(folders, one, two), expected);
  });

  it("names a folder that cannot be read on either side, and goes on", async () => {
    const folders = new FoldersInMemory();
    const lost = (id: string) => entryOf({ name: "lost", kind: "folder", objectId: `k${id.padStart(32, "0")}` });
    const there = folders.folder("there", [file("x")]);
    const told: string[] = [];
    const one = folders.folder("one", [lost("1"), there, file("z")]);
    const two = folders.folder("two", [lost("2"), file("z", "c1")]);
    assert.deepEqual(await compared(folders, one, two, told), ["- there", "- there/x", "~ z contents"]);
    assert.deepEqual(new Set(told), new Set(["lost CONTENT_NOT_FOUND"]));
  });

  it("ends with its signal", async () => {
    const folders = new FoldersInMemory();
    const [one, two] = [folders.folder("one", [file("a")]), folders.folder("two", [])];
    const how = { signal: AbortSignal.abort(), onUnreadable: () => undefined, readsData: false };
    await assert.rejects(Array.fromAsync(compareTrees(folders.repository(), one, two, how)), { name: "AbortError" });
  });
});

async function compared(
  folders: FoldersInMemory,
  one: DirectoryEntry,
  two: DirectoryEntry,
  told: string[] = [],
): Promise<readonly string[]> {
  const { signal } = new AbortController();
  const onUnreadable = (path: string, { code }: { code: string }) => void told.push(`${path} ${code}`);
  const found = compareTrees(folders.repository(), one, two, { signal, onUnreadable, readsData: false });
  return (await Array.fromAsync(found)).map(textOf);
}

function textOf({ change, path, what }: Difference): string {
  const sign = { added: "+", removed: "-", changed: "~" }[change];
  return `${sign} ${path} ${what.join(",")}`.trimEnd();
}
