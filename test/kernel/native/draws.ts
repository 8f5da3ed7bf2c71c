import { createHmac } from "node:crypto";
import type { RandomSource } from "../../../src/base/random.ts";

/** Draws as the native packer makes them of its seed: native/kernel/src/random_stream.rs. */
export function drawsOf(seedBytes: Uint8Array): RandomSource {
  let drawn = 0n;
  return (count) => {
    const number = Buffer.alloc(8);
    number.writeBigUInt64BE(drawn++);
    return createHmac("sha256", seedBytes).update(number).digest().subarray(0, count);
  };
}
