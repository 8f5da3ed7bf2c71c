import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import fc from "fast-check";
import { fromUtf8, toUtf8 } from "../../src/base/bytes.ts";
import { type Attributes, differencesOf, setFolderAttributes } from "../../src/volume/attributes.ts";
import type { EntryStat } from "../../src/volume/entry.ts";
import { loadSystemCalls, nodeSystemCalls, type SystemCalls } from "../../src/volume/libc.ts";
import { makeFolder } from "../../src/volume/make-folder.ts";
import { makeSymlink } from "../../src/volume/make-symlink.ts";
import { createFile } from "../../src/volume/new-file.ts";
import { type OpenFolder, openVolume } from "../../src/volume/open-folder.ts";
import { syncVolume } from "../../src/volume/sync-volume.ts";
import type { VolumeErrorCode } from "../../src/volume/volume-error.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const signal = new AbortController().signal;
const asRoot = process.getuid?.() === 0 ? {} : { skip: "needs root" };
const name = toUtf8("name");
const mine: Attributes = {
  mode: 0o640,
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
  mtimeNs: 1_700_000_000_123_456_789n,
};

async function open(t: TestContext, path: string, system?: SystemCalls): Promise<OpenFolder> {
  const volume = await openVolume(path, system ? { signal, system } : { signal });
  t.after(() => volume[Symbol.dispose]());
  return volume;
}

async function emptyVolume(t: TestContext): Promise<{ root: string; volume: OpenFolder }> {
  const root = temporaryFolder(t);
  return { root, volume: await open(t, root) };
}

async function writeFile(folder: OpenFolder, text: string, attributes: Attributes = mine): Promise<void> {
  await using file = await createFile(folder);
  await file.write(toUtf8(text), 0);
  assert.deepEqual(await file.commit(name, attributes), []);
}

function withCode(code: VolumeErrorCode): { code: VolumeErrorCode } {
  return { code };
}

const times: readonly [text: string, timeNs: bigint][] = [
  ["the epoch", 0n],
  ["a nanosecond before it", -1n],
  ["a second before it", -1_000_000_000n],
  ["a time in 1904", -2_082_844_800_000_000_001n],
  ["a time with nanoseconds", 1_700_000_000_123_456_789n],
  ["a time in 2200", 7_258_118_400_000_000_007n],
];

describe("attributes", () => {
  for (const [text, mtimeNs] of times) {
    it(`of files, folders and links take ${text} exactly`, async (t) => {
      const { volume } = await emptyVolume(t);
      assert.equal(volume.system.name, "libc", volume.system.fallbackBecause);
      await writeFile(volume, "x", { ...mine, mtimeNs });
      assert.equal((await volume.lstat(name))?.mtimeNs, mtimeNs);

      using folder = await makeFolder(volume, toUtf8("folder"));
      assert.deepEqual(await setFolderAttributes(folder, { ...mine, mtimeNs }), []);
      assert.equal((await folder.stat()).mtimeNs, mtimeNs);

      const link = { target: toUtf8("nowhere"), attributes: { ...mine, mtimeNs } };
      assert.deepEqual(await makeSymlink(volume, toUtf8("link"), link), []);
      assert.equal((await volume.lstat(toUtf8("link")))?.mtimeNs, mtimeNs);
    });
  }

  it("take owner and all twelve mode bits, set-uid and set-gid after the owner", asRoot, async (t) => {
    const { volume } = await emptyVolume(t);
    for (const mode of [0, 0o644, 0o4755, 0o2755, 0o1777, 0o7777]) {
      const wanted = { ...mine, mode, uid: 1234, gid: 4321 };
      await writeFile(volume, "x", wanted);
      const found = await volume.lstat(name);
      assert.deepEqual([found?.mode, found?.uid, found?.gid], [mode, 1234, 4321]);
      using folder = await makeFolder(volume, toUtf8("folder"));
      assert.deepEqual(await setFolderAttributes(folder, wanted), []);
      assert.equal((await folder.stat()).mode, mode);
    }
    const link = { target: toUtf8("name"), attributes: { ...mine, uid: 77, gid: 78 } };
    await makeSymlink(volume, toUtf8("link"), link);
    assert.deepEqual((await volume.lstat(toUtf8("link")))?.uid, 77);
    assert.equal((await volume.lstat(name))?.uid, 1234);
  });

  it("are not bent by the process's umask", async (t) => {
    const before = process.umask(0o077);
    t.after(() => process.umask(before));
    const { volume } = await emptyVolume(t);
    await writeFile(volume, "x", { ...mine, mode: 0o666 });
    assert.equal((await volume.lstat(name))?.mode, 0o666);
    assert.equal(process.umask(), 0o077);
  });

  it("that the file system does not take come out as differences", async (t) => {
    const { volume } = await emptyVolume(t);
    const refusing: SystemCalls = {
      ...volume.system,
      setTimes: async () => {
        throw Object.assign(new Error("refused"), { code: "EPERM", syscall: "utimensat" });
      },
    };
    const stubborn = await open(t, volume.displayPath, refusing);
    await using file = await createFile(stubborn);
    const differences = await file.commit(name, mine);
    assert.deepEqual(
      differences.map(({ attribute, wanted, errno }) => ({ attribute, wanted, errno })),
      [{ attribute: "mtime", wanted: "2023-11-14T22:13:20.123456789Z", errno: "EPERM" }],
    );
    assert.ok(await volume.lstat(name));
  });

  it("that fail for the storage's sake are an error, and nothing is put in place", async (t) => {
    const { root, volume } = await emptyVolume(t);
    for (const [errno, code] of [
      ["EIO", "VOLUME_FAILED"],
      ["ENOSPC", "VOLUME_FULL"],
      ["EDQUOT", "VOLUME_FULL"],
      ["EROFS", "VOLUME_READ_ONLY"],
    ] as const) {
      const failing: SystemCalls = {
        ...volume.system,
        setTimes: async () => {
          throw Object.assign(new Error("broken"), { code: errno, syscall: "utimensat" });
        },
      };
      const broken = await open(t, root, failing);
      const file = await createFile(broken);
      await assert.rejects(file.commit(name, mine), withCode(code));
      await assert.rejects(makeSymlink(broken, name, { target: name, attributes: mine }), withCode(code));
      assert.deepEqual(fs.readdirSync(root), []);
    }
  });

  it("are compared one by one, and a refusal that changed nothing is none", () => {
    const found: EntryStat = {
      kind: "file",
      mode: 0o644,
      uid: 65534,
      gid: 65534,
      size: 3,
      mtimeNs: 1_500_000_000n,
      device: 1,
      inode: 2n,
    };
    const wanted = { mode: 0o4755, uid: 0, gid: 0, size: 4, mtimeNs: 1_500_000_001n };
    assert.deepEqual(differencesOf(wanted, found, { owner: "EPERM" }), [
      { attribute: "owner", wanted: "0:0", found: "65534:65534", errno: "EPERM" },
      { attribute: "mode", wanted: "4755", found: "0644" },
      { attribute: "size", wanted: "4", found: "3" },
      { attribute: "mtime", wanted: "1970-01-01T00:00:01.500000001Z", found: "1970-01-01T00:00:01.5Z" },
    ]);
    assert.deepEqual(differencesOf(found, found, { owner: "EPERM", mode: "ENOTSUP", mtime: "EPERM" }), []);
  });
});

describe("without the libc", () => {
  it("times are kept to about a microsecond, what is lost is told, and it says so", async (t) => {
    const system = nodeSystemCalls("koffi does not load");
    assert.deepEqual([system.name, system.fallbackBecause], ["node", "koffi does not load"]);
    const volume = await open(t, temporaryFolder(t), system);
    await writeFile(volume, "x", { ...mine, mtimeNs: 1_700_000_000_000_000_000n });
    await using file = await createFile(volume);
    const [difference] = await file.commit(name, mine);
    assert.equal(difference?.attribute, "mtime");
    const found = (await volume.lstat(name))?.mtimeNs ?? 0n;
    assert.ok(found <= mine.mtimeNs && mine.mtimeNs - found < 1_000n, `${found}`);
    const old = { target: name, attributes: { ...mine, mtimeNs: -1_500_000_000n } };
    assert.deepEqual(await makeSymlink(volume, toUtf8("link"), old), []);
    await syncVolume(volume);
  });

  it("and with it, a volume is brought to storage", async (t) => {
    const { volume } = await emptyVolume(t);
    await syncVolume(volume);
    const system = await loadSystemCalls();
    await assert.rejects(system.syncFileSystem(-1), { code: "EBADF", syscall: "syncfs" });
    await assert.rejects(system.setTimes(-1, 0n), { code: "ENOENT", syscall: "utimensat" });
  });

  it("many calls at once all come through", async (t) => {
    const { volume } = await emptyVolume(t);
    await Promise.all(Array.from({ length: 600 }, () => volume.system.setTimes(volume.fd, 5n)));
    assert.equal((await volume.stat()).mtimeNs, 5n);
  });
});

describe("a new file", () => {
  it("appears whole, and only when it is committed", async (t) => {
    const { root, volume } = await emptyVolume(t);
    fs.writeFileSync(join(root, "name"), "old");
    await using file = await createFile(volume);
    await file.write(toUtf8("world"), 6);
    await file.write(toUtf8("hello "), 0);
    assert.equal(fs.readFileSync(join(root, "name"), "utf8"), "old");
    const [temporary] = fs.readdirSync(root).filter((found) => found !== "name");
    assert.match(temporary ?? "", /^\.fsb-[0-9a-f]{16}\.tmp$/);
    assert.equal(fs.statSync(join(root, temporary ?? "")).mode & 0o777, 0o600);
    assert.deepEqual(await file.commit(name, mine, { sync: "before-rename" }), []);
    assert.equal(fs.readFileSync(join(root, "name"), "utf8"), "hello world");
    assert.deepEqual(fs.readdirSync(root), ["name"]);
  });

  it("that is disposed before it is committed leaves nothing, and no descriptor", async (t) => {
    const { root, volume } = await emptyVolume(t);
    const before = fs.readdirSync("/proc/self/fd").length;
    {
      await using file = await createFile(volume);
      await file.write(toUtf8("half"), 0);
    }
    assert.deepEqual(fs.readdirSync(root), []);
    assert.equal(fs.readdirSync("/proc/self/fd").length, before);
  });

  it("replaces a link, dangling or not, and never what it leads to", async (t) => {
    const { root, volume } = await emptyVolume(t);
    const outside = temporaryFolder(t);
    fs.writeFileSync(join(outside, "victim"), "untouched");
    for (const target of [join(outside, "victim"), join(outside, "missing"), outside]) {
      fs.rmSync(join(root, "name"), { force: true });
      fs.symlinkSync(target, join(root, "name"));
      await writeFile(volume, "new");
      assert.ok(fs.lstatSync(join(root, "name")).isFile());
    }
    assert.deepEqual(fs.readdirSync(outside), ["victim"]);
    assert.equal(fs.readFileSync(join(outside, "victim"), "utf8"), "untouched");
  });

  it("replaces one name of a file with several and leaves the others as they are", async (t) => {
    const { root, volume } = await emptyVolume(t);
    fs.writeFileSync(join(root, "other"), "shared");
    fs.linkSync(join(root, "other"), join(root, "name"));
    await writeFile(volume, "new");
    assert.equal(fs.readFileSync(join(root, "other"), "utf8"), "shared");
    assert.equal(fs.readFileSync(join(root, "name"), "utf8"), "new");
  });

  it("replaces a FIFO without waiting for its other end", async (t) => {
    const { root, volume } = await emptyVolume(t);
    execFileSync("mkfifo", [join(root, "name")]);
    await writeFile(volume, "new");
    assert.equal(fs.readFileSync(join(root, "name"), "utf8"), "new");
  });

  it("does not replace a folder, and says which", async (t) => {
    const { root, volume } = await emptyVolume(t);
    fs.mkdirSync(join(root, "name"));
    const file = await createFile(volume);
    await assert.rejects(file.commit(name, mine), (error: Error & { code: string }) => {
      assert.equal(error.code, "VOLUME_FOLDER_IN_THE_WAY");
      assert.ok(error.message.includes(join(root, "name")));
      return true;
    });
    assert.deepEqual(fs.readdirSync(root), ["name"]);
  });

  it("is not committed under a name that leads elsewhere", async (t) => {
    const { root, volume } = await emptyVolume(t);
    const file = await createFile(volume);
    await assert.rejects(file.commit(toUtf8("../escaped"), mine), withCode("VOLUME_NAME_INVALID"));
    assert.deepEqual(fs.readdirSync(root), []);
  });

  it("has the length it was given, with zeros where nothing was written", async (t) => {
    const { root, volume } = await emptyVolume(t);
    await using file = await createFile(volume);
    await file.setLength(10_000);
    await file.write(toUtf8("x"), 5_000);
    assert.deepEqual(await file.commit(name, mine), []);
    const bytes = fs.readFileSync(join(root, "name"));
    assert.equal(bytes.byteLength, 10_000);
    assert.equal(bytes[5_000], 0x78);
    assert.equal(bytes.filter((byte) => byte !== 0).byteLength, 1);
  });

  it("too large for the file system is refused when its length is set", async (t) => {
    const { volume } = await emptyVolume(t);
    await using file = await createFile(volume);
    await assert.rejects(file.setLength(Number.MAX_SAFE_INTEGER), withCode("VOLUME_FAILED"));
  });

  it("leaves holes where blocks are zero, if told so", async (t) => {
    const { root, volume } = await emptyVolume(t);
    const bytes = Buffer.alloc(8 << 20);
    bytes.write("start", 0);
    bytes.write("end", (4 << 20) - 3);
    await using sparse = await createFile(volume, { zeros: "holes" });
    await sparse.write(bytes, 0);
    await sparse.commit(name, mine, { sync: "before-rename" });
    await using full = await createFile(volume);
    await full.write(bytes, 0);
    await full.commit(toUtf8("full"), mine, { sync: "before-rename" });
    assert.deepEqual(fs.readFileSync(join(root, "name")), bytes);
    const sparseBlocks = fs.statSync(join(root, "name")).blocks;
    const fullBlocks = fs.statSync(join(root, "full")).blocks;
    assert.ok(sparseBlocks * 512 <= 256 << 10, `${sparseBlocks} blocks`);
    assert.ok(fullBlocks * 512 >= 8 << 20, `${fullBlocks} blocks`);
  });

  it("with holes reads the same as without, however it is cut into writes", async (t) => {
    const { root, volume } = await emptyVolume(t);
    const piece = fc.record({
      length: fc.integer({ min: 0, max: 200_000 }),
      byte: fc.constantFrom(0, 0, 0, 7),
      noise: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 8 }), async (pieces) => {
        const parts = pieces.map(({ length, byte, noise }) => {
          const part = Buffer.alloc(length, byte);
          if (noise && length > 0) part[length >> 1] = 9;
          return part;
        });
        await using file = await createFile(volume, { zeros: "holes" });
        let position = 0;
        const writes: Promise<void>[] = [];
        for (const part of parts) {
          writes.push(file.write(part, position));
          position += part.byteLength;
        }
        await Promise.all(writes);
        assert.deepEqual(await file.commit(name, mine), []);
        assert.ok(fs.readFileSync(join(root, "name")).equals(Buffer.concat(parts)));
      }),
      { numRuns: 60 },
    );
  });
});

describe("a made folder", () => {
  it("is for its owner only until its attributes are set", async (t) => {
    const { volume } = await emptyVolume(t);
    using folder = await makeFolder(volume, name);
    assert.equal((await folder.stat()).mode, 0o700);
  });

  it("that exists is kept with what it holds", async (t) => {
    const { root, volume } = await emptyVolume(t);
    fs.mkdirSync(join(root, "name"));
    fs.writeFileSync(join(root, "name", "kept"), "");
    using folder = await makeFolder(volume, name);
    assert.deepEqual((await folder.listNames()).map(fromUtf8), ["kept"]);
  });

  it("takes the place of a file, a FIFO or a link, and leaves alone what that leads to", async (t) => {
    const { root, volume } = await emptyVolume(t);
    const outside = temporaryFolder(t);
    fs.writeFileSync(join(outside, "kept"), "");
    const plants = [
      () => fs.writeFileSync(join(root, "name"), ""),
      () => execFileSync("mkfifo", [join(root, "name")]),
      () => fs.symlinkSync(outside, join(root, "name")),
      () => fs.symlinkSync("missing", join(root, "name")),
    ];
    for (const plant of plants) {
      fs.rmSync(join(root, "name"), { recursive: true, force: true });
      plant();
      using folder = await makeFolder(volume, name);
      assert.deepEqual(await folder.listNames(), []);
      assert.ok(fs.lstatSync(join(root, "name")).isDirectory());
    }
    assert.deepEqual(fs.readdirSync(outside), ["kept"]);
  });
});

describe("a made link", () => {
  it("holds its target as it is, any bytes, wherever it leads", async (t) => {
    const { volume } = await emptyVolume(t);
    for (const target of [toUtf8("../../etc/passwd"), Buffer.from([0xff, 0x0a]), Buffer.alloc(4095, "y")]) {
      assert.deepEqual(await makeSymlink(volume, name, { target, attributes: mine }), []);
      assert.deepEqual(Buffer.from(await volume.readLink(name)), Buffer.from(target));
    }
  });

  it("replaces a file or a link, not a folder", async (t) => {
    const { root, volume } = await emptyVolume(t);
    const link = { target: toUtf8("target"), attributes: mine };
    fs.writeFileSync(join(root, "name"), "");
    await makeSymlink(volume, name, link);
    await makeSymlink(volume, name, link);
    assert.equal(fs.readlinkSync(join(root, "name")), "target");
    fs.mkdirSync(join(root, "folder"));
    await assert.rejects(makeSymlink(volume, toUtf8("folder"), link), withCode("VOLUME_FOLDER_IN_THE_WAY"));
    assert.deepEqual(fs.readdirSync(root).sort(), ["folder", "name"]);
  });

  it("is refused a target that no link can hold", async (t) => {
    const { root, volume } = await emptyVolume(t);
    for (const target of [toUtf8(""), toUtf8("a\0b"), Buffer.alloc(4096, "y")]) {
      const made = makeSymlink(volume, name, { target, attributes: mine });
      await assert.rejects(made, withCode("VOLUME_LINK_TARGET_INVALID"));
    }
    assert.deepEqual(fs.readdirSync(root), []);
  });
});
