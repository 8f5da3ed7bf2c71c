/**
 * Headers of a tar archive, POSIX.1-2001: ustar, with a pax header before it for what ustar cannot say.
 *
 * A header is 512 bytes of fields, numbers in octal:
 *   0 name, 100 mode, 108 uid, 116 gid, 124 size, 136 mtime, 148 checksum, 156 type, 157 link target, 257 "ustar" NUL "00"
 * A pax header is one of type `x` whose data are records `LENGTH KEY=VALUE` LF, the length that of the whole record. Names
 * that are not UTF-8 stand in it as they are, as GNU tar writes and reads them. (The libraries that write tar take names as
 * text, so that such a name would come back as another.)
 *
 * Source: POSIX.1-2017, pax, "pax Interchange Format" and "ustar Interchange Format".
 */

import { toUtf8 } from "../base/bytes.ts";

export const tarBlockBytes = 512;

export interface TarEntry {
  readonly kind: "file" | "folder" | "symlink";
  /** Without a slash at its end. */
  readonly path: Uint8Array;
  /** Twelve Unix bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of a file's data, which follows. */
  readonly size: number;
  readonly mtimeNs: bigint;
  /** Of a link. */
  readonly target: Uint8Array;
}

const nameBytesMax = 100;
const idMax = 0o7777777;
const sizeMax = 0o77777777777;
const nsPerSecond = 1_000_000_000n;
const typeOfKind = { file: "0", folder: "5", symlink: "2" } as const;

/** Whole blocks. */
export function tarHeader(entry: TarEntry): Buffer {
  const path = entry.kind === "folder" ? Buffer.concat([entry.path, toUtf8("/")]) : Buffer.from(entry.path);
  const seconds = floorSeconds(entry.mtimeNs);
  const records = [
    ...(isPlain(path) ? [] : [record("path", path)]),
    ...(isPlain(entry.target) ? [] : [record("linkpath", entry.target)]),
    ...(entry.uid > idMax ? [record("uid", toUtf8(String(entry.uid)))] : []),
    ...(entry.gid > idMax ? [record("gid", toUtf8(String(entry.gid)))] : []),
    ...(entry.size > sizeMax ? [record("size", toUtf8(String(entry.size)))] : []),
    ...(isOctal(entry.mtimeNs, seconds) ? [] : [record("mtime", toUtf8(decimalSeconds(entry.mtimeNs)))]),
  ];
  const fields = { ...entry, path, mtime: seconds, type: typeOfKind[entry.kind] };
  if (records.length === 0) return ustar(fields);
  const data = Buffer.concat(records);
  const noTarget = { target: new Uint8Array(0) };
  const pax = { ...fields, ...noTarget, path: toUtf8("@PaxHeader"), mode: 0o600, size: data.byteLength, type: "x" };
  return Buffer.concat([ustar(pax), data, tarPadding(data.byteLength), ustar(fields)]);
}

/** Zeros from there to the end of the block. */
export function tarPadding(length: number): Buffer {
  return Buffer.alloc((tarBlockBytes - (length % tarBlockBytes)) % tarBlockBytes);
}

interface UstarFields extends Omit<TarEntry, "kind" | "mtimeNs"> {
  /** Seconds since the epoch. */
  readonly mtime: bigint;
  readonly type: string;
}

/** What does not fit is cut, or zero: the pax header before it says it. */
function ustar({ path, mode, uid, gid, size, mtime, type, target }: UstarFields): Buffer {
  const block = Buffer.alloc(tarBlockBytes);
  block.set(path.subarray(0, nameBytesMax), 0);
  writeOctal(block, 100, 8, mode);
  writeOctal(block, 108, 8, uid > idMax ? 0 : uid);
  writeOctal(block, 116, 8, gid > idMax ? 0 : gid);
  writeOctal(block, 124, 12, size > sizeMax ? 0 : size);
  writeOctal(block, 136, 12, mtime < 0n || mtime > BigInt(sizeMax) ? 0 : Number(mtime));
  block.write("        ", 148, "latin1"); // The checksum counts itself as spaces.
  block.write(type, 156, "latin1");
  block.set(target.subarray(0, nameBytesMax), 157);
  block.write("ustar\u000000", 257, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\u0000 `, 148, "latin1");
  return block;
}

/** With a zero byte at its end. */
function writeOctal(block: Buffer, offset: number, length: number, value: number): void {
  block.write(value.toString(8).padStart(length - 1, "0"), offset, "latin1");
}

function record(key: string, value: Uint8Array): Buffer {
  const rest = Buffer.concat([toUtf8(` ${key}=`), value, toUtf8("\n")]);
  let length = rest.byteLength + String(rest.byteLength).length;
  length = rest.byteLength + String(length).length;
  return Buffer.concat([toUtf8(String(length)), rest]);
}

function isPlain(text: Uint8Array): boolean {
  return text.byteLength <= nameBytesMax && text.every((byte) => byte >= 0x20 && byte < 0x7f);
}

function isOctal(timeNs: bigint, seconds: bigint): boolean {
  return timeNs === seconds * nsPerSecond && seconds >= 0n && seconds <= BigInt(sizeMax);
}

function floorSeconds(timeNs: bigint): bigint {
  return (timeNs - (((timeNs % nsPerSecond) + nsPerSecond) % nsPerSecond)) / nsPerSecond;
}

/** `-1.5` is a second and a half before the epoch. */
function decimalSeconds(timeNs: bigint): string {
  const size = timeNs < 0n ? -timeNs : timeNs;
  const fraction = String(size % nsPerSecond)
    .padStart(9, "0")
    .replace(/0+$/, "");
  return `${timeNs < 0n ? "-" : ""}${size / nsPerSecond}${fraction === "" ? "" : `.${fraction}`}`;
}
