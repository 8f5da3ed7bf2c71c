/** Input bytes of the splitter vectors. */

import { createHash } from "node:crypto";

/** The first bytes of the golden data's `noise`. */
export function noise(length: number): Uint8Array {
  return createHash("shake256", { outputLength: length }).update("fsb-golden:noise").digest();
}

/** Input X of the format's specification, section 13.4: a 32-bit xorshift from 1, the low byte of each state. */
export function xorshiftBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let x = 1;
  for (let i = 0; i < length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[i] = x & 0xff;
  }
  return bytes;
}
