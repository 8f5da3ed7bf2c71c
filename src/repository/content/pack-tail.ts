/**
 * What follows the contents in a pack: padding, the pack's own index sealed, and a postamble that leads to it, so that
 * kopia can rebuild lost indexes from packs alone.
 *
 * Source: docs/format/packs.md; kopia repo/content/content_index_recovery.go.
 */

import { crc32 } from "node:zlib";
import { concatBytes } from "../../base/bytes.ts";
import type { RandomSource } from "../../base/random.ts";
import type { ContentTable } from "../../kernel/content-table.ts";
import { encodeIndex } from "../../kernel/index-codec.ts";
import type { Kernel, KernelFormat } from "../../kernel/kernel.ts";

const paddingBlock = 4096;
const indexSuffixBytes = 32;
const postambleVersion = 1;

export interface PackTailOptions {
  readonly kernel: Kernel;
  readonly format: KernelFormat;
  readonly indexVersion: 1 | 2;
  readonly random: RandomSource;
}

/** Its parts, one after the other. `contents` name the pack. An aligned pack still gets a whole block of padding. */
export function packTail(packLength: number, contents: ContentTable, options: PackTailOptions): Uint8Array[] {
  const { kernel, format, indexVersion, random } = options;
  const padding = random(paddingBlock - (packLength % paddingBlock));
  const localIndex = concatBytes([encodeIndex(contents, indexVersion), random(indexSuffixBytes)]);
  const iv = kernel.hash(format, localIndex);
  const sealedIndex = kernel.seal(format, localIndex, iv, random);
  const payload = concatBytes([
    uvarint(postambleVersion),
    uvarint(iv.byteLength),
    iv,
    uvarint(packLength + padding.byteLength),
    uvarint(sealedIndex.byteLength),
  ]);
  const postamble = Buffer.alloc(payload.byteLength + 5);
  postamble.set(payload);
  postamble.writeUInt32BE(crc32(payload), payload.byteLength);
  postamble.writeUInt8(payload.byteLength + 4, payload.byteLength + 4);
  return [padding, sealedIndex, postamble];
}

/** LEB128, as in Go's encoding/binary. */
function uvarint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return Uint8Array.of(...bytes, rest);
}
