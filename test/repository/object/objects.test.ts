/** Objects of one content and of lists of them, written and read over a repository in memory. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { concatBytes, equalBytes, fromUtf8, toUtf8 } from "../../../src/base/bytes.ts";
import type { ContentId } from "../../../src/repository/content/content-id.ts";
import { encodeIndirectList, iterateIndirectList } from "../../../src/repository/object/indirect-list.ts";
import { indirectObjectId, type ObjectId, parseObjectId } from "../../../src/repository/object/object-id.ts";
import { noise } from "../../kernel/byte-sources.ts";
import { idOfText, type MemoryRepository, openAgain, openMemoryRepository } from "../memory-repository.ts";
import { signal } from "../stored-format.ts";

async function storeObject({ repository }: MemoryRepository, bytes: Uint8Array, prefix = ""): Promise<ObjectId> {
  await using writer = repository.createWriter();
  const [id] = await writer.writeObjects([{ prefix, bytes }], signal);
  await writer.flush(signal);
  return id as ObjectId;
}

async function storeText(opened: MemoryRepository, text: string): Promise<ObjectId> {
  return await storeObject(opened, toUtf8(text));
}

/** Stores the list as it is written here, and gives the object that it makes. */
async function storeList(
  opened: MemoryRepository,
  entries: readonly [length: number, id: ObjectId][],
): Promise<ObjectId> {
  const list = encodeIndirectList(entries.map(([length, objectId]) => ({ length, objectId })));
  return indirectObjectId(await storeObject(opened, list, "x"));
}

async function readAll({ repository }: MemoryRepository, id: ObjectId): Promise<string> {
  return fromUtf8(await repository.objects.readWhole(id, 1 << 20, signal));
}

async function contentsOf({ repository }: MemoryRepository, id: ObjectId): Promise<ContentId[]> {
  const contents: ContentId[] = [];
  for await (const content of repository.objects.contentsOf(id, signal)) contents.push(content);
  return contents;
}

/** `u32 compression id ‖ stream`. */
function compressed(compressionId: number, stream: Uint8Array): Uint8Array {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(compressionId);
  return concatBytes([header, stream]);
}

test("an object of one chunk is its content, and the empty object is the content of no bytes", async () => {
  const opened = await openMemoryRepository();
  for (const text of ["", "small"]) {
    const id = await storeText(opened, text);
    assert.equal(id, idOfText(opened.format, text));
    assert.equal(await readAll(opened, id), text);
    assert.equal(opened.repository.objects.directContentOf(id), id);
    assert.deepEqual(await contentsOf(opened, id), [id]);
  }
});

test("an object of several chunks is a list of them, and comes back in pieces of a chunk each", async () => {
  const opened = await openMemoryRepository();
  const bytes = noise(20_000_000);
  const id = await storeObject(opened, bytes);
  assert.match(id, /^Ix[0-9a-f]{32}$/);
  assert.equal(opened.repository.objects.directContentOf(id), undefined);
  const pieces: Uint8Array[] = [];
  for await (const piece of (await openAgain(opened)).repository.objects.read(id, signal)) pieces.push(piece);
  // The golden splitter vectors, and what is left.
  assert.deepEqual(
    pieces.map((piece) => piece.byteLength),
    [5_998_914, 8_388_608, 3_558_231, 20_000_000 - 5_998_914 - 8_388_608 - 3_558_231],
  );
  assert.ok(equalBytes(concatBytes(pieces), bytes));
  assert.equal((await contentsOf(opened, id)).length, 5);
});

test("a list of an object with a prefix has the same prefix", async () => {
  const opened = await openMemoryRepository();
  const id = await storeObject(opened, noise(7_000_000), "k");
  assert.match(id, /^Ik[0-9a-f]{32}$/);
  for (const content of await contentsOf(opened, id)) assert.match(content, /^k/);
});

test("a list that is itself too long for one chunk is a list of lists", async () => {
  const opened = await openMemoryRepository();
  const { repository, format } = opened;
  await using writer = repository.createWriter();
  const [small] = await writer.writeObjects([{ prefix: "", bytes: toUtf8("x") }], signal);
  const hash = Buffer.from(small as string, "hex");
  // Entries of 55 to 61 bytes: more than the 8 MiB of the largest chunk.
  const chunks = Array.from({ length: 150_000 }, () => ({ hash, length: 1 }));
  const id = await writer.objectOfChunks(chunks, signal);
  await writer.flush(signal);
  assert.match(id, /^IIx[0-9a-f]{32}$/);
  const list = await repository.objects.readWhole(id.slice(1) as ObjectId, 16 << 20, signal);
  const entries = [...iterateIndirectList(list, id)];
  assert.equal(entries.length, chunks.length);
  assert.deepEqual(entries.at(-1), { start: 149_999, length: 1, objectId: idOfText(format, "x") });
  // The first bytes come without all the chunks being read.
  for await (const piece of repository.objects.read(id, signal)) {
    assert.equal(fromUtf8(piece), "x");
    break;
  }
});

test("lists may stand above lists in their entries, as concatenated objects have them", async () => {
  const opened = await openMemoryRepository();
  const [hello, space, world] = [
    await storeText(opened, "hello"),
    await storeText(opened, ""),
    await storeText(opened, "world"),
  ];
  const inner = await storeList(opened, [
    [5, hello],
    [0, space],
  ]);
  const outer = await storeList(opened, [
    [5, inner],
    [5, world],
    [5, inner],
  ]);
  assert.equal(await readAll(opened, outer), "helloworldhello");
  assert.equal((await contentsOf(opened, outer)).length, 1 + 3 + 1 + 3);
});

test("an object that was compressed by the object layer expands, alone and in a list", async () => {
  const opened = await openMemoryRepository();
  const zipped = parseObjectId(`Z${await storeObject(opened, compressed(0x1000, gzipSync("hello")))}`);
  const frame = parseObjectId(`Z${await storeObject(opened, compressed(0x1101, zstdCompressSync("world")))}`);
  assert.equal(await readAll(opened, zipped), "hello");
  const list = await storeList(opened, [
    [5, zipped],
    [5, frame],
  ]);
  assert.equal(await readAll(opened, list), "helloworld");
});

test("a chunk that is not as long as its list says is corrupt, whatever its kind", async () => {
  const opened = await openMemoryRepository();
  const hello = await storeText(opened, "hello");
  const zipped = parseObjectId(`Z${await storeObject(opened, compressed(0x1000, gzipSync("hello")))}`);
  const inner = await storeList(opened, [[5, hello]]);
  for (const chunk of [hello, zipped, inner]) {
    for (const length of [0, 4, 6]) {
      const list = await storeList(opened, [[length, chunk]]);
      await assert.rejects(readAll(opened, list), { code: "OBJECT_CORRUPT" }, `${chunk} as ${length} bytes`);
    }
  }
});

test("a compressed object that holds more than any chunk is an error and not an allocation", async () => {
  const opened = await openMemoryRepository();
  const bomb = compressed(0x1100, zstdCompressSync(new Uint8Array(40 << 20)));
  const zipped = parseObjectId(`Z${await storeObject(opened, bomb)}`);
  await assert.rejects(readAll(opened, zipped), { code: "OBJECT_CORRUPT" });
  const list = await storeList(opened, [[2 ** 52, zipped]]);
  await assert.rejects(readAll(opened, list), { code: "OBJECT_CORRUPT" });
});

test("an object whose compression is not read, or that is not compressed at all, is told as such", async () => {
  const opened = await openMemoryRepository();
  const unknown = parseObjectId(`Z${await storeObject(opened, compressed(0x1600, toUtf8("stream")))}`);
  await assert.rejects(readAll(opened, unknown), { code: "CONTENT_UNSUPPORTED" });
  const broken = parseObjectId(`Z${await storeObject(opened, compressed(0x1000, toUtf8("stream")))}`);
  await assert.rejects(readAll(opened, broken), { code: "OBJECT_CORRUPT" });
});

test("an object that is larger than its reader can take is refused", async () => {
  const opened = await openMemoryRepository();
  const id = await storeText(opened, "twelve bytes");
  const { objects } = opened.repository;
  assert.equal((await objects.readWhole(id, 12, signal)).byteLength, 12);
  await assert.rejects(objects.readWhole(id, 11, signal), { code: "OBJECT_TOO_LARGE", detail: { object: id } });
});

test("a list of very many empty chunks is read in small windows", async () => {
  const opened = await openMemoryRepository();
  const empty = await storeText(opened, "");
  const list = await storeList(opened, Array(10_000).fill([0, empty]));
  let pieces = 0;
  for await (const piece of opened.repository.objects.read(list, signal)) {
    assert.equal(piece.byteLength, 0);
    if (++pieces === 5000) break;
  }
  assert.equal(pieces, 5000);
});

test("an object with a lost part is an error that names the content", async () => {
  const opened = await openMemoryRepository();
  const lost = idOfText(opened.format, "never stored");
  const list = await storeList(opened, [[12, lost as never]]);
  await assert.rejects(readAll(opened, list), { code: "CONTENT_NOT_FOUND", detail: { content: lost } });
  await assert.rejects(readAll(opened, indirectObjectId(lost as never)), { code: "CONTENT_NOT_FOUND" });
});

test("bytes that are no list are corrupt as a list", async () => {
  const opened = await openMemoryRepository();
  const id = indirectObjectId(await storeText(opened, "not a list"));
  await assert.rejects(readAll(opened, id), { code: "OBJECT_CORRUPT", detail: { object: id } });
});
