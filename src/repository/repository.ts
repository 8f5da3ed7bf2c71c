/**
 * A kopia repository, open: objects and manifests to read, and writers to add to it.
 *
 * It takes no lock, runs no maintenance and can share a repository with any number of kopia clients: what others may
 * do meanwhile is in docs/format/concurrency.md.
 */

import { toBase64, toUtf8 } from "../base/bytes.ts";
import { type Clock, isOlder } from "../base/clock.ts";
import { type MemoryBudget, type MemoryShare, unboundedMemory } from "../base/memory-budget.ts";
import { type RandomSource, systemRandom } from "../base/random.ts";
import type { KernelFormat, TreeRestore, TreeRestoreOptions } from "../kernel/kernel.ts";
import { kernelForFormat } from "../kernel/kernel-for-format.ts";
import { type BlobStore, parseBlobId } from "./blob/blob-store.ts";
import type { ContentId } from "./content/content-id.ts";
import { ContentReader } from "./content/content-reader.ts";
import { ContentWriter } from "./content/content-writer.ts";
import type { ClientIdentity } from "./content/session.ts";
import { type EngineResources, openEngineResources, openJobShare } from "./engine-resources.ts";
import { compressionIdOf } from "./format/compressions.ts";
import { FormatError } from "./format/format-error.ts";
import { kernelFormatOf } from "./format/kernel-format.ts";
import {
  assertNoRetention,
  createFormat,
  type OpenedFormat,
  openFormat,
  type RepositoryFormat,
  refreshFormat,
} from "./format/repository-format.ts";
import { CommittedIndex, type DamagedIndex } from "./index/committed-index.ts";
import { EncryptedBlobs } from "./index/encrypted-blob.ts";
import { IndexAhead } from "./index/index-listing.ts";
import { ManifestReader, type Manifests } from "./manifest/manifests.ts";
import { ObjectReader } from "./object/object-reader.ts";
import { RepositoryWriter } from "./repository-writer.ts";

/**
 * A view of the format or the index that is older is renewed before anything is written. Writers look every five minutes,
 * so that none is used that is older than fifteen (docs/format/concurrency.md).
 */
const viewAgeMaxMs = 10 * 60_000;

/** How Velero's clients name themselves; who owns maintenance in its repositories. */
export const veleroIdentity: ClientIdentity = { userName: "default", hostName: "default" };

export interface OpenOptions {
  readonly store: BlobStore;
  readonly password: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly random?: RandomSource;
  /** Undefined: those of this process, as it is told nothing else. */
  readonly resources?: EngineResources;
  /** Packs that are put at the same time, memory permitting; default 1. */
  readonly putsInFlight?: number;
  readonly identity?: ClientIdentity;
  /** Of what is stored from now on, by kopia's name for it; default none. Index version 1 has no room for it: `warn` hears of that. */
  readonly compression?: string;
  /** Hears of features that the repository asks for and that may be passed over. */
  readonly warn?: (message: string) => void;
  /** Hears of index blobs that do not open: for who looks at damage, and writes nothing. Else one is an error. */
  readonly onDamagedIndex?: DamagedIndex;
}

/** Errors: FormatError, IndexError, BlobError. Closes the store when it is disposed, or at once when opening fails. */
export async function openRepository(options: OpenOptions): Promise<Repository> {
  const { store, password, clock, signal, warn } = options;
  try {
    await using ahead = new IndexAhead(store, clock, signal);
    const resources = options.resources ?? (await ownResources(clock, warn));
    const { kernel, memory } = resources;
    const opened = await openFormat(store, password, { kernel, signal, nowMs: clock.nowMs(), ...(warn && { warn }) });
    const suited = await kernelForFormat(kernel, kernelFormatFor(options, opened.format), warn ?? ignore);
    if (options.compression !== undefined && opened.format.indexVersion === 1) {
      warn?.(
        "the repository's index is of version 1, which has no room for compressed contents: they are stored plain",
      );
    }
    const share = await openJobShare(resources, kernelFormatOf(opened.format), warn ?? ignore, signal);
    const repository = new Repository(
      { ...options, resources: { ...resources, kernel: suited.kernel } },
      opened,
      share,
    );
    try {
      await repository.index.refresh(signal, await ahead.listing());
      await suited.prepareToExpand(compressionsIn(repository));
    } catch (error) {
      repository.giveMemoryBack();
      throw error;
    }
    if (repository.index.byteCount > memory.limitBytes / 2) warn?.(indexIsLarge(repository.index.byteCount, memory));
    return repository;
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Makes a repository such as Velero makes, and opens it: maintenance belongs to `default@default`, and Velero 1.18 finds
 * its own mark. Errors: REPOSITORY_EXISTS, BlobError.
 */
export async function createRepository(options: OpenOptions): Promise<Repository> {
  const { store, password, signal, random = systemRandom } = options;
  try {
    const { kernel } = options.resources ?? (await ownResources(options.clock, options.warn));
    await createFormat(store, password, { kernel, signal, random });
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
  const repository = await openRepository(options);
  try {
    await using writer = repository.createWriter();
    writer.putManifest({ type: "maintenance" }, toUtf8(maintenanceParameters));
    await writer.flush(signal);
    const mark = JSON.stringify({ uniqueID: toBase64(repository.format.uniqueId) });
    await store.put(parseBlobId("udmrepo.Repository"), [toUtf8(mark)], { signal });
    return repository;
  } catch (error) {
    await repository[Symbol.asyncDispose]();
    throw error;
  }
}

/** Of a process that opens repositories without saying with what: made when it first does. */
let own: Promise<EngineResources> | undefined;

/** Whoever is first to need them hears the warnings. */
async function ownResources(clock: Clock, warn: (message: string) => void = ignore): Promise<EngineResources> {
  own ??= openEngineResources({}, { clock, warn });
  return await own;
}

function ignore(): void {}

function indexIsLarge(byteCount: number, { limitBytes }: MemoryBudget): string {
  const [index, limit] = [byteCount, limitBytes].map((bytes) => Math.round(bytes / 2 ** 20));
  return (
    `the repository's index takes ${index} of the ${limit} MiB of the memory budget, so volumes go one after the other and ` +
    "may go beyond it: raise --memory-budget, or see that maintenance runs"
  );
}

/** kopia's defaults. Without this manifest kopia's own `snapshot create` would make itself the owner. */
const maintenanceParameters =
  `{"owner":"${veleroIdentity.userName}@${veleroIdentity.hostName}",` +
  '"quick":{"enabled":true,"interval":3600000000000},"full":{"enabled":true,"interval":86400000000000},' +
  '"logRetention":{"maxTotalSize":1073741824,"maxCount":10000,"maxAge":2592000000000000},' +
  '"extendObjectLocks":false,"listParallelism":0}';

export class Repository implements AsyncDisposable {
  readonly objects: ObjectReader;
  readonly index: CommittedIndex;
  readonly #store: BlobStore;
  readonly #contents: ContentReader;
  readonly #manifests: ManifestReader;
  readonly #blobs: EncryptedBlobs;
  readonly #resources: EngineResources;
  readonly #share: MemoryShare;
  readonly #putsInFlight: number;
  readonly #kernelFormat: KernelFormat;
  readonly #clock: Clock;
  readonly #random: RandomSource;
  readonly #identity: ClientIdentity;
  readonly #warn: ((message: string) => void) | undefined;
  readonly #opened: OpenedFormat;
  #formatReadMs: number;

  constructor(
    options: OpenOptions & { readonly resources: EngineResources },
    opened: OpenedFormat,
    share: MemoryShare = unboundedMemory,
  ) {
    const { store, clock, resources, random = systemRandom, identity = veleroIdentity } = options;
    const { kernel, memory, profile } = resources;
    this.#resources = resources;
    this.#share = share;
    this.#putsInFlight = options.putsInFlight ?? 1;
    this.#kernelFormat = kernelFormatFor(options, opened.format);
    this.#store = store;
    this.#clock = clock;
    this.#random = random;
    this.#identity = identity;
    this.#warn = options.warn;
    this.#opened = opened;
    this.#formatReadMs = clock.nowMs();
    this.#blobs = new EncryptedBlobs(store, kernel, this.#kernelFormat, random);
    this.index = new CommittedIndex({
      store,
      blobs: this.#blobs,
      epochs: opened.format.epochs,
      kernel,
      clock,
      onGrown: (bytes) => memory.hold(bytes),
      ...(options.onDamagedIndex && { onDamaged: options.onDamagedIndex }),
    });
    this.#contents = new ContentReader({
      store,
      index: this.index,
      kernel,
      format: this.#kernelFormat,
      share,
      profile,
    });
    this.#manifests = new ManifestReader(this.index, this.#contents);
    this.objects = new ObjectReader(this.#contents, kernel);
  }

  get displayName(): string {
    return this.#store.displayName;
  }

  get format(): RepositoryFormat {
    return this.#opened.format;
  }

  /** What is stored, as it is: to look at. */
  get store(): Pick<BlobStore, "get" | "list" | "metadata"> {
    return this.#store;
  }

  /** Opens index, session and log blobs. */
  get sealedBlobs(): Pick<EncryptedBlobs, "read" | "openIndex"> {
    return this.#blobs;
  }

  get contents(): ContentReader {
    return this.#contents;
  }

  /** Everything that is durable now becomes visible here. */
  async refresh(signal: AbortSignal): Promise<void> {
    await this.index.refresh(signal);
  }

  /** As of the last refresh. Contents that an earlier call read are not read again. */
  async loadManifests(signal: AbortSignal): Promise<Manifests> {
    return await this.#manifests.read(signal);
  }

  /** The same, where damage is passed over and told. */
  async loadUndamagedManifests(
    signal: AbortSignal,
    onDamaged: (id: ContentId, error: unknown) => void,
  ): Promise<Manifests> {
    return await this.#manifests.readUndamaged(signal, onDamaged);
  }

  /** A writer with packs and a session of its own; several may be open at once. */
  createWriter(): RepositoryWriter {
    const contents = new ContentWriter({
      store: this.#store,
      blobs: this.#blobs,
      index: this.index,
      kernel: this.#resources.kernel,
      format: this.#kernelFormat,
      share: this.#share,
      profile: this.#resources.profile,
      putsInFlight: this.#putsInFlight,
      indexVersion: this.format.indexVersion,
      epochs: this.format.epochs,
      identity: this.#identity,
      clock: this.#clock,
      random: this.#random,
      assertWritable: (signal) => this.#assertWritable(signal),
    });
    return new RepositoryWriter(contents, this.#clock, this.#random);
  }

  /** The kernel's own restore of a tree; undefined where it has none. */
  restoreTree(options: Pick<TreeRestoreOptions, "targetFd" | "entry" | "zeros">): TreeRestore | undefined {
    const { kernel } = this.#resources;
    const { tables } = this.index;
    return kernel.restoreTree?.({
      ...options,
      format: this.#kernelFormat,
      tables,
      share: this.#share,
      random: this.#random,
    });
  }

  /** For who leaves the store open. */
  giveMemoryBack(): void {
    this.#share[Symbol.dispose]();
    this.#resources.memory.hold(-this.index.byteCount);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.giveMemoryBack();
    await this.#store[Symbol.asyncDispose]();
  }

  /** Renews old views, so that an upgrade lock is honoured and no content is relied on that maintenance took away. */
  async #assertWritable(signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.nowMs();
    if (isOlder(this.#formatReadMs, viewAgeMaxMs, this.#clock)) {
      const options = { signal, nowMs, ...(this.#warn && { warn: this.#warn }) };
      const { format } = await refreshFormat(this.#store, this.#opened, options);
      assertSameParameters(this.format, format);
      assertNoRetention(format);
      this.#formatReadMs = nowMs;
    }
    assertNoRetention(this.format);
    if (isOlder(this.index.listedMs, viewAgeMaxMs, this.#clock)) await this.index.refresh(signal);
  }
}

/** Where the index has no room for it, any object may be compressed by itself, and tells by what when it is read. */
function compressionsIn({ format, index }: Repository): readonly number[] | "any" {
  if (format.indexVersion === 1) return "any";
  return index.tables.flatMap(({ forms }) => forms.map(({ compressionId }) => compressionId));
}

/** Errors: REPOSITORY_UNSUPPORTED for a compression that is not known. */
function kernelFormatFor({ compression }: OpenOptions, format: RepositoryFormat): KernelFormat {
  const compressionId = compression === undefined ? undefined : compressionIdOf(compression);
  const hasRoom = format.indexVersion > 1;
  return { ...kernelFormatOf(format), ...(compressionId !== undefined && hasRoom && { compressionId }) };
}

/** All that is open here works by the parameters it was opened with; what it wrote now, readers of the new might not see. */
function assertSameParameters(opened: RepositoryFormat, now: RepositoryFormat): void {
  const same =
    opened.version === now.version &&
    opened.indexVersion === now.indexVersion &&
    opened.epochs.enabled === now.epochs.enabled &&
    opened.epochs.refreshFrequencyMs === now.epochs.refreshFrequencyMs;
  if (same) return;
  throw new FormatError("REPOSITORY_UPGRADING", "the repository was given other parameters while it was open", {
    hint: "run again: it is opened anew then",
  });
}
