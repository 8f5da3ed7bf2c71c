/**
 * Object ids: `I`… for each level of lists, `Z` where the bytes are compressed at this level, then a content id.
 *
 * Source: docs/format/objects.md; kopia repo/object/objectid.go.
 */

import { type ContentId, parseContentId } from "../content/content-id.ts";
import { ObjectError } from "./object-error.ts";

export type ObjectId = string & { readonly __brand: "ObjectId" };

export interface ObjectIdParts {
  /** How many lists stand above the bytes. */
  readonly indirections: number;
  readonly compressed: boolean;
  readonly contentId: ContentId;
}

const indirectionsMax = 16;

export function parseObjectId(text: string): ObjectId {
  const { indirections, compressed, contentId } = takeApart(text);
  return `${"I".repeat(indirections)}${compressed ? "Z" : ""}${contentId}` as ObjectId;
}

/** A legacy `D` before the content id is read and forgotten. OBJECT_ID_INVALID. */
export function takeApart(text: string): ObjectIdParts {
  const match = /^(I*)(Z?)D?([g-z]?[0-9a-fA-F]+)$/.exec(text);
  const lists = match?.[1] ?? "";
  const compressed = match?.[2] === "Z";
  if (match === null || lists.length > indirectionsMax || (lists !== "" && compressed)) throw invalid(text);
  try {
    return { indirections: lists.length, compressed, contentId: parseContentId(match[3] as string) };
  } catch (cause) {
    throw invalid(text, cause);
  }
}

export function directObjectId(contentId: ContentId): ObjectId {
  return contentId as string as ObjectId;
}

export function indirectObjectId(list: ObjectId): ObjectId {
  return `I${list}` as ObjectId;
}

function invalid(text: string, cause?: unknown): ObjectError {
  return new ObjectError("OBJECT_ID_INVALID", `${JSON.stringify(text.slice(0, 80))} is not an object id`, { cause });
}
