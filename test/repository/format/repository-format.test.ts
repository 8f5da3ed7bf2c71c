import assert from "node:assert/strict";
import { pbkdf2Sync } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { fromHex, toHex, toUtf8 } from "../../../src/base/bytes.ts";
import { mapBounded } from "../../../src/base/concurrency.ts";
import { CodedError } from "../../../src/base/errors.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { typescriptKernel } from "../../../src/kernel/typescript/kernel.ts";
import { parseBlobId } from "../../../src/repository/blob/blob-store.ts";
import { openFilesystemStore } from "../../../src/repository/blob/filesystem.ts";
import { MemoryBlobStore } from "../../../src/repository/blob/memory.ts";
import { kernelFormatOf } from "../../../src/repository/format/kernel-format.ts";
import {
  blobConfigBlobId,
  createFormat,
  formatBlobId,
  openFormat,
  type RepositoryFormat,
} from "../../../src/repository/format/repository-format.ts";
import { requireGolden } from "../../support/golden.ts";
import {
  encodeFormat,
  formatKey,
  hashSecret,
  type JsonFields,
  legacyFields,
  masterKey,
  openStored,
  outerFields,
  password,
  putFormat,
  type StoredFormat,
  signal,
  uniqueId,
} from "../stored-format.ts";

async function storeOf(stored: StoredFormat = {}): Promise<MemoryBlobStore> {
  const store = new MemoryBlobStore();
  await putFormat(store, stored);
  return store;
}

async function formatOf(inner: JsonFields): Promise<RepositoryFormat> {
  return (await openStored(await storeOf({ inner }))).format;
}

test("a repository opens with its password and says what it is made of", async () => {
  const { format, formatKey: key } = await openFormat(await storeOf(), password, {
    kernel: typescriptKernel,
    signal,
    nowMs: 0,
  });
  assert.equal(toHex(key), toHex(formatKey));
  assert.partialDeepStrictEqual(format, {
    version: 3,
    hash: "BLAKE2B-256-128",
    encryption: "AES256-GCM-HMAC-SHA256",
    splitter: "DYNAMIC-4M-BUZHASH",
    packBytesMax: 20_971_520,
    indexVersion: 2,
    epochs: { enabled: true, refreshFrequencyMs: 1_200_000 },
    enablePasswordChange: true,
  });
  assert.equal(toHex(format.uniqueId), toHex(uniqueId));
  assert.equal(toHex(format.hashSecret), toHex(hashSecret));
  assert.equal(toHex(format.masterKey), toHex(masterKey));
});

test("every golden repository opens as kopia describes it", async (t) => {
  const golden = requireGolden(t);
  if (golden === undefined) return;
  // 4 derivations at once × 64 MiB.
  await mapBounded(golden.repositories(), 4, signal, async (name) => {
    const status = golden.status(name);
    await using store = await openFilesystemStore(golden.repositoryFolder(name), { mode: "read-only", signal });
    const { format } = await openFormat(store, password, { kernel: typescriptKernel, signal, nowMs: Date.now() });
    assert.deepEqual([format.hash, format.encryption, format.splitter], golden.formatChoices(name).slice(0, 3), name);
    const { version, maxPackSize, indexVersion } = status.contentFormat;
    assert.deepEqual([format.version, format.packBytesMax, format.indexVersion], [version, maxPackSize, indexVersion]);
    assert.equal(toHex(format.uniqueId), status.uniqueIDHex);
    assert.equal(format.epochs.enabled, version > 1);
    assert.equal(format.enablePasswordChange, version > 1);
  });
});

test("fields are read one by one: an upgraded repository has epochs and still a password that cannot change", async () => {
  const format = await formatOf({ version: 3, enablePasswordChange: false });
  assert.equal(format.epochs.enabled, true);
  assert.equal(format.enablePasswordChange, false);
});

test("the names of old and the lack of one say which splitter it is", async () => {
  for (const [stored, meant] of [
    ["DYNAMIC", "DYNAMIC-4M-BUZHASH"],
    ["FIXED", "FIXED-4M"],
    [undefined, "FIXED-4M"],
    ["DYNAMIC-128K-RABINKARP", "DYNAMIC-128K-RABINKARP"],
  ] as const) {
    assert.equal((await formatOf({ splitter: stored })).splitter, meant);
  }
});

test("what is left out has kopia's default", async () => {
  const format = await formatOf({
    indexVersion: undefined,
    maxPackSize: undefined,
    epochParameters: undefined,
    enablePasswordChange: undefined,
    secret: undefined,
    hash: undefined,
    encryption: undefined,
    eccOverheadPercent: 0,
    ecc: "REED-SOLOMON-CRC32",
  });
  assert.partialDeepStrictEqual(format, {
    indexVersion: 1,
    packBytesMax: 20_971_520,
    epochs: { enabled: false },
    enablePasswordChange: false,
  });
  assert.equal(format.hashSecret.byteLength, 0);
});

for (const [what, name, fields] of [
  ["hash", "HMAC-SHA1", { hash: "HMAC-SHA1" }],
  ["hash", "toString", { hash: "toString" }],
  ["encryption", "AES256_GCM", { encryption: "AES256_GCM" }],
  ["splitter", "DYNAMIC-4M", { splitter: "DYNAMIC-4M" }],
  ["splitter", "FIXED-16M", { splitter: "FIXED-16M" }],
  ["error correction", "REED-SOLOMON-CRC16", { ecc: "REED-SOLOMON-CRC16", eccOverheadPercent: 2 }],
  ["format version", "4", { version: 4 }],
  ["format version", "0", { version: undefined }],
  ["index version", "3", { indexVersion: 3 }],
] as const) {
  test(`${what} ${name} is refused by its name`, async () => {
    await assert.rejects(formatOf(fields), {
      code: "REPOSITORY_UNSUPPORTED",
      message: new RegExp(`${what} "${name}"`),
      detail: { what, name },
    });
  });
}

test("an unknown encryption of the format itself is refused before any key is derived", async () => {
  const store = await storeOf({ outer: { encryption: "ROT13" } });
  await assert.rejects(openFormat(store, password, { kernel: typescriptKernel, signal, nowMs: 0 }), {
    code: "REPOSITORY_UNSUPPORTED",
    message: /"ROT13"/,
  });
});

for (const [problem, fields] of [
  ["a pack size below kopia's least", { maxPackSize: 10_485_759 }],
  ["a pack size above kopia's greatest", { maxPackSize: 125_829_121 }],
  ["a number that is a text", { version: "3" }],
  ["a master key that is no base64", { masterKey: "***" }],
  ["no master key", { masterKey: undefined }],
  ["a secret too long for the hash", { secret: Buffer.alloc(65).toString("base64") }],
  ["a secret too long for BLAKE2s", { hash: "BLAKE2S-256", secret: Buffer.alloc(33).toString("base64") }],
  ["no secret where the hash needs one", { hash: "BLAKE2S-128", secret: undefined }],
  ["more than 100 percent for error correction", { ecc: "REED-SOLOMON-CRC32", eccOverheadPercent: 101 }],
  ["half a percent for error correction", { ecc: "REED-SOLOMON-CRC32", eccOverheadPercent: 0.5 }],
  ["error correction with index version 1", { ecc: "REED-SOLOMON-CRC32", eccOverheadPercent: 2, indexVersion: 1 }],
  ["epochs without a refresh time", { epochParameters: { Enabled: true } }],
  ["epoch parameters that are a list", { epochParameters: [] }],
  ["required features that are no list", { requiredFeatures: {} }],
] as const) {
  test(`${problem} makes the format invalid`, async () => {
    await assert.rejects(formatOf(fields), { code: "REPOSITORY_FORMAT_INVALID" });
  });
}

test("the wrong password is told as such, and a place without a repository too", async () => {
  await assert.rejects(openFormat(await storeOf(), "guess", { kernel: typescriptKernel, signal, nowMs: 0 }), {
    code: "REPOSITORY_PASSWORD_WRONG",
    hint: /password/,
  });
  await assert.rejects(openFormat(new MemoryBlobStore(), password, { kernel: typescriptKernel, signal, nowMs: 0 }), {
    code: "REPOSITORY_NOT_FOUND",
  });
});

for (const [keyAlgo, iterations] of [
  ["pbkdf2-sha256-600000", 600_000],
  ["pbkdf2", 786_432],
] as const) {
  test(`a repository whose key is derived by ${keyAlgo} opens`, async () => {
    const key = pbkdf2Sync(password, uniqueId, iterations, 32, "sha256");
    const store = await storeOf({ key, outer: { keyAlgo } });
    const { format } = await openFormat(store, password, { kernel: typescriptKernel, signal, nowMs: 0 });
    assert.equal(format.version, 3);
  });
}

test("repositories of old have no kopia.blobcfg and open all the same", async () => {
  const store = await storeOf({ inner: legacyFields });
  await store.delete(blobConfigBlobId, { signal });
  assert.equal((await openStored(store)).format.version, 1);
});

test("a kopia.blobcfg that does not open fails the opening", async () => {
  for (const bytes of [toUtf8(""), toUtf8("{}"), new Uint8Array(100)]) {
    const store = await storeOf();
    await store.put(blobConfigBlobId, [bytes], { signal });
    await assert.rejects(openStored(store), { code: "REPOSITORY_FORMAT_INVALID", message: /kopia\.blobcfg/ });
  }
});

test("after a password change a client that opened before is told that its password is wrong", async () => {
  const store = await storeOf();
  await openStored(store);
  await putFormat(store, { key: new Uint8Array(32) });
  await assert.rejects(openStored(store), { code: "REPOSITORY_PASSWORD_WRONG" });
});

test("format blobs in any JSON formatting, with unknown keys, open", async () => {
  const store = await storeOf({ inner: { somethingNew: [1] }, outer: { future: true } });
  const pretty = JSON.parse(Buffer.from(await store.get(formatBlobId, { signal })).toString()) as JsonFields;
  await store.put(formatBlobId, [toUtf8(JSON.stringify(pretty))], { signal });
  assert.equal((await openStored(store)).format.version, 3);
});

test("damaged bytes of kopia.repository are a coded error, or change nothing that matters", async () => {
  const whole = encodeFormat();
  const config = await (await storeOf()).get(blobConfigBlobId, { signal });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.option(fc.nat(whole.byteLength)),
      async (changes, length) => {
        const damaged = Uint8Array.from(whole);
        for (const [at, value] of changes) damaged[at % damaged.byteLength] = value;
        await opensOrFails(damaged.subarray(0, length ?? whole.byteLength), config);
      },
    ),
    { numRuns: 500 },
  );
});

test("a format that says anything at all is read or refused with a code", async () => {
  const config = await (await storeOf()).get(blobConfigBlobId, { signal });
  const anyField = fc.constantFrom(
    ...["version", "indexVersion", "maxPackSize", "epochParameters", "secret", "masterKey", "hash", "encryption"],
    ...["splitter", "ecc", "eccOverheadPercent", "upgradeLock", "requiredFeatures", "enablePasswordChange"],
  );
  await fc.assert(
    fc.asyncProperty(fc.dictionary(anyField, fc.jsonValue()), async (inner) => {
      await opensOrFails(encodeFormat({ inner: inner as JsonFields }), config);
    }),
    { numRuns: 500 },
  );
});

async function opensOrFails(formatBlob: Uint8Array, config: Uint8Array): Promise<void> {
  const store = new MemoryBlobStore();
  await store.put(formatBlobId, [formatBlob], { signal });
  await store.put(blobConfigBlobId, [config], { signal });
  try {
    kernelFormatOf((await openStored(store)).format);
  } catch (error) {
    assert.ok(error instanceof CodedError, String(error));
  }
}

test("a new format is Velero's, opens by its password alone, and is never written over another", async () => {
  const store = new MemoryBlobStore();
  const random = seededRandom("new");
  await createFormat(store, "s3cret", { kernel: typescriptKernel, signal, random });
  const blob = Buffer.from(await store.get(formatBlobId, { signal })).toString();
  assert.doesNotMatch(blob, /s3cret/);
  const outer = JSON.parse(blob) as JsonFields;
  assert.deepEqual(Object.keys(outer), [
    ...["tool", "buildVersion", "buildInfo", "uniqueID", "keyAlgo", "encryption", "encryptedBlockFormat"],
  ]);
  assert.equal(outer.keyAlgo, outerFields.keyAlgo);
  assert.ok(blob.endsWith("}\n"));

  const { format } = await openFormat(store, "s3cret", { kernel: typescriptKernel, signal, nowMs: 0 });
  assert.partialDeepStrictEqual(format, {
    version: 3,
    packBytesMax: 20 << 20,
    indexVersion: 2,
    epochs: {
      enabled: true,
      refreshFrequencyMs: 20 * 60_000,
      advance: { minDurationMs: 24 * 3_600_000, blobCount: 20, bytes: 10 << 20 },
    },
    enablePasswordChange: true,
  });
  for (const key of [format.uniqueId, format.hashSecret, format.masterKey]) assert.equal(key.byteLength, 32);
  assert.equal(new Set([format.uniqueId, format.hashSecret, format.masterKey].map(toHex)).size, 3);
  await assert.rejects(createFormat(store, "s3cret", { kernel: typescriptKernel, signal, random }), {
    code: "REPOSITORY_EXISTS",
  });
});

test("of several who make a repository at once one wins, and what it made opens", async () => {
  const store = new MemoryBlobStore();
  const passwords = ["one", "two", "three"];
  const runs = await Promise.allSettled(
    passwords.map((password) =>
      createFormat(store, password, { kernel: typescriptKernel, signal, random: seededRandom(password) }),
    ),
  );
  const winners = passwords.filter((_, i) => runs[i]?.status === "fulfilled");
  assert.equal(winners.length, 1);
  for (const run of runs) if (run.status === "rejected") assert.equal(run.reason.code, "REPOSITORY_EXISTS");
  await openFormat(store, winners[0] as string, { kernel: typescriptKernel, signal, nowMs: 0 });
});

test("where the making of a repository broke off before its format blob, it can be made", async () => {
  const store = new MemoryBlobStore();
  await store.put(blobConfigBlobId, [fromHex("00") as Uint8Array], { signal });
  await createFormat(store, "x", { kernel: typescriptKernel, signal, random: seededRandom("x") });
  await openFormat(store, "x", { kernel: typescriptKernel, signal, nowMs: 0 });
});

test("no repository is made over packs or indexes whose format blob is lost", async () => {
  for (const id of ["p00112233445566778899aabbccddeeff-s1", "xn0_00112233445566778899aabbccddeeff-s1-c1"]) {
    const store = new MemoryBlobStore();
    await store.put(parseBlobId(id), [fromHex("00") as Uint8Array], { signal });
    await assert.rejects(createFormat(store, "x", { kernel: typescriptKernel, signal, random: seededRandom("x") }), {
      code: "REPOSITORY_EXISTS",
      hint: /bring kopia\.repository back/,
    });
  }
});
