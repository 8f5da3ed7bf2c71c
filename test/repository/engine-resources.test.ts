import assert from "node:assert/strict";
import { test } from "node:test";
import { toUtf8 } from "../../src/base/bytes.ts";
import { MemoryBudget } from "../../src/base/memory-budget.ts";
import { Profile } from "../../src/base/profile.ts";
import { typescriptKernel } from "../../src/kernel/typescript/kernel.ts";
import { MemoryBlobStore } from "../../src/repository/blob/memory.ts";
import { writerBytesMin } from "../../src/repository/content/content-writer.ts";
import { type EngineResources, openEngineResources, openJobShare } from "../../src/repository/engine-resources.ts";
import { kernelFormatOf } from "../../src/repository/format/kernel-format.ts";
import { Repository } from "../../src/repository/repository.ts";
import { ManualClock } from "./manual-clock.ts";
import { openStored, password, putFormat, signal } from "./stored-format.ts";

const mebibyte = 2 ** 20;
const clock = new ManualClock();
const warn = (): void => undefined;

function resourcesWith(limitBytes: number): EngineResources {
  const memory = new MemoryBudget(limitBytes);
  return { kernel: typescriptKernel, memory, profile: new Profile(), upload: undefined, download: undefined };
}

/** As `openRepository` opens it, with packs of so many bytes. */
async function openJob(store: MemoryBlobStore, resources: EngineResources, packBytesMax: number): Promise<Repository> {
  const opened = await openStored(store, { nowMs: clock.nowMs() });
  const format = { ...opened.format, packBytesMax };
  const share = await openJobShare(resources, kernelFormatOf(format), warn, signal);
  const repository = new Repository(
    { store, password, clock, signal, resources, putsInFlight: 3 },
    { ...opened, format },
    share,
  );
  await repository.refresh(signal);
  return repository;
}

/** Gives the loop a turn, so that several writers go on in turns. */
async function storeTexts(repository: Repository, texts: readonly string[]): Promise<void> {
  await using writer = repository.createWriter();
  for (const text of texts) {
    await writer.writeObjects([{ prefix: "", bytes: toUtf8(text) }], signal);
    await new Promise(setImmediate);
  }
  await writer.flush(signal);
}

test("two volumes at once stay within the budget, both end, and all of it is given back", async () => {
  const packBytesMax = mebibyte;
  const store = new MemoryBlobStore();
  await putFormat(store, { inner: {} });
  const limitBytes = 80 * mebibyte;
  const resources = resourcesWith(limitBytes);
  const texts = (of: string): string[] => Array.from({ length: 12 }, (_, i) => `${of} ${i} `.repeat(50_000));
  const job = async (name: string): Promise<void> => {
    await using repository = await openJob(store, resources, packBytesMax);
    await storeTexts(repository, texts(name));
  };
  await Promise.all(["one", "other"].map(job));
  const { memory } = resources;
  assert.ok(memory.peakBytes <= limitBytes, `${memory.peakBytes} at most`);
  assert.ok(memory.peakBytes > 60 * mebibyte, "both worked at the same time");
  assert.equal(memory.usedBytes, 0);
});

test("a third volume waits until there is room for it, and says so", async () => {
  const store = new MemoryBlobStore();
  await putFormat(store, { inner: {} });
  const resources = resourcesWith(80 * mebibyte);
  const warnings: string[] = [];
  const one = await openJob(store, resources, mebibyte);
  await using _ = await openJob(store, resources, mebibyte);
  const format = kernelFormatOf(one.format);
  const third = openJobShare(resources, format, (message) => warnings.push(message), signal);
  await new Promise(setImmediate);
  assert.match(warnings.join(), /no room for another volume, which waits for one to end/);
  await one[Symbol.asyncDispose]();
  using share = await third;
  assert.ok(share);
});

test("a volume alone works whatever its index takes", async () => {
  const store = new MemoryBlobStore();
  await putFormat(store, { inner: {} });
  const resources = resourcesWith(40 * mebibyte);
  resources.memory.hold(60 * mebibyte);
  await using repository = await openJob(store, resources, mebibyte);
  await storeTexts(repository, ["goes on"]);
});

test("a budget without room for one volume is refused with what it takes", async () => {
  const options = { clock, warn };
  await assert.rejects(openEngineResources({ memoryBudgetBytes: mebibyte }, options), {
    code: "ENGINE_MEMORY_TOO_SMALL",
    message: "a memory budget of 1 MiB is too small",
    hint: "give --memory-budget 128MiB or more",
  });
  const store = new MemoryBlobStore();
  await putFormat(store, { inner: {} });
  await assert.rejects(openJob(store, resourcesWith(256 * mebibyte), 120 * mebibyte), {
    code: "ENGINE_MEMORY_TOO_SMALL",
    hint: "give --memory-budget 394MiB or more",
  });
  const { format } = await openStored(store, { nowMs: clock.nowMs() });
  assert.equal(writerBytesMin(kernelFormatOf(format)), 94 * mebibyte);
});

test("settings reach the kernel, and are by default what the process may use", async () => {
  const plain = await openEngineResources({}, { clock, warn });
  assert.equal(plain.memory.limitBytes, 256 * mebibyte);
  assert.ok(plain.kernel.conditions.parallelism >= 1);
  assert.deepEqual([plain.upload, plain.download], [undefined, undefined]);
  const warnings: string[] = [];
  const set = await openEngineResources(
    { parallelism: 3, memoryBudgetBytes: 128 * mebibyte, uploadBytesPerSecond: 50_000, readBytesPerSecond: 9000 },
    { clock, warn: (message) => warnings.push(message) },
  );
  assert.deepEqual(set.kernel.conditions, { parallelism: 3, readBytesPerSecond: 9000 });
  assert.equal(set.upload?.stepBytes, 1000);
  assert.equal(set.memory.limitBytes, 128 * mebibyte);
});
