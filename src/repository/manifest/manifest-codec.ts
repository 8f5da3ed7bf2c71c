/**
 * A content with prefix `m`: gzip of `{"entries":[…]}⏎`, several manifest entries each.
 *
 * `entries` is the only top-level key ever written: kopia's reader cannot pass over others.
 * Source: docs/format/manifests.md; kopia repo/manifest.
 */

import { gunzipSync, gzipSync } from "node:zlib";
import { toUtf8 } from "../../base/bytes.ts";
import {
  goMap,
  goString,
  JsonError,
  type JsonRange,
  parseJsonRange,
  scanJsonArray,
  scanJsonObject,
} from "../../base/go-json.ts";
import { formatGoTime, parseGoTime } from "../../base/go-time.ts";
import { ManifestError } from "./manifest-error.ts";

export type ManifestId = string & { readonly __brand: "ManifestId" };

/** Label to value; `type` says what the manifest is. */
export type ManifestLabels = Readonly<Record<string, string>>;

export interface ManifestEntry {
  readonly id: ManifestId;
  readonly labels: ManifestLabels;
  readonly modifiedNs: bigint;
  readonly deleted: boolean;
  /** The document's JSON as it was written; empty for a tombstone. */
  readonly data: Uint8Array;
}

/** A manifest as of one time: of two with one id, the younger counts. */
export type ManifestVersion = Pick<ManifestEntry, "id" | "modifiedNs">;

/** A content of a hundred thousand snapshots expands to about 100 MB. */
const expandedBytesMax = 512 << 20;

export function encodeManifests(entries: readonly ManifestEntry[]): Uint8Array {
  const parts = entries.flatMap((entry, i) => [toUtf8(i === 0 ? '{"entries":[' : ","), ...encodeEntry(entry)]);
  return gzipSync(Buffer.concat([...parts, toUtf8("]}\n")]));
}

function encodeEntry({ id, labels, modifiedNs, deleted, data }: ManifestEntry): Uint8Array[] {
  const head = `{"id":${goString(id)},"labels":${deleted ? "null" : goMap(labels)},"modified":"${formatGoTime(modifiedNs)}"`;
  return deleted ? [toUtf8(`${head},"deleted":true,"data":null}`)] : [toUtf8(`${head},"data":`), data, toUtf8("}")];
}

/** Errors: MANIFEST_CORRUPT. */
export function* decodeManifests(content: Uint8Array): Generator<ManifestEntry, void, undefined> {
  const bytes = expand(content);
  try {
    for (const { key, value } of scanJsonObject(bytes)) {
      if (key !== "entries" || value.kind !== "array") continue;
      for (const range of scanJsonArray(bytes, value)) yield decodeEntry(bytes, range);
    }
  } catch (cause) {
    throw cause instanceof JsonError
      ? new ManifestError("MANIFEST_CORRUPT", "a manifest content is not JSON", { cause })
      : cause;
  }
}

function decodeEntry(bytes: Uint8Array, entry: JsonRange): ManifestEntry {
  const fields: Record<string, unknown> = {};
  let data: Uint8Array = new Uint8Array(0);
  const text = bytes.subarray(entry.start, entry.end);
  for (const { key, value } of scanJsonObject(text)) {
    if (key !== "data") fields[key] = parseJsonRange(text, value);
    else if (value.kind !== "null") data = text.slice(value.start, value.end);
  }
  const { id, labels = null, modified, deleted } = fields;
  const modifiedNs = typeof modified === "string" ? parseGoTime(modified) : undefined;
  if (typeof id !== "string" || id === "" || modifiedNs === undefined || !isLabels(labels)) {
    throw new ManifestError("MANIFEST_CORRUPT", "a manifest entry lacks its id, its time or its labels");
  }
  return { id: id as ManifestId, labels: labels ?? {}, modifiedNs, deleted: deleted === true, data };
}

function expand(content: Uint8Array): Uint8Array {
  try {
    return gunzipSync(content, { maxOutputLength: expandedBytesMax });
  } catch (cause) {
    throw new ManifestError("MANIFEST_CORRUPT", "a manifest content does not expand", { cause });
  }
}

function isLabels(value: unknown): value is ManifestLabels | null {
  return (
    value === null ||
    (typeof value === "object" &&
      !Array.isArray(value) &&
      Object.values(value).every((text) => typeof text === "string"))
  );
}
