/** BLAKE2B-256-128: keyed BLAKE2b with a digest of 32 bytes, of which the first 16 are the hash. */

import { blake2b } from "@noble/hashes/blake2.js";
import type { KernelFormat } from "../kernel.ts";

const digestBytes = 32;
const hashBytes = 16;

export function contentHash(format: KernelFormat, bytes: Uint8Array): Uint8Array {
  const key = format.hashSecret;
  const digest = blake2b(bytes, key.byteLength === 0 ? { dkLen: digestBytes } : { dkLen: digestBytes, key });
  return digest.subarray(0, hashBytes);
}
