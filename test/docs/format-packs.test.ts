/** docs/format/packs.md says what the code does. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { concatBytes, toHex, toUtf8 } from "../../src/base/bytes.ts";
import { decodeIndex } from "../../src/kernel/index-codec.ts";
import { typescriptKernel } from "../../src/kernel/typescript/kernel.ts";
import { packTail } from "../../src/repository/content/pack-tail.ts";
import { recoverableCopy } from "../../src/repository/format/kernel-format.ts";
import { exampleFormat, exampleRandom } from "./example-repository.ts";
import { bytesOfHex, Page } from "./page.ts";

const page = new Page("docs/format/packs.md");
const example = page.section("Example");
const packId = /`(p[0-9a-f]{32}-s[0-9a-f]+)`/.exec(example)?.[1] ?? "";
const paddingBytes = Number(/(\d+) bytes of padding/.exec(example)?.[1]);
const [head, tail] = page.blocks("Example", "hex").map((block) => bytesOfHex(block.replaceAll(/#.*$/gm, ""))) as [
  Uint8Array,
  Uint8Array,
];

describe("docs/format/packs.md", () => {
  it("shows a pack as it is built", () => {
    const packer = typescriptKernel.createPacker({
      format: exampleFormat,
      readAheadBytes: 0,
      known: [],
      nowSeconds: () => 1_700_000_000,
      random: exampleRandom,
    });
    packer.storeBytes([{ prefix: "", bytes: toUtf8("hello world\n") }]);
    const [pack] = packer.finishPacks();
    assert.ok(pack);
    assert.equal(pack.kind, packId[0]);
    assert.equal(toHex(pack.bytes), toHex(head));
    const made = packTail(pack.bytes.byteLength, pack.contents.inPack(packId), {
      kernel: typescriptKernel,
      format: exampleFormat,
      indexVersion: 2,
      random: exampleRandom,
    });
    assert.equal(toHex(concatBytes(made)), toHex(concatBytes([exampleRandom(paddingBytes), tail])));
  });

  it("is right about the way from the end of a pack to its index", () => {
    const pack = concatBytes([head, exampleRandom(paddingBytes), tail]);
    const payloadAt = pack.byteLength - 1 - (pack.at(-1) as number);
    const ivBytes = pack[payloadAt + 1] as number;
    const iv = pack.subarray(payloadAt + 2, payloadAt + 2 + ivBytes);
    const [offset, length] = uvarints(pack.subarray(payloadAt + 2 + ivBytes));
    assert.ok(offset !== undefined && length !== undefined);
    assert.equal(offset % 4096, 0);
    const index = typescriptKernel.open(exampleFormat, pack.subarray(offset, offset + length), iv);
    const record = decodeIndex(index, 17, 28).at(0);
    assert.equal(record.packId, packId);
    const { packOffset, packedLength, key } = record;
    const sealed = pack.subarray(packOffset, packOffset + packedLength);
    assert.equal(
      Buffer.from(typescriptKernel.open(exampleFormat, sealed, key.subarray(1))).toString(),
      "hello world\n",
    );
  });

  it("shows a recoverable copy", () => {
    assert.equal(toHex(recoverableCopy(toUtf8("aadsdasdas"))), toHex(page.bytes("Recoverable copy")));
  });
});

function uvarints(bytes: Uint8Array): number[] {
  const numbers: number[] = [];
  let number = 0;
  let shift = 0;
  for (const byte of bytes) {
    number += (byte & 0x7f) * 2 ** shift;
    shift += 7;
    if (byte >= 0x80) continue;
    numbers.push(number);
    [number, shift] = [0, 0];
  }
  return numbers;
}
