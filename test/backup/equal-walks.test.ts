/** The native walk and the reference store the same blobs of the same volume, the same randomness and the same clock. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { BackupResult } from "../../src/backup/backup.ts";
import { toHex } from "../../src/base/bytes.ts";
import { errnoOf } from "../../src/base/errors.ts";
import type { Kernel } from "../../src/kernel/kernel.ts";
import { createNativeKernel } from "../../src/kernel/native/kernel.ts";
import { typescriptKernel } from "../../src/kernel/typescript/kernel.ts";
import type { BlobStore } from "../../src/repository/blob/blob-store.ts";
import { noise } from "../kernel/byte-sources.ts";
import { drawsOf } from "../kernel/native/draws.ts";
import { nativeAddon } from "../kernel/native/native-addon.ts";
import { listIds, type MemoryRepository, openMemoryRepository } from "../repository/memory-repository.ts";
import { backUpFolder } from "../support/engine.ts";
import { lacking } from "../support/required.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const { signal } = new AbortController();
const seedBytes = 32;
const bytes = noise(12 << 20);

/** Of a seed as the native kernel draws it, in the same place, it makes the same nonces. */
const reference: Kernel = {
  ...typescriptKernel,
  createPacker: (options) => typescriptKernel.createPacker({ ...options, random: drawsOf(options.random(seedBytes)) }),
};

interface Entry {
  /** One character a byte. */
  readonly path: readonly string[];
  readonly what: "file" | "folder" | "link" | "pipe";
  readonly size: number;
  readonly mode: number;
  readonly seconds: number;
}

/** Few of them are UTF-8. */
const anyBytes = fc
  .array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: 12 })
  .map((codes) => String.fromCharCode(...codes).replaceAll("/", "-"));

const anyName = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("a", "b", "c", "d", "B", "a.txt", "aa", "é", "\u{1f600}", "<&>") },
  { weight: 1, arbitrary: anyBytes },
);

const anyEntry: fc.Arbitrary<Entry> = fc.record({
  path: fc.array(
    anyName.filter((name) => name !== "." && name !== ".."),
    { minLength: 1, maxLength: 5 },
  ),
  what: fc.oneof(
    { weight: 8, arbitrary: fc.constant("file" as const) },
    { weight: 3, arbitrary: fc.constantFrom("folder" as const, "link" as const) },
    { weight: 1, arbitrary: fc.constant("pipe" as const) },
  ),
  size: fc.oneof(
    { weight: 30, arbitrary: fc.nat(400) },
    { weight: 4, arbitrary: fc.nat(70_000) },
    { weight: 1, arbitrary: fc.constantFrom(0, (2 << 20) - 1, 2 << 20, 3 << 20, 11 << 20) },
  ),
  mode: fc.constantFrom(0o644, 0o755, 0o600, 0o1777, 0o4755),
  seconds: fc.oneof(fc.constantFrom(0, 1, 1_700_000_000), fc.integer({ min: -1_000_000_000, max: 4_000_000_000 })),
});

/** Entries that do not fit into what is there are left out; those that are there are overwritten. */
function make(volume: string, entries: readonly Entry[]): void {
  for (const { path, what, size, mode, seconds } of entries) {
    const at = pathOf(volume, path);
    try {
      for (let depth = 1; depth < path.length; depth++) makeFolder(pathOf(volume, path.slice(0, depth)));
      if (what === "folder") fs.mkdirSync(at);
      else if (what === "link") fs.symlinkSync("x".repeat(1 + (size % 300)), at);
      else if (what === "pipe") makePipe(at);
      else if (fs.lstatSync(at, { throwIfNoEntry: false })?.isFIFO() === true)
        continue; // Opening it would wait.
      else fs.writeFileSync(at, bytes.subarray(size % 1000, (size % 1000) + size));
      if (what === "file") fs.chmodSync(at, mode);
      fs.lutimesSync(at, seconds, seconds + 0.25);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
    }
  }
}

/** Names are of bytes where all characters are, else of text. */
function pathOf(volume: string, path: readonly string[]): Buffer {
  const names = path.map((name) => Buffer.from(name, [...name].every((one) => one <= "\u00ff") ? "latin1" : "utf8"));
  return Buffer.concat([Buffer.from(volume), ...names.flatMap((name) => [Buffer.from("/"), name])]);
}

function makeFolder(at: Buffer): void {
  if (fs.lstatSync(at, { throwIfNoEntry: false }) === undefined) fs.mkdirSync(at);
}

/** Only where the name can be an argument. */
function makePipe(at: Buffer): void {
  const text = at.toString("utf8");
  if (Buffer.from(text).equals(at)) spawnSync("mkfifo", ["--", text]);
}

async function blobsOf(store: BlobStore): Promise<Map<string, string>> {
  const blobs = new Map<string, string>();
  for (const id of await listIds(store, "")) {
    blobs.set(id, toHex(typescriptKernel.hash(hashFormat, await store.get(id, { signal }))));
  }
  return blobs;
}

const hashFormat = { hash: "BLAKE2B-256-128", hashSecret: new Uint8Array(0) } as Parameters<Kernel["hash"]>[0];

/** What a walk stores of a volume and, after more was made in it, of that again; and what it tells. */
async function storedBy(
  kernel: Kernel,
  volume: (time: number) => string,
): Promise<{ results: unknown[]; blobs: Map<string, string> }> {
  const memory: MemoryRepository = await openMemoryRepository({ kernel, packBytesMax: 60_000 });
  const first = await backUpFolder(memory, volume(0));
  const again = await backUpFolder(memory, volume(1), { parent: first.snapshot });
  return { results: [first, again].map(plain), blobs: await blobsOf(memory.store) };
}

function plain({ failures, changed, vanished, skipped, ...result }: BackupResult): unknown {
  const lists = [failures, changed, vanished, skipped].map(({ count, named }) => ({ count, named }));
  return { ...result, lists };
}

test("the list of a large file's chunks is stored before the next file by either walk", async (t) => {
  if (nativeAddon instanceof Error) return lacking(t, nativeAddon.message);
  const volume = join(temporaryFolder(t), "volume");
  fs.mkdirSync(volume);
  fs.writeFileSync(join(volume, "a"), bytes.subarray(0, 11 << 20));
  fs.writeFileSync(join(volume, "b"), "next");
  const native = await storedBy(createNativeKernel(nativeAddon, { parallelism: 2 }), () => volume);
  const expected = await storedBy(reference, () => volume);
  assert.deepEqual(native.results, expected.results);
  assert.deepEqual(native.blobs, expected.blobs);
});

test("both walks store the same blobs and tell the same of any tree, with any number of threads", async (t) => {
  if (nativeAddon instanceof Error) return lacking(t, nativeAddon.message);
  const addon = nativeAddon;
  const work = temporaryFolder(t);
  const entries = fc.array(anyEntry, { maxLength: 120, size: "max" });
  let tree = 0;
  await fc.assert(
    fc.asyncProperty(entries, entries, fc.constantFrom(1, 2, 5), async (made, more, threads) => {
      const folder = join(work, `${tree++}`);
      for (const time of [0, 1]) {
        fs.mkdirSync(join(folder, `${time}`, "volume"), { recursive: true });
        make(join(folder, `${time}`, "volume"), made);
      }
      make(join(folder, "1", "volume"), more);
      const volume = (time: number): string => join(folder, `${time}`, "volume");
      const native = await storedBy(createNativeKernel(addon, { parallelism: threads }), volume);
      const expected = await storedBy(reference, volume);
      assert.deepEqual(native.results, expected.results);
      assert.deepEqual(native.blobs, expected.blobs);
      fs.rmSync(folder, { recursive: true });
    }),
    { numRuns: Number(process.env.FSB_WALK_TREES ?? 25) },
  );
});
