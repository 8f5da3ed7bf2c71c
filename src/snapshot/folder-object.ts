/**
 * A folder's object:
 *
 *   {"stream":"kopia:directory","entries":[ENTRY,…],"summary":SUMMARY}⏎
 *
 * Folders come first, then everything else, each in the order of the bytes of their names; no entries are `null`.
 *
 * Source: kopia snapshot/snapshotfs/dir_writer.go, dir_reader.go; docs/format/folders.md.
 */

import { isUtf8 } from "node:buffer";
import { bufferOf } from "../base/bytes.ts";
import { goText, JsonError, type JsonRange, parseJsonRange, scanJsonArray, scanJsonObject } from "../base/go-json.ts";
import {
  type DirectoryEntry,
  decodeDirectoryEntry,
  encodeEntryHead,
  encodeEntryTail,
  isSafeName,
} from "./directory-entry.ts";
import { quoted, SnapshotError } from "./snapshot-error.ts";
import { decodeSummary, encodeSummary, type Summary } from "./summary.ts";

const streamName = "kopia:directory";

/** Encoded entries lie in slabs, from 4 KiB for the many small folders up to 1 MiB. */
const slabBytesMin = 4 * 1024;
const slabBytesMax = 1024 * 1024;
/** What the encoder yields at a time is about this long. */
const pieceBytes = 1024 * 1024;

/** In one slab: the bytes of the name, the encoded entry up to the end of the name, the rest of it. */
interface EncodedEntry {
  readonly slab: Buffer;
  readonly nameFrom: number;
  readonly headFrom: number;
  readonly tailFrom: number;
  readonly end: number;
}

/**
 * Takes entries in any order and keeps each as its encoded bytes, about 300 an entry.
 *
 * Errors: SnapshotError FOLDER_INVALID for a name that cannot be in a folder, and for two entries of one name.
 */
export class FolderEncoder {
  readonly #folders: EncodedEntry[] = [];
  readonly #others: EncodedEntry[] = [];
  #slab: Buffer = Buffer.alloc(0);
  #used = 0;
  #slabBytes = slabBytesMin;
  /** Some name is not UTF-8, so names may read the same. */
  #ambiguous = false;

  get count(): number {
    return this.#folders.length + this.#others.length;
  }

  add(entry: DirectoryEntry): void {
    if (!isSafeName(entry.nameBytes)) {
      throw new SnapshotError("FOLDER_INVALID", `${quoted(goText(entry.nameBytes))} cannot be a name in a folder`);
    }
    const head = encodeEntryHead(entry);
    const tail = encodeEntryTail(entry);
    const headLength = Buffer.byteLength(head, "utf8");
    const tailLength = Buffer.byteLength(tail, "utf8");
    const nameFrom = this.#reserve(entry.nameBytes.byteLength + headLength + tailLength);
    const headFrom = nameFrom + entry.nameBytes.byteLength;
    const tailFrom = headFrom + headLength;
    this.#slab.set(entry.nameBytes, nameFrom);
    this.#slab.write(head, headFrom, headLength, "utf8");
    this.#slab.write(tail, tailFrom, tailLength, "utf8");
    if (!isUtf8(entry.nameBytes)) this.#ambiguous = true;
    const list = entry.kind === "folder" ? this.#folders : this.#others;
    list.push({ slab: this.#slab, nameFrom, headFrom, tailFrom, end: tailFrom + tailLength });
  }

  /** A second encoder with the same entries; adding to one leaves the other as it is. */
  copy(): FolderEncoder {
    const copy = new FolderEncoder();
    for (const entry of this.#folders) copy.#folders.push(entry);
    for (const entry of this.#others) copy.#others.push(entry);
    copy.#ambiguous = this.#ambiguous;
    return copy;
  }

  /** The object, in pieces of about 1 MiB whose memory is the caller's. The encoder can go on afterwards. */
  *encode(summary: Summary): Generator<Buffer, void, undefined> {
    this.#folders.sort(compareNames);
    this.#others.sort(compareNames);
    this.#refuseSameNames();
    const suffixes = this.#ambiguous ? new NameSuffixes(this.#inOrder()) : undefined;
    const piece = new Piece();
    piece.write(`{"stream":"${streamName}","entries":`);
    let separator = "[";
    for (const entry of this.#inOrder()) {
      const suffix = suffixes?.next(nameOf(entry)) ?? "";
      piece.write(separator);
      if (suffix === "") {
        piece.copy(entry.slab, entry.headFrom, entry.end);
      } else {
        piece.copy(entry.slab, entry.headFrom, entry.tailFrom);
        piece.write(suffix);
        piece.copy(entry.slab, entry.tailFrom, entry.end);
      }
      separator = ",";
      if (piece.length >= pieceBytes) yield piece.take();
    }
    piece.write(`${this.count === 0 ? "null" : "]"},"summary":${encodeSummary(summary)}}\n`);
    yield piece.take();
  }

  *#inOrder(): Generator<EncodedEntry, void, undefined> {
    yield* this.#folders;
    yield* this.#others;
  }

  /** Where `length` bytes fit into the current slab, after a new one was begun if need be. */
  #reserve(length: number): number {
    if (this.#used + length > this.#slab.byteLength) {
      this.#slab = Buffer.allocUnsafeSlow(Math.max(this.#slabBytes, length));
      this.#slabBytes = Math.min(2 * this.#slabBytes, slabBytesMax);
      this.#used = 0;
    }
    const from = this.#used;
    this.#used += length;
    return from;
  }

  /** Both lists are sorted; a name may also be in each of them once. */
  #refuseSameNames(): void {
    for (const list of [this.#folders, this.#others]) {
      for (let index = 1; index < list.length; index++) {
        refuseSame(list[index - 1] as EncodedEntry, list[index] as EncodedEntry);
      }
    }
    let at = 0;
    for (const folder of this.#folders) {
      while (at < this.#others.length && compareNames(this.#others[at] as EncodedEntry, folder) < 0) at++;
      const other = this.#others[at];
      if (other !== undefined) refuseSame(folder, other);
    }
  }
}

/** Bytes that grow until they are taken. */
class Piece {
  #bytes: Buffer = Buffer.alloc(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  write(text: string): void {
    const length = Buffer.byteLength(text, "utf8");
    this.#makeRoom(length);
    this.#bytes.write(text, this.#length, length, "utf8");
    this.#length += length;
  }

  copy(source: Buffer, from: number, to: number): void {
    this.#makeRoom(to - from);
    source.copy(this.#bytes, this.#length, from, to);
    this.#length += to - from;
  }

  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#bytes = Buffer.alloc(0);
    this.#length = 0;
    return taken;
  }

  #makeRoom(length: number): void {
    const needed = this.#length + length;
    if (needed <= this.#bytes.byteLength) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.byteLength, slabBytesMin));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** The whole object of a folder that fits into memory more than once. */
export function encodeFolder(entries: Iterable<DirectoryEntry>, summary: Summary): Buffer {
  const encoder = new FolderEncoder();
  for (const entry of entries) encoder.add(entry);
  return Buffer.concat([...encoder.encode(summary)]);
}

export interface Folder {
  /** Undefined in objects that never had one. */
  readonly summary: Summary | undefined;
  /**
   * In stored order, decoded one at a time as they are pulled; can be iterated again. Names are as stored: check them
   * with `isSafeName` before making a file, and expect that a hostile folder names one twice (for kopia the last counts).
   */
  readonly entries: Iterable<DirectoryEntry>;
}

/**
 * The bytes must stay as they are while the entries are used. They were checked to be well-formed JSON to the end of the
 * object, so a folder that was cut short gives no entries at all.
 * Errors: SnapshotError FOLDER_INVALID; while iterating too, for an entry that kopia would not read either.
 */
export function decodeFolder(bytes: Uint8Array): Folder {
  const members = scanMembers(bytes);
  const stream = members.get("stream");
  if (stream === undefined || parseJsonRange(bytes, stream) !== streamName) {
    throw new SnapshotError("FOLDER_INVALID", `stream of a folder is not ${streamName}`);
  }
  const entries = members.get("entries");
  if (entries !== undefined && entries.kind !== "array" && entries.kind !== "null") {
    throw new SnapshotError("FOLDER_INVALID", "entries of a folder are not a list");
  }
  const summary = members.get("summary");
  return {
    summary:
      summary === undefined || summary.kind === "null"
        ? undefined
        : decodeSummary(parseJsonRange(bytes, summary), { what: "the summary of a folder", code: "FOLDER_INVALID" }),
    entries: { [Symbol.iterator]: () => decodeEntries(bytes, entries) },
  };
}

/** `decodeFolder(bytes).entries`, for those who need nothing else. */
export function iterateFolderEntries(bytes: Uint8Array): Iterable<DirectoryEntry> {
  return decodeFolder(bytes).entries;
}

/** By lower-case key; of keys that match, the last counts. */
function scanMembers(bytes: Uint8Array): Map<string, JsonRange> {
  const members = new Map<string, JsonRange>();
  try {
    for (const { key, value } of scanJsonObject(bytes)) {
      const folded = key.toLowerCase();
      if (folded === "stream" || folded === "entries" || folded === "summary") members.set(folded, value);
    }
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new SnapshotError("FOLDER_INVALID", "could not read a folder's object", { cause: error });
  }
  return members;
}

function* decodeEntries(bytes: Uint8Array, entries: JsonRange | undefined): Generator<DirectoryEntry, void, undefined> {
  if (entries?.kind !== "array") return;
  let index = 0;
  for (const range of scanJsonArray(bytes, entries)) {
    const thing = { what: `entry ${index++} of a folder`, code: "FOLDER_INVALID" } as const;
    yield decodeDirectoryEntry(parseJsonRange(bytes, range), thing);
  }
}

function nameOf(entry: EncodedEntry): Uint8Array {
  return entry.slab.subarray(entry.nameFrom, entry.headFrom);
}

function compareNames(a: EncodedEntry, b: EncodedEntry): number {
  return a.slab.compare(b.slab, b.nameFrom, b.headFrom, a.nameFrom, a.headFrom);
}

function refuseSame(a: EncodedEntry, b: EncodedEntry): void {
  if (compareNames(a, b) !== 0) return;
  throw new SnapshotError("FOLDER_INVALID", `two entries of a folder have the name ${quoted(goText(nameOf(a)))}`);
}

/**
 * Names that are not UTF-8 may read the same as another of their folder. UTF-8 names keep what they are; of the others,
 * in stored order, each takes its own reading if it is free, and else the first free of `~2`, `~3`, … behind it.
 *
 * The result depends on the folder's names alone. No name is tried twice, so a folder made to collide costs no more
 * than another.
 */
class NameSuffixes {
  readonly #taken = new Set<string>();
  readonly #nextNumber = new Map<string, number>();

  constructor(entries: Iterable<EncodedEntry>) {
    for (const entry of entries) {
      const name = nameOf(entry);
      // A name without U+FFFD never meets one that has bytes to replace.
      if (isUtf8(name) && bufferOf(name).includes("\ufffd")) this.#taken.add(goText(name));
    }
  }

  next(name: Uint8Array): string {
    if (isUtf8(name)) return "";
    const shown = goText(name);
    if (!this.#taken.has(shown)) {
      this.#taken.add(shown);
      return "";
    }
    let number = this.#nextNumber.get(shown) ?? 2;
    while (this.#taken.has(`${shown}~${number}`)) number++;
    this.#taken.add(`${shown}~${number}`);
    this.#nextNumber.set(shown, number + 1);
    return `~${number}`;
  }
}
