import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { fromUtf8, toHex, toUtf8 } from "../../src/base/bytes.ts";
import { type OpenFolder, openVolume } from "../../src/volume/open-folder.ts";
import { removeTree } from "../../src/volume/remove-tree.ts";
import type { VolumeErrorCode } from "../../src/volume/volume-error.ts";
import { listEntries } from "../support/list-entries.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const signal = new AbortController().signal;
const asRoot = process.getuid?.() === 0 ? {} : { skip: "needs root" };

function withCode(code: VolumeErrorCode): { code: VolumeErrorCode } {
  return { code };
}

async function open(t: TestContext, path: string): Promise<OpenFolder> {
  const volume = await openVolume(path, { signal });
  t.after(() => volume[Symbol.dispose]());
  return volume;
}

function openDescriptors(): string[] {
  return fs.readdirSync("/proc/self/fd");
}

describe("an open volume", () => {
  it("follows links in its own path, once", async (t) => {
    const root = temporaryFolder(t);
    fs.mkdirSync(join(root, "real"));
    fs.writeFileSync(join(root, "real", "inside"), "");
    fs.symlinkSync("real", join(root, "link"));
    const volume = await open(t, join(root, "link"));
    assert.deepEqual((await volume.listNames()).map(fromUtf8), ["inside"]);
    assert.equal(volume.displayPath, join(root, "link"));
  });

  it("says what is wrong with a path that is no folder", async (t) => {
    const root = temporaryFolder(t);
    fs.writeFileSync(join(root, "file"), "");
    fs.symlinkSync("nowhere", join(root, "dangling"));
    await assert.rejects(openVolume(join(root, "missing"), { signal }), withCode("VOLUME_NOT_FOUND"));
    await assert.rejects(openVolume(join(root, "dangling"), { signal }), withCode("VOLUME_NOT_FOUND"));
    await assert.rejects(openVolume(join(root, "file"), { signal }), withCode("VOLUME_NOT_A_FOLDER"));
    await assert.rejects(openVolume(join(root, "file", "below"), { signal }), withCode("VOLUME_NOT_A_FOLDER"));
    execFileSync("mkfifo", [join(root, "fifo")]);
    await assert.rejects(openVolume(join(root, "fifo"), { signal }), withCode("VOLUME_NOT_A_FOLDER"));
  });

  it("is not opened after an abort", async (t) => {
    const reason = new Error("enough");
    await assert.rejects(openVolume(temporaryFolder(t), { signal: AbortSignal.abort(reason) }), reason);
  });

  it("cannot be used once it is disposed, so that its number never means another folder", async (t) => {
    const volume = await openVolume(temporaryFolder(t), { signal });
    volume[Symbol.dispose]();
    volume[Symbol.dispose]();
    assert.throws(() => volume.fd, /closed/);
    await assert.rejects(listEntries(volume, signal), /closed/);
  });
});

describe("listing a folder", () => {
  it("gives kind, mode, owner, size and time of each entry", asRoot, async (t) => {
    const root = temporaryFolder(t);
    fs.writeFileSync(join(root, "file"), "hello");
    fs.chmodSync(join(root, "file"), 0o6751);
    fs.chownSync(join(root, "file"), 1000, 2000);
    fs.chmodSync(join(root, "file"), 0o6751);
    fs.mkdirSync(join(root, "folder"));
    fs.chmodSync(join(root, "folder"), 0o1777);
    fs.symlinkSync("/etc/passwd", join(root, "link"));
    execFileSync("mkfifo", [join(root, "fifo")]);
    execFileSync("touch", ["-d", "@1700000000.123456789", join(root, "file")]);
    execFileSync("touch", ["-d", "@-2.500000001", join(root, "folder")]);
    const socket = createServer().listen(join(root, "socket"));
    t.after(() => socket.close());

    const volume = await open(t, root);
    const { entries, unreadable } = await listEntries(volume, signal);
    assert.deepEqual(unreadable, []);
    const seen = new Map(entries.map((entry) => [fromUtf8(entry.name), entry]));
    const file = seen.get("file");
    assert.deepEqual([file?.kind, file?.mode, file?.uid, file?.gid, file?.size], ["file", 0o6751, 1000, 2000, 5]);
    assert.equal(file?.mtimeNs, 1_700_000_000_123_456_789n);
    assert.equal(seen.get("folder")?.kind, "folder");
    assert.equal(seen.get("folder")?.mode, 0o1777);
    assert.equal(seen.get("folder")?.mtimeNs, -2_500_000_001n);
    assert.deepEqual([seen.get("link")?.kind, seen.get("link")?.size], ["symlink", "/etc/passwd".length]);
    assert.equal(seen.get("fifo")?.kind, "other");
    assert.equal(seen.get("socket")?.kind, "other");
    assert.deepEqual(await volume.lstat(toUtf8("file")), file);
    const { name: _, ...own } = (await (await open(t, join(root, "folder"))).stat()) as { name?: unknown } & object;
    const { name: __, ...listed } = seen.get("folder") as { name?: unknown } & object;
    assert.deepEqual(own, listed);
  });

  it("gives names as bytes, whatever they are", async (t) => {
    const root = temporaryFolder(t);
    const names = ["ff", "c328", "e282ac", "0a", "c3a9", "65cc81", "ff".repeat(255), "20", "5c", "2e2e2e"];
    const volume = await open(t, root);
    for (const hex of names) fs.writeFileSync(volume.pathOf(Buffer.from(hex, "hex")), hex);
    const { entries } = await listEntries(volume, signal);
    assert.deepEqual(entries.map((entry) => toHex(entry.name)).sort(), [...names].sort());
    assert.deepEqual((await volume.listNames()).map(toHex).sort(), [...names].sort());
    for (const entry of entries) {
      using file = await volume.openFile(entry.name);
      assert.equal(fs.readFileSync(file.fd, "utf8"), toHex(entry.name));
    }
  });

  it("gives all of many entries, and nothing of an empty folder", async (t) => {
    const root = temporaryFolder(t);
    const volume = await open(t, root);
    assert.deepEqual(await listEntries(volume, signal), { entries: [], unreadable: [] });
    for (let index = 0; index < 1000; index++) fs.writeFileSync(join(root, `${index}`), "");
    const { entries } = await listEntries(volume, signal);
    const numbers = entries.map((entry) => Number(fromUtf8(entry.name))).sort((a, b) => a - b);
    assert.deepEqual(
      numbers,
      Array.from({ length: 1000 }, (_, index) => index),
    );
  });

  it("stops at an abort", async (t) => {
    const volume = await open(t, temporaryFolder(t));
    const reason = new Error("enough");
    await assert.rejects(listEntries(volume, AbortSignal.abort(reason)), reason);
  });

  it("of a folder that was removed meanwhile gives nothing", async (t) => {
    const root = temporaryFolder(t);
    fs.mkdirSync(join(root, "folder"));
    const folder = await open(t, join(root, "folder"));
    fs.rmdirSync(join(root, "folder"));
    assert.deepEqual(await listEntries(folder, signal), { entries: [], unreadable: [] });
  });

  it("tells of entries that hide their attributes", asRoot, async (t) => {
    const root = temporaryFolder(t);
    fs.mkdirSync(join(root, "folder"));
    fs.writeFileSync(join(root, "folder", "entry"), "");
    fs.chmodSync(root, 0o755);
    // Readable, but not to be searched: names show, attributes do not.
    fs.chmodSync(join(root, "folder"), 0o744);
    const source = `
      import { openVolume } from ${JSON.stringify(import.meta.resolve("../../src/volume/open-folder.ts"))};
      import { listEntries } from ${JSON.stringify(import.meta.resolve("../support/list-entries.ts"))};
      process.setgroups([]);
      process.setgid(65534);
      process.setuid(65534);
      const signal = new AbortController().signal;
      const volume = await openVolume(process.argv[1], { signal });
      const { entries, unreadable } = await listEntries(volume, signal);
      const names = unreadable.map(({ name, errno }) => [Buffer.from(name).toString(), errno]);
      console.log(JSON.stringify({ entries, names }));`;
    const answer = execFileSync(process.execPath, ["--input-type=module", "--eval", source, join(root, "folder")]);
    assert.deepEqual(JSON.parse(answer.toString()), { entries: [], names: [["entry", "EACCES"]] });
  });
});

describe("an entry of a folder", () => {
  it("is reached by one name that leads down, by nothing else", async (t) => {
    const volume = await open(t, temporaryFolder(t));
    for (const name of ["", ".", "..", "a/b", "/", "../x", "a\0b", "x".repeat(256)]) {
      const bytes = toUtf8(name);
      await assert.rejects(volume.openFolder(bytes), withCode("VOLUME_NAME_INVALID"), name);
      await assert.rejects(volume.openFile(bytes), withCode("VOLUME_NAME_INVALID"), name);
      await assert.rejects(volume.readLink(bytes), withCode("VOLUME_NAME_INVALID"), name);
      await assert.rejects(volume.lstat(bytes), withCode("VOLUME_NAME_INVALID"), name);
    }
  });

  it("that is gone, is something else by now, or may not be entered, is told apart", async (t) => {
    const root = temporaryFolder(t);
    fs.mkdirSync(join(root, "folder"));
    fs.writeFileSync(join(root, "file"), "");
    fs.symlinkSync("folder", join(root, "link"));
    execFileSync("mkfifo", [join(root, "fifo")]);
    const volume = await open(t, root);
    const before = openDescriptors().length;
    await assert.rejects(volume.openFolder(toUtf8("gone")), withCode("VOLUME_ENTRY_VANISHED"));
    for (const name of ["file", "link", "fifo"]) {
      await assert.rejects(volume.openFolder(toUtf8(name)), withCode("VOLUME_ENTRY_CHANGED_KIND"), name);
    }
    await assert.rejects(volume.openFile(toUtf8("gone")), withCode("VOLUME_ENTRY_VANISHED"));
    for (const name of ["folder", "link", "fifo"]) {
      await assert.rejects(volume.openFile(toUtf8(name)), withCode("VOLUME_ENTRY_CHANGED_KIND"), name);
    }
    await assert.rejects(volume.readLink(toUtf8("gone")), withCode("VOLUME_ENTRY_VANISHED"));
    await assert.rejects(volume.readLink(toUtf8("file")), withCode("VOLUME_ENTRY_CHANGED_KIND"));
    assert.equal(await volume.lstat(toUtf8("gone")), undefined);
    assert.equal(openDescriptors().length, before);
  });

  it("that is a FIFO or a socket makes no one wait", async (t) => {
    const root = temporaryFolder(t);
    execFileSync("mkfifo", [join(root, "fifo")]);
    const socket = createServer().listen(join(root, "socket"));
    t.after(() => socket.close());
    const volume = await open(t, root);
    await assert.rejects(volume.openFile(toUtf8("fifo")), withCode("VOLUME_ENTRY_CHANGED_KIND"));
    await assert.rejects(volume.openFile(toUtf8("socket")), withCode("VOLUME_ENTRY_CHANGED_KIND"));
  });

  it("that is a link gives its target as bytes", async (t) => {
    const root = temporaryFolder(t);
    const volume = await open(t, root);
    const target = Buffer.from("2e2e2fff", "hex");
    fs.symlinkSync(target, volume.pathOf(toUtf8("link")));
    assert.equal(toHex(await volume.readLink(toUtf8("link"))), toHex(target));
    const long = Buffer.alloc(4095, "x");
    fs.symlinkSync(long, volume.pathOf(toUtf8("long")));
    assert.equal((await volume.readLink(toUtf8("long"))).byteLength, 4095);
  });

  it("nested deeper than the longest path there is, is reached and its path stays readable", async (t) => {
    const root = temporaryFolder(t);
    const volume = await open(t, root);
    const name = toUtf8("n".repeat(200));
    let folder = volume;
    for (let depth = 0; depth < 60; depth++) {
      fs.mkdirSync(folder.pathOf(name));
      const inner = await folder.openFolder(name);
      if (folder !== volume) folder[Symbol.dispose]();
      folder = inner;
    }
    fs.writeFileSync(folder.pathOf(toUtf8("deep")), "reached");
    const [entry] = (await listEntries(folder, signal)).entries;
    assert.equal(entry && fromUtf8(entry.name), "deep");
    assert.ok(folder.displayPath.length <= 1024);
    assert.ok(folder.displayPath.startsWith(root) && folder.displayPath.includes("…"));
    folder[Symbol.dispose]();
    await removeTree(volume, name, { signal });
    assert.deepEqual(await volume.listNames(), []);
  });

  it("is named in messages without what would steer a terminal", async (t) => {
    const volume = await open(t, temporaryFolder(t));
    await assert.rejects(volume.openFolder(toUtf8("a\n\x1b[31mb\u202e")), (error: Error) => {
      assert.match(error.message, /a\\u\{a\}\\u\{1b\}\[31mb\\u\{202e\}: it is gone$/);
      return true;
    });
  });
});
