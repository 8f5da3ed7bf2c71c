/**
 * The native codecs of stored folders take and refuse what the TypeScript ones do, for the same reason, and write the same
 * bytes.
 */

import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import fc from "fast-check";
import { toHex, toUtf8 } from "../../../src/base/bytes.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { CodedError } from "../../../src/base/errors.ts";
import { goString, goText, parseLossless } from "../../../src/base/go-json.ts";
import { clampGoTime, formatGoTime, parseGoTime } from "../../../src/base/go-time.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { openFilesystemStore } from "../../../src/repository/blob/filesystem.ts";
import { encodeIndirectList, iterateIndirectList } from "../../../src/repository/object/indirect-list.ts";
import { type ObjectId, parseObjectId } from "../../../src/repository/object/object-id.ts";
import { openRepository, type Repository } from "../../../src/repository/repository.ts";
import { type DirectoryEntry, decodeDirectoryEntry, isSafeName } from "../../../src/snapshot/directory-entry.ts";
import { decodeFolder, encodeFolder, iterateFolderEntries } from "../../../src/snapshot/folder-object.ts";
import { formatMode, parseMode } from "../../../src/snapshot/mode.ts";
import { listSnapshots } from "../../../src/snapshot/snapshots.ts";
import { encodeSummary, SummaryBuilder } from "../../../src/snapshot/summary.ts";
import { entry, mutated, nameBytes, summary } from "../../snapshot/arbitraries.ts";
import { emptyFolder, exampleManifestText, rootFolder, subFolder, summaryOf } from "../../snapshot/stored-examples.ts";
import { requireGolden } from "../../support/golden.ts";
import { repositoryPassword } from "../../support/kopia.ts";
import { lacking } from "../../support/required.ts";
import { entryFields, FolderCodec, fieldsOf, folderFields } from "./folder-codec.ts";

const { signal } = new AbortController();
let codec: FolderCodec | string;

before(() => {
  codec = FolderCodec.start();
});
after(async () => {
  if (typeof codec !== "string") await codec[Symbol.asyncDispose]();
});

/** Undefined when the test was skipped because the native codecs cannot be built. */
function requireCodec(t: TestContext): FolderCodec | undefined {
  return typeof codec === "string" ? lacking(t, codec) : codec;
}

// What the TypeScript codecs say, spelled as the program does.

function refused(error: unknown): string {
  if (!(error instanceof CodedError)) throw error;
  const because = error.cause instanceof CodedError ? `: ${error.cause.message}` : "";
  return `refused: ${error.message}${because}`;
}

function orRefused(work: () => string): string {
  try {
    return work();
  } catch (error) {
    return refused(error);
  }
}

function describeEntry(value: DirectoryEntry): string {
  const { kind, mode, size, mtimeNs, uid, gid, objectId } = value;
  const below = value.summary === undefined ? "none" : encodeSummary(value.summary);
  return `${toHex(value.nameBytes)} ${kind} ${mode} ${size} ${mtimeNs} ${uid} ${gid} ${goString(objectId)} ${below}`;
}

function describeFolder(object: Uint8Array): string {
  return orRefused(() => {
    const folder = decodeFolder(object);
    const lines = [folder.summary === undefined ? "none" : encodeSummary(folder.summary)];
    try {
      for (const value of folder.entries) lines.push(describeEntry(value));
    } catch (error) {
      lines.push(refused(error));
    }
    return lines.join("\n");
  });
}

function describeList(list: Uint8Array): string {
  const lines: string[] = [];
  try {
    for (const { start, length, objectId } of iterateIndirectList(list, "Ixabcd" as ObjectId)) {
      lines.push(`${start} ${length} ${objectId}`);
    }
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    const isObjectId = error.code === "OBJECT_ID_INVALID";
    lines.push(
      isObjectId
        ? "refused: has an entry that names no object"
        : refused(error).replace(" the list of object Ixabcd", ""),
    );
  }
  return lines.join("\n");
}

// Documents that are odd in every way but their grammar.

const oddNumber = fc.oneof(
  fc.constantFrom(
    ...["0", "-0", "1", "-1", "1.0", "1e3", "1E+2", "0.5", "-0.0", "4294967295", "4294967296", "999999999999999"],
    ...["9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740991", "9223372036854775807"],
    ...["18446744073709551616", "99999999999999999999", "100000000000000000000", "1".repeat(60)],
  ),
  fc.maxSafeNat().map(String),
);

const oddText = fc.oneof(
  fc.constantFrom(
    ...[
      '""',
      '"f"',
      '"d"',
      '"s"',
      '"x"',
      '"\\u0066"',
      '"constructor"',
      '"0644"',
      '"0o755"',
      '"0x1ED"',
      '"420"',
      '"08"',
    ],
    ...[
      '"064000777"',
      '"017777777777"',
      '"020000000000"',
      '"2025-01-11T09:30:00.25Z"',
      '"1969-12-31T16:00:00.5-08:00"',
    ],
    ...['"0000-01-01T00:00:00+00:01"', '"2025-02-29T00:00:00Z"', '"2025-01-11T09\\u003a30:00Z"', '"kopia:directory"'],
    ...[
      '"\\ud83d\\ude80"',
      '"\\ud83d"',
      '"\\ude80\\ud83d"',
      '"a\\ud800\\u0062"',
      '"Yf9i"',
      '"/w=="',
      '"/x=="',
      '"YQ=="',
    ],
    ...[
      '"a\\ufffdb"',
      '"a\ufffdb~2"',
      '"a\ufffdb~10"',
      '"a\ufffdb~1"',
      '"\\/\\b\\f\\n\\r\\t\\"\\\\\\u0000"',
      '"\u{1f680}ü"',
    ],
    ...['"k3c0277ab05c1a06a8a846e0dc63b4086"', '"Ixabcd"', '"constructor"'],
  ),
  fc.string({ unit: "binary", maxLength: 8 }).map((text) => JSON.stringify(text)),
);

/** `key` as written, in other cases, with escapes, and with a letter that only lower case makes its own. */
function spelled(key: string): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant(`"${key}"`) },
    fc
      .constantFrom(key.toUpperCase(), key.toLowerCase(), key.replace("k", "\u212a"), key.replace("s", "\u017f"))
      .map((text) => `"${text}"`),
    fc.nat(key.length - 1).map((at) => {
      const code = key.charCodeAt(at).toString(16).padStart(4, "0");
      return `"${key.slice(0, at)}\\u${code}${key.slice(at + 1)}"`;
    }),
  );
}

const odd = fc.letrec<{ value: string; summary: string; entry: string; list: string; failure: string }>((tie) => {
  const objectOf = (members: Readonly<Record<string, fc.Arbitrary<string>>>): fc.Arbitrary<string> => {
    const member = fc.oneof(
      ...Object.entries(members).map(([key, usual]) => {
        const value = fc.oneof({ weight: 8, arbitrary: usual }, tie("value"));
        return fc.tuple(spelled(key), value).map((pair) => pair.join(":"));
      }),
    );
    const space = fc.constantFrom("", "", "", " ", "\n\t");
    return fc
      .array(
        fc.tuple(space, member, space).map((parts) => parts.join("")),
        { maxLength: 8, size: "max" },
      )
      .map((all) => `{${all.join(",")}}`);
  };
  const listOf = (item: fc.Arbitrary<string>): fc.Arbitrary<string> =>
    fc.array(item, { maxLength: 4 }).map((items) => `[${items.join(",")}]`);
  const time = fc.oneof(
    fc.constantFrom('"2025-01-11T09:30:00.25Z"', '"1969-12-31T16:00:00.5-08:00"', '"1970-01-01T00:00:00.1234567899Z"'),
    oddText,
  );
  const count = fc.oneof({ weight: 3, arbitrary: fc.nat(5000).map(String) }, oddNumber);
  return {
    value: fc.oneof(
      { maxDepth: 2 },
      fc.constantFrom("null", "true", "false", "[]", "{}", "[[1.5]]", '{"a":1,"a":2.0}'),
      oddNumber,
      oddText,
      tie("summary"),
      tie("list"),
    ),
    list: listOf(tie("value")),
    failure: objectOf({ path: oddText, error: oddText }),
    summary: objectOf({
      size: count,
      files: count,
      symlinks: count,
      dirs: count,
      maxTime: time,
      incomplete: oddText,
      numFailed: count,
      numIgnoredErrors: count,
      errors: listOf(tie("failure")),
    }),
    entry: objectOf({
      name: oddText,
      type: fc.constantFrom('"f"', '"d"', '"s"', '"x"', '"\\u0064"', "null"),
      mode: fc.constantFrom('"0644"', '"755"', '"0o17"', '"0xfff"', "null", '"020000775"'),
      size: count,
      mtime: time,
      uid: count,
      gid: count,
      obj: oddText,
      summ: tie("summary"),
      rawName: fc.constantFrom('"Yf9i"', '"/w=="', '"gP8="', '"YQ=="', '"/x=="', "5", '""'),
      future: tie("value"),
    }),
  };
});

const oddFolder = fc
  .tuple(
    fc.array(fc.oneof({ weight: 12, arbitrary: odd.entry }, odd.value), { maxLength: 4 }),
    fc.array(
      fc.oneof(
        odd.summary.map((value) => `"summary":${value}`),
        odd.value.map((value) => `"Entries":${value}`),
      ),
      {
        maxLength: 1,
      },
    ),
    fc.constantFrom('"stream":"kopia:directory"', '"STREAM":"kopia:\\u0064irectory"', '"stream":"kopia:indirect"'),
  )
  .map(([entries, more, stream]) => toUtf8(`{${[stream, `"entries":[${entries.join(",")}]`, ...more].join(",")}}`));

/** Some ASCII letters become bytes that are not UTF-8, mostly inside of strings. */
function withBadBytes(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const bad = fc.tuple(fc.nat(bytes.byteLength), fc.constantFrom(0x80, 0xc3, 0xe2, 0xed, 0xf0, 0xff));
  return fc.array(bad, { maxLength: 3 }).map((all) => {
    const changed = Uint8Array.from(bytes);
    for (const [at, byte] of all) if (at < changed.byteLength) changed[at] = byte;
    return changed;
  });
}

const storedFolders = [emptyFolder, subFolder, rootFolder].map((folder) => toUtf8(folder.text));

test("a folder's object gives the same entries, or the same reason why not, however odd what it says", async (t) => {
  const native = requireCodec(t);
  if (native === undefined) return;
  const seen = { taken: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(oddFolder, async (object) => {
      const expected = describeFolder(object);
      assert.equal(String(await native.ask("d", object)), expected);
      seen[expected.includes("refused") ? "refused" : "taken"]++;
    }),
    { numRuns: 2000 },
  );
  assert.ok(seen.taken > 200 && seen.refused > 200, JSON.stringify(seen));
});

test("a folder's object gives the same after any change of its bytes", async (t) => {
  const native = requireCodec(t);
  if (native === undefined) return;
  const original = fc.oneof(fc.constantFrom(...storedFolders), oddFolder);
  const changed = original.chain((bytes) => fc.oneof(mutated(bytes), withBadBytes(bytes)));
  await fc.assert(
    fc.asyncProperty(changed, async (object) => {
      assert.equal(String(await native.ask("d", object)), describeFolder(object));
    }),
    { numRuns: 2000 },
  );
});

test("a folder that is nested too deep, or cut short anywhere, is refused for the same reason", async (t) => {
  const native = requireCodec(t);
  if (native === undefined) return;
  for (const object of [
    ...["[]", "", "null", '{"stream":"kopia:directory","entries":[null]}', '{"entries":[]}', "{} ", '{"a":}'],
    ...[511, 512, 513, 100_000].map((depth) => `{"a":${"[".repeat(depth)}${"]".repeat(depth)},"stream":1}`),
    ...[511, 512].map(
      (depth) => `{"stream":"kopia:directory","entries":[${'{"a":'.repeat(depth)}1${"}".repeat(depth)}]}`,
    ),
    ...Array.from({ length: rootFolder.text.length }, (_, length) => rootFolder.text.slice(0, length)),
  ]) {
    assert.equal(String(await native.ask("d", object)), describeFolder(toUtf8(object)), object.slice(0, 80));
  }
});

test("an entry that stands alone gives the same, or the same reason why not", async (t) => {
  const native = requireCodec(t);
  if (native === undefined) return;
  const thing = { what: "the entry", code: "FOLDER_INVALID" } as const;
  const root = JSON.stringify((parseLossless(exampleManifestText) as { rootEntry: unknown }).rootEntry);
  await fc.assert(
    fc.asyncProperty(fc.oneof(odd.entry.map(toUtf8), mutated(toUtf8(root))), async (json) => {
      const expected = orRefused(() => describeEntry(decodeDirectoryEntry(parseLossless(json), thing)));
      const answer = String(await native.ask("e", json)).replace(
        "refused: could not read a folder's object: ",
        "refused: ",
      );
      assert.equal(answer, expected);
    }),
    { numRuns: 2000 },
  );
});

const distinctEntries = fc.uniqueArray(entry, {
  maxLength: 12,
  selector: (value) => toHex(value.nameBytes),
});

test("any entries in any order make the same object, in pieces, at once, and in a copy", async (t) => {
  const native = requireCodec(t);
  if (native === undefined) return;
  await fc.assert(
    fc.asyncProperty(distinctEntries, summary, async (entries, below) => {
      const expected = encodeFolder(entries, below);
      assert.deepEqual(await native.ask("w", folderFields(entries, below)), expected);
      assert.deepEqual(await native.ask("c", folderFields(entries, below)), expected);
      assert.deepEqual(await native.ask("r", expected), expected);
    }),
    { numRuns: 1000 },
  );
});

test("names that read the same get the same numbers", async (t) => {
  const native = requireCodec(t);
  if (native === undefined) return;
  const byte = fc.constantFrom(0x61, 0x80, 0xff);
  const alike = fc.oneof(
    fc.array(byte, { minLength: 1, maxLength: 3 }).map((bytes) => Uint8Array.from(bytes)),
    fc.constantFrom("\ufffd", "\ufffd~2", "\ufffd~3", "a\ufffd", "\ufffd\ufffd~2").map(toUtf8),
  );
  const names = fc.uniqueArray(alike, { maxLength: 20, size: "max", selector: toHex });
  const kind = fc.constantFrom("file", "folder", "symlink");
  await fc.assert(
    fc.asyncProperty(names, fc.infiniteStream(kind), async (all, kinds) => {
      const entries = all.map((name): DirectoryEntry => {
        const rest = { mode: 0, size: 0, mtimeNs: 0n, uid: 0, gid: 0, objectId: "" };
        return { name: goText(name), nameBytes: name, kind: kinds.next().value as "file", ...rest };
      });
      const expected = encodeFolder(entries, summaryOf({}));
      assert.deepEqual(await native.ask("w", folderFields(entries, summaryOf({}))), expected);
      assert.deepEqual(await native.ask("r", expected), expected);
    }),
    { numRuns: 500 },
  );
});

test("the same entries are refused", async (t) => {
  const native = requireCodec(t);
  if (native === undefined) return;
  const anyName = fc.oneof(
    nameBytes,
    fc.constantFrom("", ".", "..", "a/b", "a\0", "a", "b", "...").map((name): Uint8Array => toUtf8(name)),
  );
  const anyEntry = fc
    .tuple(entry, anyName, fc.constantFrom("file", "folder", "symlink", "error"))
    .map(([value, name, kind]): DirectoryEntry => ({ ...value, nameBytes: name, kind }));
  await fc.assert(
    fc.asyncProperty(fc.array(anyEntry, { maxLength: 4 }), async (entries) => {
      let expected: string;
      try {
        expected = encodeFolder(entries, summaryOf({})).toString("latin1");
      } catch {
        expected = "refused";
      }
      const answer = (await native.ask("w", folderFields(entries, summaryOf({})))).toString("latin1");
      assert.equal(answer.startsWith("refused: ") ? "refused" : answer, expected);
    }),
    { numRuns: 1000 },
  );
});

test("a folder of many entries makes the same object", async (t) => {
  const native = requireCodec(t);
  if (native === undefined) return;
  const count = 20_000;
  const entries = Array.from({ length: count }, (_, i): DirectoryEntry => {
    const name = `${i % 3 === 0 ? "x".repeat(i % 200) : "file-"}${(i * 7919) % count}`;
    const mtimeNs = BigInt(i) * 1_000_000_007n;
    const objectId = i.toString(16).padStart(32, "0");
    const kind = i % 5 === 0 ? "folder" : "file";
    return { name, nameBytes: toUtf8(name), kind, mode: 0o644, size: i % 5 && i, mtimeNs, uid: i, gid: 7, objectId };
  });
  const expected = encodeFolder(entries, summaryOf({ files: count }));
  assert.deepEqual(await native.ask("w", folderFields(entries, summaryOf({ files: count }))), expected);
  assert.deepEqual(await native.ask("c", folderFields(entries, summaryOf({ files: count }))), expected);
  assert.equal(String(await native.ask("d", expected)), describeFolder(expected));
});

test("the same entries and failures have the same sum", async (t) => {
  const native = requireCodec(t);
  if (native === undefined) return;
  const time = fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n });
  const text = fc.string({ unit: "binary", maxLength: 8 }).map((value) => value.toWellFormed());
  const failure = fc.record({ path: text, error: text, ignored: fc.boolean() });
  const failures = fc.array(failure, { maxLength: 250, size: "max" });
  const incomplete = fc.constantFrom("", "checkpoint", "a<b");
  await fc.assert(
    fc.asyncProperty(
      fc.array(entry, { maxLength: 5 }),
      failures,
      time,
      incomplete,
      async (entries, all, mtimeNs, why) => {
        const builder = new SummaryBuilder();
        for (const value of entries) builder.add(value);
        for (const value of all) builder.addFailure(value);
        const failureFields = all.flatMap(({ path, error, ignored }) => [ignored ? 1 : 0, path, error]);
        const fields = fieldsOf([mtimeNs, why, all.length, ...failureFields, ...entryFields(entries)]);
        assert.equal(String(await native.ask("s", fields)), encodeSummary(builder.build({ mtimeNs, incomplete: why })));
      },
    ),
    { numRuns: 300 },
  );
});

test("lists of chunks are read and written alike", async (t) => {
  const native = requireCodec(t);
  if (native === undefined) return;
  const chunk = fc.record({
    length: fc.oneof(fc.constant(0), fc.nat(), fc.nat(2 ** 40)),
    objectId: fc.constantFrom("abcd", "Zabcd", "Ixabcd", "IIkabcd", "DABCD").map(parseObjectId),
  });
  const lists = fc.array(chunk, { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(lists, async (chunks) => {
      const list = encodeIndirectList(chunks);
      const lines = chunks.map(({ length, objectId }) => `${length} ${objectId}`).join("\n");
      assert.deepEqual(await native.ask("L", lines), list);
      assert.equal(String(await native.ask("l", list)), describeList(list));
    }),
  );
  const part = fc.constantFrom(
    ...['"s":0', '"s":5', '"s":null', '"S":5', '"l":5', '"l":5.0', '"l":9007199254740991', '"l":9007199254740992'],
    ...['"s":9007199254740991', '"o":"abcd"', '"o":"ABCD"', '"o":"DABCD"', '"o":"x"', '"o":7', '"\\u006f":"k00"'],
  );
  const item = fc.oneof(
    { weight: 9, arbitrary: fc.array(part, { maxLength: 4 }).map((parts) => `{${['"o":"ab"', ...parts].join(",")}}`) },
    fc.constantFrom("null", "5", "[]"),
  );
  const array = fc.array(item, { maxLength: 3 }).map((items) => `[${items.join(",")}]`);
  const member = fc.oneof(
    { weight: 5, arbitrary: array.map((value) => `"entries":${value}`) },
    fc.constantFrom('"Entries":[]', '"entries":{}', '"entries":null', '"stream":"x"', '"entries":[', '"e":[1,]'),
  );
  const document = fc.array(member, { minLength: 1, maxLength: 3 }).map((members) => toUtf8(`{${members.join(",")}}`));
  await fc.assert(
    fc.asyncProperty(fc.oneof(document, document.chain(mutated)), async (list) => {
      assert.equal(String(await native.ask("l", list)), describeList(list));
    }),
    { numRuns: 1500 },
  );
});

test("object ids, times, modes, names and texts are read and written alike", async (t) => {
  const native = requireCodec(t);
  if (native === undefined) return;
  const pieces = (unit: readonly string[], maxLength: number): fc.Arbitrary<string> =>
    fc.array(fc.constantFrom(...unit), { maxLength }).map((all) => all.join(""));
  const id = fc.oneof(
    pieces(["I", "Z", "D", "k", "g", "f", "x", "A", "ab", "00", "12"], 6),
    fc
      .constantFrom(0, 1, 16, 17)
      .chain((depth) => fc.constantFrom("abcd", "kabcd", "Dabcd").map((rest) => "I".repeat(depth) + rest)),
    fc.constantFrom(31, 32, 33).map((length) => `k${"0a".repeat(length)}`),
  );
  const digits = fc.constantFrom("00", "01", "12", "13", "23", "24", "28", "29", "30", "31", "59", "60");
  const time = fc
    .tuple(
      fc.constantFrom("0000", "0001", "1600", "1900", "1969", "1970", "2000", "2024", "2100", "9999", "10000"),
      fc.array(digits, { minLength: 5, maxLength: 5 }),
      fc.constantFrom("", "", ".5", ".100", ".123456789", ".1234567899", ".", ",5"),
      fc.constantFrom("Z", "Z", "z", "+00:00", "-00:01", "+23:59", "+24:00", "-08:60", "+0100", ""),
    )
    .map(([year, [month, day, hour, minute, second], fraction, zone]) => {
      return `${year}-${month}-${day}T${hour}:${minute}:${second}${fraction}${zone}`;
    });
  const mode = pieces(["0", "0o", "0x", "7", "8", "644", "ff", "F", "_", "017777777777", "2147483648"], 4);
  await fc.assert(
    fc.asyncProperty(
      id,
      time,
      mode,
      fc.oneof(nameBytes, fc.uint8Array({ maxLength: 12 })),
      async (i, when, m, name) => {
        assert.equal(
          String(await native.ask("o", i)),
          orEmpty(() => parseObjectId(i)),
        );
        const timeNs = parseGoTime(when);
        assert.equal(
          String(await native.ask("t", when)),
          timeNs === undefined ? "" : `${timeNs} ${formatGoTime(timeNs)}`,
        );
        const bits = parseMode(m);
        assert.equal(String(await native.ask("m", m)), bits === undefined ? "" : `${bits} ${formatMode(bits)}`);
        assert.equal(String(await native.ask("g", name)), `${goString(name)}\n${goText(name)}`);
        assert.equal((await native.ask("n", name))[0] === 1, isSafeName(name));
      },
    ),
    { numRuns: 1500 },
  );
});

test("any time is written alike, and the nearest where it cannot be written", async (t) => {
  const native = requireCodec(t);
  if (native === undefined) return;
  const anyTime = fc.oneof(
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
    fc.bigInt({ min: -(10n ** 20n), max: 10n ** 21n }),
  );
  await fc.assert(
    fc.asyncProperty(anyTime, async (mtimeNs) => {
      const fields = fieldsOf([mtimeNs, "", 0, 0]);
      assert.ok(String(await native.ask("s", fields)).includes(`"maxTime":"${formatGoTime(clampGoTime(mtimeNs))}"`));
    }),
    { numRuns: 2000 },
  );
});

for (const name of ["default-v3", "v1-small", "v2-small", "many-sessions", "after-maintenance", "flat"]) {
  test(`every folder that kopia stored in ${name} is read alike, and written again as it is`, async (t) => {
    const golden = requireGolden(t);
    const native = requireCodec(t);
    if (golden === undefined || native === undefined) return;
    const store = await openFilesystemStore(golden.repositoryFolder(name), { mode: "read-only", signal });
    const random = seededRandom(name);
    const access = { store, password: repositoryPassword, clock: systemClock, signal, random };
    await using repository = await openRepository(access);
    let folders = 0;
    for (const object of await folderObjects(repository)) {
      assert.equal(String(await native.ask("d", object)), describeFolder(object));
      assert.deepEqual(await native.ask("r", object), Buffer.from(object));
      folders++;
    }
    assert.ok(folders > 3, `${folders} folders`);
  });
}

async function folderObjects(repository: Repository): Promise<Uint8Array[]> {
  const manifests = await repository.loadManifests(signal);
  const open = listSnapshots(manifests, assert.fail).map((snapshot) => snapshot.rootEntry.objectId);
  const seen = new Map<string, Uint8Array>();
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (seen.has(id)) continue;
    const object = await repository.objects.readWhole(parseObjectId(id), 1 << 28, signal);
    seen.set(id, object);
    for (const child of iterateFolderEntries(object)) if (child.kind === "folder") open.push(child.objectId);
  }
  return [...seen.values()];
}

function orEmpty(work: () => string): string {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return "";
  }
}
