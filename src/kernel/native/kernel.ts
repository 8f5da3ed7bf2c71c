/** The kernel over the addon: every answer is that of the reference, made by native/kernel. */

import { strict as assert } from "node:assert";
import { pbkdf2 } from "node:crypto";
import { getSystemErrorName, promisify } from "node:util";
import { concatBytes, toUtf8 } from "../../base/bytes.ts";
import type { KernelProfile } from "../../base/profile.ts";
import { ContentTable, mergeNames } from "../content-table.ts";
import {
  type Kernel,
  type KernelConditions,
  KernelError,
  type KernelErrorCode,
  type SealedContent,
} from "../kernel.ts";
import { type NativeAddon, type NativeFailure, type NativeIndex, nativeQueues, nativeStages } from "./addon.ts";
import { NativeKernelPacker } from "./packer.ts";
import { NativeKernelTreeRestore } from "./tree-restore.ts";

const nonceBytes = 12;
const hashBytes = 16;
const keyBytes = 1 + hashBytes;
/** 128 × r for r = 8. */
const scryptBlockBytes = 1024;
const formatKeyBytes = 32;

const pbkdf2Key = promisify(pbkdf2);

/** `warn` hears of priorities that the system does not give. */
export function createNativeKernel(
  addon: NativeAddon,
  conditions: KernelConditions,
  warn: (message: string) => void = () => undefined,
): Kernel {
  const { parallelism, readBytesPerSecond, ioPriority, niceness } = conditions;
  const native = new addon.Conditions({
    threads: parallelism,
    ...(readBytesPerSecond !== undefined && { readBytesPerSecond }),
    ...(ioPriority !== undefined && { ioPriority: ioPriority === "idle" ? 8 : ioPriority }),
    ...(niceness !== undefined && { niceness }),
  });
  const errno = native.adopt();
  if (errno !== 0)
    warn(`the system does not give threads the priorities that were asked for: ${getSystemErrorName(-errno)}`);
  return {
    name: "native",
    conditions,
    profile: () => kernelProfileOf(native.readProfile()),
    scrypt: async (password, salt) => {
      const block = await pbkdf2Key(password, salt, 1, scryptBlockBytes, "sha256");
      return await pbkdf2Key(password, await addon.scryptMix(block), 1, formatKeyBytes, "sha256");
    },
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
    openIndex: async ({ contentSecret }, sealed, iv) => tableOf(await addon.openIndex(contentSecret, sealed, iv)),
    mergeTables: (tables) => mergeTables(addon, tables),
    createPacker: (options) => new NativeKernelPacker(addon, native, options),
    restoreTree: (options) => new NativeKernelTreeRestore(addon, native, options),
  };
}

function kernelProfileOf(numbers: Float64Array): KernelProfile {
  const seconds = nativeStages.map((stage, i) => [stage, (numbers[i] ?? 0) / 1e9] as const);
  const queues = nativeQueues.map((queue, i) => {
    const [looks = 0, sum = 0, max = 0] = numbers.subarray(nativeStages.length + 3 * i);
    return [queue, { looks, sum, max }] as const;
  });
  return { seconds: Object.fromEntries(seconds), queues: Object.fromEntries(queues) };
}

/** No content of this format has a hash of another length, so what has one is not what was stored. */
function assertHashes(items: readonly SealedContent[]): void {
  const item = items.findIndex(({ hash }) => hash.byteLength !== hashBytes);
  if (item < 0) return;
  throw new KernelError("KERNEL_CONTENT_MISMATCH", "opened bytes do not have the content's hash and length", {
    detail: { item },
  });
}

function tableOf(answer: NativeIndex | NativeFailure): ContentTable {
  if ("code" in answer) throw errorOf(answer);
  const { records, packs, forms } = answer;
  const formAt = (i: number) => {
    const [compressionId = 0, formatVersion = 0, encryptionKeyId = 0] = forms.slice(3 * i, 3 * i + 3);
    return { compressionId, formatVersion, encryptionKeyId };
  };
  return new ContentTable(
    keyBytes,
    records,
    packs,
    Array.from({ length: forms.length / 3 }, (_, i) => formAt(i)),
  );
}

async function mergeTables(addon: NativeAddon, tables: readonly ContentTable[]): Promise<ContentTable> {
  const [first] = tables;
  assert(first !== undefined, "there is a table to merge");
  assert(
    tables.every((table) => table.keyBytes === keyBytes),
    "tables of one repository have one key length",
  );
  if (tables.length === 1) return first;
  const { packs, forms, packNumbers, formNumbers } = mergeNames(tables);
  let end = 0;
  const names = packs.map(toUtf8);
  const ends = Uint32Array.from(names, ({ byteLength }) => {
    end += byteLength;
    return end;
  });
  const sources = tables.map(({ bytes }, i) => ({
    records: bytes,
    packs: packNumbers[i] as Uint32Array,
    forms: formNumbers[i] as Uint8Array,
  }));
  return new ContentTable(keyBytes, await addon.mergeTables(sources, concatBytes(names), ends), packs, forms);
}

function opened(answer: Uint8Array | NativeFailure): Uint8Array {
  if (answer instanceof Uint8Array) return answer;
  throw errorOf(answer);
}

function errorOf(answer: NativeFailure): KernelError {
  const code = answer.code as KernelErrorCode;
  return new KernelError(code, answer.message, {
    ...(answer.item !== undefined && { detail: { item: answer.item } }),
    ...(code === "KERNEL_COMPRESSION_UNSUPPORTED" && {
      hint: "read it with kopia; this version reads gzip, pgzip, zstd and deflate",
    }),
  });
}
