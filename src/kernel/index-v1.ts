/**
 * Index version 1, big-endian: header of 8 bytes, entries sorted by key, then pack names.
 *
 *   0 u8 version = 1 · 1 u8 key length (255: empty) · 2 u16 entry length = 20 · 4 u32 count
 *
 * Entry behind the key:
 *   0  u48  timestamp, seconds      6  u8  format version       7  u8  pack name length
 *   8  u32  pack name offset        12 u32 bit 31 deleted, bits 0..30 pack offset
 *   16 u32  packed length
 *
 * Source: docs/format/index-v1.md; kopia repo/content/index/index_v1.go.
 */

import { bufferOf, toUtf8, viewOf } from "../base/bytes.ts";
import { Appearances, type ContentForm, type ContentRecord, type ContentTable } from "./content-table.ts";
import { KernelError } from "./kernel.ts";
import type { StoredRecords } from "./stored-records.ts";

const headerBytes = 8;
const entryBytes = 20;
const emptyKeyBytes = 255;
const deletedBit = 0x8000_0000;

export function encodeIndexV1(table: ContentTable): Uint8Array {
  const stride = table.keyBytes + entryBytes;
  const namesAt = headerBytes + table.count * stride;
  const packs = new Appearances(table.packs.length);
  for (let record = 0; record < table.count; record++) packs.add(table.packNumber(record));
  const names = packs.order.map((number) => toUtf8(table.packs[number] as string));
  const nameOffsets: number[] = [];
  let nameOffset = namesAt;
  for (const name of names) {
    nameOffsets.push(nameOffset);
    nameOffset += name.byteLength;
  }
  const bytes = new Uint8Array(nameOffset);
  const view = viewOf(bytes);
  view.setUint8(0, 1);
  view.setUint8(1, table.keyBytes);
  view.setUint16(2, entryBytes);
  view.setUint32(4, table.count);
  let at = headerBytes;
  for (let record = 0; record < table.count; record++) {
    table.copyKey(record, bytes, at);
    const entry = at + table.keyBytes;
    const pack = packs.of(table.packNumber(record));
    view.setUint16(entry, 0);
    view.setUint32(entry + 2, table.timestampSeconds(record));
    view.setUint8(entry + 6, (table.forms[table.formNumber(record)] as ContentForm).formatVersion);
    view.setUint8(entry + 7, (names[pack] as Uint8Array).byteLength);
    view.setUint32(entry + 8, nameOffsets[pack] as number);
    view.setUint32(entry + 12, table.packOffsetWord(record));
    view.setUint32(entry + 16, table.packedLength(record));
    at += stride;
  }
  for (const name of names) {
    bytes.set(name, at);
    at += name.byteLength;
  }
  return bytes;
}

export function readIndexV1(bytes: Uint8Array, sealOverheadBytes: number): StoredRecords {
  if (bytes.byteLength < headerBytes) throw new KernelError("KERNEL_INDEX_INVALID", "index is shorter than its header");
  const view = viewOf(bytes);
  const keyBytes = view.getUint8(1);
  const count = view.getUint32(4);
  const stride = keyBytes + view.getUint16(2);
  if (keyBytes === emptyKeyBytes && count === 0) return { keyBytes: 0, count: 0, *[Symbol.iterator]() {} };
  if (stride < keyBytes + entryBytes || headerBytes + count * stride > bytes.byteLength) {
    throw new KernelError(
      "KERNEL_INDEX_INVALID",
      `index of ${bytes.byteLength} bytes is too short for its ${count} entries`,
    );
  }
  return {
    keyBytes,
    count,
    *[Symbol.iterator](): IterableIterator<ContentRecord> {
      const text = bufferOf(bytes);
      for (let i = 0; i < count; i++) {
        const at = headerBytes + i * stride;
        const entry = at + keyBytes;
        const nameLength = view.getUint8(entry + 7);
        const nameOffset = view.getUint32(entry + 8);
        const packedLength = view.getUint32(entry + 16);
        if (nameOffset + nameLength > bytes.byteLength || packedLength < sealOverheadBytes) continue;
        const offset = view.getUint32(entry + 12);
        yield {
          key: bytes.subarray(at, entry),
          timestampSeconds: view.getUint16(entry) * 2 ** 32 + view.getUint32(entry + 2),
          deleted: offset >= deletedBit,
          packId: text.toString("latin1", nameOffset, nameOffset + nameLength),
          packOffset: offset & 0x7fff_ffff,
          packedLength,
          originalLength: packedLength - sealOverheadBytes,
          form: { compressionId: 0, formatVersion: view.getUint8(entry + 6), encryptionKeyId: 0 },
        };
      }
    },
  };
}
