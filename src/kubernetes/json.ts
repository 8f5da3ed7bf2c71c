/** Plain JSON, and reading fields of data that nobody has checked yet. */

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value below the keys, or undefined where there is none. Only own properties count. */
export function fieldAt(value: unknown, ...path: readonly string[]): unknown {
  let at: unknown = value;
  for (const key of path) {
    if (!isJsonObject(at) || !Object.hasOwn(at, key)) return undefined;
    at = at[key];
  }
  return at;
}

/** Undefined where there is no string. */
export function textAt(value: unknown, ...path: readonly string[]): string | undefined {
  const found = fieldAt(value, ...path);
  return typeof found === "string" ? found : undefined;
}

/** Empty where there is no array. */
export function itemsAt(value: unknown, ...path: readonly string[]): readonly unknown[] {
  const found = fieldAt(value, ...path);
  return Array.isArray(found) ? found : [];
}

/** The item of an array that is called so, as containers, volumes and mounts are. */
export function itemNamed(name: string, value: unknown, ...path: readonly string[]): unknown {
  return itemsAt(value, ...path).find((item) => textAt(item, "name") === name);
}

/** The entries with a string for value; empty where there is no object. */
export function textsAt(value: unknown, ...path: readonly string[]): ReadonlyMap<string, string> {
  const found = fieldAt(value, ...path);
  const texts = new Map<string, string>();
  if (!isJsonObject(found)) return texts;
  for (const [key, text] of Object.entries(found)) if (typeof text === "string") texts.set(key, text);
  return texts;
}
