/** Format blobs of any content, sealed under a known key, so that no test waits for the key derivation. */

import { fromHex, toBase64, toUtf8 } from "../../src/base/bytes.ts";
import { seededRandom } from "../../src/base/random.ts";
import type { BlobStore } from "../../src/repository/blob/blob-store.ts";
import { sealSecrets } from "../../src/repository/format/keys.ts";
import {
  blobConfigBlobId,
  formatBlobId,
  type OpenedFormat,
  refreshFormat,
} from "../../src/repository/format/repository-format.ts";

export const { signal } = new AbortController();

/** Bytes 00…1f. */
export const uniqueId = Uint8Array.from({ length: 32 }, (_, i) => i);
export const password = "static-passw0rd";
/** What scrypt-65536-8-1 makes of the two: a vector of the format's specification, section 13.1. */
export const formatKey = fromHex("ffe609844d93eddf89ad495da77bd83e8cec100e27b03a6257d505de6e36094d") as Uint8Array;
export const masterKey = toUtf8("01234567890123456789012345678901");
export const hashSecret = toUtf8("0123456789abcdefghijklmnopqrstuv");

export type JsonFields = Readonly<Record<string, unknown>>;

export const outerFields: JsonFields = {
  tool: "https://github.com/kopia/kopia",
  uniqueID: toBase64(uniqueId),
  keyAlgo: "scrypt-65536-8-1",
  encryption: "AES256_GCM",
};

/** As Velero makes them; durations in nanoseconds. */
export const innerFields: JsonFields = {
  hash: "BLAKE2B-256-128",
  encryption: "AES256-GCM-HMAC-SHA256",
  secret: toBase64(hashSecret),
  masterKey: toBase64(masterKey),
  version: 3,
  maxPackSize: 20_971_520,
  indexVersion: 2,
  epochParameters: { Enabled: true, EpochRefreshFrequency: 1_200_000_000_000 },
  enablePasswordChange: true,
  splitter: "DYNAMIC-4M-BUZHASH",
};

/** What a repository of format version 1 has instead. */
export const legacyFields: JsonFields = {
  version: 1,
  indexVersion: 1,
  epochParameters: { Enabled: false, EpochRefreshFrequency: 0 },
  enablePasswordChange: false,
};

export interface StoredFormat {
  /** Added to what Velero's repositories have; undefined takes a field away. */
  readonly inner?: JsonFields;
  readonly outer?: JsonFields;
  readonly key?: Uint8Array;
}

export function encodeFormat({ inner, outer, key = formatKey }: StoredFormat = {}): Uint8Array {
  const json = JSON.stringify({ format: { ...innerFields, ...inner } });
  const sealed = sealSecrets(key, uniqueId, toUtf8(json), seededRandom("format nonce"));
  return toUtf8(`${JSON.stringify({ ...outerFields, encryptedBlockFormat: toBase64(sealed), ...outer }, null, 2)}\n`);
}

/** Both blobs, as a client of the repository leaves them. */
export async function putFormat(store: BlobStore, stored: StoredFormat = {}): Promise<void> {
  const config = sealSecrets(stored.key ?? formatKey, uniqueId, toUtf8("{}"), seededRandom("config nonce"));
  await store.put(blobConfigBlobId, [config], { signal });
  await store.put(formatBlobId, [encodeFormat(stored)], { signal });
}

/** Opens it as a client does that opened it before: with the key, not the password. */
export async function openStored(
  store: BlobStore,
  options: { readonly nowMs?: number; readonly warn?: (message: string) => void } = {},
): Promise<OpenedFormat> {
  return await refreshFormat(store, { formatKey }, { signal, nowMs: 0, ...options });
}
