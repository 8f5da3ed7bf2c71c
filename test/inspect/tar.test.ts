/** What no volume of a test can hold: huge files, and folders made to lead astray. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import { hasCode } from "../../src/base/errors.ts";
import { tarOf } from "../../src/inspect/tar-export.ts";
import { tarHeader } from "../../src/inspect/tar-header.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { entryOf } from "../snapshot/stored-examples.ts";
import { FoldersInMemory } from "./folders-in-memory.ts";

const plain = { kind: "file", mode: 0o644, uid: 1, gid: 2, mtimeNs: 0n, target: new Uint8Array(0) } as const;

describe("the header of a file", () => {
  it("is one block where ustar can say it", () => {
    assert.equal(tarHeader({ ...plain, path: Buffer.from("a"), size: 0o77777777777 }).byteLength, 512);
  });

  it("says sizes beyond 8 GiB", () => {
    const header = tarHeader({ ...plain, path: Buffer.from("large"), size: 2 ** 33 });
    const { stdout } = spawnSync("tar", ["tvf", "-"], { input: header, encoding: "utf8" });
    assert.match(stdout, /^-rw-r--r-- 1\/2 +8589934592 1970-01-01 .* large$/m);
  });
});

describe("an archive", () => {
  const { signal } = new AbortController();

  for (const name of ["..", ".", "a/b", "../../etc/passwd", ""]) {
    it(`is not made of a folder with the name ${JSON.stringify(name)}`, async () => {
      await assert.rejects(exported([{ name, type: "f", obj: "c00000000000000000000000000000000" }]), {
        code: "SNAPSHOT_ENTRY_UNREADABLE",
      });
    });
  }

  it("is not made of what nobody knows the kind of, or of a file that is not as long as it says", async () => {
    const obj = "00000000000000000000000000000000";
    await assert.rejects(exported([{ name: "x", type: "p", obj }]), because(/unknown type/));
    await assert.rejects(exported([{ name: "x", type: "f", size: 4, obj }]), because(/has more bytes than the 4/));
    await assert.rejects(exported([{ name: "x", type: "f", size: 6, obj }]), because(/has fewer bytes than the 6/));
    await exported([{ name: "x", type: "f", size: 5, obj }]);
  });

  it("ends with the name of a folder that cannot be read", async () => {
    const folders = new FoldersInMemory();
    const lost = entryOf({ name: "lost", kind: "folder", objectId: "kdeadbeefdeadbeefdeadbeefdeadbeef" });
    const root = folders.folder("root", [lost]);
    const contents = { readEach: async () => undefined };
    const repository = { ...folders.repository(), contents } as unknown as Repository;
    await assert.rejects(Array.fromAsync(tarOf(repository, root, { signal, onEntry: () => undefined })), {
      code: "SNAPSHOT_ENTRY_UNREADABLE",
      message: 'could not export "./lost"',
    });
  });

  function because(why: RegExp): (error: unknown) => boolean {
    return (error) => hasCode(error, "SNAPSHOT_ENTRY_UNREADABLE") && why.test(String((error as Error).cause));
  }

  /** Of one folder with these entries; every file holds `hello`. */
  async function exported(entries: readonly object[]): Promise<void> {
    const folder = Buffer.from(JSON.stringify({ stream: "kopia:directory", entries }));
    async function* read(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("hel");
      yield Buffer.from("lo");
    }
    const objects = { readWhole: async () => folder, read, directContentOf: () => undefined };
    const contents = { readEach: async () => undefined };
    const repository = { objects, contents } as unknown as Repository;
    const root = entryOf({ name: "root", kind: "folder", objectId: "k00000000000000000000000000000000" });
    for await (const _ of tarOf(repository, root, { signal, onEntry: () => undefined }));
  }
});
