/** The reference kernel in TypeScript: correct first, on `@noble/hashes` and `node:crypto`. */

import { scrypt } from "node:crypto";
import { promisify } from "node:util";
import { equalBytes } from "../../base/bytes.ts";
import { systemClock } from "../../base/clock.ts";
import { Pace } from "../../base/pace.ts";
import { Profile } from "../../base/profile.ts";
import { mergeTables } from "../content-table.ts";
import { decodeIndex } from "../index-codec.ts";
import { type Kernel, type KernelConditions, KernelError, type KernelFormat, type SealedContent } from "../kernel.ts";
import { compressionIdOf, decompress } from "./compression.ts";
import { contentHash, keyBytesOf } from "./content-hash.ts";
import { TypeScriptPacker } from "./packer.ts";
import { sealedLength, sealInto, sealOverheadBytes, unseal } from "./sealing.ts";

const nonceBytes = 12;
const ivBytes = 16;
const formatKeyBytes = 32;
/** 128 × N × r = 64 MiB for N = 65536, r = 8; OpenSSL asks for a little more. */
const scryptMemoryMax = 96 << 20;

const scryptKey = promisify(
  (password: Uint8Array, salt: Uint8Array, done: (error: Error | null, key: Buffer) => void) => {
    scrypt(password, salt, formatKeyBytes, { N: 65_536, r: 8, p: 1, maxmem: scryptMemoryMax }, done);
  },
);

/** `warn` hears of what this kernel cannot do. */
export function createTypescriptKernel(
  conditions: KernelConditions,
  warn: (message: string) => void = () => undefined,
): Kernel {
  const { readBytesPerSecond, ioPriority, niceness } = conditions;
  if (ioPriority !== undefined || niceness !== undefined) warn("priorities of threads need the native kernel");
  const profile = new Profile();
  const reading = {
    profile,
    pace: readBytesPerSecond === undefined ? undefined : new Pace(readBytesPerSecond, systemClock),
  };
  return {
    name: "typescript",
    conditions,
    profile: () => profile.counts(),
    scrypt: scryptKey,
    hash: contentHash,
    seal: (format, plain, iv, random) => {
      const sealed = new Uint8Array(sealedLength(format, plain.byteLength));
      sealInto(sealed, 0, format, plain, iv, random(nonceBytes));
      return sealed;
    },
    open: (format, sealed, iv) => unseal(format, sealed, iv),
    openContents: (format, fetched, items) => items.map((item, number) => openContent(format, fetched, item, number)),
    expand: (stored, bytesMax) => decompress(compressionIdOf(stored), stored, bytesMax),
    openIndex: async (format, sealed, iv) =>
      decodeIndex(unseal(format, sealed, iv), keyBytesOf(format), sealOverheadBytes),
    mergeTables: async (tables) => mergeTables(tables),
    createPacker: (options) => new TypeScriptPacker(options, reading),
    restoreTree: undefined, // src/restore/ is the reference.
  };
}

export const typescriptKernel: Kernel = createTypescriptKernel({ parallelism: 1 });

function openContent(format: KernelFormat, fetched: Uint8Array, item: SealedContent, number: number): Uint8Array {
  try {
    const sealed = fetched.subarray(item.offset, item.offset + item.length);
    const stored = unseal(format, sealed, item.hash.subarray(-ivBytes));
    const plain = item.compressionId === 0 ? stored : decompress(item.compressionId, stored, item.originalLength);
    if (plain.byteLength === item.originalLength && equalBytes(contentHash(format, plain), item.hash)) return plain;
    throw new KernelError("KERNEL_CONTENT_MISMATCH", "opened bytes do not have the content's hash and length");
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    throw new KernelError(error.code, error.message, { cause: error.cause, detail: { item: number } });
  }
}
