/** docs/format/encryption.md says what the code does. */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, it } from "node:test";
import { toHex, toUtf8 } from "../../src/base/bytes.ts";
import { typescriptKernel } from "../../src/kernel/typescript/kernel.ts";
import { parseBlobId } from "../../src/repository/blob/blob-store.ts";
import { MemoryBlobStore } from "../../src/repository/blob/memory.ts";
import { exampleBlobs, exampleFormat, exampleRandom } from "./example-repository.ts";
import { bytesOfHex, Page } from "./page.ts";

const page = new Page("docs/format/encryption.md");
const { signal } = new AbortController();

describe("docs/format/encryption.md", () => {
  it("shows an item as it is sealed and opened", () => {
    const [plain, iv, key] = ["plain", "iv", "key"].map((part) => bytesOfHex(page.value("| part |", part)));
    assert.ok(plain && iv && key);
    assert.equal(toHex(typescriptKernel.hash(exampleFormat, plain)), toHex(iv));
    assert.equal(createHmac("sha256", exampleFormat.contentSecret).update(iv).digest("hex"), toHex(key));
    const sealed = page.bytes("Example");
    assert.equal(toHex(typescriptKernel.seal(exampleFormat, plain, iv, exampleRandom)), toHex(sealed));
    assert.equal(toHex(typescriptKernel.open(exampleFormat, sealed, iv)), toHex(plain));
  });

  it("tells which iv a name stands for", async () => {
    const store = new MemoryBlobStore();
    for (const [name = "", iv = ""] of page.table("| name | iv |")) {
      const id = parseBlobId(name);
      const plain = toUtf8(name);
      await store.put(id, [typescriptKernel.seal(exampleFormat, plain, bytesOfHex(iv), exampleRandom)], { signal });
      assert.equal(toHex(await exampleBlobs(store).read(id, signal)), toHex(plain), name);
    }
  });

  it("is right that a blob's name holds the hash of what is in it", () => {
    const plain = toUtf8("anything");
    const { id } = exampleBlobs().seal("n", "s1", plain);
    assert.equal(id, `n${toHex(typescriptKernel.hash(exampleFormat, plain))}-s1`);
  });

  it("is right that a blob in another's place does not open", async () => {
    const store = new MemoryBlobStore();
    const { sealed } = exampleBlobs().seal("n", "", toUtf8("anything"));
    const other = exampleBlobs().seal("n", "", toUtf8("something else"));
    const unnamed = parseBlobId("n0-s1");
    for (const id of [other.id, unnamed]) {
      await store.put(id, [sealed], { signal });
      await assert.rejects(exampleBlobs(store).read(id, signal), { code: "INDEX_BLOB_DAMAGED" });
    }
  });
});
