/**
 * Content hashes, keyed with the repository's secret.
 *
 * BLAKE2's digest length is a parameter of the hash: BLAKE2B-256-128 is the half of a digest of 32 bytes, BLAKE2S-128 is a
 * digest of 16. What `node:crypto` has is taken from there; it has no keyed BLAKE2 and no BLAKE3.
 *
 * Source: docs/format/contents.md; kopia repo/hashing.
 */

import { createHmac } from "node:crypto";
import { blake2b, blake2s } from "@noble/hashes/blake2.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { emptyBytes, toUtf8 } from "../../base/bytes.ts";
import type { HashName, KernelFormat } from "../kernel.ts";

type KeyedHash = (key: Uint8Array, bytes: Uint8Array) => Uint8Array;

const blake3KeyBytes = 32;
const blake3Context = toUtf8("kopia blake3 derived key v1");

/** The format has seen to it that the key is of a length that its hash takes. */
export function contentHash(format: KernelFormat, bytes: Uint8Array): Uint8Array {
  return hashes[format.hash](format.hashSecret, bytes);
}

/** Of a content's key: a byte for the prefix, and the hash. */
export function keyBytesOf(format: KernelFormat): number {
  return 1 + contentHash(format, emptyBytes).byteLength;
}

const hashes: Readonly<Record<HashName, KeyedHash>> = {
  "BLAKE2B-256": (key, bytes) => blake2b(bytes, withKey(key, 32)),
  "BLAKE2B-256-128": (key, bytes) => blake2b(bytes, withKey(key, 32)).subarray(0, 16),
  "BLAKE2S-128": (key, bytes) => blake2s(bytes, withKey(key, 16)),
  "BLAKE2S-256": (key, bytes) => blake2s(bytes, withKey(key, 32)),
  "BLAKE3-256": keyedBlake3,
  "BLAKE3-256-128": (key, bytes) => keyedBlake3(key, bytes).subarray(0, 16),
  "HMAC-SHA224": hmac("sha224"),
  "HMAC-SHA256": hmac("sha256"),
  "HMAC-SHA256-128": (key, bytes) => hmac("sha256")(key, bytes).subarray(0, 16),
  "HMAC-SHA3-224": hmac("sha3-224"),
  "HMAC-SHA3-256": hmac("sha3-256"),
};

/** A key of no bytes is none. */
function withKey(key: Uint8Array, dkLen: number): { readonly dkLen: number; readonly key?: Uint8Array } {
  return key.byteLength === 0 ? { dkLen } : { dkLen, key };
}

/** A secret that is too short is stretched, one that is too long is cut. */
function keyedBlake3(secret: Uint8Array, bytes: Uint8Array): Uint8Array {
  const key =
    secret.byteLength < blake3KeyBytes
      ? blake3(secret, { context: blake3Context, dkLen: blake3KeyBytes })
      : secret.subarray(0, blake3KeyBytes);
  return blake3(bytes, { key, dkLen: 32 });
}

function hmac(algorithm: string): KeyedHash {
  return (key, bytes) => createHmac(algorithm, key).update(bytes).digest();
}
