/**
 * The kernel: bytes in, bytes out. It reads files of an open folder, splits, hashes, looks up what is known, seals, and
 * builds packs; and on the way back opens, checks and gives plain bytes. It makes tables of index blobs. The native one
 * also walks trees and writes their folder objects. It knows nothing of stores, and which of their blobs count.
 *
 * The boundary is coarse on purpose: mebibytes and batches cross it, never one small buffer, and it never calls back.
 * `typescript/` is the reference implementation; a native twin lists the same functions in the same order.
 *
 * Sources: docs/format/contents.md and packs.md; kopia repo/hashing, repo/encryption, repo/splitter, repo/content.
 */

import { CodedError } from "../base/errors.ts";
import type { MemoryShare } from "../base/memory-budget.ts";
import type { KernelProfile } from "../base/profile.ts";
import type { ContentTable } from "./content-table.ts";

export type KernelErrorCode =
  | "KERNEL_SEAL_BROKEN"
  | "KERNEL_CONTENT_MISMATCH"
  | "KERNEL_COMPRESSION_UNSUPPORTED"
  | "KERNEL_INDEX_INVALID"
  | "KERNEL_CHOICE_INVALID"
  | "KERNEL_NATIVE_UNAVAILABLE";

export class KernelError extends CodedError<KernelErrorCode> {}

export type HashName =
  | `BLAKE2B-256${"" | "-128"}`
  | `BLAKE2S-${"128" | "256"}`
  | `BLAKE3-256${"" | "-128"}`
  | `HMAC-SHA256${"" | "-128"}`
  | "HMAC-SHA224"
  | `HMAC-SHA3-${"224" | "256"}`;

export type EncryptionName = "AES256-GCM-HMAC-SHA256" | "CHACHA20-POLY1305-HMAC-SHA256";

type SplitterSize = "128K" | "256K" | "512K" | "1M" | "2M" | "4M" | "8M";
export type SplitterName = `FIXED-${SplitterSize}` | `DYNAMIC-${SplitterSize}-${"BUZHASH" | "RABINKARP"}`;

/** The keys and choices of a repository's format on which bytes depend. */
export interface KernelFormat {
  readonly hash: HashName;
  /** Key of the content hash, of a length that the hash takes. */
  readonly hashSecret: Uint8Array;
  readonly encryption: EncryptionName;
  /** 32 bytes; the key of each sealed item is derived from it and the item's iv. */
  readonly contentSecret: Uint8Array;
  readonly splitter: SplitterName;
  /** What error correction may add to all that is sealed, in percent, 1 to 100; not given for none. */
  readonly parityPercent?: number;
  /**
   * New contents are compressed as this where that makes them smaller; not given for none. Not the format's, but what this
   * client was asked for, and only where the index has room for it (version 2).
   */
  readonly compressionId?: number;
  /** A pack is full once its length reaches this many bytes. */
  readonly packBytesMax: number;
  /** The repository's format version, noted with each content. */
  readonly formatVersion: number;
  /** Put at the very start of each pack; empty but in repositories whose password cannot change. */
  readonly packHeader: Uint8Array;
}

/** One sealed content within a fetched part of a pack. */
export interface SealedContent {
  /** Within the fetched bytes. */
  readonly offset: number;
  readonly length: number;
  /** The content's hash, whole. */
  readonly hash: Uint8Array;
  /** 0 where the content is stored as it is. */
  readonly compressionId: number;
  /** Plain bytes; the answer has exactly this many, and decompression never makes more. */
  readonly originalLength: number;
}

export interface FileToStore {
  /** The bytes of the name in its folder; no slash. */
  readonly name: Uint8Array;
  /** Size when it was listed, in bytes: a hint, the file is read to its end. */
  readonly size: number;
}

/** A piece of an object as the splitter cut it: its content id's hash and its plain length. */
export interface Chunk {
  readonly hash: Uint8Array;
  readonly length: number;
}

/** A pack that is ready but for its tail (padding, local index, postamble), which the content layer adds. */
export interface FullPack {
  /** `p` for data, `q` for contents with a prefix. */
  readonly kind: "p" | "q";
  /** In a buffer of its own, so that it may be given back (`giveBack`): of that memory the next packs are made. */
  readonly bytes: Uint8Array;
  /** What it holds; its one pack is named "" until the content layer names it. */
  readonly contents: ContentTable;
}

export type StoreEvent =
  | { readonly kind: "pack"; readonly pack: FullPack }
  /** More of a large file is stored; its chunks follow those of earlier events. */
  | { readonly kind: "chunks"; readonly file: number; readonly chunks: readonly Chunk[] }
  | {
      readonly kind: "file";
      readonly file: number;
      /** Those not reported by `chunks` yet. A whole empty file is one chunk of length 0. */
      readonly chunks: readonly Chunk[];
      readonly bytesRead: number;
      /** It changed while it was read, also when it was read again; what was read last is stored. */
      readonly changed: boolean;
      /** Modification time before the reading that counts, in ns since the epoch. */
      readonly mtimeNs: bigint;
    }
  /** It could not be opened or read, or is no regular file any more. Chunks reported for it are void. */
  | { readonly kind: "failed"; readonly file: number; readonly operation: "open" | "read"; readonly errno: string }
  /** It was read while it changed: chunks reported so far are void, they come again. */
  | { readonly kind: "restarted"; readonly file: number };

export interface StoredChunk {
  readonly chunk: Chunk;
  /** That the chunk filled, if it did. */
  readonly pack: FullPack | undefined;
}

export interface BytesToStore {
  /** One letter `g` to `z` or empty. */
  readonly prefix: string;
  readonly bytes: Uint8Array;
}

export interface TreeToStore {
  /** Open on the tree's root, of which the run opens a descriptor of its own. */
  readonly folderFd: number;
  /** That the root's entry gets. */
  readonly name: Uint8Array;
  /** Of the root of the parent snapshot: what is as it was there is not read. */
  readonly parentObjectId: string | undefined;
}

/** An object of the parent snapshot that the run needs, now or soon. */
export interface WantedFolder {
  readonly number: number;
  readonly objectId: string;
}

export interface FolderAnswer {
  readonly number: number;
  /** The object's bytes, or why it cannot be read; neither where it was not tried, then it may be wanted again. */
  readonly bytes?: Uint8Array;
  readonly problem?: string;
}

/** What a run says of single entries, of each kind the first hundred; paths are for people, relative to the root. */
export type TreeReport =
  | { readonly kind: "failed"; readonly path: string; readonly operation: string; readonly errno: string }
  | { readonly kind: "vanished" | "changed" | "skipped"; readonly path: string }
  /** Why a folder of the parent snapshot is not used. */
  | { readonly kind: "unusedParent"; readonly problem: string };

/** Over the whole run, so far. */
export interface TreeTotals {
  /** Read, or known to be unchanged. */
  readonly bytesDone: number;
  readonly bytesListed: number;
  /** Files and links. */
  readonly filesDone: number;
  /** Of files that were read and are stored. */
  readonly bytesRead: number;
  readonly folders: number;
  readonly filesStored: number;
  /** Files and links, and their sizes. */
  readonly filesUnchanged: number;
  readonly bytesUnchanged: number;
  readonly failed: number;
  readonly vanished: number;
  readonly changed: number;
  readonly skipped: number;
}

/** Why there is no root entry. */
export type TreeFailure =
  | { readonly kind: "rootNotListed"; readonly errno: string }
  | { readonly kind: "folderTooLarge"; readonly name: Uint8Array; readonly entries: number }
  | { readonly kind: "notWritable"; readonly problem: string };

export interface TreeBatch {
  readonly packs: readonly FullPack[];
  /** Most needed first. Each is answered once, the first with bytes or a problem. */
  readonly wanted: readonly WantedFolder[];
  readonly reports: readonly TreeReport[];
  readonly totals: TreeTotals;
  /** Nothing goes on before something that was wanted is answered. */
  readonly waits: boolean;
  /** Of the last batch: the root's entry, encoded as in a folder's object. */
  readonly end: { readonly rootEntry: Uint8Array } | { readonly failure: TreeFailure } | undefined;
}

export interface TreeCheckpoint {
  readonly packs: readonly FullPack[];
  /** Undefined before the root was entered. */
  readonly end: TreeBatch["end"];
}

/** Disposing waits until nothing of the run is open any more, whether or not it came to its end. */
export interface TreeRun extends AsyncDisposable {
  next(): Promise<TreeBatch>;
  answer(answers: readonly FolderAnswer[]): void;
  /**
   * Writes the folders that the run is in as if they ended here; nothing in them changes. A large file that is half read
   * stands in its folder under `partialName`.
   */
  checkpoint(partialName: string): Promise<TreeCheckpoint>;
}

export interface PackerCounters {
  /** Contents that were known already, and their plain bytes. */
  readonly knownContents: number;
  readonly knownBytes: number;
  /** Contents that were not, their plain bytes, and what they take when sealed. */
  readonly newContents: number;
  readonly newBytes: number;
  readonly sealedBytes: number;
}

/**
 * Splits, hashes, looks up, seals and packs for one writer. Not for use by two callers at once.
 *
 * Guarantees: a content that is live in the known tables or was packed by this packer is not stored again; one whose
 * winning entry is a tombstone is. Timestamps are max(now, previous entry's + 1). Memory: two open packs, one full
 * pack, one read buffer, and about 60 bytes for each content not yet forgotten. Disposing gives it back, but for that of
 * full packs, which are their holders'; nothing is stored afterwards.
 */
export interface Packer extends Disposable {
  /**
   * Where the kernel does not store trees: reads regular files of an open folder, each by `O_NOFOLLOW` and never through
   * a link. Batches of events come as they are pulled, so a caller that puts packs at its own pace bounds the memory.
   */
  readonly storeFiles?: (
    folderFd: number,
    files: readonly FileToStore[],
    signal: AbortSignal,
  ) => AsyncIterable<readonly StoreEvent[]>;
  /**
   * Where the kernel can: walks a folder and all that is in it, stores what is not as it was, and writes the folders'
   * objects, in the order and with the bytes of the walk in src/backup/, which is the reference. One run at a time, and
   * nothing else is stored while a `next` is under way.
   */
  readonly storeTree?: (tree: TreeToStore, signal: AbortSignal) => TreeRun;
  /** Splits and stores byte strings; chunks in the items' order. For many small ones. */
  storeBytes(items: readonly BytesToStore[]): {
    readonly chunks: readonly Chunk[][];
    readonly packs: readonly FullPack[];
  };
  /** Splits and stores one long byte string that comes in pieces, chunk by chunk as they are pulled. */
  storePieces(prefix: string, pieces: Iterable<Uint8Array>): Iterable<StoredChunk>;
  /** Ends the open packs, full or not. */
  finishPacks(): readonly FullPack[];
  /** New committed tables; what this packer packed before is in them, and is forgotten. */
  replaceKnown(known: readonly ContentTable[]): void;
  readonly counters: PackerCounters;
}

/** What holds for all work of a process. */
export interface KernelConditions {
  /** How many threads read, split and hash for each packer; more than 16 are not used. */
  readonly parallelism: number;
  /** How fast volumes are read. */
  readonly readBytesPerSecond?: number;
  /** Of the threads that work: "idle", or 0 (the highest) to 7 of "best effort". */
  readonly ioPriority?: "idle" | number;
  /** 1 to 19: how far other processes are let go first. */
  readonly niceness?: number;
}

export interface PackerOptions {
  readonly format: KernelFormat;
  /** How many bytes of files are read ahead of packing, at the most; never less than one chunk. */
  readonly readAheadBytes: number;
  readonly known: readonly ContentTable[];
  readonly nowSeconds: () => number;
  readonly random: (count: number) => Uint8Array;
}

/** An entry of a stored folder, as far as a restore needs it. */
export interface StoredEntry {
  /** Not checked to be a name that can be in a folder. */
  readonly nameBytes: Uint8Array;
  readonly kind: "file" | "folder" | "symlink" | "error";
  /** Twelve Unix bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of a file's contents or of a link's target. */
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly objectId: string;
}

export interface TreeRestoreOptions {
  readonly format: KernelFormat;
  readonly tables: readonly ContentTable[];
  /** An open folder; what is made of it is the run's own. */
  readonly targetFd: number;
  /** A folder becomes the target, anything else is put into it. */
  readonly entry: StoredEntry;
  /** "holes" leaves long runs of zeros unwritten. */
  readonly zeros: "written" | "holes";
  /** Charged with what the run may hold, until it is disposed. */
  readonly share: MemoryShare;
  readonly random: (count: number) => Uint8Array;
}

/** Contents that lie together in one pack. */
export interface WantedRange {
  readonly number: number;
  readonly packId: string;
  readonly offset: number;
  readonly length: number;
}

/** An object that is not one plain content. */
export interface WantedObject {
  readonly number: number;
  readonly objectId: string;
}

/**
 * What the caller is to do: `entry`, to restore an entry of the folder; `below`, to restore what is in the folder
 * behind so many entries, and then give it its attributes; `finish`, to give it its attributes.
 */
export interface LeftEntry {
  readonly number: number;
  readonly kind: "entry" | "below" | "finish";
  readonly after: number;
  /** Open until it is settled. */
  readonly folderFd: number;
  /** Names from the target down. */
  readonly folderPath: readonly Uint8Array[];
  /** What is left; of a folder its own entry. */
  readonly entry: StoredEntry;
}

/** Of an entry that is restored, and is not as it should be. What does not count is not in `wanted`. */
export interface EntryDifference {
  /** Names from the target down; undefined where enough were told. */
  readonly path: readonly Uint8Array[] | undefined;
  readonly wanted: Partial<FoundAttributes>;
  readonly found: FoundAttributes;
  /** The errno of an attribute that could not be set. */
  readonly refused: { readonly owner?: string; readonly mode?: string; readonly mtime?: string };
}

export interface FoundAttributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeNs: bigint;
}

/** Of what is restored so far. */
export interface TreeCounts {
  readonly files: number;
  readonly folders: number;
  readonly symlinks: number;
  readonly bytes: number;
}

export interface TreeRestoreBatch {
  readonly ranges: readonly WantedRange[];
  readonly objects: readonly WantedObject[];
  readonly left: readonly LeftEntry[];
  readonly differences: readonly EntryDifference[];
  /** Numbers of ranges whose bytes the run has no more use for: they are the caller's again. */
  readonly released: readonly number[];
  readonly counts: TreeCounts;
  /** All is done, and settled. */
  readonly isLast: boolean;
}

/**
 * Restores a stored tree: decodes folders, makes them, opens contents, writes files and links beside their place and
 * renames them into it, sets attributes and reads them back. What it cannot do on the straight path, for whatever
 * reason, it leaves to the caller, entry by entry.
 *
 * Batches are pulled; answers are given between two pulls, in any order, and each wanted thing gets one. Disposed, it
 * leaves nothing open and no temporary name.
 */
export interface TreeRestore extends AsyncDisposable {
  /** Comes soon where there is something to tell, and now and then to tell how far it is. Aborts travel as themselves. */
  next(signal: AbortSignal): Promise<TreeRestoreBatch>;
  /** The whole range, which is the run's own until a batch releases it; undefined where it is not to be had. */
  supply(range: WantedRange, bytes: Uint8Array | undefined): void;
  /** The whole object, which nobody changes from now on; undefined where it is not to be had. */
  supplyObject(object: WantedObject, bytes: Uint8Array | undefined): void;
  /** It is done, or cannot be. */
  settle(left: LeftEntry): void;
  /** What is looked up from now on is looked up in these. */
  replaceTables(tables: readonly ContentTable[]): void;
  /** `syncfs` of the target. Errors: those of the system call, as Node's own. */
  sync(): Promise<void>;
  /** A `next` that is under way fails soon. */
  cancel(): void;
}

export interface Kernel {
  readonly name: "typescript" | "native";
  readonly conditions: KernelConditions;
  /** Of the work so far, whoever asked for it. */
  profile(): KernelProfile;
  /** scrypt with N = 65536, r = 8, p = 1, 32 bytes of it: a tenth of a second and 64 MiB, on a thread of its own. */
  scrypt(password: Uint8Array, salt: Uint8Array): Promise<Uint8Array>;
  /** The repository's content hash of some bytes. */
  hash(format: KernelFormat, bytes: Uint8Array): Uint8Array;
  /** nonce(12) ‖ ciphertext ‖ tag(16), within its parity if there is any; `iv` is key derivation input and additional data. */
  seal(format: KernelFormat, plain: Uint8Array, iv: Uint8Array, random: (count: number) => Uint8Array): Uint8Array;
  /** Throws KERNEL_SEAL_BROKEN when the bytes are not what was sealed, and cannot be repaired. */
  open(format: KernelFormat, sealed: Uint8Array, iv: Uint8Array): Uint8Array;
  /**
   * Plain bytes of contents out of one fetched part of a pack, each checked against its hash and length.
   * Throws KERNEL_SEAL_BROKEN, KERNEL_CONTENT_MISMATCH or KERNEL_COMPRESSION_UNSUPPORTED; `detail.item` is the number
   * of the first item that it is about.
   */
  openContents(format: KernelFormat, fetched: Uint8Array, items: readonly SealedContent[]): Uint8Array[];
  /** `u32 compression id ‖ stream` to plain bytes, at most `bytesMax`. Errors as `openContents`, without `detail`. */
  expand(stored: Uint8Array, bytesMax: number): Uint8Array;
  /**
   * The table of a sealed index blob, whose bytes are not to be written to meanwhile. As `decodeIndex`, in keys of the
   * format's length. Throws KERNEL_SEAL_BROKEN or KERNEL_INDEX_INVALID. Memory: the table, natively.
   */
  openIndex(format: KernelFormat, sealed: Uint8Array, iv: Uint8Array): Promise<ContentTable>;
  /** As `mergeTables`: of one table at least. Memory: the merged table beside those that it is made of. */
  mergeTables(tables: readonly ContentTable[]): Promise<ContentTable>;
  createPacker(options: PackerOptions): Packer;
  /** Undefined where the caller has to do it all. */
  readonly restoreTree: ((options: TreeRestoreOptions) => TreeRestore) | undefined;
}
