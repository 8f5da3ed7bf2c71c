/** docs/format/blobs.md says what the code does: its tables and examples are read here. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fromHex, fromUtf8, toHex } from "../../src/base/bytes.ts";
import { blobKindOf } from "../../src/repository/blob/blob-kind.ts";
import { bucketLayout, locateBlob, shardedLayout } from "../../src/repository/blob/blob-layout.ts";
import { parseBlobId } from "../../src/repository/blob/blob-store.ts";
import { translateFilesystemError } from "../../src/repository/blob/filesystem-error.ts";
import {
  createdSharding,
  encodeSharding,
  flatSharding,
  legacySharding,
  parseSharding,
} from "../../src/repository/blob/sharding.ts";

const page = readFileSync(join(import.meta.dirname, "..", "..", "docs", "format", "blobs.md"), "utf8");

test("the table of names tells the kinds that the code tells", () => {
  const rows = tableBelow("| begins with |");
  assert.ok(rows.length > 10);
  for (const [prefix = "", kind] of rows) assert.equal(blobKindOf(prefix), kind, prefix);
});

test("the table of paths gives the paths of the code", () => {
  const layouts = [
    shardedLayout(createdSharding),
    shardedLayout(legacySharding),
    shardedLayout(flatSharding),
    bucketLayout,
  ];
  const rows = tableBelow("| name | `[1,3]` |");
  assert.ok(rows.length > 5);
  for (const [name = "", ...paths] of rows) {
    const located = layouts.map((layout) => locateBlob(layout, parseBlobId(name)));
    assert.deepEqual(
      paths,
      located.map(({ folders, file }) => [...folders, file].join("/")),
    );
  }
});

test("the example of .shards is what is written and read", () => {
  const bytes = fromHex(block("hex").replaceAll(/\s/g, ""));
  assert.ok(bytes !== undefined);
  assert.equal(fromUtf8(bytes), block("json"));
  assert.deepEqual(parseSharding(bytes), createdSharding);
  assert.equal(toHex(encodeSharding(createdSharding)), toHex(bytes));
});

test("the table of errors gives the codes of the code", () => {
  const rows = tableBelow("| what the file system says |");
  assert.equal(rows.length, 5);
  for (const [names = "", code] of rows) {
    for (const errno of names.match(/E[A-Z]+/g) ?? []) {
      const failed = Object.assign(new Error(errno), { code: errno, syscall: "open" });
      const translated = translateFilesystemError(failed, "read blob p1", "/repository");
      assert.ok(translated instanceof Error && "code" in translated);
      assert.equal(translated.code, code, errno);
    }
  }
});

/** The cells of each row, without back quotes. */
function tableBelow(header: string): readonly (readonly string[])[] {
  const start = page.indexOf(header);
  assert.ok(start >= 0, `no table ${header}`);
  const lines = page.slice(start).split("\n");
  const end = lines.findIndex((line) => !line.startsWith("|"));
  return lines.slice(2, end).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll("`", "")),
  );
}

function block(language: string): string {
  const found = new RegExp(`\`\`\`${language}\n([^\`]*)\`\`\``).exec(page)?.[1];
  assert.ok(found !== undefined, `no block of ${language}`);
  return found;
}
