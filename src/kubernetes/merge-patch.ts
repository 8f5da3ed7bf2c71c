/**
 * JSON merge patch: an object is merged key by key, null removes a key, anything else replaces.
 *
 * Source: RFC 7396.
 */

import { isJsonObject, type JsonObject } from "./json.ts";

/** A new value; neither argument is changed. */
export function applyMergePatch(target: unknown, patch: JsonObject): Record<string, unknown> {
  const merged = new Map(isJsonObject(target) ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else merged.set(key, isJsonObject(value) ? applyMergePatch(merged.get(key), value) : value);
  }
  return Object.fromEntries(merged);
}
