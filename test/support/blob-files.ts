/** The blobs of a filesystem repository, as the files they are, and ways to damage them. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";

export interface BlobFile {
  /** The blob's id: the file's path below the repository without slashes and the ending `.f`. */
  readonly id: string;
  readonly path: string;
}

/** Blobs whose ids begin with the prefix, in the order of their ids. */
export function blobFiles(repository: string, prefix: string): readonly BlobFile[] {
  return readdirSync(repository, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".f"))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ id: relative(repository, path).replaceAll("/", "").slice(0, -".f".length), path }))
    .filter((blob) => blob.id.startsWith(prefix))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** `at` is 0 for the first byte, 1 for the last, in proportion between them. */
export function flipBit(path: string, at: number): void {
  const bytes = readFileSync(path);
  const offset = Math.floor((bytes.length - 1) * at);
  bytes.writeUInt8(bytes.readUInt8(offset) ^ 0x10, offset);
  writeFileSync(path, bytes);
}

/** Keeps the first half. */
export function cutInHalf(path: string): void {
  const { length } = readFileSync(path);
  assert.ok(length > 1);
  truncateSync(path, length >> 1);
}
