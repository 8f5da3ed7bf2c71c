/** Reads the events of a batch. Layout: native/kernel/src/events.rs. */

import { getSystemErrorName } from "node:util";
import { viewOf } from "../../base/bytes.ts";
import { ContentTable } from "../content-table.ts";
import type { Chunk, FullPack, StoreEvent } from "../kernel.ts";
import type { NativeBatch, NativePack } from "./addon.ts";

const eventBytes = 32;
const hashBytes = 16;
const chunkBytes = 4 + hashBytes;
const keyBytes = 1 + hashBytes;

const [packKind, chunksKind, fileKind, notOpenedKind, notReadKind, restartedKind] = [0, 1, 2, 3, 4, 5];
const nsPerSecond = 1_000_000_000n;

/** `formatVersion` is that of the contents of its packs. */
export function readEvents(batch: NativeBatch, formatVersion: number): StoreEvent[] {
  const { events: bytes, packs } = batch;
  const view = viewOf(bytes);
  const events: StoreEvent[] = [];
  let pack = 0;
  for (let at = 0; at < bytes.byteLength; ) {
    const kind = bytes[at];
    const file = view.getUint32(at + 4, true);
    const number = view.getUint32(at + 8, true);
    switch (kind) {
      case packKind:
        events.push({ kind: "pack", pack: fullPack(packs[pack++] as NativePack, formatVersion) });
        break;
      case chunksKind:
        events.push({ kind: "chunks", file, chunks: readChunks(bytes, view, at + eventBytes, number) });
        break;
      case fileKind:
        events.push({
          kind: "file",
          file,
          chunks: readChunks(bytes, view, at + eventBytes, number),
          bytesRead: Number(view.getBigUint64(at + 24, true)),
          changed: bytes[at + 1] === 1,
          mtimeNs: view.getBigInt64(at + 16, true) * nsPerSecond + BigInt(view.getUint32(at + 12, true)),
        });
        break;
      case notOpenedKind:
        events.push({ kind: "failed", file, operation: "open", errno: getSystemErrorName(-number) });
        break;
      case notReadKind:
        events.push({ kind: "failed", file, operation: "read", errno: getSystemErrorName(-number) });
        break;
      case restartedKind:
        events.push({ kind: "restarted", file });
        break;
    }
    at += eventBytes + (kind === chunksKind || kind === fileKind ? number * chunkBytes : 0);
  }
  return events;
}

export function fullPack(pack: NativePack, formatVersion: number): FullPack {
  const form = { compressionId: 0, formatVersion, encryptionKeyId: 0 };
  return {
    kind: pack.isPrefixed ? "q" : "p",
    bytes: pack.bytes,
    contents: new ContentTable(keyBytes, pack.contents, [""], [form]),
  };
}

/** Hashes are copies: a chunk may be held for long, and a batch is large. */
function readChunks(bytes: Uint8Array, view: DataView, start: number, count: number): Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = start; chunks.length < count; at += chunkBytes) {
    chunks.push({ hash: bytes.slice(at + 4, at + chunkBytes), length: view.getUint32(at, true) });
  }
  return chunks;
}
