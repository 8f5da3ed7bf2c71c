/** The two kernels make the same bytes of the same bytes, the same randomness and the same clock. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { concatBytes, toHex, toUtf8 } from "../../../src/base/bytes.ts";
import type { RandomSource } from "../../../src/base/random.ts";
import { type ContentRecord, type ContentTable, ContentTableBuilder } from "../../../src/kernel/content-table.ts";
import { encodeIndex } from "../../../src/kernel/index-codec.ts";
import { type FullPack, type Kernel, KernelError, type KernelFormat, type Packer } from "../../../src/kernel/kernel.ts";
import { createNativeKernel } from "../../../src/kernel/native/kernel.ts";
import { typescriptKernel } from "../../../src/kernel/typescript/kernel.ts";
import { lacking } from "../../support/required.ts";
import { noise } from "../byte-sources.ts";
import { drawsOf } from "./draws.ts";
import { nativeAddon } from "./native-addon.ts";

const mebibyte = 1 << 20;
const source = concatBytes([noise(20 * mebibyte), new Uint8Array(12 * mebibyte), noise(8 * mebibyte)]);
const seed = Uint8Array.from({ length: 32 }, (_, i) => i);

const format: KernelFormat = {
  hash: "BLAKE2B-256-128",
  hashSecret: toUtf8("0123456789abcdefghijklmnopqrstuv"),
  encryption: "AES256-GCM-HMAC-SHA256",
  contentSecret: toUtf8("vutsrqponmlkjihgfedcba9876543210"),
  splitter: "DYNAMIC-4M-BUZHASH",
  packBytesMax: 5 * mebibyte,
  formatVersion: 3,
  packHeader: toUtf8("header"),
};

/** A piece of the source: where it begins, and its length, often around a limit. */
const anyBytes = fc.tuple(
  fc.integer({ min: 0, max: 60 }),
  fc.oneof(
    { weight: 5, arbitrary: fc.nat(300) },
    { weight: 2, arbitrary: fc.nat(3 * mebibyte) },
    { weight: 2, arbitrary: fc.nat(18 * mebibyte) },
    fc.constantFrom(0, 2 * mebibyte - 1, 2 * mebibyte, 2 * mebibyte + 1, 8 * mebibyte),
  ),
);

const anyStep = fc.oneof(
  { weight: 3, arbitrary: fc.array(fc.tuple(fc.constantFrom("", "k", "x"), anyBytes), { maxLength: 8 }) },
  fc.constant("finish" as const),
  fc.constant("know" as const),
);

type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never;

function piece([start, length]: readonly [number, number]): Uint8Array {
  return source.subarray(start * 1000, start * 1000 + length);
}

function describePack({ kind, bytes, contents }: FullPack): readonly unknown[] {
  return [kind, toHex(typescriptKernel.hash(format, bytes)), bytes.byteLength, toHex(contents.bytes), contents.forms];
}

/** All that a packer answers, in the order of the steps. */
async function answersOf(kernel: Kernel, random: RandomSource, steps: readonly Step[]) {
  const nowSeconds = () => 1_700_000_000;
  const packer: Packer = kernel.createPacker({ format, readAheadBytes: 0, known: [], nowSeconds, random });
  const packs: FullPack[] = [];
  const answers: unknown[] = [];
  for (const step of steps) {
    if (step === "finish") packs.push(...packer.finishPacks());
    else if (step === "know") packer.replaceKnown(forgetful(packs));
    else {
      const stored = packer.storeBytes(step.map(([prefix, range]) => ({ prefix, bytes: piece(range) })));
      packs.push(...stored.packs);
      answers.push(stored.chunks.map((chunks) => chunks.map(({ hash, length }) => [toHex(hash), length])));
    }
  }
  packs.push(...packer.finishPacks());
  return { answers, packs: packs.map(describePack), counters: { ...packer.counters } };
}

/** Every second content of the packs, and of these every second is a tombstone. */
function forgetful(packs: readonly FullPack[]): ContentTable[] {
  return packs.map(({ contents }) => {
    const builder = new ContentTableBuilder(contents.keyBytes);
    [...contents.records()].forEach((record, i) => {
      if (i % 2 === 0) builder.add({ ...record, deleted: i % 4 === 0 });
    });
    return builder.build();
  });
}

test("both kernels give the same chunks, packs and counters, with any number of threads", async (t) => {
  if (nativeAddon instanceof Error) return lacking(t, nativeAddon.message);
  const addon = nativeAddon;
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyStep, { minLength: 1, maxLength: 4 }),
      fc.constantFrom(1, 2, 5),
      async (steps, threads) => {
        const native = createNativeKernel(addon, { parallelism: threads });
        const answer = await answersOf(native, (count) => seed.subarray(0, count), steps);
        assert.deepEqual(answer, await answersOf(typescriptKernel, drawsOf(seed), steps));
      },
    ),
    { numRuns: 25 },
  );
});

const anyForm = fc.record({
  compressionId: fc.constantFrom(0, 0x1100),
  formatVersion: fc.constantFrom(1, 3),
  encryptionKeyId: fc.constant(0),
});

/** Few keys, so that they meet often. */
const anyContent = fc.record({
  key: fc.tuple(fc.constantFrom(0, 0x6b), fc.nat(3), fc.nat(2)).map(([prefix, high, low]) => {
    return Uint8Array.of(prefix, high, ...new Uint8Array(14), low);
  }),
  timestampSeconds: fc.oneof(fc.nat(2), fc.constant(0xffff_ffff)),
  deleted: fc.boolean(),
  packId: fc.constantFrom("p1", "p10", "p2", "q1", "p\u00ff"),
  packOffset: fc.constantFrom(0, 32, 2 ** 30 - 1),
  packedLength: fc.constantFrom(28, 2 ** 24, 2 ** 28 - 1),
  originalLength: fc.constantFrom(0, 2 ** 28 - 1),
  form: anyForm,
});

const anyTable = fc.array(anyContent, { maxLength: 30 }).map(tableOf);

function tableOf(records: readonly ContentRecord[]): ContentTable {
  const builder = new ContentTableBuilder(17);
  for (const record of records) builder.add(record);
  return builder.build();
}

function describeTable({ bytes, packs, forms }: ContentTable) {
  return { records: toHex(bytes), packs: [...packs], forms: forms.map((form) => ({ ...form })) };
}

test("merged tables are equal", async (t) => {
  if (nativeAddon instanceof Error) return lacking(t, nativeAddon.message);
  const native = createNativeKernel(nativeAddon, { parallelism: 1 });
  await fc.assert(
    fc.asyncProperty(fc.array(anyTable, { minLength: 1, maxLength: 6 }), async (tables) => {
      const [expected, merged] = [await typescriptKernel.mergeTables(tables), await native.mergeTables(tables)];
      assert.deepEqual(describeTable(merged), describeTable(expected));
    }),
  );
});

test("tables of index blobs are equal, and so is what is said of damaged ones", async (t) => {
  if (nativeAddon instanceof Error) return lacking(t, nativeAddon.message);
  const native = createNativeKernel(nativeAddon, { parallelism: 1 });
  const iv = noise(16);
  const sealed = (plain: Uint8Array): Uint8Array => typescriptKernel.seal(format, plain, iv, () => noise(12));
  const answer = async (kernel: Kernel, plain: Uint8Array): Promise<unknown> => {
    try {
      return describeTable(await kernel.openIndex(format, sealed(plain), iv));
    } catch (error) {
      assert(error instanceof KernelError, String(error));
      return [error.code, error.message];
    }
  };
  const anyIndex = fc
    .tuple(fc.array(anyContent, { minLength: 1, maxLength: 30 }), fc.constantFrom<1 | 2>(1, 2))
    .map(([records, version]) => encodeIndex(tableOf(records), version));
  await fc.assert(
    fc.asyncProperty(
      anyIndex,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
      fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.nat(60)),
      async (bytes, flips, cut) => {
        const damaged = bytes.slice(0, Math.max(0, bytes.byteLength - cut));
        for (const [at, value] of flips) if (damaged.byteLength > 0) damaged[at % damaged.byteLength] = value;
        assert.deepEqual(await answer(native, damaged), await answer(typescriptKernel, damaged));
      },
    ),
    { numRuns: 2000 },
  );
});
