import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { fromUtf8, toUtf8 } from "../../../src/base/bytes.ts";
import { seededRandom } from "../../../src/base/random.ts";
import {
  BlobError,
  type BlobErrorCode,
  type BlobId,
  type BlobMetadata,
  type BlobStore,
  parseBlobId,
} from "../../../src/repository/blob/blob-store.ts";
import { openFilesystemStore } from "../../../src/repository/blob/filesystem.ts";
import { coded, describeBlobStoreContract } from "../../contracts/blob-store.contract.ts";
import { blobOf, isWholeBlob, ownBlob, sharedBlob } from "../../support/blob-writer.ts";
import { requireGolden } from "../../support/golden.ts";
import { describeRun, runProgram } from "../../support/program.ts";
import { lacking, requireRoot } from "../../support/required.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

const layouts = {
  "a folder that it creates": () => undefined,
  "an empty folder that it opens": (folder: string) => mkdirSync(folder),
  "a flat folder": (folder: string) => {
    mkdirSync(folder);
    writeFileSync(join(folder, ".shards"), '{"default":[],"maxNonShardedLength":20}\n');
  },
  "a folder with other shards for some": (folder: string) => {
    mkdirSync(folder);
    const overrides = [{ prefix: "p", shards: [2, 0, 3, 4] }];
    writeFileSync(join(folder, ".shards"), JSON.stringify({ default: [1, 3], maxNonShardedLength: 3, overrides }));
  },
};

for (const [name, prepare] of Object.entries(layouts)) {
  describeBlobStoreContract(name, async (t) => {
    const folder = join(temporaryFolder(t), "repository");
    prepare(folder);
    const store = await openFilesystemStore(folder, { mode: existsSync(folder) ? "open" : "create", signal });
    return { store, dispose: () => store[Symbol.asyncDispose]() };
  });
}

describeBlobStoreContract("a bucket dump", async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "kopia.repository"), "{}");
  const store = await openFilesystemStore(folder, { mode: "open", signal });
  await store.delete(format, { signal });
  return { store, dispose: () => store[Symbol.asyncDispose]() };
});

describe("opening a folder", () => {
  test("creates it for create, with the folders that lead to it, for nobody else to read", async (t) => {
    const folder = join(temporaryFolder(t), "a", "b", "repository");
    const store = await openFilesystemStore(folder, { mode: "create", signal });
    assert.equal(store.displayName, folder);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    await store.put(pack, [toUtf8("bytes")], { signal });
    assert.equal(statSync(join(folder, "p", "844")).mode & 0o777, 0o700);
    assert.equal(statSync(join(folder, "p", "844", `${pack.slice(4)}.f`)).mode & 0o777, 0o600);
  });

  test("that is missing is BLOB_STORE_NOT_FOUND for open and read-only, and makes nothing", async (t) => {
    const folder = join(temporaryFolder(t), "missing");
    for (const mode of ["open", "read-only"] as const) {
      const error = await failureOf(openFilesystemStore(folder, { mode, signal }), "BLOB_STORE_NOT_FOUND");
      assert.match(error.hint ?? "", /mounted/);
      assert.equal(existsSync(folder), false);
    }
  });

  test("that is no folder is BLOB_STORE_INVALID", async (t) => {
    const file = join(temporaryFolder(t), "file");
    writeFileSync(file, "");
    for (const mode of ["create", "open", "read-only"] as const) {
      await failureOf(openFilesystemStore(file, { mode, signal }), "BLOB_STORE_INVALID");
      await failureOf(openFilesystemStore(join(file, "below"), { mode, signal }), "BLOB_STORE_INVALID");
    }
  });

  test("follows a symbolic link to the repository, and stays where it led", async (t) => {
    const parent = temporaryFolder(t);
    const link = join(parent, "link");
    mkdirSync(join(parent, "first"));
    symlinkSync("first", link);
    const store = await openFilesystemStore(link, { mode: "open", signal });
    rmSync(link);
    symlinkSync("elsewhere", link);
    await store.put(format, [toUtf8("{}")], { signal });
    assert.ok(existsSync(join(parent, "first", "kopia.repository.f")));
  });

  test("with a signal that was aborted gives its reason", async (t) => {
    const reason = new Error("gone");
    const options = { mode: "create", signal: AbortSignal.abort(reason) } as const;
    await assert.rejects(openFilesystemStore(temporaryFolder(t), options), (error) => error === reason);
  });
});

describe("the layout", () => {
  test("is [1,3] in a folder opened for create, and recorded by the first put", async (t) => {
    const folder = temporaryFolder(t);
    const store = await openFilesystemStore(folder, { mode: "create", signal });
    await store.put(pack, [], { signal });
    assert.deepEqual(filesBelow(folder), [".shards", `p/844/${pack.slice(4)}.f`]);
    assert.equal(readFileSync(join(folder, ".shards"), "utf8"), '{"default":[1,3],"maxNonShardedLength":20}\n');
  });

  test("is [3,3] in a folder that is merely opened, and recorded by the first put", async (t) => {
    const folder = temporaryFolder(t);
    const store = await openFilesystemStore(folder, { mode: "open", signal });
    await store.put(pack, [], { signal });
    assert.deepEqual(filesBelow(folder), [".shards", `p84/43e/${pack.slice(6)}.f`]);
    assert.equal(readFileSync(join(folder, ".shards"), "utf8"), '{"default":[3,3],"maxNonShardedLength":20}\n');
  });

  test("is not settled by looking whether there is a repository", async (t) => {
    const folder = temporaryFolder(t);
    for (const mode of ["create", "open", "read-only"] as const) {
      const store = await openFilesystemStore(folder, { mode, signal });
      await assert.rejects(store.get(format, { signal }), coded("BLOB_NOT_FOUND"));
      assert.equal(await store.metadata(format, { signal }), undefined);
      assert.deepEqual(await Array.fromAsync(store.list("", { signal })), []);
      if (mode !== "read-only") await store.delete(format, { signal });
      assert.deepEqual(readdirSync(folder), []);
    }
  });

  test("in .shards wins over the mode", async (t) => {
    for (const mode of ["create", "open"] as const) {
      const folder = temporaryFolder(t);
      writeFileSync(join(folder, ".shards"), '{"default":[2],"maxNonShardedLength":5}');
      const store = await openFilesystemStore(folder, { mode, signal });
      await store.put(format, [], { signal });
      assert.deepEqual(filesBelow(folder), [".shards", "ko/pia.repository.f"]);
      assert.equal(readFileSync(join(folder, ".shards"), "utf8"), '{"default":[2],"maxNonShardedLength":5}');
    }
  });

  test("is that of whoever puts first", async (t) => {
    const folder = temporaryFolder(t);
    const opened = await openFilesystemStore(folder, { mode: "open", signal });
    const created = await openFilesystemStore(folder, { mode: "create", signal });
    await created.put(pack, [toUtf8("bytes")], { signal });
    assert.equal(fromUtf8(await opened.get(pack, { signal })), "bytes");
    await opened.put(other, [toUtf8("more")], { signal });
    assert.equal(fromUtf8(await created.get(other, { signal })), "more");
  });

  test("that is malformed is BLOB_STORE_INVALID in every mode", async (t) => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, ".shards"), '{"default":[1,');
    for (const mode of ["create", "open", "read-only"] as const) {
      const error = await failureOf(openFilesystemStore(folder, { mode, signal }), "BLOB_STORE_INVALID");
      assert.ok(error.message.includes(join(folder, ".shards")), error.message);
    }
    rmSync(join(folder, ".shards"));
    mkdirSync(join(folder, ".shards"));
    await failureOf(openFilesystemStore(folder, { mode: "open", signal }), "BLOB_STORE_INVALID");
  });

  test("that cannot be recorded fails the put, for its blob would not be found again", async (t) => {
    const folder = temporaryFolder(t);
    const store = await openFilesystemStore(folder, { mode: "create", signal });
    rmSync(folder, { recursive: true });
    await failureOf(store.put(pack, [], { signal }), "BLOB_STORE_NOT_FOUND");
  });
});

describe("a golden repository", () => {
  for (const name of ["default-v3", "flat", "v1-small", "v2-small"]) {
    test(`${name}: every file is listed, found and read, and nothing is written`, async (t) => {
      const golden = requireGolden(t);
      if (golden === undefined) return;
      const folder = golden.copyRepository(name, temporaryFolder(t));
      const before = filesBelow(folder);
      const store = await openFilesystemStore(folder, { mode: "open", signal });
      assert.equal(await readAll(store), before.filter((path) => path.endsWith(".f")).length);
      assert.deepEqual(filesBelow(folder), before);
    });

    test(`${name}: is understood after a copy that left .shards behind`, async (t) => {
      const golden = requireGolden(t);
      if (golden === undefined) return;
      const folder = golden.copyRepository(name, temporaryFolder(t));
      const shards = readFileSync(join(folder, ".shards"), "utf8");
      rmSync(join(folder, ".shards"));
      const store = await openFilesystemStore(folder, { mode: "open", signal });
      assert.ok((await readAll(store)) > 0);
      assert.equal(existsSync(join(folder, ".shards")), false);
      await store.put(pack, [], { signal });
      assert.equal(readFileSync(join(folder, ".shards"), "utf8"), shards);
    });
  }

  test("that is the dump of a bucket is read, written and listed by its objects' names", async (t) => {
    const golden = requireGolden(t);
    if (golden === undefined) return;
    const folder = join(temporaryFolder(t), "shop");
    cpSync(join(golden.folder, "velero-1.15-bucket", "kopia", "shop"), folder, { recursive: true });
    chmodSync(folder, 0o700);
    const before = readdirSync(folder);
    for (const mode of ["read-only", "open", "create"] as const) {
      const store = await openFilesystemStore(folder, { mode, signal });
      assert.equal(await readAll(store), before.length);
      assert.match(fromUtf8(await store.get(format, { signal })), /"uniqueID"/);
    }
    const store = await openFilesystemStore(folder, { mode: "open", signal });
    await store.put(pack, [toUtf8("bytes")], { signal });
    assert.deepEqual(readdirSync(folder).toSorted(), [...before, pack].toSorted());
    await store.delete(pack, { signal });
    assert.deepEqual(readdirSync(folder).toSorted(), before.toSorted());
  });
});

describe("a listing", () => {
  test("tells length and modification time as the file system does", async (t) => {
    const { folder, store } = await storeIn(t);
    await store.put(pack, [toUtf8("bytes")], { signal });
    const { size, mtimeMs } = statSync(join(folder, `p/844/${pack.slice(4)}.f`));
    const expected: BlobMetadata = { id: pack, length: size, modifiedMs: Math.floor(mtimeMs) };
    assert.deepEqual(await Array.fromAsync(store.list("p", { signal })), [expected]);
    assert.deepEqual(await store.metadata(pack, { signal }), expected);
  });

  test("passes over what is no blob: temporary files, foreign files, links, folders named like blobs", async (t) => {
    const { folder, store } = await storeIn(t);
    await store.put(pack, [toUtf8("bytes")], { signal });
    writeFileSync(join(folder, ".tmp.0123456789abcdef"), "stale");
    writeFileSync(join(folder, `p/844/.tmp.0123456789abcdef`), "stale");
    writeFileSync(join(folder, `p/844/${pack.slice(4)}.f.tmp.0123456789abcdef`), "stale, by kopia");
    writeFileSync(join(folder, "README"), "by the operator");
    mkdirSync(join(folder, "folder.f"));
    mkdirSync(join(folder, "lost+found"));
    mkdirSync(join(folder, "p", "x".repeat(250)));
    symlinkSync(`p/844/${pack.slice(4)}.f`, join(folder, "link.f"));
    symlinkSync("p", join(folder, "q"));
    execFileSync("mkfifo", [join(folder, "pipe.f")]);
    assert.deepEqual(await listedIds(store), [pack]);
  });

  test("finds a blob under other shards than those recorded, as kopia does", async (t) => {
    const { folder, store } = await storeIn(t);
    mkdirSync(join(folder, "p84", "43e"), { recursive: true });
    writeFileSync(join(folder, "p84", "43e", `${pack.slice(6)}.f`), "");
    assert.deepEqual(await listedIds(store), [pack]);
  });

  test("of more files than it holds at once gives them all", async (t) => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, "kopia.repository"), "");
    for (let at = 0; at < 1000; at++) writeFileSync(join(folder, `p${at}`), "");
    const store = await openFilesystemStore(folder, { mode: "read-only", signal });
    assert.equal((await listedIds(store)).length, 1001);
  });

  test("goes on when files and folders vanish under it", async (t) => {
    const { folder, store } = await storeIn(t);
    const ids = Array.from({ length: 60 }, (_, at) => parseBlobId(`p${at}`.padEnd(30, "f")));
    for (const id of ids) await store.put(id, [], { signal });
    let seen = 0;
    for await (const _ of store.list("", { signal })) {
      if (seen++ === 3) rmSync(join(folder, "p"), { recursive: true });
    }
    assert.ok(seen >= 4 && seen < 60, `${seen}`);
  });
});

describe("a repository whose folder has gone", () => {
  test("is BLOB_STORE_NOT_FOUND for every operation, for its blobs are not missing but somewhere else", async (t) => {
    const { folder, store } = await storeIn(t);
    await store.put(pack, [toUtf8("bytes")], { signal });
    renameSync(folder, `${folder}-elsewhere`);
    t.after(() => rmSync(`${folder}-elsewhere`, { recursive: true }));
    await failureOf(store.get(pack, { signal }), "BLOB_STORE_NOT_FOUND");
    await failureOf(store.metadata(pack, { signal }), "BLOB_STORE_NOT_FOUND");
    await failureOf(store.put(pack, [], { signal }), "BLOB_STORE_NOT_FOUND");
    await failureOf(store.delete(pack, { signal }), "BLOB_STORE_NOT_FOUND");
    await failureOf(Array.fromAsync(store.list("", { signal })), "BLOB_STORE_NOT_FOUND");
    assert.equal(existsSync(folder), false);
  });
});

describe("a put", () => {
  test("makes its folder anew when it was tidied away", async (t) => {
    const { folder, store } = await storeIn(t);
    await store.put(pack, [toUtf8("one")], { signal });
    rmSync(join(folder, "p"), { recursive: true });
    await store.put(pack, [toUtf8("two")], { signal });
    assert.equal(fromUtf8(await store.get(pack, { signal })), "two");
  });

  test("that is aborted on the way leaves the old blob and no temporary file", async (t) => {
    const { folder, store } = await storeIn(t);
    await store.put(pack, [toUtf8("old")], { signal });
    const before = filesBelow(folder);
    const caller = new AbortController();
    const reason = new Error("the caller went away");
    const put = store.put(pack, [new Uint8Array(4 * 1024 * 1024), toUtf8("new")], { signal: caller.signal });
    caller.abort(reason);
    await assert.rejects(put, (error) => error === reason);
    assert.deepEqual(filesBelow(folder), before);
    assert.equal(fromUtf8(await store.get(pack, { signal })), "old");
  });

  test("that fails leaves what is in its way and no temporary file", async (t) => {
    const { folder, store } = await storeIn(t);
    await store.put(pack, [], { signal });
    mkdirSync(join(folder, "p", "844", `${other.slice(4)}.f`, "full"), { recursive: true });
    const before = filesBelow(folder);
    await failureOf(store.put(other, [toUtf8("new")], { signal }), "BLOB_STORE_INVALID");
    assert.deepEqual(filesBelow(folder), before);
  });

  test("survives that another takes the same temporary name", async (t) => {
    const folder = temporaryFolder(t);
    const open = () => openFilesystemStore(folder, { mode: "create", signal, random: seededRandom("twins") });
    const twins = await Promise.all([open(), open()]);
    await twins[0].put(format, [], { signal });
    const outcomes = await Promise.allSettled(twins.map((twin) => twin.put(pack, [toUtf8("bytes")], { signal })));
    assert.ok(outcomes.some(({ status }) => status === "fulfilled"));
    assert.equal(fromUtf8(await twins[1].get(pack, { signal })), "bytes");
    assert.deepEqual(filesBelow(folder), [".shards", "kopia.repository.f", `p/844/${pack.slice(4)}.f`]);
  });
});

describe("links and special files within a repository", () => {
  test("are refused by every operation that would go through them", async (t) => {
    const { folder, store } = await storeIn(t);
    const outside = temporaryFolder(t);
    await store.put(format, [toUtf8("{}")], { signal });
    mkdirSync(join(outside, "844"));
    writeFileSync(join(outside, "844", `${pack.slice(4)}.f`), "not of the repository");
    symlinkSync(outside, join(folder, "p"));
    const before = filesBelow(outside);
    await failureOf(store.get(pack, { signal }), "BLOB_STORE_INVALID");
    await failureOf(store.metadata(pack, { signal }), "BLOB_STORE_INVALID");
    await failureOf(store.delete(pack, { signal }), "BLOB_STORE_INVALID");
    await failureOf(store.put(pack, [toUtf8("new")], { signal }), "BLOB_STORE_INVALID");
    assert.deepEqual(filesBelow(outside), before);
  });

  test("in place of a blob are not read, and a put replaces the link, not what it leads to", async (t) => {
    const { folder, store } = await storeIn(t);
    const secret = join(temporaryFolder(t), "secret");
    writeFileSync(secret, "secret");
    await store.put(format, [toUtf8("{}")], { signal });
    rmSync(join(folder, "kopia.repository.f"));
    symlinkSync(secret, join(folder, "kopia.repository.f"));
    await failureOf(store.get(format, { signal }), "BLOB_STORE_INVALID");
    await failureOf(store.metadata(format, { signal }), "BLOB_STORE_INVALID");
    await store.put(format, [toUtf8("anew")], { signal });
    assert.equal(fromUtf8(await store.get(format, { signal })), "anew");
    assert.equal(readFileSync(secret, "utf8"), "secret");
  });

  test("such as a named pipe do not hold a reader up", async (t) => {
    const { folder, store } = await storeIn(t);
    execFileSync("mkfifo", [join(folder, "pipe.f")]);
    await failureOf(store.get(parseBlobId("pipe"), { signal }), "BLOB_STORE_INVALID");
    await failureOf(store.metadata(parseBlobId("pipe"), { signal }), "BLOB_STORE_INVALID");
  });
});

test("a blob of any length asks for no memory before its length was checked", async (t) => {
  const { folder, store } = await storeIn(t);
  await store.put(format, [toUtf8("{}")], { signal });
  truncateSync(join(folder, "kopia.repository.f"), 2 ** 40);
  const error = await failureOf(store.get(format, { signal }), "BLOB_RANGE_INVALID");
  assert.match(error.hint ?? "", /at once/);
  const end = await store.get(format, { signal, range: { offset: 2 ** 40 - 3, length: 3 } });
  assert.deepEqual([...end], [0, 0, 0]);
});

test("a folder opened for reading only takes no put and no delete", async (t) => {
  const { folder, store } = await storeIn(t);
  await store.put(pack, [toUtf8("bytes")], { signal });
  const before = filesBelow(folder);
  const reader = await openFilesystemStore(folder, { mode: "read-only", signal });
  await failureOf(reader.put(pack, [], { signal }), "BLOB_STORE_DENIED");
  await failureOf(reader.delete(pack, { signal }), "BLOB_STORE_DENIED");
  assert.equal(fromUtf8(await reader.get(pack, { signal })), "bytes");
  assert.deepEqual(await listedIds(reader), [pack]);
  assert.deepEqual(filesBelow(folder), before);
});

describe("a file system that refuses", () => {
  test("for lack of space is BLOB_STORE_FULL, and leaves the old blob and nothing half-written", async (t) => {
    const folder = mountSmall(t);
    if (folder === undefined) return;
    const store = await openFilesystemStore(folder, { mode: "create", signal });
    await store.put(pack, [toUtf8("old")], { signal });
    const before = filesBelow(folder);
    const parts = Array.from({ length: 64 }, () => new Uint8Array(64 * 1024));
    const error = await failureOf(store.put(pack, parts, { signal }), "BLOB_STORE_FULL");
    assert.match(error.hint ?? "", /free space/);
    assert.equal(error.detail.errno, "ENOSPC");
    assert.deepEqual(filesBelow(folder), before);
    assert.equal(fromUtf8(await store.get(pack, { signal })), "old");
    await store.put(other, [toUtf8("there is room for this")], { signal });
    assert.deepEqual(await listedIds(store), [pack, other]);
  });

  test("because it is mounted read-only is BLOB_STORE_DENIED, and can be read", async (t) => {
    const folder = mountSmall(t);
    if (folder === undefined) return;
    const writer = await openFilesystemStore(folder, { mode: "create", signal });
    await writer.put(pack, [toUtf8("bytes")], { signal });
    execFileSync("mount", ["-o", "remount,ro", folder]);
    const store = await openFilesystemStore(folder, { mode: "open", signal });
    assert.equal(fromUtf8(await store.get(pack, { signal })), "bytes");
    assert.deepEqual(await listedIds(store), [pack]);
    for (const refused of [() => store.put(pack, [], { signal }), () => store.delete(pack, { signal })]) {
      const error = await failureOf(refused(), "BLOB_STORE_DENIED");
      assert.match(error.hint ?? "", /mounted read-only/);
      assert.ok(error.hint?.includes(folder));
    }
  });

  test("for lack of permission is BLOB_STORE_DENIED and names user and path", async (t) => {
    if (!requireRoot(t)) return;
    const { folder, store } = await storeIn(t);
    await store.put(pack, [toUtf8("bytes")], { signal });
    const refused = await asNobody(async () => [
      await failureOf(openFilesystemStore(folder, { mode: "open", signal }), "BLOB_STORE_DENIED"),
      await failureOf(openFilesystemStore(join(folder, "new"), { mode: "create", signal }), "BLOB_STORE_DENIED"),
      await failureOf(store.get(pack, { signal }), "BLOB_STORE_DENIED"),
      await failureOf(store.put(pack, [], { signal }), "BLOB_STORE_DENIED"),
      await failureOf(store.delete(pack, { signal }), "BLOB_STORE_DENIED"),
      await failureOf(Array.fromAsync(store.list("", { signal })), "BLOB_STORE_DENIED"),
    ]);
    for (const { hint = "" } of refused) {
      assert.match(hint, /give user 65534 .* permission/);
      assert.ok(hint.includes(folder), hint);
    }
    assert.equal(fromUtf8(await store.get(pack, { signal })), "bytes");
  });
});

test("40 writers in 5 processes leave every blob whole, and whoever reads meanwhile sees whole blobs", async (t) => {
  const folder = join(temporaryFolder(t), "repository");
  const reader = await openFilesystemStore(folder, { mode: "create", signal });
  const script = join(import.meta.dirname, "..", "..", "support", "blob-writer.ts");
  let running = true;
  const writers = Promise.all(
    [0, 1, 2, 3, 4].map((writer) =>
      runProgram(process.execPath, [script, folder, `${writer}`, "8", "1"], { env: process.env }),
    ),
  ).finally(() => {
    running = false;
  });
  while (running) {
    for await (const { id } of reader.list("", { signal })) {
      assert.ok(isWholeBlob(await reader.get(id, { signal })), `${id} is not whole`);
    }
  }
  for (const run of await writers) assert.equal(run.exitCode, 0, describeRun(run));
  const own = [0, 1, 2, 3, 4].flatMap((writer) => [0, 1, 2, 3, 4, 5, 6, 7].map((number) => ownBlob(writer, number)));
  assert.deepEqual(await listedIds(reader), [sharedBlob, ...own].toSorted());
  for (const id of await listedIds(reader)) assert.ok(isWholeBlob(await reader.get(id, { signal })));
  assert.equal(filesBelow(folder).length, 1 + 1 + 40, "temporary files are left");
});

test("a writer that is killed leaves every blob whole, and what it leaves behind disturbs nobody", async (t) => {
  const folder = join(temporaryFolder(t), "repository");
  const store = await openFilesystemStore(folder, { mode: "create", signal });
  const script = join(import.meta.dirname, "..", "..", "support", "blob-writer.ts");
  for (const writer of [1, 2, 3]) {
    let pid = 0;
    const onStart = (started: number): void => {
      pid = started;
    };
    // Ends by itself, if need be; it takes much longer than to be seen and killed.
    const run = runProgram(process.execPath, [script, folder, `${writer}`, "8", "1000"], { env: process.env, onStart });
    while ((await store.metadata(ownBlob(writer, 7), { signal })) === undefined);
    process.kill(pid, "SIGKILL");
    assert.equal((await run).exitCode, 128 + 9, describeRun(await run));
    const ids = await listedIds(store);
    assert.ok(ids.includes(ownBlob(writer, 7)));
    for (const id of ids) assert.ok(isWholeBlob(await store.get(id, { signal })), `${id} is not whole`);
    await store.put(sharedBlob, [blobOf(0)], { signal });
    assert.equal((await store.get(sharedBlob, { signal })).byteLength, blobOf(0).byteLength);
  }
});

const { signal } = new AbortController();
const format = parseBlobId("kopia.repository");
const pack = parseBlobId("p8443e18bb3a4c9a0d1f2e3a4b5c6d7e8-s0123456789abcdef147");
const other = parseBlobId("p8443e18bb3a4c9a0d1f2e3a4b5c6d7e9-s0123456789abcdef147");

async function storeIn(t: TestContext): Promise<{ folder: string; store: BlobStore }> {
  const folder = temporaryFolder(t);
  return { folder, store: await openFilesystemStore(folder, { mode: "create", signal }) };
}

/** The error that it fails with, which is a BlobError of this code. */
async function failureOf(work: Promise<unknown>, code: BlobErrorCode): Promise<BlobError> {
  const error = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(error instanceof BlobError, `expected ${code}, got ${String(error)}`);
  assert.equal(error.code, code, error.message);
  return error;
}

/** Every file below the folder by its path, links and special files as well. */
function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();
}

async function listedIds(store: BlobStore): Promise<readonly BlobId[]> {
  return (await Array.fromAsync(store.list("", { signal }))).map(({ id }) => id).toSorted();
}

/** Lists, looks up and reads every blob; how many they are. */
async function readAll(store: BlobStore): Promise<number> {
  let count = 0;
  for await (const listed of store.list("", { signal })) {
    assert.deepEqual(await store.metadata(listed.id, { signal }), listed);
    assert.equal((await store.get(listed.id, { signal })).byteLength, listed.length);
    count++;
  }
  return count;
}

/** A file system of 1 MiB of its own, unmounted after the test; undefined when the test was skipped. */
function mountSmall(t: TestContext): string | undefined {
  if (!requireRoot(t)) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "fsb-test-small-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", folder], { stdio: "pipe" });
  } catch (error) {
    rmSync(folder, { recursive: true });
    return lacking(t, `may not mount a tmpfs: ${String(error)}`);
  }
  t.after(() => {
    execFileSync("umount", ["--lazy", folder]);
    rmSync(folder, { recursive: true });
  });
  return folder;
}

/** Does the work as a user who may nothing; capabilities go with the user. */
async function asNobody<Result>(work: () => Promise<Result>): Promise<Result> {
  process.seteuid?.(65534);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}
