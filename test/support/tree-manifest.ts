/**
 * What a folder holds, entry by entry, in the shape of golden/trees/*.json, and how two such lists differ.
 *
 * Names and link targets that are not UTF-8 are told as Python's "surrogateescape" tells them: a byte that belongs to no
 * character becomes U+DC00 + byte.
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";

export interface ManifestEntry {
  /** Relative to the folder, which is itself ".". */
  readonly path: string;
  readonly type: "directory" | "file" | "symlink" | "other";
  /** Twelve bits, "0o4755". */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since the Unix epoch, in decimal. */
  readonly mtimeNs: string;
  readonly size?: number;
  readonly sha256?: string;
  readonly target?: string;
}

/** By path. */
export type Manifest = ReadonlyMap<string, ManifestEntry>;

export interface ComparisonOptions {
  /** Times of folders below the root: kopia restores those as the newest time of what they hold. */
  readonly ignoreFolderTimes?: boolean;
  /** Kopia restores the times of links in whole microseconds, rounded up. */
  readonly linkTimesInMicroseconds?: boolean;
}

/** How kopia restores a tree: see `ComparisonOptions`. */
export const asKopiaRestores: ComparisonOptions = { ignoreFolderTimes: true, linkTimesInMicroseconds: true };

/** Fails with the differences, one a line. */
export function assertSameTree(expected: Manifest, found: Manifest, options: ComparisonOptions = {}): void {
  const differences = compareManifests(expected, found, options);
  const shown = differences.slice(0, 20);
  if (differences.length > shown.length) shown.push(`… ${differences.length} differences in all`);
  assert.equal(differences.length, 0, `the trees differ:\n${shown.join("\n")}`);
}

/** One line a difference, empty when there is none. */
export function compareManifests(expected: Manifest, found: Manifest, options: ComparisonOptions = {}): string[] {
  const differences: string[] = [];
  for (const [path, entry] of expected) {
    const other = found.get(path);
    if (other === undefined) {
      differences.push(`${JSON.stringify(path)} is missing`);
      continue;
    }
    const wanted = fieldsOf(entry, options);
    const seen = fieldsOf(other, options);
    for (const key of Object.keys({ ...wanted, ...seen })) {
      if (wanted[key] === seen[key]) continue;
      differences.push(`${JSON.stringify(path)}: ${key} is ${seen[key]}, expected ${wanted[key]}`);
    }
  }
  for (const path of found.keys()) {
    if (!expected.has(path)) differences.push(`${JSON.stringify(path)} is not expected`);
  }
  return differences;
}

function fieldsOf(entry: ManifestEntry, options: ComparisonOptions): Record<string, string | number | undefined> {
  const { path, ...fields } = entry;
  const ignored = options.ignoreFolderTimes === true && entry.type === "directory" && path !== ".";
  if (ignored) return { ...fields, mtimeNs: undefined };
  const coarse = options.linkTimesInMicroseconds === true && entry.type === "symlink";
  return coarse ? { ...fields, mtimeNs: `${(BigInt(entry.mtimeNs) + 999n) / 1000n} µs` } : { ...fields };
}

/** Reads every file. Follows no link, `folder` itself included. */
export function readManifest(folder: string): Manifest {
  const manifest = new Map<string, ManifestEntry>();
  const buffer = Buffer.allocUnsafe(1 << 20);
  const visit = (at: Buffer, path: string): void => {
    const entry = readEntry(at, path, buffer);
    manifest.set(path, entry);
    if (entry.type !== "directory") return;
    for (const name of readdirSync(at, { encoding: "buffer" }).sort(Buffer.compare)) {
      const text = decodeSurrogateEscape(name);
      visit(Buffer.concat([at, slash, name]), path === "." ? text : `${path}/${text}`);
    }
  };
  visit(Buffer.from(folder), ".");
  return manifest;
}

/** The list that a file golden/trees/*.json holds. */
export function parseManifest(json: string): Manifest {
  const entries = JSON.parse(json) as readonly ManifestEntry[];
  return new Map(entries.map((entry) => [entry.path, entry]));
}

const slash = Buffer.from("/");

function readEntry(at: Buffer, path: string, buffer: Buffer): ManifestEntry {
  const stat = lstatSync(at, { bigint: true });
  const common = {
    path,
    mode: `0o${(stat.mode & 0o7777n).toString(8)}`,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtimeNs: stat.mtimeNs.toString(),
  };
  if (stat.isDirectory()) return { ...common, type: "directory" };
  if (stat.isFile()) return { ...common, type: "file", size: Number(stat.size), sha256: sha256Of(at, buffer) };
  if (!stat.isSymbolicLink()) return { ...common, type: "other" };
  return { ...common, type: "symlink", target: decodeSurrogateEscape(readlinkSync(at, { encoding: "buffer" })) };
}

function sha256Of(file: Buffer, buffer: Buffer): string {
  const hash = createHash("sha256");
  const fd = openSync(file, "r");
  try {
    for (;;) {
      const length = readSync(fd, buffer);
      if (length === 0) return hash.digest("hex");
      hash.update(buffer.subarray(0, length));
    }
  } finally {
    closeSync(fd);
  }
}

/** As Python's `bytes.decode("utf-8", "surrogateescape")`. */
export function decodeSurrogateEscape(bytes: Buffer): string {
  const whole = decodeStrict(bytes);
  if (whole !== undefined) return whole;
  let text = "";
  for (let offset = 0; offset < bytes.length; ) {
    const length = [1, 2, 3, 4].find((count) => decodeStrict(bytes.subarray(offset, offset + count)) !== undefined);
    const end = offset + (length ?? 1);
    text += decodeStrict(bytes.subarray(offset, end)) ?? String.fromCharCode(0xdc00 + bytes.readUInt8(offset));
    offset = end;
  }
  return text;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeStrict(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined; // The one thing a fatal decoder throws for.
  }
}
