/** Chunks and packs as the addon gives them. Layout: native/kernel/src/chunk.rs. */

import { viewOf } from "../../base/bytes.ts";
import { ContentTable } from "../content-table.ts";
import type { Chunk, FullPack } from "../kernel.ts";
import type { NativePack } from "./addon.ts";

const hashBytes = 16;
const chunkBytes = 4 + hashBytes;
const keyBytes = 1 + hashBytes;

/** Of each item. Hashes are copies: a chunk may be held for long, and a list is large. */
export function readChunks(bytes: Uint8Array): Chunk[][] {
  const view = viewOf(bytes);
  const items: Chunk[][] = [];
  for (let at = 0; at < bytes.byteLength; ) {
    const end = at + 4 + view.getUint32(at, true) * chunkBytes;
    const chunks: Chunk[] = [];
    for (at += 4; at < end; at += chunkBytes) {
      chunks.push({ hash: bytes.slice(at + 4, at + chunkBytes), length: view.getUint32(at, true) });
    }
    items.push(chunks);
  }
  return items;
}

/** `formatVersion` is that of its contents. */
export function fullPack(pack: NativePack, formatVersion: number): FullPack {
  const form = { compressionId: 0, formatVersion, encryptionKeyId: 0 };
  return {
    kind: pack.isPrefixed ? "q" : "p",
    bytes: pack.bytes,
    contents: new ContentTable(keyBytes, pack.contents, [""], [form]),
  };
}
