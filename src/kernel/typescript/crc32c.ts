/** CRC-32C (Castagnoli), which `node:zlib` does not have. Four bytes at a time, by four tables. */

import { viewOf } from "../../base/bytes.ts";

const reversedPolynomial = 0x82f63b78;

/** `tables[n][byte]`: the CRC of the byte with n zero bytes behind it. */
const tables = Array.from({ length: 4 }, () => new Int32Array(256));
const [last, third, second, first] = tables as [Int32Array, Int32Array, Int32Array, Int32Array];
for (let byte = 0; byte < 256; byte++) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? reversedPolynomial : 0);
  last[byte] = crc;
}
for (const [n, table] of tables.entries()) {
  const shorter = tables[n - 1];
  if (shorter === undefined) continue;
  for (const [byte, crc] of shorter.entries()) table[byte] = (crc >>> 8) ^ (last[crc & 0xff] as number);
}

export function crc32c(bytes: Uint8Array): number {
  const view = viewOf(bytes);
  const whole = bytes.byteLength & ~3;
  let crc = -1;
  let at = 0;
  for (; at < whole; at += 4) {
    const mixed = crc ^ view.getInt32(at, true);
    crc =
      (first[mixed & 0xff] as number) ^
      (second[(mixed >>> 8) & 0xff] as number) ^
      (third[(mixed >>> 16) & 0xff] as number) ^
      (last[mixed >>> 24] as number);
  }
  for (; at < bytes.byteLength; at++) crc = (crc >>> 8) ^ (last[(crc ^ (bytes[at] as number)) & 0xff] as number);
  return ~crc >>> 0;
}
