/**
 * Each item is sealed under a key of its own, made from the repository's content secret and the item's iv, which is also
 * the additional data. Layout: nonce(12) ‖ ciphertext ‖ tag(16), and where there is error correction all of that with its
 * parity.
 *
 * Source: docs/format/encryption.md; kopia repo/encryption.
 */

import { type CipherGCMTypes, createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import { type EncryptionName, KernelError, type KernelFormat } from "../kernel.ts";
import { protectedLength, protectInto, recover } from "./error-correction.ts";

const nonceBytes = 12;
const tagBytes = 16;
/** Without parity, which index version 1 does not go with. */
export const sealOverheadBytes = nonceBytes + tagBytes;

/** What of a format matters here. */
type SealFormat = Pick<KernelFormat, "encryption" | "contentSecret" | "parityPercent">;

/** Both are used alike, which only the types of the first say. */
const ciphers: Readonly<Record<EncryptionName, CipherGCMTypes>> = {
  "AES256-GCM-HMAC-SHA256": "aes-256-gcm",
  "CHACHA20-POLY1305-HMAC-SHA256": "chacha20-poly1305" as CipherGCMTypes,
};

/** What so many plain bytes take when they are sealed. */
export function sealedLength({ parityPercent }: SealFormat, plainBytes: number): number {
  const length = plainBytes + sealOverheadBytes;
  return parityPercent === undefined ? length : protectedLength(length, parityPercent);
}

/** Writes the sealed form at `target[offset…]` and gives its length, that of `sealedLength`. */
export function sealInto(
  target: Uint8Array,
  offset: number,
  format: SealFormat,
  plain: Uint8Array,
  iv: Uint8Array,
  nonce: Uint8Array,
): number {
  const { parityPercent } = format;
  if (parityPercent === undefined) {
    encryptInto(target, offset, format, plain, iv, nonce);
  } else {
    const encrypted = new Uint8Array(plain.byteLength + sealOverheadBytes);
    encryptInto(encrypted, 0, format, plain, iv, nonce);
    protectInto(target, offset, encrypted, parityPercent);
  }
  return sealedLength(format, plain.byteLength);
}

/** Errors: KERNEL_SEAL_BROKEN. */
export function unseal(format: SealFormat, sealed: Uint8Array, iv: Uint8Array): Uint8Array {
  const { parityPercent } = format;
  if (parityPercent === undefined) return decrypt(format, sealed, iv);
  const encrypted = recover(sealed, parityPercent);
  if (encrypted !== undefined) return decrypt(format, encrypted, iv);
  throw new KernelError("KERNEL_SEAL_BROKEN", "sealed bytes are damaged beyond what their parity can repair");
}

function encryptInto(
  target: Uint8Array,
  offset: number,
  format: SealFormat,
  plain: Uint8Array,
  iv: Uint8Array,
  nonce: Uint8Array,
): void {
  const cipher = createCipheriv(ciphers[format.encryption], itemKey(format, iv), nonce, {
    authTagLength: tagBytes,
  }).setAAD(iv);
  target.set(nonce, offset);
  target.set(cipher.update(plain), offset + nonceBytes);
  cipher.final();
  target.set(cipher.getAuthTag(), offset + nonceBytes + plain.byteLength);
}

function decrypt(format: SealFormat, sealed: Uint8Array, iv: Uint8Array): Uint8Array {
  if (sealed.byteLength < sealOverheadBytes) {
    throw new KernelError("KERNEL_SEAL_BROKEN", `${sealed.byteLength} bytes are too few for a sealed item`);
  }
  const tagAt = sealed.byteLength - tagBytes;
  const nonce = sealed.subarray(0, nonceBytes);
  const decipher = createDecipheriv(ciphers[format.encryption], itemKey(format, iv), nonce, {
    authTagLength: tagBytes,
  });
  decipher.setAAD(iv).setAuthTag(sealed.subarray(tagAt));
  const plain = decipher.update(sealed.subarray(nonceBytes, tagAt));
  try {
    decipher.final();
  } catch (cause) {
    throw new KernelError("KERNEL_SEAL_BROKEN", "sealed bytes are damaged, or were sealed under another key", {
      cause,
    });
  }
  return plain;
}

function itemKey({ contentSecret }: SealFormat, iv: Uint8Array): Uint8Array {
  return createHmac("sha256", contentSecret).update(iv).digest();
}
