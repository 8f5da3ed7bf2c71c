/**
 * Reading compressed contents: `u32 header id ‖ stream`. Output is bounded by what the index says the content has, so a
 * bomb is an error and not an allocation.
 *
 * Source: docs/format/contents.md; kopia repo/compression.
 */

import { gunzipSync, inflateRawSync, zstdDecompressSync } from "node:zlib";
import { viewOf } from "../../base/bytes.ts";
import { KernelError } from "../kernel.ts";

const headerBytes = 4;

/** 0, which is no compression, where there is no room for an id. */
export function compressionIdOf(stored: Uint8Array): number {
  return stored.byteLength < headerBytes ? 0 : viewOf(stored).getUint32(0);
}

/** `bytesMax` bounds the answer; a stream that holds more is KERNEL_CONTENT_MISMATCH. */
export function decompress(compressionId: number, stored: Uint8Array, bytesMax: number): Uint8Array {
  if (compressionIdOf(stored) !== compressionId) {
    throw new KernelError("KERNEL_CONTENT_MISMATCH", `content lacks its compression header ${hexId(compressionId)}`);
  }
  const stream = stored.subarray(headerBytes);
  const limit = { maxOutputLength: Math.max(1, bytesMax) };
  try {
    switch (compressionId >>> 8) {
      case 0x10: // gzip
      case 0x13: // pgzip: gzip with several members
        return gunzipSync(stream, limit);
      case 0x11:
        return zstdDecompressSync(stream, limit);
      case 0x15:
        return inflateRawSync(stream, limit);
    }
  } catch (cause) {
    throw new KernelError("KERNEL_CONTENT_MISMATCH", `compressed content (${hexId(compressionId)}) does not expand`, {
      cause,
    });
  }
  throw new KernelError("KERNEL_COMPRESSION_UNSUPPORTED", `content is compressed as ${hexId(compressionId)}`, {
    hint: "read it with kopia; this version reads gzip, pgzip, zstd and deflate",
  });
}

function hexId(compressionId: number): string {
  return `0x${compressionId.toString(16)}`;
}
