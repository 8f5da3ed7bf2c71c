/**
 * One entry of a folder, and the root of a snapshot:
 *
 *   {"name":"a.txt","type":"f","mode":"0644","size":6,"mtime":"2025-01-11T09:30:00.25Z","uid":1000,"gid":1000,"obj":"bc39…"}
 *
 * Every key but `name`, `type` and `obj` is left out when it is zero; a folder has `summ` at the end. Entries that were
 * the same are the same bytes, whoever wrote them.
 *
 * A name is bytes, JSON is text. A name that is not UTF-8 is written as kopia writes it, each bad byte as `\ufffd`, and
 * the true bytes stand in base64 in one more key at the end, `rawName`, which kopia ignores. Where a folder has several
 * names that would read the same, all but one get `~2`, `~3`, … (folder-object.ts), so that kopia shows each of them.
 *
 * Source: kopia snapshot/manifest.go (DirEntry); docs/format/folders.md.
 */

import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import { fromBase64, toBase64, toUtf8 } from "../base/bytes.ts";
import { goJson, goString, goText } from "../base/go-json.ts";
import { clampGoTime, formatGoTime } from "../base/go-time.ts";
import { formatMode, parseMode } from "./mode.ts";
import { StoredFields, type StoredThing } from "./stored-fields.ts";
import { decodeSummary, encodeSummary, type Summary } from "./summary.ts";

export interface DirectoryEntry {
  /** As kopia shows it; for people and messages. */
  readonly name: string;
  /** The name on disk. */
  readonly nameBytes: Uint8Array;
  /** `error` is a stored type that nobody knows; it is never written and cannot be restored. */
  readonly kind: "file" | "folder" | "symlink" | "error";
  /** Twelve Unix bits. */
  readonly mode: number;
  /** Bytes of a file's contents or of a link's target; 0 for a folder. */
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly uid: number;
  readonly gid: number;
  /** Not checked in this layer. */
  readonly objectId: string;
  /** Of a folder; and of a snapshot whose root is a file. */
  readonly summary?: Summary;
}

/** Of the target of a link. Those of Linux are at most 4095 long. */
export const linkBytesMax = 4096;

/** For people, of a tree whose root is "". */
export function joinPath(parent: string, name: string): string {
  return parent === "" ? name : `${parent}/${name}`;
}

const typeOfKind = { file: "f", folder: "d", symlink: "s" } as const;
const kindOfType: ReadonlyMap<string, DirectoryEntry["kind"]> = new Map([
  ["f", "file"],
  ["d", "folder"],
  ["s", "symlink"],
]);

const idMax = 0xffff_ffff;

/** The whole entry. Times that RFC 3339 cannot say are written as the nearest that it can. */
export function encodeDirectoryEntry(entry: DirectoryEntry): string {
  return encodeEntryHead(entry) + encodeEntryTail(entry);
}

/** Up to the end of the name without its closing quote: a folder may have to write more behind it. */
export function encodeEntryHead(entry: DirectoryEntry): string {
  return `{"name":${goString(entry.nameBytes).slice(0, -1)}`;
}

/** From the closing quote of the name on. */
export function encodeEntryTail(entry: DirectoryEntry): string {
  assert(entry.kind !== "error", "an entry of unknown type is never written");
  let tail = `","type":"${typeOfKind[entry.kind]}"`;
  if (entry.mode !== 0) tail += `,"mode":"${formatMode(entry.mode)}"`;
  if (entry.size !== 0 && entry.kind !== "folder") tail += `,"size":${goJson(entry.size)}`;
  if (entry.mtimeNs !== 0n) tail += `,"mtime":"${formatGoTime(clampGoTime(entry.mtimeNs))}"`;
  if (entry.uid !== 0) tail += `,"uid":${goJson(entry.uid)}`;
  if (entry.gid !== 0) tail += `,"gid":${goJson(entry.gid)}`;
  tail += `,"obj":${goString(entry.objectId)}`;
  if (entry.summary !== undefined) tail += `,"summ":${encodeSummary(entry.summary)}`;
  if (!isUtf8(entry.nameBytes)) tail += `,"rawName":"${toBase64(entry.nameBytes)}"`;
  return `${tail}}`;
}

/** An entry out of parsed JSON. Errors: the thing's code, for any field that kopia would not read either. */
export function decodeDirectoryEntry(value: unknown, thing: StoredThing): DirectoryEntry {
  const fields = new StoredFields(value, thing);
  const name = fields.text("name");
  const summary = fields.value("summ");
  return {
    name,
    nameBytes: trueName(name, fields.value("rawName")),
    kind: kindOfType.get(fields.text("type")) ?? "error",
    mode: decodeMode(fields),
    size: fields.count("size"),
    mtimeNs: fields.timeNs("mtime"),
    uid: fields.count("uid", idMax),
    gid: fields.count("gid", idMax),
    objectId: fields.text("obj"),
    ...(summary === undefined
      ? {}
      : { summary: decodeSummary(summary, { what: `the summary of ${thing.what}`, code: thing.code }) }),
  };
}

/** True for what may be made in a folder: not empty, not `.` or `..`, no slash and no zero byte. */
export function isSafeName(nameBytes: Uint8Array): boolean {
  const dot = 0x2e;
  if (nameBytes.byteLength === 0 || nameBytes.includes(0x2f) || nameBytes.includes(0)) return false;
  return nameBytes.byteLength > 2 || nameBytes.some((byte) => byte !== dot);
}

function decodeMode(fields: StoredFields): number {
  const text = fields.value("mode");
  if (text === undefined) return 0;
  const mode = typeof text === "string" ? parseMode(text) : undefined;
  if (mode === undefined) throw fields.invalid("mode", "is not an octal number");
  return mode;
}

/**
 * `rawName` counts only when `name` was made from it: the bytes are not UTF-8, and read as `name` but for a suffix. So
 * whoever checks what kopia shows has seen what will be restored, but for bytes that cannot be shown.
 */
function trueName(name: string, rawName: unknown): Uint8Array {
  const raw = typeof rawName === "string" ? fromBase64(rawName) : undefined;
  if (raw === undefined || isUtf8(raw)) return toUtf8(name);
  const shown = goText(raw);
  const madeFromRaw = name.startsWith(shown) && /^(~([2-9]|[1-9][0-9]{1,8}))?$/.test(name.slice(shown.length));
  return madeFromRaw ? raw : toUtf8(name);
}
