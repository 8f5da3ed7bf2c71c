import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { toUtf8 } from "../../src/base/bytes.ts";
import { type OpenFolder, openVolume } from "../../src/volume/open-folder.ts";
import { removeTree } from "../../src/volume/remove-tree.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const signal = new AbortController().signal;
const name = toUtf8("tree");

async function emptyVolume(t: TestContext): Promise<{ root: string; volume: OpenFolder }> {
  const root = temporaryFolder(t);
  const volume = await openVolume(root, { signal });
  t.after(() => volume[Symbol.dispose]());
  return { root, volume };
}

async function nest(volume: OpenFolder, depth: number): Promise<void> {
  let folder = volume;
  for (let level = 0; level < depth; level++) {
    fs.mkdirSync(folder.pathOf(name));
    const inner = await folder.openFolder(name);
    fs.writeFileSync(inner.pathOf(toUtf8("file")), "");
    if (folder !== volume) folder[Symbol.dispose]();
    folder = inner;
  }
  folder[Symbol.dispose]();
}

describe("removing a tree", () => {
  it("removes everything below it, of any kind, and what its links lead to stays", async (t) => {
    const { root, volume } = await emptyVolume(t);
    const outside = temporaryFolder(t);
    fs.mkdirSync(join(outside, "folder"));
    fs.writeFileSync(join(outside, "folder", "kept"), "kept");
    fs.mkdirSync(join(root, "tree", "a", "b"), { recursive: true });
    fs.mkdirSync(join(root, "tree", "a", "locked"), { mode: 0 });
    fs.writeFileSync(join(root, "tree", "a", "file"), "");
    fs.symlinkSync(outside, join(root, "tree", "to-folder"));
    fs.symlinkSync(join(outside, "folder", "kept"), join(root, "tree", "a", "b", "to-file"));
    fs.linkSync(join(outside, "folder", "kept"), join(root, "tree", "hard"));
    execFileSync("mkfifo", [join(root, "tree", "a", "fifo")]);
    fs.writeFileSync(join(root, "beside"), "");
    await removeTree(volume, name, { signal });
    assert.deepEqual(fs.readdirSync(root), ["beside"]);
    assert.equal(fs.readFileSync(join(outside, "folder", "kept"), "utf8"), "kept");
  });

  it("removes a link itself, or a file, and is content when nothing is there", async (t) => {
    const { root, volume } = await emptyVolume(t);
    const outside = temporaryFolder(t);
    fs.writeFileSync(join(outside, "kept"), "");
    fs.symlinkSync(outside, join(root, "tree"));
    await removeTree(volume, name, { signal });
    fs.writeFileSync(join(root, "tree"), "");
    await removeTree(volume, name, { signal });
    await removeTree(volume, name, { signal });
    assert.deepEqual(fs.readdirSync(root), []);
    assert.deepEqual(fs.readdirSync(outside), ["kept"]);
  });

  it("takes apart three thousand folders in one another with a few descriptors", async (t) => {
    const { root, volume } = await emptyVolume(t);
    await nest(volume, 3000);
    const before = fs.readdirSync("/proc/self/fd").length;
    let most = 0;
    const watched = new Proxy(volume, {
      get: (target, property) => {
        most = Math.max(most, fs.readdirSync("/proc/self/fd").length);
        const value: unknown = Reflect.get(target, property, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    await removeTree(watched, name, { signal });
    assert.ok(most <= before + 4, `${most} descriptors, ${before} before`);
    assert.deepEqual(fs.readdirSync(root), []);
    assert.equal(fs.readdirSync("/proc/self/fd").length, before);
  });

  it("leaves another file system that is mounted in it alone", async (t) => {
    const { root, volume } = await emptyVolume(t);
    const mount = join(root, "tree", "mounted");
    fs.mkdirSync(mount, { recursive: true });
    try {
      execFileSync("mount", ["-t", "tmpfs", "tmpfs", mount], { stdio: "ignore" });
    } catch {
      t.skip("may not mount here");
      return;
    }
    try {
      fs.writeFileSync(join(mount, "kept"), "kept");
      await assert.rejects(removeTree(volume, name, { signal }), { code: "VOLUME_FAILED" });
      using tree = await volume.openFolder(name);
      await assert.rejects(removeTree(tree, toUtf8("mounted"), { signal }), { code: "VOLUME_FAILED" });
      assert.equal(fs.readFileSync(join(mount, "kept"), "utf8"), "kept");
    } finally {
      execFileSync("umount", [mount]);
    }
  });

  it("stops at an abort", async (t) => {
    const { root, volume } = await emptyVolume(t);
    fs.mkdirSync(join(root, "tree"));
    fs.writeFileSync(join(root, "tree", "file"), "");
    const reason = new Error("enough");
    await assert.rejects(removeTree(volume, name, { signal: AbortSignal.abort(reason) }), reason);
    assert.ok(fs.existsSync(join(root, "tree", "file")));
  });
});
