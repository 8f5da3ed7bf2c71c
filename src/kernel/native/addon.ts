/** What native/addon/src/lib.rs offers, in its order, and where it is found. */

import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { projectRoot } from "../../base/project-root.ts";
import type { TreeTotals } from "../kernel.ts";

/** A KernelError that is still a value. */
export interface NativeFailure {
  readonly code: string;
  readonly message: string;
  readonly item?: number;
}

export interface NativeIndex {
  readonly records: Uint8Array;
  readonly packs: readonly string[];
  /** Of each form: compression id, format version, encryption key id. */
  readonly forms: readonly number[];
}

export interface NativeTableToMerge {
  readonly records: Uint8Array;
  /** The numbers that its packs and forms have in the merged table. */
  readonly packs: Uint32Array;
  readonly forms: Uint8Array;
}

export interface NativeTable {
  readonly keyBytes: number;
  /** Held for as long as the packer knows the table, and never written to. */
  readonly bytes: Uint8Array;
}

export interface NativeConditionsOptions {
  readonly threads: number;
  readonly readBytesPerSecond?: number;
  /** 0 to 7 for best effort, 8 for idle. */
  readonly ioPriority?: number;
  readonly niceness?: number;
}

/** What holds for all work of a process; made once. */
export interface NativeConditions {
  /** For the calling thread, and those that it starts later. The errno, 0 for none. */
  adopt(): number;
  /** Nanoseconds of each of `nativeStages`; then of each of `nativeQueues` looks, sum and maximum. */
  readProfile(): Float64Array;
}

/** As native/kernel/src/profile.rs has them. */
export const nativeStages = [
  "walk",
  "read",
  "split",
  "hash",
  "look-up",
  "compress",
  "seal",
  "open",
  "write",
  "attributes",
  "sync",
] as const;
export const nativeQueues = ["reads ahead", "packs waiting", "ranges in flight"] as const;

export interface NativePackerOptions {
  readonly hashSecret: Uint8Array;
  readonly contentSecret: Uint8Array;
  readonly packBytesMax: number;
  readonly packHeader: Uint8Array;
  readonly known: readonly NativeTable[];
  /** 32 bytes, of which all randomness of the packer is made. */
  readonly seed: Uint8Array;
  readonly readAheadBytes: number;
}

export interface NativePack {
  readonly isPrefixed: boolean;
  /** Detached, its memory serves the next pack. */
  readonly bytes: Uint8Array;
  /** Records of a table of one pack without a name and one form. */
  readonly contents: Uint8Array;
}

export interface NativeStored {
  /** Of each item; chunk-list.ts reads them. */
  readonly chunks: Uint8Array;
  readonly packs: readonly NativePack[];
}

export interface NativePacker {
  /** One run at a time. */
  storeTree(folderFd: number, name: Uint8Array, parentObjectId: string | undefined): NativeTreeRun;
  /** A prefix is a character code, 0 for none. */
  storeBytes(prefixes: Uint8Array, items: readonly Uint8Array[], nowSeconds: number): NativeStored;
  /** Of `bytes` only the first chunk: up to the first cut, or all. */
  storeFirst(prefix: number, bytes: Uint8Array, nowSeconds: number): NativeStored;
  finishPacks(): readonly NativePack[];
  replaceKnown(known: readonly NativeTable[]): void;
  /** Not while a run is under way. */
  close(): void;
  readonly counters: {
    readonly knownContents: number;
    readonly knownBytes: number;
    readonly newContents: number;
    readonly newBytes: number;
    readonly sealedBytes: number;
  };
}

export interface NativeTreeFailure {
  readonly kind: "root not listed" | "folder too large" | "not writable";
  readonly errno?: string;
  readonly name?: Uint8Array;
  readonly entries?: number;
  readonly message?: string;
}

export interface NativeTreeBatch {
  readonly packs: readonly NativePack[];
  readonly wanted: readonly { readonly number: number; readonly objectId: string }[];
  readonly reports: readonly {
    readonly kind: "failed" | "vanished" | "changed" | "skipped" | "warning";
    readonly text: string;
    readonly operation?: string;
    readonly errno?: string;
  }[];
  readonly totals: TreeTotals;
  readonly waits: boolean;
  readonly rootEntry?: Uint8Array;
  readonly failure?: NativeTreeFailure;
}

export interface NativeTreeRun {
  /** The run is over with the batch that has the root's entry or a failure. */
  next(nowSeconds: number): Promise<NativeTreeBatch>;
  answer(
    numbers: Uint32Array,
    bytes: readonly (Uint8Array | undefined)[],
    problems: readonly (string | undefined)[],
  ): void;
  checkpoint(
    partialName: string,
    nowSeconds: number,
  ): Promise<Pick<NativeTreeBatch, "packs" | "rootEntry" | "failure">>;
  cancel(): void;
  close(): Promise<void>;
}

export interface NativePlacedTable extends NativeTable {
  /** Of each form its compression id and its encryption key id. */
  readonly forms: Uint32Array;
}

export interface NativeTreeEntry {
  readonly name: Uint8Array;
  /** 0 file, 1 folder, 2 symbolic link, 3 anything else. */
  readonly kind: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  readonly objectId: string;
}

export interface NativeTreeRestoreOptions {
  readonly hashSecret: Uint8Array;
  readonly contentSecret: Uint8Array;
  readonly tables: readonly NativePlacedTable[];
  readonly targetFd: number;
  readonly entry: NativeTreeEntry;
  readonly leavesHoles: boolean;
  /** 32 bytes, of which all randomness of the run is made. */
  readonly seed: Uint8Array;
  readonly fetchedBytesMax: number;
  readonly expandedBytesMax: number;
}

export interface NativeFoundAttributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size?: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
}

export interface NativeRestoreBatch {
  /** `table` and `pack` are numbers: of the table, and of the pack in its list. */
  readonly ranges: readonly { number: number; table: number; pack: number; offset: number; length: number }[];
  readonly objects: readonly { number: number; objectId: string }[];
  /** Of kind 0 entry, 1 below, 2 finish. The names of a path each end with a zero byte. */
  readonly left: readonly {
    readonly number: number;
    readonly kind: number;
    readonly after: number;
    readonly folderFd: number;
    readonly folderPath: Uint8Array;
    readonly entry: NativeTreeEntry;
  }[];
  /** Errnos are 0 where nothing was refused. */
  readonly differences: readonly {
    readonly path?: Uint8Array;
    readonly isLink: boolean;
    readonly wanted: NativeFoundAttributes;
    readonly found: NativeFoundAttributes;
    readonly refusedOwner: number;
    readonly refusedMode: number;
    readonly refusedMtime: number;
  }[];
  /** Numbers of ranges whose bytes are of no more use. */
  readonly released: readonly number[];
  readonly files: number;
  readonly folders: number;
  readonly symlinks: number;
  readonly bytes: number;
  readonly isLast: boolean;
}

export interface NativeTreeRestore {
  next(): Promise<NativeRestoreBatch>;
  supply(number: number, bytes: Uint8Array | undefined): void;
  supplyObject(number: number, bytes: Uint8Array | undefined): void;
  settle(number: number): void;
  replaceTables(tables: readonly NativePlacedTable[]): void;
  /** The errno, or 0. */
  sync(): Promise<number>;
  cancel(): void;
  close(): Promise<void>;
}

export interface NativeAddon {
  /** scrypt without the PBKDF2 before and after it: a block of 1024 bytes. */
  scryptMix(block: Uint8Array): Promise<Uint8Array>;
  hash(hashSecret: Uint8Array, bytes: Uint8Array): Uint8Array;
  seal(contentSecret: Uint8Array, plain: Uint8Array, iv: Uint8Array, nonce: Uint8Array): Uint8Array;
  open(contentSecret: Uint8Array, sealed: Uint8Array, iv: Uint8Array): Uint8Array | NativeFailure;
  /** Of each item: offset, length, compression id, original length; and its hash of 16 bytes. */
  openContents(
    hashSecret: Uint8Array,
    contentSecret: Uint8Array,
    fetched: Uint8Array,
    numbers: Float64Array,
    hashes: Uint8Array,
  ): Uint8Array | NativeFailure;
  expand(stored: Uint8Array, bytesMax: number): Uint8Array | NativeFailure;
  openIndex(contentSecret: Uint8Array, sealed: Uint8Array, iv: Uint8Array): Promise<NativeIndex | NativeFailure>;
  /** The records of the merged table. `packNames` one behind the other, and where each ends. */
  mergeTables(tables: readonly NativeTableToMerge[], packNames: Uint8Array, nameEnds: Uint32Array): Promise<Uint8Array>;
  readonly Conditions: new (options: NativeConditionsOptions) => NativeConditions;
  readonly Packer: new (conditions: NativeConditions, options: NativePackerOptions) => NativePacker;
  readonly TreeRestore: new (conditions: NativeConditions, options: NativeTreeRestoreOptions) => NativeTreeRestore;
}

export const addonPath = fileURLToPath(
  new URL(`dist/native/kernel.${process.platform}-${process.arch}.node`, projectRoot),
);

/** Throws what the loader says where the file is missing, or is for another machine. */
export function loadAddon(): NativeAddon {
  return createRequire(import.meta.url)(addonPath) as NativeAddon;
}
