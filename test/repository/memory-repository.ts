/** Repositories over blobs in memory, on a clock that tests move. Opening one takes no time: see stored-format.ts. */

import assert from "node:assert/strict";
import { toUtf8 } from "../../src/base/bytes.ts";
import { memoryBudgetBytesByDefault } from "../../src/base/engine-settings.ts";
import { MemoryBudget } from "../../src/base/memory-budget.ts";
import { Profile } from "../../src/base/profile.ts";
import { seededRandom } from "../../src/base/random.ts";
import { openKernel, ownConditions } from "../../src/kernel/choose-kernel.ts";
import { type ContentRecord, type ContentTable, ContentTableBuilder } from "../../src/kernel/content-table.ts";
import { encodeIndex } from "../../src/kernel/index-codec.ts";
import type { Kernel } from "../../src/kernel/kernel.ts";
import { typescriptKernel } from "../../src/kernel/typescript/kernel.ts";
import type { BlobId, BlobMetadata, BlobStore, ByteRange, PutOptions } from "../../src/repository/blob/blob-store.ts";
import { MemoryBlobStore } from "../../src/repository/blob/memory.ts";
import { type ContentId, contentIdOf, keyOf } from "../../src/repository/content/content-id.ts";
import type { EngineResources } from "../../src/repository/engine-resources.ts";
import { kernelFormatOf } from "../../src/repository/format/kernel-format.ts";
import type { RepositoryFormat } from "../../src/repository/format/repository-format.ts";
import { EncryptedBlobs } from "../../src/repository/index/encrypted-blob.ts";
import { Repository } from "../../src/repository/repository.ts";
import { ManualClock } from "./manual-clock.ts";
import { type JsonFields, openStored, password, putFormat, signal } from "./stored-format.ts";

export interface MemoryRepository {
  readonly repository: Repository;
  /** What the repository was opened on. */
  readonly store: BlobStore;
  readonly clock: ManualClock;
  readonly format: RepositoryFormat;
  /** Seals and opens index, session and log blobs. */
  readonly blobs: EncryptedBlobs;
}

export interface MemoryRepositoryOptions {
  /** Holds a format already, or gets one. */
  readonly store?: BlobStore;
  readonly clock?: ManualClock;
  /** Fields of the stored format. */
  readonly inner?: JsonFields;
  /** Differs from what is stored; for sizes that a stored format may not have. */
  readonly packBytesMax?: number;
  readonly seed?: string;
  /** Without it the process's. */
  readonly kernel?: Kernel;
}

export async function openMemoryRepository(options: MemoryRepositoryOptions = {}): Promise<MemoryRepository> {
  const { store = new MemoryBlobStore(), clock = new ManualClock(), inner = {}, seed = "repository" } = options;
  if ((await listIds(store, "kopia.repository")).length === 0) await putFormat(store, { inner });
  const opened = await openStored(store, { nowMs: clock.nowMs() });
  const format = { ...opened.format, packBytesMax: options.packBytesMax ?? opened.format.packBytesMax };
  const random = seededRandom(seed);
  const resources = resourcesOf(options.kernel ?? (await processKernel));
  const repository = new Repository({ store, password, clock, signal, random, resources }, { ...opened, format });
  await repository.refresh(signal);
  const blobs = new EncryptedBlobs(store, typescriptKernel, kernelFormatOf(format), seededRandom(`${seed} blobs`));
  return { repository, store, clock, format, blobs };
}

/** Of a process that was told nothing else. */
const processKernel = openKernel(ownConditions, () => undefined);

export function resourcesOf(kernel: Kernel): EngineResources {
  const memory = new MemoryBudget(memoryBudgetBytesByDefault);
  return { kernel, memory, profile: new Profile(), upload: undefined, download: undefined };
}

/** The same repository as another process sees it: the same blobs and clock, nothing else. */
export async function openAgain(
  { store, clock }: MemoryRepository,
  options: Pick<MemoryRepositoryOptions, "seed" | "packBytesMax" | "kernel"> = {},
): Promise<MemoryRepository> {
  return await openMemoryRepository({ store, clock, seed: "another", ...options });
}

/** Stores the texts, one content each, flushes, and gives their ids. */
export async function storeTexts(
  { repository }: MemoryRepository,
  texts: readonly string[],
  prefix = "",
): Promise<ContentId[]> {
  await using writer = repository.createWriter();
  const ids = await writer.writeObjects(
    texts.map((text) => ({ prefix, bytes: toUtf8(text) })),
    signal,
  );
  await writer.flush(signal);
  return ids.map((id) => repository.objects.directContentOf(id) as ContentId);
}

export async function readText({ repository }: MemoryRepository, id: ContentId): Promise<string> {
  return Buffer.from(await repository.contents.read(id, signal)).toString("utf8");
}

/** The content id of some text, whether it is stored or not. */
export function idOfText(format: RepositoryFormat, text: string, prefix = ""): ContentId {
  return contentIdOf(prefix, typescriptKernel.hash(kernelFormatOf(format), toUtf8(text)));
}

/** Seals an index blob as another client would have written it, and puts it. */
export async function putIndexBlob(
  { store, blobs, format }: MemoryRepository,
  prefix: string,
  suffix: string,
  table: ContentTable,
): Promise<BlobId> {
  const { id, sealed } = blobs.seal(prefix, suffix, encodeIndex(table, format.indexVersion));
  await store.put(id, [sealed], { signal });
  return id;
}

/** `id` in some pack that need not exist. */
export function recordOf(id: string, fields: Partial<ContentRecord> = {}): ContentRecord {
  return {
    key: keyOf(id as ContentId),
    timestampSeconds: 1000,
    deleted: false,
    packId: "p0123456789abcdef0123456789abcdef-s0123456789abcdef147",
    packOffset: 32,
    packedLength: 100,
    originalLength: 72,
    form: { compressionId: 0, formatVersion: 3, encryptionKeyId: 0 },
    ...fields,
  };
}

export function tableOf(...records: readonly ContentRecord[]): ContentTable {
  const builder = new ContentTableBuilder(records[0]?.key.byteLength ?? 17);
  for (const record of records) builder.add(record);
  return builder.build();
}

/** In order. */
export async function listIds(store: BlobStore, prefix: string): Promise<BlobId[]> {
  const ids: BlobId[] = [];
  for await (const { id } of store.list(prefix, { signal })) ids.push(id);
  return ids.sort();
}

export async function onlyId(store: BlobStore, prefix: string): Promise<BlobId> {
  const ids = await listIds(store, prefix);
  assert.equal(ids.length, 1, `one blob ${prefix}…: ${ids.join(", ")}`);
  return ids[0] as BlobId;
}

export type StoreOperation = "get" | "put" | "delete" | "list";

/**
 * Lets a test do what others do to a store at the worst moment: it is called before or after each operation, and awaited.
 */
export class InterruptedBlobStore implements BlobStore {
  readonly displayName = "interrupted";
  readonly #inner: BlobStore;
  before: (operation: StoreOperation, id: string) => Promise<void> | void = () => undefined;
  after: (operation: StoreOperation, id: string) => Promise<void> | void = () => undefined;

  constructor(inner: BlobStore) {
    this.#inner = inner;
  }

  async get(id: BlobId, options: { signal: AbortSignal; range?: ByteRange }): Promise<Uint8Array> {
    await this.before("get", id);
    const bytes = await this.#inner.get(id, options);
    await this.after("get", id);
    return bytes;
  }

  async put(id: BlobId, parts: readonly Uint8Array[], options: PutOptions): Promise<void> {
    await this.before("put", id);
    await this.#inner.put(id, parts, options);
    await this.after("put", id);
  }

  async delete(id: BlobId, options: { signal: AbortSignal }): Promise<void> {
    await this.before("delete", id);
    await this.#inner.delete(id, options);
    await this.after("delete", id);
  }

  async *list(prefix: string, options: { signal: AbortSignal }): AsyncIterable<BlobMetadata> {
    await this.before("list", prefix);
    yield* this.#inner.list(prefix, options);
    await this.after("list", prefix);
  }

  async metadata(id: BlobId, options: { signal: AbortSignal }): Promise<BlobMetadata | undefined> {
    return await this.#inner.metadata(id, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }
}
