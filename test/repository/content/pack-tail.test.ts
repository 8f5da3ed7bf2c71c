/** A lost index can be rebuilt from packs alone, as kopia does it: by the postamble at the end of each. */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { bufferOf, toUtf8 } from "../../../src/base/bytes.ts";
import { seededRandom } from "../../../src/base/random.ts";
import type { ContentRecord, ContentTable } from "../../../src/kernel/content-table.ts";
import { decodeIndex } from "../../../src/kernel/index-codec.ts";
import { typescriptKernel } from "../../../src/kernel/typescript/kernel.ts";
import type { BlobId } from "../../../src/repository/blob/blob-store.ts";
import { contentIdOfKey } from "../../../src/repository/content/content-id.ts";
import { packTail } from "../../../src/repository/content/pack-tail.ts";
import { kernelFormatOf } from "../../../src/repository/format/kernel-format.ts";
import { formatBlobId, type RepositoryFormat } from "../../../src/repository/format/repository-format.ts";
import { listIds, openMemoryRepository, recordOf, storeTexts, tableOf } from "../memory-repository.ts";
import { legacyFields, signal } from "../stored-format.ts";

interface PackTail {
  readonly indexOffset: number;
  readonly contents: ContentTable;
}

/** As the specification, section 6.4, tells it. */
function readPackTail(pack: Uint8Array, format: RepositoryFormat): PackTail {
  const length = pack.at(-1) as number;
  assert.ok(length >= 5);
  const payload = bufferOf(pack.subarray(pack.byteLength - 1 - length, pack.byteLength - 5));
  const checksum = bufferOf(pack).readUInt32BE(pack.byteLength - 5);
  assert.equal(checksum, crc32(payload), "the postamble's checksum");
  let at = 0;
  const uvarint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = payload.readUInt8(at++);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  assert.equal(uvarint(), 1, "the postamble's version");
  const ivLength = uvarint();
  const iv = payload.subarray(at, at + ivLength);
  at += ivLength;
  const indexOffset = uvarint();
  const sealedLength = uvarint();
  assert.equal(at, payload.byteLength);
  assert.equal(indexOffset + sealedLength, pack.byteLength - 1 - length, "the index ends where the postamble begins");
  const sealed = pack.subarray(indexOffset, indexOffset + sealedLength);
  const plain = typescriptKernel.open(kernelFormatOf(format), sealed, iv);
  assert.deepEqual(bufferOf(typescriptKernel.hash(kernelFormatOf(format), plain)), iv, "the iv is the index's hash");
  return { indexOffset, contents: decodeIndex(plain, 17, 28) };
}

function plain(record: ContentRecord) {
  const { key, form, ...fields } = record;
  return { id: contentIdOfKey(key), ...fields, ...form };
}

for (const [version, inner] of [
  [3, {}],
  [1, legacyFields],
] as const) {
  test(`in version ${version} each pack's own index says of it what the committed index says`, async () => {
    const opened = await openMemoryRepository({ inner, packBytesMax: 50_000 });
    const { repository, store, format } = opened;
    const texts = Array.from({ length: 40 }, (_, i) => `${i}`.repeat(3000));
    await storeTexts(opened, texts);
    await storeTexts(opened, texts.slice(0, 30), "k");
    const packs = [...(await listIds(store, "p")), ...(await listIds(store, "q"))];
    assert.ok(packs.length > 4, `${packs.length} packs`);
    const committed = [...repository.index.records()].map(plain);
    const told: ReturnType<typeof plain>[] = [];
    for (const id of packs) {
      assert.match(id, /^[pq][0-9a-f]{32}-s[0-9a-f]{19}$/);
      const { contents, indexOffset } = readPackTail(await store.get(id, { signal }), format);
      assert.deepEqual(contents.packs, [id]);
      assert.equal(indexOffset % 4096, 0);
      const end = Math.max(...[...contents.records()].map((record) => record.packOffset + record.packedLength));
      assert.ok(indexOffset - end >= 1 && indexOffset - end <= 4096, "1 to 4096 bytes of padding");
      told.push(...[...contents.records()].map(plain));
    }
    const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
    assert.deepEqual(told.sort(byId), committed.sort(byId));
  });
}

test("a pack that ends on a block still gets a whole block of padding", async () => {
  const { format } = await openMemoryRepository();
  for (const [length, padding] of [
    [4096, 4096],
    [4095, 1],
    [4097, 4095],
    [100, 3996],
  ] as const) {
    const options = {
      kernel: typescriptKernel,
      format: kernelFormatOf(format),
      indexVersion: 2,
      random: seededRandom(""),
    };
    const tail = packTail(length, tableOf(recordOf("00".repeat(16))), options as Parameters<typeof packTail>[2]);
    const pack = Buffer.concat([Buffer.alloc(length), ...tail]);
    assert.equal(readPackTail(pack, format).indexOffset, length + padding);
  }
});

test("a pack begins with 32 bytes that say nothing", async () => {
  const opened = await openMemoryRepository();
  await storeTexts(opened, ["one", "two"]);
  const first = Math.min(...[...opened.repository.index.records()].map((record) => record.packOffset));
  assert.equal(first, 32);
});

test("where the password cannot change each pack begins with a copy from which the format can be recovered", async () => {
  const opened = await openMemoryRepository({ inner: legacyFields });
  await storeTexts(opened, ["one"]);
  await storeTexts(opened, ["two"], "k");
  const formatBlob = await opened.store.get(formatBlobId, { signal });
  for (const id of [...(await listIds(opened.store, "p")), ...(await listIds(opened.store, "q"))] as BlobId[]) {
    const pack = bufferOf(await opened.store.get(id, { signal }));
    const length = pack.readUInt16LE(0);
    const copy = pack.subarray(2, 2 + length - 32);
    const checksum = createHmac("sha256", toUtf8("kopia-repository")).update(copy).digest();
    assert.deepEqual(pack.subarray(2 + length - 32, 2 + length), checksum);
    assert.equal(pack.readUInt16LE(2 + length), length);
    assert.deepEqual(copy, bufferOf(formatBlob));
  }
  const first = Math.min(...[...opened.repository.index.records()].map((record) => record.packOffset));
  assert.equal(first, formatBlob.byteLength + 32 + 4 + 32);
});
