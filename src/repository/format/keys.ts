/**
 * Keys: password → format key → format secrets; master key → content secret.
 *
 * Source: docs/format/format-blob.md; kopia repo/format/crypto.go and internal/crypto.
 */

import { createCipheriv, createDecipheriv, hkdfSync, pbkdf2 } from "node:crypto";
import { promisify } from "node:util";
import { toUtf8 } from "../../base/bytes.ts";
import type { RandomSource } from "../../base/random.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { FormatError } from "./format-error.ts";

export const defaultKeyAlgorithm = "scrypt-65536-8-1";

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
const saltBytesMin = 16;
/** What of a kernel makes a key of a password. */
export type KeyDeriver = Pick<Kernel, "scrypt">;

let lastScrypt: Promise<unknown> = Promise.resolve();

/** One after another, so that jobs that start together take the 64 MiB once. */
function scryptKey(password: Uint8Array, salt: Uint8Array, kernel: KeyDeriver): Promise<Uint8Array> {
  const key = lastScrypt.then(() => kernel.scrypt(password, salt));
  lastScrypt = key.catch(() => undefined); // Its caller has it.
  return key;
}

const pbkdf2Key = promisify(pbkdf2);

/** The key that opens a repository's format secrets. Takes a tenth of a second or so: that is its purpose. */
export async function deriveFormatKey(
  keyAlgorithm: string,
  password: string,
  uniqueId: Uint8Array,
  kernel: KeyDeriver,
): Promise<Uint8Array> {
  if (uniqueId.byteLength < saltBytesMin) {
    throw new FormatError(
      "REPOSITORY_FORMAT_INVALID",
      `the repository's unique id has only ${uniqueId.byteLength} bytes`,
    );
  }
  const secret = toUtf8(password);
  switch (keyAlgorithm) {
    case defaultKeyAlgorithm:
      return await scryptKey(secret, uniqueId, kernel);
    case "pbkdf2-sha256-600000":
      return await pbkdf2Key(secret, uniqueId, 600_000, keyBytes, "sha256");
    case "pbkdf2": // kopia 0.16 and 0.17
      return await pbkdf2Key(secret, uniqueId, 786_432, keyBytes, "sha256");
    default:
      throw new FormatError("REPOSITORY_UNSUPPORTED", `key derivation ${JSON.stringify(keyAlgorithm)} is not known`);
  }
}

/** HKDF-SHA256. Mind the order: everywhere but for contents the purpose is the info and the unique id the salt. */
export function deriveKey(key: Uint8Array, salt: Uint8Array, purpose: string, length = keyBytes): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", key, salt, toUtf8(purpose), length));
}

/** For contents the purpose is the *salt*, and the info is empty. */
export function deriveContentSecret(masterKey: Uint8Array): Uint8Array {
  return deriveKey(masterKey, toUtf8("encryption"), "");
}

/** nonce ‖ AES-256-GCM ‖ tag of the format's JSON, as in `encryptedBlockFormat` and `kopia.blobcfg`. */
export function sealSecrets(
  formatKey: Uint8Array,
  uniqueId: Uint8Array,
  json: Uint8Array,
  random: RandomSource,
): Uint8Array {
  const nonce = random(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", deriveKey(formatKey, uniqueId, "AES"), nonce);
  cipher.setAAD(deriveKey(formatKey, uniqueId, "CHECKSUM"));
  return Buffer.concat([nonce, cipher.update(json), cipher.final(), cipher.getAuthTag()]);
}

/** Undefined when the key is not the one it was sealed with, or the bytes are damaged: the two look alike. */
export function openSecrets(formatKey: Uint8Array, uniqueId: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.byteLength < nonceBytes + tagBytes) return undefined;
  const aesKey = deriveKey(formatKey, uniqueId, "AES");
  const decipher = createDecipheriv("aes-256-gcm", aesKey, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes });
  decipher.setAAD(deriveKey(formatKey, uniqueId, "CHECKSUM"));
  decipher.setAuthTag(sealed.subarray(sealed.byteLength - tagBytes));
  const plain = decipher.update(sealed.subarray(nonceBytes, sealed.byteLength - tagBytes));
  try {
    decipher.final();
    return plain;
  } catch {
    return undefined; // The one thing `final` throws for.
  }
}
