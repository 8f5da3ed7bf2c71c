/** The kernel over the addon: every answer is that of the reference, made by native/kernel. */

import { concatBytes } from "../../base/bytes.ts";
import { type Kernel, KernelError, type KernelErrorCode, type SealedContent } from "../kernel.ts";
import type { NativeAddon, NativeFailure } from "./addon.ts";
import { NativeKernelPacker } from "./packer.ts";

const nonceBytes = 12;
const hashBytes = 16;

/** `threads` read, split and hash for each packer; more than 16 are not used. */
export function createNativeKernel(addon: NativeAddon, threads: number): Kernel {
  return {
    name: "native",
    hash: (format, bytes) => addon.hash(format.hashSecret, bytes),
    seal: (format, plain, iv, random) => addon.seal(format.contentSecret, plain, iv, random(nonceBytes)),
    open: (format, sealed, iv) => opened(addon.open(format.contentSecret, sealed, iv)),
    openContents: ({ hashSecret, contentSecret }, fetched, items) => {
      assertHashes(items);
      const numbers = new Float64Array(4 * items.length);
      for (const [i, { offset, length, compressionId, originalLength }] of items.entries()) {
        numbers.set([offset, length, compressionId, originalLength], 4 * i);
      }
      const hashes = concatBytes(items.map(({ hash }) => hash));
      const plain = opened(addon.openContents(hashSecret, contentSecret, fetched, numbers, hashes));
      let at = 0;
      return items.map(({ originalLength }) => {
        const start = at;
        at += originalLength;
        return plain.subarray(start, at);
      });
    },
    expand: (stored, bytesMax) => opened(addon.expand(stored, bytesMax)),
    createPacker: (options) => new NativeKernelPacker(addon, options, threads),
  };
}

/** No content of this format has a hash of another length, so what has one is not what was stored. */
function assertHashes(items: readonly SealedContent[]): void {
  const item = items.findIndex(({ hash }) => hash.byteLength !== hashBytes);
  if (item < 0) return;
  throw new KernelError("KERNEL_CONTENT_MISMATCH", "opened bytes do not have the content's hash and length", {
    detail: { item },
  });
}

function opened(answer: Uint8Array | NativeFailure): Uint8Array {
  if (answer instanceof Uint8Array) return answer;
  const code = answer.code as KernelErrorCode;
  throw new KernelError(code, answer.message, {
    ...(answer.item !== undefined && { detail: { item: answer.item } }),
    ...(code === "KERNEL_COMPRESSION_UNSUPPORTED" && {
      hint: "read it with kopia; this version reads gzip, pgzip, zstd and deflate",
    }),
  });
}
