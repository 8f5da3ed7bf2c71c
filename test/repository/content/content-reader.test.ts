import assert from "node:assert/strict";
import { test } from "node:test";
import { fromUtf8 } from "../../../src/base/bytes.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { seededRandom } from "../../../src/base/random.ts";
import type { ContentRecord } from "../../../src/kernel/content-table.ts";
import { openFilesystemStore } from "../../../src/repository/blob/filesystem.ts";
import { MemoryBlobStore } from "../../../src/repository/blob/memory.ts";
import { type ContentId, contentIdOfKey, keyOf } from "../../../src/repository/content/content-id.ts";
import { openRepository } from "../../../src/repository/repository.ts";
import { requireGolden } from "../../support/golden.ts";
import { repositoryPassword } from "../../support/kopia.ts";
import {
  InterruptedBlobStore,
  idOfText,
  type MemoryRepository,
  onlyId,
  openAgain,
  openMemoryRepository,
  putIndexBlob,
  readText,
  recordOf,
  storeTexts,
  tableOf,
} from "../memory-repository.ts";
import { signal } from "../stored-format.ts";

function entryOf({ repository }: MemoryRepository, id: ContentId): ContentRecord {
  const record = repository.index.find(keyOf(id));
  assert.ok(record !== undefined);
  return { ...record, key: Uint8Array.from(record.key) };
}

/** Another client stores the content anew, in another pack, and removes the old one, as maintenance does. */
async function moveContent(opened: MemoryRepository, id: ContentId, text: string): Promise<void> {
  const other = await openAgain(opened);
  const { timestampSeconds, packId, ...rest } = entryOf(other, id);
  const deleted = { ...rest, packId, deleted: true, timestampSeconds: timestampSeconds + 1 };
  await putIndexBlob(other, "xn0_", "s1-c1", tableOf(deleted));
  await other.repository.refresh(signal);
  await storeTexts(other, [text]);
  await opened.store.delete(packId as never, { signal });
}

test("many contents come each once with its own position, in whatever order they lie", async () => {
  const opened = await openMemoryRepository({ packBytesMax: 20_000 });
  const texts = Array.from({ length: 60 }, (_, i) => `${i} `.repeat(i * 30));
  const ids = await storeTexts(opened, texts);
  const wanted = [...ids.toReversed(), ids[7] as ContentId, ids[7] as ContentId];
  const seen = new Map<number, string>();
  await opened.repository.contents.readEach(wanted, signal, async (position, bytes) => {
    assert.equal(seen.has(position), false);
    seen.set(position, fromUtf8(bytes));
  });
  assert.deepEqual(
    wanted.map((_, i) => seen.get(i)),
    [...texts.toReversed(), texts[7], texts[7]],
  );
});

test("contents that lie near each other are fetched at once", async () => {
  const store = new InterruptedBlobStore(new MemoryBlobStore());
  const opened = await openMemoryRepository({ store });
  const ids = await storeTexts(
    opened,
    Array.from({ length: 50 }, (_, i) => `${i}`.repeat(1000)),
  );
  let gets = 0;
  store.before = (operation) => void (operation === "get" && gets++);
  await opened.repository.contents.readEach(ids, signal, async () => undefined);
  assert.equal(gets, 1);
});

test("the length of a content is known without reading it", async () => {
  const opened = await openMemoryRepository();
  const [id] = (await storeTexts(opened, ["twelve bytes"])) as [ContentId];
  await opened.store.delete(await onlyId(opened.store, "p"), { signal });
  assert.equal(opened.repository.contents.lengthOf(id), 12);
});

test("a content that is in no index is not found, by its id", async () => {
  const opened = await openMemoryRepository();
  const id = idOfText(opened.format, "never stored");
  await assert.rejects(readText(opened, id), { code: "CONTENT_NOT_FOUND", detail: { content: id } });
  assert.throws(() => opened.repository.contents.lengthOf(id), { code: "CONTENT_NOT_FOUND" });
});

test("a content that was moved into another pack is found there", async () => {
  const opened = await openMemoryRepository();
  const [id, still] = (await storeTexts(opened, ["moved", "beside it"])) as [ContentId, ContentId];
  await moveContent(opened, id, "moved");
  assert.equal(await readText(opened, id), "moved");
  await assert.rejects(readText(opened, still), { code: "CONTENT_CORRUPT", message: /is lost$/ });
});

test("a pack that is lost is told by its name, and by a content that it held", async () => {
  const opened = await openMemoryRepository();
  const [id] = (await storeTexts(opened, ["lost"])) as [ContentId];
  const pack = await onlyId(opened.store, "p");
  await opened.store.delete(pack, { signal });
  await assert.rejects(readText(opened, id), {
    code: "CONTENT_CORRUPT",
    message: `pack ${pack} is lost`,
    detail: { blob: pack, content: id },
  });
});

test("a pack that is cut off is told by its name", async () => {
  const opened = await openMemoryRepository();
  const [id] = (await storeTexts(opened, ["cut off"])) as [ContentId];
  const pack = await onlyId(opened.store, "p");
  const bytes = await opened.store.get(pack, { signal });
  for (const length of [0, 32, 32 + 28 + 6]) {
    await opened.store.put(pack, [bytes.subarray(0, length)], { signal });
    await assert.rejects(readText(opened, id), { code: "CONTENT_CORRUPT", message: `pack ${pack} is truncated` });
  }
});

test("one flipped bit anywhere in a content is told by the content and its pack, and its neighbours are whole", async () => {
  const opened = await openMemoryRepository();
  const [before, id, after] = (await storeTexts(opened, ["before", "flipped", "after"])) as [
    ContentId,
    ContentId,
    ContentId,
  ];
  const { packOffset, packedLength, packId } = entryOf(opened, id);
  const whole = await opened.store.get(packId as never, { signal });
  for (let at = packOffset; at < packOffset + packedLength; at++) {
    const bytes = Uint8Array.from(whole);
    bytes[at]! ^= 0x10;
    await opened.store.put(packId as never, [bytes], { signal });
    await assert.rejects(readText(opened, id), {
      code: "CONTENT_CORRUPT",
      message: `content ${id} in pack ${packId} is damaged`,
      detail: { blob: packId, content: id },
    });
  }
  assert.deepEqual([await readText(opened, before), await readText(opened, after)], ["before", "after"]);
});

test("an entry that lies about where its content is, or how long, is an error and nothing else", async () => {
  for (const lie of [
    { packOffset: 2 ** 30 - 1 },
    { packOffset: 0 },
    { packedLength: 2 ** 28 - 1 },
    { packedLength: 0 },
    { originalLength: 2 ** 28 - 1 },
    { originalLength: 0 },
    { form: { compressionId: 0x1100, formatVersion: 3, encryptionKeyId: 0 } },
    { form: { compressionId: 0x1400, formatVersion: 3, encryptionKeyId: 0 } },
    { form: { compressionId: 0, formatVersion: 3, encryptionKeyId: 1 } },
    { packId: "p/../../etc/passwd" },
    { packId: "" },
  ] satisfies Partial<ContentRecord>[]) {
    const opened = await openMemoryRepository();
    const [id] = (await storeTexts(opened, ["text"])) as [ContentId];
    const entry = entryOf(opened, id);
    await putIndexBlob(
      opened,
      "xn0_",
      "s1-c1",
      tableOf({ ...entry, ...lie, timestampSeconds: entry.timestampSeconds + 1 }),
    );
    await opened.repository.refresh(signal);
    await assert.rejects(
      readText(opened, id),
      { code: /^(CONTENT_CORRUPT|CONTENT_UNSUPPORTED|BLOB_ID_INVALID)$/ },
      JSON.stringify(lie),
    );
  }
});

test("a store that fails is told as it is, and not as damage", async () => {
  const store = new InterruptedBlobStore(new MemoryBlobStore());
  const opened = await openMemoryRepository({ store });
  const [id] = (await storeTexts(opened, ["text"])) as [ContentId];
  const failure = new Error("the store is on fire");
  store.before = () => {
    throw failure;
  };
  await assert.rejects(readText(opened, id), failure);
  await assert.rejects(opened.repository.contents.read(id, AbortSignal.abort()), { name: "AbortError" });
});

test("an entry for a pack that another client has yet to remove does no harm", async () => {
  const opened = await openMemoryRepository();
  await putIndexBlob(opened, "xn0_", "s1-c1", tableOf(recordOf("00".repeat(16), { deleted: true })));
  const [id] = (await storeTexts(opened, ["text"])) as [ContentId];
  await opened.repository.refresh(signal);
  assert.equal(await readText(opened, id), "text");
});

for (const [name, compressionIds] of [
  ["default-v3", [0, 0x1101]],
  ["v1-small", [0]],
  ["compression-gzip", [0, 0x1000]],
  ["compression-pgzip", [0, 0x1300]],
  ["compression-zstd", [0, 0x1100]],
  ["compression-zstd-fastest", [0, 0x1101]],
  ["compression-deflate-default", [0, 0x1500]],
  ["compression-s2-default", [0, 0x1200]],
  ["compression-s2-better", [0, 0x1201]],
  ["hash-hmac-sha3-256", [0, 0x1101]],
  ["cipher-chacha20", [0, 0x1101]],
  ["ecc-2-percent", [0, 0x1101]],
] as const) {
  test(`every content that kopia stored in ${name} reads, by its own hash`, async (t) => {
    const golden = requireGolden(t);
    if (golden === undefined) return;
    const store = await openFilesystemStore(golden.repositoryFolder(name), { mode: "read-only", signal });
    const random = seededRandom(name);
    await using repository = await openRepository({
      store,
      password: repositoryPassword,
      clock: systemClock,
      signal,
      random,
    });
    const records = [...repository.index.records()];
    const seen = new Set<number>();
    const readable: ContentId[] = [];
    for (const { key, form } of records) {
      seen.add(form.compressionId);
      readable.push(contentIdOfKey(key));
    }
    assert.deepEqual(
      [...seen].sort((a, b) => a - b),
      compressionIds,
    );
    let count = 0;
    await repository.contents.readEach(readable, signal, async (position, bytes) => {
      assert.equal(bytes.byteLength, repository.contents.lengthOf(readable[position] as ContentId));
      count++;
    });
    assert.equal(count, readable.length);
  });
}
