/** Snapshots and entries of their trees, as lists and results tell them. */

import { snapshotOrigin } from "../agent/velero/snapshot-origin.ts";
import { formatGoTime } from "../base/go-time.ts";
import type { DirectoryEntry } from "../snapshot/directory-entry.ts";
import type { SnapshotManifest } from "../snapshot/snapshot-manifest.ts";
import { asBytes, asTime, type Column, type Row } from "./listing.ts";
import { formatSource } from "./source.ts";

/** As `ls -l` has them. */
const kindLetters: Readonly<Record<string, string>> = { folder: "d", file: "-", symlink: "l" };

export const snapshotColumns: readonly Column[] = [
  { field: "snapshotId", title: "SNAPSHOT" },
  { field: "startTime", title: "BEGUN", ...asTime },
  { field: "endTime", title: "ENDED", isWide: true, ...asTime },
  { field: "size", ...asBytes },
  { field: "files" },
  { field: "incomplete" },
  { field: "namespace" },
  { field: "pod" },
  { field: "volume" },
  { field: "backup", isWide: true },
  { field: "rootObjectId", title: "OBJECT", isWide: true },
  { field: "tags", isWide: true },
  { field: "source" },
];

export function snapshotRow(snapshot: SnapshotManifest): Row {
  const { rootEntry, source, tags } = snapshot;
  return {
    ...describeSnapshot(snapshot),
    size: rootEntry.summary?.size ?? rootEntry.size,
    files: rootEntry.summary?.files ?? 1,
    ...snapshotOrigin(source, tags),
  };
}

export function describeSnapshot(snapshot: SnapshotManifest): Row {
  const { id, source, description, startTimeNs, endTimeNs, stats, incomplete, rootEntry, tags, pins } = snapshot;
  return {
    snapshotId: id,
    source: formatSource(source),
    description,
    startTime: formatGoTime(startTimeNs),
    endTime: formatGoTime(endTimeNs),
    incomplete: incomplete ?? "",
    rootObjectId: rootEntry.objectId,
    tags: tags ?? {},
    pins: pins ?? [],
    summary: summaryOf(rootEntry),
    stats,
  };
}

/** Without the name. */
export const attributeColumns: readonly Column[] = [
  { field: "mode", text: (mode: string, { type }) => `${kindLetters[String(type)] ?? "?"}${permissions(mode)}` },
  { field: "uid", title: "OWNER", text: (uid: number, { gid }) => `${uid}:${gid}` },
  { field: "size", ...asBytes },
  { field: "mtime", title: "CHANGED", ...asTime },
  { field: "objectId", title: "OBJECT", isWide: true },
];

export const entryColumns: readonly Column[] = [
  ...attributeColumns,
  { field: "name", text: (name: string, { type }) => (type === "folder" ? `${name}/` : name) },
];

export function entryRow(entry: DirectoryEntry): Row {
  const { name, nameBytes } = entry;
  return { name, ...rawText("nameBase64", name, nameBytes), ...attributesOf(entry), summary: summaryOf(entry) };
}

/** Of a folder, the size of what lies below. One of this machine has no object. */
export function attributesOf(entry: Omit<DirectoryEntry, "objectId"> & { readonly objectId?: string }): Row {
  const { kind, mode, size, mtimeNs, uid, gid, objectId, summary } = entry;
  return {
    type: kind,
    mode: mode.toString(8).padStart(4, "0"),
    size: summary?.size ?? size,
    mtime: formatGoTime(mtimeNs),
    uid,
    gid,
    objectId,
  };
}

/** The bytes, where the text is not what they say. */
export function rawText(field: string, text: string, bytes: Uint8Array): Row {
  return Buffer.from(bytes).equals(Buffer.from(text, "utf8")) ? {} : { [field]: Buffer.from(bytes).toString("base64") };
}

function summaryOf({ summary }: DirectoryEntry): Row | undefined {
  if (summary === undefined) return undefined;
  const { maxTimeNs, ...numbers } = summary;
  return { ...numbers, maxTime: formatGoTime(maxTimeNs) };
}

/** `4755` → `rwsr-xr-x`. */
function permissions(octal: string): string {
  const mode = Number.parseInt(octal, 8);
  const letters = [..."rwxrwxrwx"].map((letter, i) => ((mode >> (8 - i)) & 1 ? letter : "-"));
  const special = [
    { bit: 0o4000, at: 2, letter: "s" },
    { bit: 0o2000, at: 5, letter: "s" },
    { bit: 0o1000, at: 8, letter: "t" },
  ];
  for (const { bit, at, letter } of special) {
    if ((mode & bit) !== 0) letters[at] = letters[at] === "x" ? letter : letter.toUpperCase();
  }
  return letters.join("");
}
