/**
 * A small stored tree: the test vectors of the format, as values and as the exact bytes with their ids. The ids are of
 * hash BLAKE2B-256-128 with the secret 00 01 … 1f. Made with Go's JSON encoder from the field tables of
 * docs/format/folders.md and docs/format/snapshots.md.
 */

import { blake2b } from "@noble/hashes/blake2.js";
import { toHex, toUtf8 } from "../../src/base/bytes.ts";
import { parseGoTime } from "../../src/base/go-time.ts";
import type { DirectoryEntry } from "../../src/snapshot/directory-entry.ts";
import type { SnapshotManifest } from "../../src/snapshot/snapshot-manifest.ts";
import type { Summary } from "../../src/snapshot/summary.ts";

const hashSecret = Uint8Array.from({ length: 32 }, (_, index) => index);

export function contentId(prefix: string, bytes: Uint8Array): string {
  return prefix + toHex(blake2b(bytes, { key: hashSecret, dkLen: 32 }).slice(0, 16));
}

export function timeNs(text: string): bigint {
  const time = parseGoTime(text);
  if (time === undefined) throw new Error(`${text} is not a time`);
  return time;
}

/** An entry whose name is text; all else is zero unless given. */
export function entryOf(
  given: Partial<DirectoryEntry> & { readonly name: string; readonly kind: DirectoryEntry["kind"] },
): DirectoryEntry {
  return { nameBytes: toUtf8(given.name), mode: 0, size: 0, mtimeNs: 0n, uid: 0, gid: 0, objectId: "", ...given };
}

export function summaryOf(given: Partial<Summary>): Summary {
  const zero = {
    size: 0,
    files: 0,
    symlinks: 0,
    dirs: 1,
    maxTimeNs: 0n,
    numFailed: 0,
    numIgnoredErrors: 0,
    errors: [],
  };
  return { ...zero, ...given };
}

export interface FolderExample {
  readonly entries: readonly DirectoryEntry[];
  readonly summary: Summary;
  readonly mtimeNs: bigint;
  readonly text: string;
  readonly length: number;
  readonly objectId: string;
}

export const emptyFolder: FolderExample = {
  entries: [],
  summary: summaryOf({ maxTimeNs: timeNs("2025-01-10T08:00:00.5Z") }),
  mtimeNs: timeNs("2025-01-10T08:00:00.5Z"),
  text: '{"stream":"kopia:directory","entries":null,"summary":{"size":0,"files":0,"symlinks":0,"dirs":1,"maxTime":"2025-01-10T08:00:00.5Z","numFailed":0}}\n',
  length: 146,
  objectId: "k918e885597637d0328de41f390122bdf",
};

export const subFolder: FolderExample = {
  entries: [
    entryOf({
      name: "b&w.bin",
      kind: "file",
      mode: 0o640,
      size: 5,
      mtimeNs: timeNs("2025-01-12T12:00:00.123456789Z"),
      uid: 1000,
      gid: 1000,
      objectId: "27818f7ddb8d35444627e099045bc0dd",
    }),
  ],
  summary: summaryOf({ size: 5, files: 1, maxTimeNs: timeNs("2025-01-12T12:00:00.123456789Z") }),
  mtimeNs: timeNs("2025-01-14T07:00:00Z"),
  text: '{"stream":"kopia:directory","entries":[{"name":"b\\u0026w.bin","type":"f","mode":"0640","size":5,"mtime":"2025-01-12T12:00:00.123456789Z","uid":1000,"gid":1000,"obj":"27818f7ddb8d35444627e099045bc0dd"}],"summary":{"size":5,"files":1,"symlinks":0,"dirs":1,"maxTime":"2025-01-12T12:00:00.123456789Z","numFailed":0}}\n',
  length: 313,
  objectId: "k1db879ecc6b43ff9dd59183cffca79eb",
};

export const rootFolder: FolderExample = {
  entries: [
    entryOf({
      name: "empty",
      kind: "folder",
      mode: 0o700,
      mtimeNs: emptyFolder.mtimeNs,
      objectId: emptyFolder.objectId,
      summary: emptyFolder.summary,
    }),
    entryOf({
      name: "sub",
      kind: "folder",
      mode: 0o2775,
      mtimeNs: subFolder.mtimeNs,
      uid: 1000,
      gid: 1000,
      objectId: subFolder.objectId,
      summary: subFolder.summary,
    }),
    entryOf({
      name: "a.txt",
      kind: "file",
      mode: 0o644,
      size: 6,
      mtimeNs: timeNs("2025-01-11T09:30:00.25Z"),
      uid: 1000,
      gid: 1000,
      objectId: "bc392cb6dc62013ef767027e8964392e",
    }),
    entryOf({
      name: "link",
      kind: "symlink",
      mode: 0o777,
      size: 5,
      mtimeNs: timeNs("2025-01-11T09:31:00Z"),
      uid: 1000,
      gid: 1000,
      objectId: "71b0f341ad9b22f127f30e4cb1316a4a",
    }),
    entryOf({
      name: "zero.dat",
      kind: "file",
      mode: 0o600,
      mtimeNs: timeNs("2025-01-09T00:00:00Z"),
      objectId: "4e51e7a913fc80137da52880fecca175",
    }),
  ],
  summary: summaryOf({ size: 11, files: 3, symlinks: 1, dirs: 3, maxTimeNs: timeNs("2025-01-14T07:00:00Z") }),
  mtimeNs: timeNs("2025-01-15T10:00:00Z"),
  text: '{"stream":"kopia:directory","entries":[{"name":"empty","type":"d","mode":"0700","mtime":"2025-01-10T08:00:00.5Z","obj":"k918e885597637d0328de41f390122bdf","summ":{"size":0,"files":0,"symlinks":0,"dirs":1,"maxTime":"2025-01-10T08:00:00.5Z","numFailed":0}},{"name":"sub","type":"d","mode":"020000775","mtime":"2025-01-14T07:00:00Z","uid":1000,"gid":1000,"obj":"k1db879ecc6b43ff9dd59183cffca79eb","summ":{"size":5,"files":1,"symlinks":0,"dirs":1,"maxTime":"2025-01-12T12:00:00.123456789Z","numFailed":0}},{"name":"a.txt","type":"f","mode":"0644","size":6,"mtime":"2025-01-11T09:30:00.25Z","uid":1000,"gid":1000,"obj":"bc392cb6dc62013ef767027e8964392e"},{"name":"link","type":"s","mode":"0777","size":5,"mtime":"2025-01-11T09:31:00Z","uid":1000,"gid":1000,"obj":"71b0f341ad9b22f127f30e4cb1316a4a"},{"name":"zero.dat","type":"f","mode":"0600","mtime":"2025-01-09T00:00:00Z","obj":"4e51e7a913fc80137da52880fecca175"}],"summary":{"size":11,"files":3,"symlinks":1,"dirs":3,"maxTime":"2025-01-14T07:00:00Z","numFailed":0}}\n',
  length: 1014,
  objectId: "k3c0277ab05c1a06a8a846e0dc63b4086",
};

export const exampleManifest: SnapshotManifest = {
  id: "",
  source: { host: "default", userName: "default", path: "snapshot-pod-volume/kopia/shop/web-0/data-web-0" },
  description: "Kopia Uploader",
  startTimeNs: timeNs("2025-01-15T10:30:00.000000001Z"),
  endTimeNs: timeNs("2025-01-15T10:30:02.5Z"),
  stats: {
    totalSize: 11,
    excludedTotalSize: 0,
    fileCount: 3,
    cachedFiles: 0,
    nonCachedFiles: 3,
    dirCount: 3,
    excludedFileCount: 0,
    excludedDirCount: 0,
    ignoredErrorCount: 0,
    errorCount: 0,
  },
  rootEntry: entryOf({
    name: "6c0e0b7e-2f0e-4a55-9a3e-6f1f0e0f7a11",
    kind: "folder",
    mode: 0o755,
    mtimeNs: rootFolder.mtimeNs,
    uid: 1000,
    gid: 1000,
    objectId: rootFolder.objectId,
    summary: rootFolder.summary,
  }),
  tags: { "snapshot-requester": "snapshot-pod-volume", "snapshot-uploader": "kopia" },
  pins: ["velero-pin"],
};

export const exampleManifestText =
  '{"id":"","source":{"host":"default","userName":"default","path":"snapshot-pod-volume/kopia/shop/web-0/data-web-0"},"description":"Kopia Uploader","startTime":"2025-01-15T10:30:00.000000001Z","endTime":"2025-01-15T10:30:02.5Z","stats":{"totalSize":11,"excludedTotalSize":0,"fileCount":3,"cachedFiles":0,"nonCachedFiles":3,"dirCount":3,"excludedFileCount":0,"excludedDirCount":0,"ignoredErrorCount":0,"errorCount":0},"rootEntry":{"name":"6c0e0b7e-2f0e-4a55-9a3e-6f1f0e0f7a11","type":"d","mode":"0755","mtime":"2025-01-15T10:00:00Z","uid":1000,"gid":1000,"obj":"k3c0277ab05c1a06a8a846e0dc63b4086","summ":{"size":11,"files":3,"symlinks":1,"dirs":3,"maxTime":"2025-01-14T07:00:00Z","numFailed":0}},"tags":{"snapshot-requester":"snapshot-pod-volume","snapshot-uploader":"kopia"},"pins":["velero-pin"]}';
