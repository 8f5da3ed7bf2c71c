/** docs/format/objects.md says what the code does. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fromUtf8, toUtf8 } from "../../src/base/bytes.ts";
import { dynamic4M, findCut } from "../../src/kernel/typescript/buzhash.ts";
import { typescriptKernel } from "../../src/kernel/typescript/kernel.ts";
import { contentIdOf } from "../../src/repository/content/content-id.ts";
import { encodeIndirectList, iterateIndirectList } from "../../src/repository/object/indirect-list.ts";
import { directObjectId, indirectObjectId, parseObjectId } from "../../src/repository/object/object-id.ts";
import { exampleFormat } from "./example-repository.ts";
import { Page } from "./page.ts";

const page = new Page("docs/format/objects.md");
const inputBytes = 40 << 20;

describe("docs/format/objects.md", () => {
  it("tells which ids are read, and as what", () => {
    for (const [text = "", means] of page.table("| read | means |")) {
      if (means === "refused") assert.throws(() => parseObjectId(text), { code: "OBJECT_ID_INVALID" }, text);
      else assert.equal(parseObjectId(text), means);
    }
  });

  it("shows a list as it is written and read, with its id", () => {
    const text = `${page.block("Lists", "json")}\n`;
    const bytes = toUtf8(text);
    const list = directObjectId(contentIdOf("x", typescriptKernel.hash(exampleFormat, bytes)));
    const objectId = indirectObjectId(list);
    assert.ok(page.section("Lists").includes(`\`${objectId}\``), objectId);
    const entries = [...iterateIndirectList(bytes, objectId)];
    assert.equal(entries.length, 2);
    assert.equal(fromUtf8(encodeIndirectList(entries)), text);
  });

  it("tells where the test input is cut", () => {
    const expected = page.table("| cut | behind byte |").map(([, offset]) => Number(offset));
    assert.deepEqual(cutsOf(testInput()), expected);
  });

  it("is right about zeros", () => {
    const every2MiB = Array.from({ length: 20 }, (_, i) => (i + 1) * (2 << 20));
    assert.deepEqual(cutsOf(new Uint8Array(inputBytes)), every2MiB);
  });
});

function testInput(): Uint8Array {
  const bytes = new Uint8Array(inputBytes);
  let x = 1;
  for (let i = 0; i < bytes.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[i] = x & 0xff;
  }
  return bytes;
}

function cutsOf(bytes: Uint8Array): number[] {
  const cuts: number[] = [];
  for (let start = 0; ; ) {
    const length = findCut(bytes.subarray(start), dynamic4M);
    if (length === undefined) return cuts;
    start += length;
    cuts.push(start);
  }
}
