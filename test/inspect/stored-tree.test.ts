/** Walks of stored trees, over folders in memory. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bytesOfPath, type TreeEntry, type WalkOptions, walkTree } from "../../src/inspect/stored-tree.ts";
import type { DirectoryEntry } from "../../src/snapshot/directory-entry.ts";
import { entryOf, summaryOf } from "../snapshot/stored-examples.ts";
import { FoldersInMemory } from "./folders-in-memory.ts";

const file = (name: string) => entryOf({ name, kind: "file", objectId: "c0" });
const { signal } = new AbortController();

describe("a walk", () => {
  it("goes depth first, a folder before what is in it, and gives names as bytes too", async () => {
    const folders = new FoldersInMemory();
    const raw = { ...file("\ufffd"), nameBytes: Uint8Array.of(0xff) };
    const inner = folders.folder("inner", [raw]);
    const root = folders.folder("root", [folders.folder("a", [inner, file("x")]), folders.folder("b", []), file("c")]);
    const found = await all(folders, root, { signal, path: "above" });
    const paths = ["above", "above/a", "above/a/inner", "above/a/inner/\ufffd", "above/a/x", "above/b", "above/c"];
    assert.deepEqual(
      found.map(({ path }) => path),
      paths,
    );
    assert.deepEqual(
      found.map(({ depth }) => depth),
      [0, 1, 2, 3, 2, 1, 1],
    );
    const rawPath = bytesOfPath(found[3] as TreeEntry);
    assert.deepEqual(Buffer.from(rawPath), Buffer.concat([Buffer.from("above/a/inner/"), Buffer.of(0xff)]));
    assert.equal(folders.read.length, 4);
  });

  it("reads a few small folders ahead, and no more", async () => {
    const folders = new FoldersInMemory();
    const many = Array.from({ length: 50 }, (_, i) => folders.folder(`f${i + 10}`, [file("x")]));
    assert.equal((await all(folders, folders.folder("root", many), { signal })).length, 101);
    assert.ok(folders.atOnceMax > 1 && folders.atOnceMax <= 8, `${folders.atOnceMax} at once`);
    const large = new FoldersInMemory();
    const big = Array.from({ length: 50 }, (_, i) => large.folder(`f${i + 10}`, [], summaryOf({ files: 1_000_000 })));
    await all(large, large.folder("root", big), { signal });
    assert.equal(large.atOnceMax, 1);
  });

  it("enters what it is told to, and reads nothing else", async () => {
    const folders = new FoldersInMemory();
    const root = folders.folder("root", [folders.folder("a", [folders.folder("b", [])]), folders.folder("c", [])]);
    const found = await all(folders, root, { signal, enters: ({ depth }) => depth === 0 });
    assert.deepEqual([found.length, folders.read.length], [3, 1]);
  });

  it("goes on behind a folder that cannot be read, where it is told of it, and else ends", async () => {
    const folders = new FoldersInMemory();
    const lost = entryOf({ name: "lost", kind: "folder", objectId: "kdeadbeefdeadbeefdeadbeefdeadbeef" });
    const root = folders.folder("root", [lost, folders.folder("other", [file("x")])]);
    const told: unknown[] = [];
    const onUnreadable = (path: string, { code }: { code: string }) => void told.push([path, code]);
    const found = await all(folders, root, { signal, onUnreadable });
    assert.deepEqual(
      found.map(({ path }) => path),
      ["", "lost", "other", "other/x"],
    );
    assert.deepEqual(told, [["lost", "CONTENT_NOT_FOUND"]]);
    await assert.rejects(all(folders, root, { signal }), { code: "CONTENT_NOT_FOUND" });
  });

  it("ends with its signal, and leaves nothing running where nobody pulls any more", async () => {
    const folders = new FoldersInMemory();
    const root = folders.folder("root", [folders.folder("a", [file("x")]), folders.folder("b", [file("y")])]);
    await assert.rejects(all(folders, root, { signal: AbortSignal.abort() }), { name: "AbortError" });
    for await (const { path } of walkTree(folders.repository(), root, { signal })) if (path === "a") break;
    assert.ok(folders.read.length <= 3);
  });
});

async function all(folders: FoldersInMemory, root: DirectoryEntry, options: WalkOptions): Promise<TreeEntry[]> {
  return await Array.fromAsync(walkTree(folders.repository(), root, options));
}
