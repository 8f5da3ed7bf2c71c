/**
 * AES256-GCM-HMAC-SHA256: each item is sealed under a key of its own, made from the repository's content secret and the
 * item's iv, which is also the additional data. Layout: nonce(12) ‖ ciphertext ‖ tag(16).
 *
 * Source: docs/format/encryption.md; kopia repo/encryption/aes256_gcm_hmac_sha256_encryptor.go.
 */

import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import { KernelError } from "../kernel.ts";

const nonceBytes = 12;
const tagBytes = 16;
export const sealOverheadBytes = nonceBytes + tagBytes;

/** Writes the sealed form at `target[offset…]` and gives its length, always `plain.length + 28`. */
export function sealInto(
  target: Uint8Array,
  offset: number,
  secret: Uint8Array,
  plain: Uint8Array,
  iv: Uint8Array,
  nonce: Uint8Array,
): number {
  const cipher = createCipheriv("aes-256-gcm", itemKey(secret, iv), nonce).setAAD(iv);
  target.set(nonce, offset);
  target.set(cipher.update(plain), offset + nonceBytes);
  cipher.final();
  target.set(cipher.getAuthTag(), offset + nonceBytes + plain.byteLength);
  return plain.byteLength + sealOverheadBytes;
}

export function unseal(secret: Uint8Array, sealed: Uint8Array, iv: Uint8Array): Uint8Array {
  if (sealed.byteLength < sealOverheadBytes) {
    throw new KernelError("KERNEL_SEAL_BROKEN", `${sealed.byteLength} bytes are too few for a sealed item`);
  }
  const tagAt = sealed.byteLength - tagBytes;
  const decipher = createDecipheriv("aes-256-gcm", itemKey(secret, iv), sealed.subarray(0, nonceBytes), {
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

function itemKey(secret: Uint8Array, iv: Uint8Array): Uint8Array {
  return createHmac("sha256", secret).update(iv).digest();
}
