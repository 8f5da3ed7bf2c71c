/** What a search over many snapshots reads, and what it takes for searched. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EntryFinder } from "../../src/inspect/find-entries.ts";
import { parseGlob } from "../../src/inspect/glob.ts";
import { entryOf } from "../snapshot/stored-examples.ts";
import { FoldersInMemory } from "./folders-in-memory.ts";

const file = (name: string) => entryOf({ name, kind: "file", objectId: "c0" });
const { signal } = new AbortController();

describe("a search over several trees", () => {
  it("reads a folder without a match once, and one with a match for each tree", async () => {
    const folders = new FoldersInMemory();
    const barren = folders.folder("barren", [folders.folder("inner", [file("x")])]);
    const fertile = folders.folder("fertile", [file("wanted"), file("y")]);
    const roots = [folders.folder("one", [barren, fertile]), folders.folder("two", [barren, fertile, file("wanted")])];
    const finder = new EntryFinder(folders.repository(), parseGlob("wanted", { ignoreCase: false }));
    const found: string[] = [];
    for (const root of roots) for await (const { path } of finder.find(root, { signal })) found.push(path);
    assert.deepEqual(found, ["fertile/wanted", "fertile/wanted", "wanted"]);
    const timesRead = (objectId: string) => folders.read.filter((id) => id === objectId).length;
    assert.deepEqual([timesRead(barren.objectId), timesRead(fertile.objectId)], [1, 2]);
  });

  it("takes no folder for searched where the pattern is about paths", async () => {
    const folders = new FoldersInMemory();
    const shared = folders.folder("shared", [file("x")]);
    const roots = [
      folders.folder("one", [folders.folder("a", [shared])]),
      folders.folder("two", [folders.folder("b", [shared])]),
    ];
    const finder = new EntryFinder(folders.repository(), parseGlob("b/shared/x", { ignoreCase: false }));
    const found: string[] = [];
    for (const root of roots) for await (const { path } of finder.find(root, { signal })) found.push(path);
    assert.deepEqual(found, ["b/shared/x"]);
  });

  it("tells a folder that cannot be read with each tree that has it", async () => {
    const folders = new FoldersInMemory();
    const lost = entryOf({ name: "lost", kind: "folder", objectId: "kdeadbeefdeadbeefdeadbeefdeadbeef" });
    const above = folders.folder("above", [lost]);
    const finder = new EntryFinder(folders.repository(), parseGlob("x", { ignoreCase: false }));
    const told: string[] = [];
    for (const name of ["one", "two"]) {
      const onUnreadable = (path: string) => void told.push(`${name}: ${path}`);
      for await (const _ of finder.find(folders.folder(name, [above]), { signal, onUnreadable }));
    }
    assert.deepEqual(told, ["one: above/lost", "two: above/lost"]);
  });
});
