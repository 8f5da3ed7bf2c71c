/** The names that a format may give its algorithms. What kopia gave up long ago (HMAC-SHA1, …-ENCRYPTED) is not among them. */

import type { EncryptionName, HashName, SplitterName } from "../../kernel/kernel.ts";

/** The keys, in bytes, that a hash takes. */
interface KeySizes {
  readonly min: number;
  readonly max: number;
}

const anyKey: KeySizes = { min: 0, max: Number.POSITIVE_INFINITY };

const hashes: Readonly<Record<HashName, KeySizes>> = {
  "BLAKE2B-256": { min: 0, max: 64 },
  "BLAKE2B-256-128": { min: 0, max: 64 },
  "BLAKE2S-128": { min: 1, max: 32 },
  "BLAKE2S-256": { min: 0, max: 32 },
  "BLAKE3-256": anyKey,
  "BLAKE3-256-128": anyKey,
  "HMAC-SHA224": anyKey,
  "HMAC-SHA256": anyKey,
  "HMAC-SHA256-128": anyKey,
  "HMAC-SHA3-224": anyKey,
  "HMAC-SHA3-256": anyKey,
};

const encryptions: Readonly<Record<EncryptionName, true>> = {
  "AES256-GCM-HMAC-SHA256": true,
  "CHACHA20-POLY1305-HMAC-SHA256": true,
};

/** Names of old. */
const oldSplitters: ReadonlyMap<string, SplitterName> = new Map([
  ["FIXED", "FIXED-4M"],
  ["DYNAMIC", "DYNAMIC-4M-BUZHASH"],
]);

const sizes = ["128K", "256K", "512K", "1M", "2M", "4M", "8M"] as const;

/** All that there are, each under the name that kopia writes today. */
export const hashNames = Object.keys(hashes) as readonly HashName[];
export const encryptionNames = Object.keys(encryptions) as readonly EncryptionName[];
export const splitterNames: readonly SplitterName[] = sizes.flatMap((size) => [
  `FIXED-${size}` as const,
  `DYNAMIC-${size}-BUZHASH` as const,
  `DYNAMIC-${size}-RABINKARP` as const,
]);

/** Each of these gives undefined for a name that is not known. */
export function parseHash(name: string): HashName | undefined {
  return Object.hasOwn(hashes, name) ? (name as HashName) : undefined;
}

export function parseEncryption(name: string): EncryptionName | undefined {
  return Object.hasOwn(encryptions, name) ? (name as EncryptionName) : undefined;
}

export function parseSplitter(name: string): SplitterName | undefined {
  return splitterNames.find((known) => known === name) ?? oldSplitters.get(name);
}

export function takesKey(hash: HashName, keyBytes: number): boolean {
  const { min, max } = hashes[hash];
  return keyBytes >= min && keyBytes <= max;
}
