/** Values for property tests of this layer, and changes of stored bytes. */

import fc from "fast-check";
import { toUtf8 } from "../../src/base/bytes.ts";
import { goText } from "../../src/base/go-json.ts";
import { goTimeNsMax, goTimeNsMin } from "../../src/base/go-time.ts";
import { type DirectoryEntry, isSafeName } from "../../src/snapshot/directory-entry.ts";
import type { Summary } from "../../src/snapshot/summary.ts";

const timeNs = fc.bigInt({ min: goTimeNsMin, max: goTimeNsMax });
const text = fc.string({ unit: "binary", maxLength: 12 }).map((value) => value.toWellFormed());
const id = fc.nat(0xffff_ffff);

/** Half of them text, half of them any bytes; short, so that they collide. */
export const nameBytes: fc.Arbitrary<Uint8Array> = fc
  .oneof(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 6 }).map(toUtf8),
    fc.array(fc.constantFrom(0x61, 0x80, 0xff, 0xef, 0xbf, 0xbd, 0x7e, 0x32), { minLength: 1, maxLength: 5 }),
    fc.uint8Array({ minLength: 1, maxLength: 8 }),
  )
  .map((bytes) => Uint8Array.from(bytes))
  .filter(isSafeName);

export const summary: fc.Arbitrary<Summary> = fc
  .record({
    size: fc.maxSafeNat(),
    files: fc.maxSafeNat(),
    symlinks: fc.nat(),
    dirs: fc.nat(),
    maxTimeNs: timeNs,
    incomplete: fc.constantFrom("", "checkpoint", "canceled"),
    numFailed: fc.nat(),
    numIgnoredErrors: fc.nat(3),
    errors: fc.array(fc.record({ path: text, error: text }, { noNullPrototype: true }), { maxLength: 3 }),
  })
  .map(({ incomplete, ...rest }) => ({ ...rest, ...(incomplete === "" ? {} : { incomplete }) }));

export const entry: fc.Arbitrary<DirectoryEntry> = fc
  .record({
    nameBytes,
    kind: fc.constantFrom("file", "folder", "symlink"),
    mode: fc.nat(0o7777),
    size: fc.maxSafeNat(),
    mtimeNs: timeNs,
    uid: id,
    gid: id,
    objectId: fc.string({ unit: fc.constantFrom(..."k0123456789abcdef"), maxLength: 33 }),
    summary: fc.option(summary, { nil: undefined }),
  })
  .map((given): DirectoryEntry => {
    const { summary: below, kind, size, ...rest } = given;
    const name = goText(given.nameBytes);
    const stored = { ...rest, name, kind, size: kind === "folder" ? 0 : size };
    return kind === "folder" && below !== undefined ? { ...stored, summary: below } : stored;
  });

/** The bytes with some flipped, some inserted, some cut out or the end cut off, a few times over. */
export function mutated(original: Uint8Array): fc.Arbitrary<Uint8Array> {
  const change = fc.record({
    at: fc.nat(original.byteLength),
    insert: fc.oneof(
      fc.uint8Array({ maxLength: 3 }),
      fc.constantFrom('"', "{", "}", "[", "]", ",", "-", "1e3", "null").map(toUtf8),
    ),
    drop: fc.oneof({ weight: 9, arbitrary: fc.nat(4) }, fc.constant(Number.MAX_SAFE_INTEGER)),
  });
  return fc
    .array(change, { minLength: 1, maxLength: 3 })
    .map((changes) =>
      changes.reduce<Uint8Array>(
        (bytes, { at, insert, drop }) => Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + drop)]),
        original,
      ),
    );
}
