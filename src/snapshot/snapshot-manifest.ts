/**
 * A snapshot: a manifest item of type `snapshot` whose body names the root of a stored tree.
 *
 *   {"id":"","source":{"host":…,"userName":…,"path":…},"description":…,"startTime":…,"endTime":…,"stats":{…},
 *    "incomplete":…,"rootEntry":ENTRY,"tags":{…},"pins":[…]}
 *
 * on one line; `incomplete`, `tags` and `pins` are left out when empty. The body's `id` is always empty: the id of a
 * snapshot is that of its item. A body that does not decode hides the snapshot from every reader and lets its data be
 * collected, so what is written here is what kopia reads, exactly.
 *
 * Source: kopia snapshot/manifest.go, snapshot/manager.go; docs/format/snapshots.md.
 */

import { compareText, goJson, goMap, goString, parseLossless } from "../base/go-json.ts";
import { formatGoTime } from "../base/go-time.ts";
import { type DirectoryEntry, decodeDirectoryEntry, encodeDirectoryEntry } from "./directory-entry.ts";
import { quoted, SnapshotError } from "./snapshot-error.ts";
import { StoredFields, type StoredThing } from "./stored-fields.ts";

/** What was backed up, for whom and where: the key by which snapshots belong together. */
export interface SnapshotSource {
  readonly host: string;
  readonly userName: string;
  readonly path: string;
}

/** In stored order. */
const statsKeys = [
  "totalSize",
  "excludedTotalSize",
  "fileCount",
  "cachedFiles",
  "nonCachedFiles",
  "dirCount",
  "excludedFileCount",
  "excludedDirCount",
  "ignoredErrorCount",
  "errorCount",
] as const;

/**
 * What the run did. `totalSize`: bytes read and bytes of unchanged files; `fileCount`: files stored anew, unchanged ones
 * are `cachedFiles`; `dirCount` has the root. All but `totalSize` only inform.
 */
export type SnapshotStats = Readonly<Record<(typeof statsKeys)[number], number>>;

export const zeroStats = Object.fromEntries(statsKeys.map((key) => [key, 0])) as SnapshotStats;

export interface SnapshotManifest {
  /** Of the manifest item; "" before it was saved. */
  readonly id: string;
  readonly source: SnapshotSource;
  readonly description: string;
  readonly startTimeNs: bigint;
  readonly endTimeNs: bigint;
  readonly stats: SnapshotStats;
  /** Why it is not whole: `checkpoint`, `canceled`, `limit reached`. */
  readonly incomplete?: string;
  readonly rootEntry: DirectoryEntry;
  readonly tags?: Readonly<Record<string, string>>;
  /** Any pin keeps the snapshot from retention. */
  readonly pins?: readonly string[];
}

const labelType = "snapshot";
const reservedLabels = ["type", "hostname", "username", "path"];

/**
 * The labels of its item: those that say what and whose it is, and every tag. Look-ups go by labels, grouping by the
 * body's source, so both are made from one manifest.
 * Errors: SNAPSHOT_TAG_RESERVED for a tag that would be taken for one of the former; SNAPSHOT_INVALID for a source with
 * an empty part.
 */
export function snapshotLabels(manifest: Pick<SnapshotManifest, "source" | "tags">): Readonly<Record<string, string>> {
  const tags = manifest.tags ?? {};
  const reserved = reservedLabels.find((label) => Object.hasOwn(tags, label));
  if (reserved !== undefined) {
    throw new SnapshotError("SNAPSHOT_TAG_RESERVED", `${reserved} cannot be the key of a snapshot's tag`, {
      hint: "choose another key for the tag",
    });
  }
  return { ...tags, ...sourceLabels(manifest.source) };
}

/** The labels that all snapshots of one source have: what to look for. */
export function sourceLabels(source: SnapshotSource): Readonly<Record<string, string>> {
  const { host, userName, path } = source;
  if (host === "" || userName === "" || path === "") {
    throw new SnapshotError("SNAPSHOT_INVALID", "host, user and path of a snapshot's source must not be empty");
  }
  return { type: labelType, hostname: host, username: userName, path };
}

/** The item's body: JSON without a newline. */
export function encodeSnapshotManifest(manifest: SnapshotManifest): string {
  const { source, stats } = manifest;
  const tags = manifest.tags ?? {};
  const pins = [...(manifest.pins ?? [])].sort(compareText);
  return [
    `{"id":""`,
    `"source":${goJson({ host: source.host, userName: source.userName, path: source.path })}`,
    `"description":${goString(manifest.description)}`,
    `"startTime":"${formatGoTime(manifest.startTimeNs)}"`,
    `"endTime":"${formatGoTime(manifest.endTimeNs)}"`,
    `"stats":{${statsKeys.map((key) => `"${key}":${goJson(stats[key])}`).join(",")}}`,
    ...(manifest.incomplete ? [`"incomplete":${goString(manifest.incomplete)}`] : []),
    `"rootEntry":${encodeDirectoryEntry(manifest.rootEntry)}`,
    ...(Object.keys(tags).length > 0 ? [`"tags":${goMap(tags)}`] : []),
    ...(pins.length > 0 ? [`"pins":${goJson(pins)}`] : []),
  ]
    .join(",")
    .concat("}");
}

/** Errors: SNAPSHOT_INVALID. */
export function decodeSnapshotManifest(id: string, body: string | Uint8Array): SnapshotManifest {
  let value: unknown;
  try {
    value = parseLossless(body);
  } catch (error) {
    throw new SnapshotError("SNAPSHOT_INVALID", `could not read the body of snapshot ${quoted(id)}`, { cause: error });
  }
  return snapshotManifestOf(id, value);
}

/** The same from JSON that was parsed already, by `parseLossless`. Errors: SNAPSHOT_INVALID. */
export function snapshotManifestOf(id: string, body: unknown): SnapshotManifest {
  const thing: StoredThing = { what: `snapshot ${quoted(id)}`, code: "SNAPSHOT_INVALID" };
  const fields = new StoredFields(body, thing);
  const root = fields.value("rootEntry");
  if (root === undefined) throw new SnapshotError("SNAPSHOT_INVALID", `${thing.what} has no root entry`);
  const source = part(fields, "source", thing);
  const stats = part(fields, "stats", thing);
  const incomplete = fields.text("incomplete");
  const tags = fields.textMap("tags");
  const pins = fields.list("pins");
  if (!pins.every((pin) => typeof pin === "string")) throw fields.invalid("pins", "has a value that is not a string");
  return {
    id,
    source: { host: source.text("host"), userName: source.text("userName"), path: source.text("path") },
    description: fields.text("description"),
    startTimeNs: fields.timeNs("startTime"),
    endTimeNs: fields.timeNs("endTime"),
    stats: Object.fromEntries(statsKeys.map((key) => [key, stats.count(key)])) as SnapshotStats,
    ...(incomplete === "" ? {} : { incomplete }),
    rootEntry: decodeDirectoryEntry(root, { what: `the root entry of ${thing.what}`, code: thing.code }),
    ...(Object.keys(tags).length === 0 ? {} : { tags }),
    ...(pins.length === 0 ? {} : { pins }),
  };
}

export function isComplete(manifest: Pick<SnapshotManifest, "incomplete">): boolean {
  return manifest.incomplete === undefined || manifest.incomplete === "";
}

/** A part that may be absent, as `stats` is in what kopia 0.22.0 wrote. */
function part(fields: StoredFields, key: string, thing: StoredThing): StoredFields {
  return new StoredFields(fields.value(key) ?? {}, { what: `${key} of ${thing.what}`, code: thing.code });
}
