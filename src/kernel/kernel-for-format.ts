/**
 * Which kernel works on a repository: the native one where it knows the repository's format, else the reference. What the
 * native one learns is to be taken out of here, and nowhere else.
 */

import { hasCode } from "../base/errors.ts";
import { openReference } from "./choose-kernel.ts";
import type { Kernel, KernelFormat } from "./kernel.ts";

export interface SuitedKernel {
  readonly kernel: Kernel;
  /**
   * For contents of these compressions, as soon as they are known: those that the native kernel does not know are left to the
   * reference one by one, and it is loaded for them.
   */
  prepareToExpand(compressionIds: Iterable<number> | "any"): Promise<void>;
}

/** The kernel itself, or one that takes its place; `warn` hears what for. */
export async function kernelForFormat(
  kernel: Kernel,
  format: KernelFormat,
  warn: (message: string) => void,
): Promise<SuitedKernel> {
  if (kernel.name !== "native") return { kernel, prepareToExpand: async () => undefined };
  const unknown = unknownToNative(format);
  if (unknown === undefined) return withReferenceForCompression(kernel);
  warn(`the native kernel does not know ${unknown} yet, the slower one is used`);
  return { kernel: await openReference(kernel.conditions, warn), prepareToExpand: async () => undefined };
}

/** What a warning names, or undefined where all is known. */
function unknownToNative({
  hash,
  encryption,
  splitter,
  parityPercent,
  compressionId,
}: KernelFormat): string | undefined {
  if (hash !== "BLAKE2B-256-128") return `the hash ${hash}`;
  if (encryption !== "AES256-GCM-HMAC-SHA256") return `the encryption ${encryption}`;
  if (splitter !== "DYNAMIC-4M-BUZHASH") return `the splitter ${splitter}`;
  if (parityPercent !== undefined) return "error correction";
  if (compressionId !== undefined) return "how to compress contents";
  return undefined;
}

/** S2 and LZ4. */
function isUnknownToNative(compressionId: number): boolean {
  return compressionId >>> 8 === 0x12 || compressionId >>> 8 === 0x14;
}

function withReferenceForCompression(native: Kernel): SuitedKernel {
  let reference: Kernel | undefined;
  let treesAreWhole = true;
  const elseByReference = <Answer>(natively: () => Answer, byReference: (reference: Kernel) => Answer): Answer => {
    try {
      return natively();
    } catch (error) {
      if (reference === undefined || !hasCode(error, "KERNEL_COMPRESSION_UNSUPPORTED")) throw error;
      return byReference(reference);
    }
  };
  return {
    kernel: {
      ...native,
      /** Contents that the native one does not know may be among those of any tree. What is compressed below the hash it leaves. */
      get restoreTree() {
        return treesAreWhole ? native.restoreTree : undefined;
      },
      openContents: (...work) =>
        elseByReference(
          () => native.openContents(...work),
          (other) => other.openContents(...work),
        ),
      expand: (...work) =>
        elseByReference(
          () => native.expand(...work),
          (other) => other.expand(...work),
        ),
    },
    prepareToExpand: async (compressionIds) => {
      if (compressionIds !== "any" && [...compressionIds].some(isUnknownToNative)) treesAreWhole = false;
      if (compressionIds === "any" || !treesAreWhole) reference ??= await openReference(native.conditions, ignore);
    },
  };
}

/** The priorities of its threads are the native one's matter. */
function ignore(): void {}
