/** docs/format/contents.md says what the code does. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deflateRawSync, gzipSync, zstdCompressSync } from "node:zlib";
import { concatBytes, fromUtf8, toHex, toUtf8 } from "../../src/base/bytes.ts";
import { type ContentTable, ContentTableBuilder, mergeTables } from "../../src/kernel/content-table.ts";
import { typescriptKernel } from "../../src/kernel/typescript/kernel.ts";
import { writeS2 } from "../../src/kernel/typescript/s2.ts";
import { contentIdOf, contentIdOfKey, keyOf, parseContentId } from "../../src/repository/content/content-id.ts";
import { type CompressedVector, compressedVectors } from "../kernel/compressed-vectors.ts";
import { exampleFormat } from "./example-repository.ts";
import { bytesOfHex, Page } from "./page.ts";

const page = new Page("docs/format/contents.md");

describe("docs/format/contents.md", () => {
  it("tells the keys of ids, in the order that ids and keys share", () => {
    for (const [id = "", key = ""] of page.table("| id | key |")) {
      assert.equal(toHex(keyOf(parseContentId(id))), key);
      assert.equal(contentIdOfKey(bytesOfHex(key)), id);
    }
  });

  it("tells what is no id", () => {
    for (const [text = ""] of page.table("| no id |")) {
      assert.throws(() => parseContentId(text), { code: "CONTENT_ID_INVALID" }, text);
    }
  });

  it("shows ids of the example repository", () => {
    const idOf = (text: string): string => contentIdOf("", typescriptKernel.hash(exampleFormat, toUtf8(text)));
    const [greeting, empty] = page.table("| data | content id |");
    assert.equal(idOf("hello world\n"), greeting?.[1]);
    assert.equal(idOf(""), empty?.[1]);
  });

  it("shows a compressed content as it is expanded", () => {
    const plain = "hello world\n".repeat(100);
    const stored = page.bytes("Compression");
    assert.equal(fromUtf8(typescriptKernel.expand(stored, plain.length)), plain);
    assert.throws(() => typescriptKernel.expand(stored, plain.length - 1), { code: "KERNEL_CONTENT_MISMATCH" });
  });

  it("tells which compressions are read", () => {
    const hello = toUtf8("hello world\n".repeat(100));
    const lz4 = compressedVectors.find(({ name }) => name === "LZ4") as CompressedVector;
    const compressors: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>> = {
      gzip: gzipSync,
      zstd: zstdCompressSync,
      S2: writeS2,
      LZ4: () => lz4.stream,
      "gzip of several members": (bytes) =>
        concatBytes([gzipSync(bytes.subarray(0, 500)), gzipSync(bytes.subarray(500))]),
      "raw deflate": deflateRawSync,
    };
    for (const [ids = "", , stream = ""] of page.table("| id | kopia's names | stream | here |")) {
      const plain = stream === "LZ4" ? lz4.plain : hello;
      for (const id of ids.match(/0x[0-9a-f]+/g) ?? []) {
        const header = Buffer.alloc(4);
        header.writeUInt32BE(Number(id));
        const compress = compressors[stream];
        assert.ok(compress, stream);
        const stored = concatBytes([header, compress(plain)]);
        assert.equal(toHex(typescriptKernel.expand(stored, plain.byteLength)), toHex(plain), id);
      }
    }
  });

  it("tells which of two entries counts, whichever is read first", () => {
    for (const [first = "", second = "", counts] of page.table("| first | second | counts |")) {
      const tables = [tableOf(first), tableOf(second)] as const;
      const winner = counts === "first" ? tables[0] : tables[1];
      for (const merged of [mergeTables(tables), mergeTables([tables[1], tables[0]])]) {
        assert.equal(merged.count, 1);
        assert.deepEqual(merged.at(0), winner.at(0), `${first}, ${second}`);
      }
    }
  });
});

/** "1700000000 deleted pA" */
function tableOf(text: string): ContentTable {
  const [seconds, state, packId = ""] = text.split(" ");
  const builder = new ContentTableBuilder(17);
  builder.add({
    key: new Uint8Array(17),
    timestampSeconds: Number(seconds),
    deleted: state === "deleted",
    packId,
    packOffset: 32,
    packedLength: 128,
    originalLength: 100,
    form: { compressionId: 0, formatVersion: 3, encryptionKeyId: 0 },
  });
  return builder.build();
}
