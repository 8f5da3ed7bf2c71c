/**
 * The list behind an `I…` object: where each chunk starts, how long it is, and its object id.
 *
 *   {"stream":"kopia:indirect","entries":[{"l":8388608,"o":"6f5c…"},{"s":8388608,"l":5357122,"o":"f796…"}]}⏎
 *
 * The bytes are hashed, so they are exactly Go's: `s` and `l` are left out where they are 0.
 * Source: docs/format/objects.md; kopia repo/object/indirect.go.
 */

import { toUtf8 } from "../../base/bytes.ts";
import { JsonError, parseJsonRange, scanJsonArray, scanJsonObject } from "../../base/go-json.ts";
import { ObjectError } from "./object-error.ts";
import { type ObjectId, parseObjectId } from "./object-id.ts";

export interface ListEntry {
  readonly start: number;
  readonly length: number;
  readonly objectId: ObjectId;
}

export function encodeIndirectList(
  chunks: Iterable<{ readonly length: number; readonly objectId: ObjectId }>,
): Uint8Array {
  const entries: string[] = [];
  let start = 0;
  for (const { length, objectId } of chunks) {
    const s = start === 0 ? "" : `"s":${start},`;
    const l = length === 0 ? "" : `"l":${length},`;
    entries.push(`{${s}${l}"o":"${objectId}"}`);
    start += length;
  }
  return toUtf8(`{"stream":"kopia:indirect","entries":[${entries.join(",")}]}\n`);
}

/** Entries one by one; they follow each other from 0 on, or OBJECT_CORRUPT. */
export function* iterateIndirectList(bytes: Uint8Array, objectId: ObjectId): Generator<ListEntry, void, undefined> {
  const corrupt = (problem: string, cause?: unknown): ObjectError =>
    new ObjectError("OBJECT_CORRUPT", `the list of object ${objectId} ${problem}`, {
      cause,
      detail: { object: objectId },
    });
  let end = 0;
  let count = 0;
  try {
    for (const { key, value } of scanJsonObject(bytes)) {
      if (key !== "entries" || value.kind !== "array") continue;
      for (const range of scanJsonArray(bytes, value)) {
        if (range.kind !== "object") throw corrupt("has a broken entry");
        const json = parseJsonRange(bytes, range) as Readonly<Record<string, unknown>>;
        const start = json.s ?? 0;
        const length = json.l ?? 0;
        if (!isLength(start) || !isLength(length) || typeof json.o !== "string") throw corrupt("has a broken entry");
        if (start !== end) throw corrupt(`has a gap or an overlap at byte ${end}`);
        end += length;
        count++;
        yield { start, length, objectId: parseObjectId(json.o) };
      }
    }
  } catch (error) {
    throw error instanceof JsonError ? corrupt("is not JSON", error) : error;
  }
  if (count === 0) throw corrupt("is empty");
}

function isLength(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
