import { createHmac } from "node:crypto";
import { concatBytes, toUtf8 } from "../../base/bytes.ts";
import type { KernelFormat } from "../../kernel/kernel.ts";
import { deriveContentSecret } from "./keys.ts";
import type { RepositoryFormat } from "./repository-format.ts";

/** What the kernel needs of a format. */
export function kernelFormatOf(format: RepositoryFormat): KernelFormat {
  return {
    hash: format.hash,
    hashSecret: format.hashSecret,
    encryption: format.encryption,
    contentSecret: deriveContentSecret(format.masterKey),
    splitter: format.splitter,
    ...(format.parityPercent !== undefined && { parityPercent: format.parityPercent }),
    packBytesMax: format.packBytesMax,
    formatVersion: format.version,
    packHeader: format.enablePasswordChange ? new Uint8Array(0) : recoverableCopy(format.formatBlob),
  };
}

/**
 * A copy of `kopia.repository` from which it can be restored: u16 LE length ‖ copy ‖ HMAC ‖ u16 LE length.
 * Source: docs/format/packs.md; kopia repo/format/format_blob.go.
 */
export function recoverableCopy(formatBlob: Uint8Array): Uint8Array {
  const checked = concatBytes([
    formatBlob,
    createHmac("sha256", toUtf8("kopia-repository")).update(formatBlob).digest(),
  ]);
  const length = Buffer.alloc(2);
  length.writeUInt16LE(checked.byteLength);
  return concatBytes([length, checked, length]);
}
