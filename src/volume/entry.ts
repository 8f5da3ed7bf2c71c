/** What `lstat` tells of an entry, in the shape that the rest needs. */

import type { BigIntStats } from "node:fs";
import { clampGoTime } from "../base/go-time.ts";

export type EntryKind = "file" | "folder" | "symlink" | "other";

export interface EntryStat {
  /** "other": FIFO, socket, device. */
  readonly kind: EntryKind;
  /** The nine permission bits and set-uid 0o4000, set-gid 0o2000, sticky 0o1000. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes; of a symbolic link, the length of its target. Exact up to 2^53. */
  readonly size: number;
  /** Since the Unix epoch; clamped to the years 0 to 9999, as a file system may hold any 64-bit number of seconds. */
  readonly mtimeNs: bigint;
  /** Differs from the folder's where another file system is mounted. */
  readonly device: number;
  /** With the device: which file it is, for as long as it exists. */
  readonly inode: bigint;
}

export interface VolumeEntry extends EntryStat {
  /** Arbitrary bytes. */
  readonly name: Uint8Array;
}

export function entryStatOf(stats: BigIntStats): EntryStat {
  return {
    kind: kindOf(stats),
    mode: Number(stats.mode) & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: Number(stats.size),
    mtimeNs: clampGoTime(stats.mtimeNs),
    device: Number(stats.dev),
    inode: stats.ino,
  };
}

export function volumeEntryOf(name: Uint8Array, stats: BigIntStats): VolumeEntry {
  return { name, ...entryStatOf(stats) };
}

function kindOf(stats: BigIntStats): EntryKind {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "folder";
  if (stats.isSymbolicLink()) return "symlink";
  return "other";
}
