/**
 * The fields of a stored JSON object, read as kopia's Go decoder reads them: a key matches in any case (exactly first),
 * unknown keys are ignored, absent and null are the zero value, and an integer field takes nothing but an integer
 * literal in range.
 *
 * Errors: SnapshotError with the code given, naming the field and what it belongs to.
 */

import { JsonDecimal } from "../base/go-json.ts";
import { parseGoTime } from "../base/go-time.ts";
import { SnapshotError, type SnapshotErrorCode } from "./snapshot-error.ts";

/** What is read, for messages ("entry 3 of the folder"), and the code that trouble with it has. */
export interface StoredThing {
  readonly what: string;
  readonly code: SnapshotErrorCode;
}

export class StoredFields {
  readonly #thing: StoredThing;
  readonly #members: Readonly<Record<string, unknown>>;

  constructor(value: unknown, thing: StoredThing) {
    if (!isPlainObject(value)) throw new SnapshotError(thing.code, `${thing.what} is not a JSON object`);
    this.#thing = thing;
    this.#members = value;
  }

  /** Undefined when absent or null. */
  value(key: string): unknown {
    if (Object.hasOwn(this.#members, key)) return this.#members[key] ?? undefined;
    let found: unknown;
    for (const name of Object.keys(this.#members)) {
      // The length first: this runs for every absent field of every entry.
      if (name.length === key.length && name.toLowerCase() === key.toLowerCase()) found = this.#members[name];
    }
    return found ?? undefined;
  }

  /** Well-formed Unicode; "" when absent. */
  text(key: string): string {
    const value = this.value(key) ?? "";
    if (typeof value !== "string") throw this.invalid(key, "is not a string");
    return value.toWellFormed();
  }

  /** An integer from 0 to `max`; 0 when absent. */
  count(key: string, max: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.value(key) ?? 0;
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0 || value > max) {
      throw this.invalid(key, `is not an integer from 0 to ${max}`);
    }
    return value;
  }

  /** The epoch when absent. */
  timeNs(key: string): bigint {
    const value = this.value(key);
    if (value === undefined) return 0n;
    const timeNs = typeof value === "string" ? parseGoTime(value) : undefined;
    if (timeNs === undefined) throw this.invalid(key, "is not a time of RFC 3339");
    return timeNs;
  }

  /** Empty when absent. */
  list(key: string): readonly unknown[] {
    const value = this.value(key) ?? [];
    if (!Array.isArray(value)) throw this.invalid(key, "is not a list");
    return value;
  }

  /** A map from text to text with its keys as they are; empty when absent. */
  textMap(key: string): Readonly<Record<string, string>> {
    const value = this.value(key) ?? {};
    if (!isPlainObject(value)) throw this.invalid(key, "is not a map");
    const pairs = Object.entries(value);
    if (pairs.some(([, text]) => typeof text !== "string")) throw this.invalid(key, "has a value that is not a string");
    return Object.fromEntries(pairs) as Record<string, string>;
  }

  invalid(key: string, trouble: string): SnapshotError {
    return new SnapshotError(this.#thing.code, `${key} of ${this.#thing.what} ${trouble}`);
  }
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof JsonDecimal);
}
