/**
 * JSON as Go's encoding/json writes and reads it, because stored objects are named by the hash of their bytes: two
 * programs find each other's folders only when both spell them alike.
 *
 * Writing: no white space; keys in the order given (maps: sorted by their UTF-8 bytes); `< > &` and U+2028, U+2029 are
 * escaped; each byte that is not part of valid UTF-8 becomes the six characters `\ufffd`, while a real U+FFFD is
 * written as it is. Reading: over bytes, without recursion and with a bounded depth, so that a folder of a hundred
 * thousand entries is parsed one entry at a time and no input can exhaust the stack.
 *
 * Sources: Go 1.22 encoding/json (encode.go appendString, decode.go unquote), unicode/utf8; docs/format/folders.md.
 */

import { isUtf8 } from "node:buffer";
import { bufferOf, compareBytes, toUtf8 } from "./bytes.ts";
import { CodedError } from "./errors.ts";

export type JsonErrorCode = "JSON_INVALID";

export class JsonError extends CodedError<JsonErrorCode> {}

/** Deeper nesting is refused. Kopia's own documents are at most six deep. */
export const jsonDepthMax = 512;

/** A number that neither `number` nor `bigint` keeps as it was written: a fraction, an exponent, over 20 characters. */
export class JsonDecimal {
  readonly literal: string;

  constructor(literal: string) {
    this.literal = literal;
  }
}

export type GoJsonValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | JsonDecimal
  | readonly GoJsonValue[]
  | { readonly [key: string]: GoJsonValue | undefined };

// Writing

/** The string literal, quotes included. Bytes are text that may not be UTF-8, such as a file's name. */
export function goString(text: Uint8Array | string): string {
  if (typeof text === "string") return `"${escapeText(text)}"`;
  if (isUtf8(text)) return `"${escapeText(bufferOf(text).toString("utf8"))}"`;
  return `"${replaceBadBytes(text, escapeText, "\\ufffd")}"`;
}

/** What a Go reader makes of the same bytes: each byte that is not part of valid UTF-8 is one U+FFFD. */
export function goText(bytes: Uint8Array): string {
  return isUtf8(bytes) ? bufferOf(bytes).toString("utf8") : replaceBadBytes(bytes, (text) => text, "\ufffd");
}

/**
 * Plain data as Go writes it. Object keys keep their order, so keys that look like array indexes need `goMap`;
 * undefined members are left out. Numbers must be safe integers.
 * Errors: JSON_INVALID for other numbers and for nesting beyond `jsonDepthMax`.
 */
export function goJson(value: GoJsonValue, depth = 0): string {
  if (typeof value === "string") return goString(value);
  if (typeof value === "number") return goInteger(value);
  if (value === null || typeof value !== "object") return String(value);
  if (value instanceof JsonDecimal) return value.literal;
  if (depth === jsonDepthMax) throw new JsonError("JSON_INVALID", `a value nests deeper than ${jsonDepthMax}`);
  if (isList(value)) return `[${value.map((item) => goJson(item, depth + 1)).join(",")}]`;
  const members: string[] = [];
  for (const [key, member] of Object.entries(value)) {
    if (member !== undefined) members.push(`${goString(key)}:${goJson(member, depth + 1)}`);
  }
  return `{${members.join(",")}}`;
}

/** A map from text to text, keys sorted by their UTF-8 bytes as Go sorts them. */
export function goMap(map: Readonly<Record<string, string>>): string {
  const members = Object.keys(map)
    .sort(compareText)
    .map((key) => `${goString(key)}:${goString(map[key] as string)}`);
  return `{${members.join(",")}}`;
}

/** Order of the UTF-8 bytes, which is Go's; JavaScript's own differs above U+FFFF. */
export function compareText(a: string, b: string): number {
  return compareBytes(toUtf8(a), toUtf8(b));
}

function goInteger(value: number): string {
  if (!Number.isSafeInteger(value))
    throw new JsonError("JSON_INVALID", `${value} is not an integer that can be written`);
  return String(value);
}

function isList(value: object): value is readonly GoJsonValue[] {
  return Array.isArray(value);
}

const shortEscapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

/** Control characters from U+007F on are matched but stay as they are; a lone surrogate cannot be UTF-8. */
function escapeText(text: string): string {
  return text.replace(/["\\<>&\p{Cc}\u2028\u2029\p{Cs}]/gu, (char) => {
    const unit = char.charCodeAt(0);
    if (unit >= 0x7f && unit <= 0x9f) return char;
    if (unit >= 0xd800 && unit <= 0xdfff) return "\\ufffd";
    return shortEscapes[char] ?? `\\u${unit.toString(16).padStart(4, "0")}`;
  });
}

function replaceBadBytes(bytes: Uint8Array, write: (text: string) => string, replacement: string): string {
  const buffer = bufferOf(bytes);
  let result = "";
  let validFrom = 0;
  let at = 0;
  while (at < bytes.byteLength) {
    const width = runeWidth(bytes, at);
    if (width > 0) {
      at += width;
      continue;
    }
    result += write(buffer.toString("utf8", validFrom, at)) + replacement;
    validFrom = ++at;
  }
  return result + write(buffer.toString("utf8", validFrom));
}

/** Bytes of the valid UTF-8 sequence that starts here, or 0 (utf8.DecodeRune gives RuneError of width 1 there). */
function runeWidth(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] as number;
  if (lead < 0x80) return 1;
  const width = lead < 0xc2 || lead > 0xf4 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  return width > 0 && isUtf8(bytes.subarray(at, Math.min(at + width, bytes.byteLength))) ? width : 0;
}

// Reading

export interface JsonRange {
  readonly kind: "object" | "array" | "string" | "number" | "literal" | "null";
  /** Of its first byte. */
  readonly start: number;
  /** One after its last byte. */
  readonly end: number;
  /** Every number within is an integer of at most 15 digits, so that JSON.parse keeps it whole. */
  readonly plainNumbers: boolean;
}

export interface JsonMember {
  readonly key: string;
  readonly value: JsonRange;
}

/**
 * The members of the object that the bytes begin with, in order; what follows the object is not looked at (a Go
 * decoder reads one value of a stream). Each value was checked when its member comes.
 * Errors: JSON_INVALID with the offset.
 */
export function* scanJsonObject(bytes: Uint8Array): Generator<JsonMember, void, undefined> {
  const cursor = new JsonCursor(bytes, 0);
  cursor.enter("{");
  while (cursor.more("}")) {
    const key = cursor.key();
    yield { key, value: cursor.value() };
  }
}

/** The elements of an array that `scanJsonObject` found. */
export function* scanJsonArray(bytes: Uint8Array, array: JsonRange): Generator<JsonRange, void, undefined> {
  const cursor = new JsonCursor(bytes, array.start);
  cursor.enter("[");
  while (cursor.more("]")) yield cursor.value();
}

/** The value of a range that a scan found. Integers beyond 2^53 are bigint; see JsonDecimal for other numbers. */
export function parseJsonRange(bytes: Uint8Array, range: JsonRange): unknown {
  const text = goText(bytes.subarray(range.start, range.end));
  return range.plainNumbers ? JSON.parse(text) : parseWithSource(text, keepNumber);
}

/**
 * A whole document: one value and white space. Integers beyond 2^53 are bigint; see JsonDecimal for other numbers.
 * Errors: JSON_INVALID with the offset, in bytes of the UTF-8 form.
 */
export function parseLossless(text: string | Uint8Array): unknown {
  const bytes = typeof text === "string" ? toUtf8(text) : text;
  const cursor = new JsonCursor(bytes, 0);
  const range = cursor.value();
  cursor.expectEnd();
  return parseJsonRange(bytes, range);
}

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;

const parseWithSource = JSON.parse as (text: string, reviver: Reviver) => unknown;

const keepNumber: Reviver = (_key, value, { source }) => {
  if (typeof value !== "number" || source === undefined) return value;
  // Twenty characters hold every 64-bit integer, and keep BigInt from chewing on a megabyte of digits.
  if (!/^-?[0-9]{1,20}$/.test(source)) return new JsonDecimal(source);
  return Number.isSafeInteger(value) ? value : BigInt(source);
};

const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;
const comma = 0x2c;
const openBrace = 0x7b;
const openBracket = 0x5b;
const closeAfterOpen = 2; // "{" + 2 is "}", "[" + 2 is "]".

/** Walks strict JSON (RFC 8259); strings may hold bytes that are not UTF-8, as Go allows. */
class JsonCursor {
  readonly #bytes: Uint8Array;
  readonly #open = new Uint8Array(jsonDepthMax);
  #at: number;
  #first = false;
  #plainNumbers = true;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  enter(bracket: "{" | "["): void {
    this.#skipSpace();
    this.#expect(bracket.charCodeAt(0), bracket);
    this.#first = true;
  }

  /** Steps over the comma to the next member or element, or over the closing bracket. */
  more(bracket: "}" | "]"): boolean {
    this.#skipSpace();
    if (this.#bytes[this.#at] === bracket.charCodeAt(0)) {
      this.#at++;
      return false;
    }
    if (!this.#first) this.#expect(comma, `"," or "${bracket}"`);
    this.#first = false;
    return true;
  }

  key(): string {
    this.#skipSpace();
    const start = this.#at;
    this.#string();
    const literal = goText(this.#bytes.subarray(start, this.#at));
    this.#skipSpace();
    this.#expect(colon, '":"');
    return JSON.parse(literal) as string;
  }

  value(): JsonRange {
    this.#skipSpace();
    const start = this.#at;
    this.#plainNumbers = true;
    this.#skipValue();
    return { kind: kindOf(this.#bytes[start] as number), start, end: this.#at, plainNumbers: this.#plainNumbers };
  }

  expectEnd(): void {
    this.#skipSpace();
    if (this.#at < this.#bytes.byteLength) throw this.#malformed("the end");
  }

  #skipValue(): void {
    let depth = 0;
    do {
      this.#skipSpace();
      const first = this.#bytes[this.#at];
      if (first === openBrace || first === openBracket) {
        if (depth === jsonDepthMax) throw this.#malformed(`at most ${jsonDepthMax} levels`);
        this.#open[depth++] = first;
        this.#at++;
        this.#skipSpace();
        if (this.#bytes[this.#at] !== first + closeAfterOpen) {
          if (first === openBrace) this.#skipKey();
          continue;
        }
      } else {
        this.#scalar(first);
      }
      depth = this.#leaveClosed(depth);
    } while (depth > 0);
  }

  /** After a value: over every bracket that closes here, and over the comma to the next value. */
  #leaveClosed(depthBefore: number): number {
    let depth = depthBefore;
    while (depth > 0) {
      const bracket = this.#open[depth - 1] as number;
      this.#skipSpace();
      if (this.#bytes[this.#at] === bracket + closeAfterOpen) {
        this.#at++;
        depth--;
        continue;
      }
      this.#expect(comma, `"," or a closing bracket`);
      if (bracket === openBrace) this.#skipKey();
      return depth;
    }
    return depth;
  }

  #skipKey(): void {
    this.#skipSpace();
    this.#string();
    this.#skipSpace();
    this.#expect(colon, '":"');
  }

  #scalar(first: number | undefined): void {
    if (first === quote) this.#string();
    else if (first === 0x74) this.#word("true");
    else if (first === 0x66) this.#word("false");
    else if (first === 0x6e) this.#word("null");
    else this.#number();
  }

  #word(word: string): void {
    for (let index = 0; index < word.length; index++) this.#expect(word.charCodeAt(index), word);
  }

  #string(): void {
    this.#expect(quote, "a string");
    for (;;) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined || byte < 0x20) throw this.#malformed("the rest of a string");
      this.#at++;
      if (byte === quote) return;
      if (byte === backslash) this.#escape();
    }
  }

  #escape(): void {
    const letter = String.fromCharCode(this.#bytes[this.#at] ?? 0);
    if (!'"\\/bfnrtu'.includes(letter)) throw this.#malformed("an escape");
    this.#at++;
    if (letter !== "u") return;
    for (let digit = 0; digit < 4; digit++) {
      if (!isHexDigit(this.#bytes[this.#at])) throw this.#malformed("a hex digit");
      this.#at++;
    }
  }

  #number(): void {
    if (this.#bytes[this.#at] === 0x2d) this.#at++;
    const start = this.#at;
    this.#digits("a value");
    const length = this.#at - start;
    if (length > 1 && this.#bytes[start] === 0x30) throw this.#malformed("no digit after a leading zero");
    if (length > 15) this.#plainNumbers = false;
    if (this.#bytes[this.#at] === 0x2e) {
      this.#at++;
      this.#digits("digits");
      this.#plainNumbers = false;
    }
    const exponent = this.#bytes[this.#at];
    if (exponent === 0x65 || exponent === 0x45) {
      this.#at++;
      const sign = this.#bytes[this.#at];
      if (sign === 0x2b || sign === 0x2d) this.#at++;
      this.#digits("digits");
      this.#plainNumbers = false;
    }
  }

  #digits(expected: string): void {
    const start = this.#at;
    while (isDigit(this.#bytes[this.#at])) this.#at++;
    if (this.#at === start) throw this.#malformed(expected);
  }

  #skipSpace(): void {
    for (;;) {
      const byte = this.#bytes[this.#at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
      this.#at++;
    }
  }

  #expect(byte: number, expected: string): void {
    if (this.#bytes[this.#at] !== byte) throw this.#malformed(expected);
    this.#at++;
  }

  #malformed(expected: string): JsonError {
    return new JsonError("JSON_INVALID", `malformed JSON at byte ${this.#at}: expected ${expected}`, {
      detail: { offset: this.#at },
    });
  }
}

function kindOf(first: number): JsonRange["kind"] {
  if (first === openBrace) return "object";
  if (first === openBracket) return "array";
  if (first === quote) return "string";
  if (first === 0x6e) return "null";
  return first === 0x74 || first === 0x66 ? "literal" : "number";
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

function isHexDigit(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  const lower = byte | 0x20;
  return isDigit(byte) || (lower >= 0x61 && lower <= 0x66);
}
