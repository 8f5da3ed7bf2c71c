/** docs/format/index-v1.md and index-v2.md say what the code does. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { concatBytes, toHex } from "../../src/base/bytes.ts";
import { type ContentForm, type ContentRecord, ContentTableBuilder } from "../../src/kernel/content-table.ts";
import { decodeIndex, encodeIndex } from "../../src/kernel/index-codec.ts";
import { keyOf, parseContentId } from "../../src/repository/content/content-id.ts";
import { Page } from "./page.ts";

const sealOverheadBytes = 28;

for (const version of [1, 2] as const) {
  const page = new Page(`docs/format/index-v${version}.md`);

  describe(page.path, () => {
    it("shows an index as it is written and read", () => {
      const bytes = page.bytes("Example");
      const entries = page.table("| content | pack |").map(version === 1 ? entryOfV1 : entryOfV2);
      const builder = new ContentTableBuilder(17);
      for (const entry of entries) builder.add(entry);
      const table = builder.build();
      assert.equal(toHex(encodeIndex(table, version)), toHex(bytes));
      const decoded = decodeIndex(bytes, 17, sealOverheadBytes);
      assert.deepEqual([...decoded.records()], [...table.records()]);
    });

    it("is right that what follows is ignored, and that a short index is invalid", () => {
      const bytes = page.bytes("Example");
      const longer = decodeIndex(concatBytes([bytes, new Uint8Array(32).fill(0x22)]), 17, sealOverheadBytes);
      assert.equal(longer.count, 3);
      for (const length of [0, 5, 100]) {
        assert.throws(() => decodeIndex(bytes.subarray(0, length), 17, sealOverheadBytes), {
          code: "KERNEL_INDEX_INVALID",
        });
      }
    });
  });
}

function entryOfV1(cells: readonly string[]): ContentRecord {
  const [id, pack, seconds, offset, sealed, deleted, formatVersion] = cells;
  const originalLength = Number(sealed) - sealOverheadBytes;
  return recordOf([id, pack, seconds, offset, sealed, deleted], originalLength, {
    compressionId: 0,
    formatVersion: Number(formatVersion),
    encryptionKeyId: 0,
  });
}

function entryOfV2(cells: readonly string[]): ContentRecord {
  const [id, pack, seconds, offset, sealed, original, deleted, formatVersion, compression] = cells;
  return recordOf([id, pack, seconds, offset, sealed, deleted], Number(original), {
    compressionId: Number(compression),
    formatVersion: Number(formatVersion),
    encryptionKeyId: 0,
  });
}

function recordOf(cells: readonly (string | undefined)[], originalLength: number, form: ContentForm): ContentRecord {
  const [id = "", packId = "", seconds, offset, sealed, deleted] = cells;
  return {
    key: keyOf(parseContentId(id)),
    packId,
    timestampSeconds: Number(seconds),
    packOffset: Number(offset),
    packedLength: Number(sealed),
    originalLength,
    deleted: deleted === "yes",
    form,
  };
}
