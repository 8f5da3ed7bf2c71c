/**
 * Index version 2, big-endian: header of 17 bytes, entries sorted by key, pack table, format table, pack names.
 *
 *   0 u8 version = 2 · 1 u8 key length · 2 u16 entry length 16…19 · 4 u32 entry count · 8 u32 pack count
 *   12 u8 format count · 13 u32 base timestamp (0 when we write)
 *
 * Entry behind the key; the last three bytes only where the entry length says so:
 *   0  u32  seconds since the base timestamp
 *   4  u32  bit 31 deleted, bits 0..30 offset in the pack
 *   8  u24  original length, bits 0..23       11 u24  packed length, bits 0..23
 *   14 u16  pack number, bits 0..15           16 u8   format number
 *   17 u8   pack number, bits 16..23          18 u8   bits 24..27 of original (high) and packed (low) length
 *
 * Pack: u8 name length, u32 name offset. Format: u32 compression id, u8 format version, u8 encryption key id.
 * Source: docs/format/index-v2.md; kopia repo/content/index/index_v2.go.
 */

import { bufferOf, toUtf8, viewOf } from "../base/bytes.ts";
import { Appearances, type ContentForm, type ContentRecord, type ContentTable } from "./content-table.ts";
import { KernelError } from "./kernel.ts";
import type { StoredRecords } from "./stored-records.ts";

const headerBytes = 17;
const packBytes = 5;
const formatBytes = 6;
const entryBytesMin = 16;
const deletedBit = 0x8000_0000;
const lengthEnd = 2 ** 28;
const offsetEnd = 2 ** 30;
const offsetMask = 0x7fff_ffff;

export function encodeIndexV2(table: ContentTable): Uint8Array {
  // Both tables stand in order of first appearance, and hold only what appears.
  const packs = new Appearances(table.packs.length);
  const forms = new Appearances(table.forms.length);
  let isLong = false;
  for (let record = 0; record < table.count; record++) {
    packs.add(table.packNumber(record));
    forms.add(table.formNumber(record));
    const longest = Math.max(table.packedLength(record), table.originalLength(record));
    if (longest >= 2 ** 24) isLong = true;
    if (longest >= lengthEnd || (table.packOffsetWord(record) & offsetMask) >= offsetEnd) {
      throw new KernelError(
        "KERNEL_INDEX_INVALID",
        "a content of 256 MiB, or a pack of 1 GiB, does not fit into index version 2",
      );
    }
  }
  const entryBytes = isLong ? 19 : packs.order.length > 65_536 ? 18 : forms.order.length > 1 ? 17 : entryBytesMin;
  const stride = table.keyBytes + entryBytes;
  const packsAt = headerBytes + table.count * stride;
  const formsAt = packsAt + packs.order.length * packBytes;
  const namesAt = formsAt + forms.order.length * formatBytes;
  const names = packs.order.map((number) => toUtf8(table.packs[number] as string));
  const bytes = new Uint8Array(names.reduce((sum, name) => sum + name.byteLength, namesAt));
  const view = viewOf(bytes);
  view.setUint8(0, 2);
  view.setUint8(1, table.keyBytes);
  view.setUint16(2, entryBytes);
  view.setUint32(4, table.count);
  view.setUint32(8, packs.order.length);
  view.setUint8(12, forms.order.length);

  let at = headerBytes;
  for (let record = 0; record < table.count; record++) {
    table.copyKey(record, bytes, at);
    const entry = at + table.keyBytes;
    const packedLength = table.packedLength(record);
    const originalLength = table.originalLength(record);
    const packNumber = packs.of(table.packNumber(record));
    view.setUint32(entry, table.timestampSeconds(record));
    view.setUint32(entry + 4, table.packOffsetWord(record));
    setUint24(view, entry + 8, originalLength);
    setUint24(view, entry + 11, packedLength);
    view.setUint16(entry + 14, packNumber & 0xffff);
    if (entryBytes > 16) view.setUint8(entry + 16, forms.of(table.formNumber(record)));
    if (entryBytes > 17) view.setUint8(entry + 17, packNumber >>> 16);
    if (entryBytes > 18) view.setUint8(entry + 18, ((originalLength >>> 24) << 4) | (packedLength >>> 24));
    at += stride;
  }
  let nameOffset = namesAt;
  for (const name of names) {
    view.setUint8(at, name.byteLength);
    view.setUint32(at + 1, nameOffset);
    bytes.set(name, nameOffset);
    nameOffset += name.byteLength;
    at += packBytes;
  }
  for (const number of forms.order) {
    const form = table.forms[number] as ContentForm;
    view.setUint32(at, form.compressionId);
    view.setUint8(at + 4, form.formatVersion);
    view.setUint8(at + 5, form.encryptionKeyId);
    at += formatBytes;
  }
  return bytes;
}

export function readIndexV2(bytes: Uint8Array): StoredRecords {
  if (bytes.byteLength < headerBytes) throw new KernelError("KERNEL_INDEX_INVALID", "index is shorter than its header");
  const view = viewOf(bytes);
  const keyBytes = view.getUint8(1);
  const entryBytes = view.getUint16(2);
  const count = view.getUint32(4);
  const packCount = view.getUint32(8);
  const formatCount = view.getUint8(12);
  const baseTimestamp = view.getUint32(13);
  const stride = keyBytes + entryBytes;
  const packsAt = headerBytes + count * stride;
  const formsAt = packsAt + packCount * packBytes;
  if (keyBytes < 2 || entryBytes < entryBytesMin || formsAt + formatCount * formatBytes > bytes.byteLength) {
    throw new KernelError(
      "KERNEL_INDEX_INVALID",
      `index of ${bytes.byteLength} bytes is too short for its ${count} entries`,
    );
  }
  const forms = Array.from({ length: formatCount }, (_, i): ContentForm => {
    const at = formsAt + i * formatBytes;
    return {
      compressionId: view.getUint32(at),
      formatVersion: view.getUint8(at + 4),
      encryptionKeyId: view.getUint8(at + 5),
    };
  });
  const packs = Array.from({ length: packCount }, (_, i): string | undefined => {
    const at = packsAt + i * packBytes;
    const nameOffset = view.getUint32(at + 1);
    const end = nameOffset + view.getUint8(at);
    return end > bytes.byteLength ? undefined : bufferOf(bytes).toString("latin1", nameOffset, end);
  });
  return {
    keyBytes,
    count,
    *[Symbol.iterator](): IterableIterator<ContentRecord> {
      for (let i = 0; i < count; i++) {
        const at = headerBytes + i * stride;
        const entry = at + keyBytes;
        const offset = view.getUint32(entry + 4);
        const high = entryBytes > 18 ? view.getUint8(entry + 18) : 0;
        const packId = packs[view.getUint16(entry + 14) + (entryBytes > 17 ? view.getUint8(entry + 17) * 65_536 : 0)];
        const form = forms[entryBytes > 16 ? view.getUint8(entry + 16) : 0];
        if (packId === undefined || form === undefined) continue;
        yield {
          key: bytes.subarray(at, entry),
          timestampSeconds: baseTimestamp + view.getUint32(entry),
          deleted: offset >= deletedBit,
          packId,
          packOffset: offset & 0x7fff_ffff,
          packedLength: getUint24(view, entry + 11) + (high & 0x0f) * 2 ** 24,
          originalLength: getUint24(view, entry + 8) + (high >>> 4) * 2 ** 24,
          form,
        };
      }
    },
  };
}

function getUint24(view: DataView, at: number): number {
  return (view.getUint8(at) << 16) | view.getUint16(at + 1);
}

function setUint24(view: DataView, at: number, value: number): void {
  view.setUint8(at, (value >>> 16) & 0xff);
  view.setUint16(at + 1, value & 0xffff);
}
