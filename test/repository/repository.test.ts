import assert from "node:assert/strict";
import { test } from "node:test";
import { bufferOf, fromUtf8, toBase64, toUtf8 } from "../../src/base/bytes.ts";
import { seededRandom } from "../../src/base/random.ts";
import type { Kernel } from "../../src/kernel/kernel.ts";
import { typescriptKernel } from "../../src/kernel/typescript/kernel.ts";
import { MemoryBlobStore } from "../../src/repository/blob/memory.ts";
import { sealSecrets } from "../../src/repository/format/keys.ts";
import { blobConfigBlobId } from "../../src/repository/format/repository-format.ts";
import type { ObjectId } from "../../src/repository/object/object-id.ts";
import { createRepository, openRepository, Repository } from "../../src/repository/repository.ts";
import { ManualClock } from "./manual-clock.ts";
import {
  InterruptedBlobStore,
  idOfText,
  listIds,
  openMemoryRepository,
  readText,
  resourcesOf,
  storeTexts,
} from "./memory-repository.ts";
import { formatKey, legacyFields, openStored, password, putFormat, signal, uniqueId } from "./stored-format.ts";

/** Tells when it was closed. */
class ClosingStore extends MemoryBlobStore {
  isClosed = false;

  override async [Symbol.asyncDispose](): Promise<void> {
    this.isClosed = true;
  }
}

test("a new repository is made as Velero makes it: settings, format, maintenance parameters, mark", async () => {
  const store = new InterruptedBlobStore(new MemoryBlobStore());
  const puts: string[] = [];
  store.after = (operation, id) =>
    void (operation === "put" && puts.push(id.replace(/^([a-z])[0-9a-f_]{16,}.*/, "$1…")));
  const clock = new ManualClock();
  await using repository = await createRepository({ store, password, clock, signal, random: seededRandom("new") });
  assert.deepEqual(
    puts.map((id) => (id.startsWith("xn0_") ? "xn0_…" : id)),
    ["kopia.repository", "kopia.blobcfg", "s…", "q…", "xn0_…", "udmrepo.Repository"],
  );
  const mark = fromUtf8(await store.get("udmrepo.Repository" as never, { signal }));
  assert.equal(mark, `{"uniqueID":"${toBase64(repository.format.uniqueId)}"}`);
  assert.deepEqual(await listIds(store, "s"), []);

  const manifests = await repository.loadManifests(signal);
  assert.equal(manifests.find({}).length, 1);
  const [parameters] = manifests.find({ type: "maintenance" });
  assert.equal(
    fromUtf8(parameters?.data as Uint8Array),
    '{"owner":"default@default","quick":{"enabled":true,"interval":3600000000000},"full":{"enabled":true,"interval":86400000000000},' +
      '"logRetention":{"maxTotalSize":1073741824,"maxCount":10000,"maxAge":2592000000000000},"extendObjectLocks":false,"listParallelism":0}',
  );
});

test("what is stored is compressed by the name that was asked for, and a name that is not known is an error", async () => {
  const store = new MemoryBlobStore();
  await putFormat(store);
  const opened = await openStored(store);
  const options = { store, password, clock: new ManualClock(), signal, resources: resourcesOf(typescriptKernel) };
  const repository = new Repository({ ...options, compression: "zstd-fastest" }, opened);
  await repository.refresh(signal);
  const text = toUtf8("compress me ".repeat(1000));
  await using writer = repository.createWriter();
  const [id] = await writer.writeObjects([{ prefix: "", bytes: text }], signal);
  await writer.flush(signal);
  const forms = repository.index.tables.flatMap((table) => [...table.records()].map(({ form }) => form.compressionId));
  assert.deepEqual(forms, [0x1101]);
  const another = new Repository(options, opened);
  await another.refresh(signal);
  assert.deepEqual(bufferOf(await another.objects.readWhole(id as ObjectId, 20_000, signal)), bufferOf(text));
  assert.throws(() => new Repository({ ...options, compression: "zip" }, opened), {
    code: "REPOSITORY_UNSUPPORTED",
    message: /"zip"/,
  });
});

test("where the index has no room for it, what is stored is plain, and a warning says so", async () => {
  const memory = await openMemoryRepository({ inner: legacyFields });
  const warnings: string[] = [];
  const { store, clock } = memory;
  const warn = (message: string): void => void warnings.push(message);
  const options = { store, password, clock, signal, kernel: typescriptKernel, warn, compression: "zstd" };
  await using repository = await openRepository(options);
  assert.match(warnings.join(), /index is of version 1/);
  await using writer = repository.createWriter();
  const text = "stored plain ".repeat(1000);
  await writer.writeObjects([{ prefix: "", bytes: toUtf8(text) }], signal);
  await writer.flush(signal);
  await memory.repository.refresh(signal);
  assert.equal(await readText(memory, idOfText(memory.format, text)), text);
});

test("a repository is never made over another, which stays as it is", async () => {
  const store = new ClosingStore();
  await putFormat(store);
  const before = await listIds(store, "");
  const creating = createRepository({ store, password, clock: new ManualClock(), signal });
  await assert.rejects(creating, { code: "REPOSITORY_EXISTS" });
  assert.deepEqual(await listIds(store, ""), before);
  assert.equal(store.isClosed, true);
});

test("a repository whose blobs are to be locked is read, but nothing is written to it", async () => {
  const store = new MemoryBlobStore();
  await putFormat(store);
  const config = toUtf8('{"retentionMode":"GOVERNANCE","retentionPeriod":86400000000000}');
  await store.put(blobConfigBlobId, [sealSecrets(formatKey, uniqueId, config, seededRandom("locked"))], { signal });
  await using repository = await openRepository({ store, password, clock: new ManualClock(), signal });
  assert.equal((await repository.loadManifests(signal)).find({}).length, 0);
  const before = await listIds(store, "");
  await using writer = repository.createWriter();
  writer.putManifest({ type: "test" }, toUtf8("{}"));
  await assert.rejects(writer.flush(signal), { code: "REPOSITORY_UNSUPPORTED", message: /retention "GOVERNANCE"/ });
  assert.deepEqual(await listIds(store, ""), before);
});

test("opening closes the store when it fails, and disposing when it does not", async () => {
  const empty = new ClosingStore();
  const clock = new ManualClock();
  await assert.rejects(openRepository({ store: empty, password, clock, signal }), { code: "REPOSITORY_NOT_FOUND" });
  assert.equal(empty.isClosed, true);

  const store = new ClosingStore();
  await putFormat(store);
  const repository = await openRepository({ store, password, clock, signal });
  assert.equal(repository.displayName, "memory");
  assert.equal(store.isClosed, false);
  await repository[Symbol.asyncDispose]();
  assert.equal(store.isClosed, true);
});

test("a repository whose index is damaged does not open", async () => {
  const store = new ClosingStore();
  await putFormat(store);
  await store.put(`xn0_${"0".repeat(32)}-s1-c1` as never, [new Uint8Array(100)], { signal });
  await assert.rejects(openRepository({ store, password, clock: new ManualClock(), signal }), {
    code: "INDEX_BLOB_DAMAGED",
  });
  assert.equal(store.isClosed, true);
});

test("the index is listed and its blobs are fetched while the key is derived, once", async () => {
  const store = new InterruptedBlobStore(new MemoryBlobStore());
  const opened = await openMemoryRepository({ store });
  await storeTexts(opened, ["one"]);
  await storeTexts(opened, ["two"]);
  const fetched: string[] = [];
  const both = Promise.withResolvers<void>();
  store.after = (operation, id) => {
    if (operation !== "get" || !id.startsWith("x")) return;
    fetched.push(id);
    if (fetched.length === 2) both.resolve();
  };
  const kernel: Kernel = {
    ...typescriptKernel,
    scrypt: async () => {
      await both.promise;
      return formatKey;
    },
  };
  await using repository = await openRepository({
    store,
    password,
    clock: opened.clock,
    signal,
    resources: resourcesOf(kernel),
  });
  assert.equal(repository.index.recordCount, 2);
  assert.equal(repository.index.listedMs, opened.clock.nowMs());
  assert.deepEqual(fetched.sort(), await listIds(store, "xn"));
});

test("an index that cannot be fetched ahead is fetched again, and a wrong password leaves nothing under way", async () => {
  const store = new InterruptedBlobStore(new ClosingStore());
  const opened = await openMemoryRepository({ store });
  await storeTexts(opened, ["one"]);
  let failures = 0;
  store.before = (operation, id) => {
    if (operation === "get" && id.startsWith("x") && failures++ === 0) throw new Error("not now");
  };
  const options = { store, password, clock: opened.clock, signal };
  const right = { ...typescriptKernel, scrypt: async () => formatKey };
  await using repository = await openRepository({ ...options, resources: resourcesOf(right) });
  assert.equal(repository.index.recordCount, 1);
  assert.equal(failures, 2);

  let underWay = 0;
  store.before = () => void underWay++;
  store.after = () => void underWay--;
  const wrong = { ...typescriptKernel, scrypt: async () => formatKey.toReversed() };
  await assert.rejects(openRepository({ ...options, resources: resourcesOf(wrong) }), {
    code: "REPOSITORY_PASSWORD_WRONG",
  });
  assert.equal(underWay, 0);
});
