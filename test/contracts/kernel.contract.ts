/** What every kernel promises (src/kernel/kernel.ts). */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { scryptSync } from "node:crypto";
import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { constants, deflateRawSync, gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { compareBytes, concatBytes, equalBytes, fromHex, giveBack, toHex, toUtf8 } from "../../src/base/bytes.ts";
import { seededRandom } from "../../src/base/random.ts";
import { type ContentRecord, type ContentTable, ContentTableBuilder } from "../../src/kernel/content-table.ts";
import type {
  Chunk,
  FileToStore,
  FullPack,
  Kernel,
  KernelFormat,
  Packer,
  PackerOptions,
  SealedContent,
  StoreEvent,
} from "../../src/kernel/kernel.ts";
import { dynamic4M, findCut } from "../../src/kernel/typescript/buzhash.ts";
import { noise, xorshiftBytes } from "../kernel/byte-sources.ts";
import { requireGolden } from "../support/golden.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const { signal } = new AbortController();

/** Content secret and key vectors: specification, section 13.1. */
const contentSecret = bytes("88aac0fcc646ffc04813cc17f4c7a17f8a73b53e4add438898256a7c87ad45d2");

const format: KernelFormat = {
  hash: "BLAKE2B-256-128",
  hashSecret: toUtf8("0123456789abcdefghijklmnopqrstuv"),
  encryption: "AES256-GCM-HMAC-SHA256",
  contentSecret,
  splitter: "DYNAMIC-4M-BUZHASH",
  packBytesMax: 20 << 20,
  formatVersion: 3,
  packHeader: new Uint8Array(0),
};

const preambleBytes = 32;
const overheadBytes = 28;
const nowSeconds = 1_700_000_000;
const mebibyte = 1 << 20;

export function describeKernelContract(kernel: Kernel): void {
  describe(`the contract of kernels holds for the ${kernel.name} kernel`, () => {
    describeKeyDerivation(kernel);
    describeHash(kernel);
    describeSeal(kernel);
    describeOpenContents(kernel);
    describeExpand(kernel);
    describeStoreBytes(kernel);
    // One that stores trees does so to be as the reference: test/backup/equal-walks.test.ts.
    if (createPacker(kernel).storeTree === undefined) describeStoreFiles(kernel);
  });
}

function describeKeyDerivation(kernel: Kernel): void {
  test("a key is derived of a password as OpenSSL does it, also of an empty one and of two at once", async () => {
    const given = [
      [toUtf8("static-passw0rd"), Uint8Array.from({ length: 32 }, (_, i) => 7 * i)],
      [new Uint8Array(0), toUtf8("salt")],
    ] as const;
    const cost = { N: 65_536, r: 8, p: 1, maxmem: 96 << 20 };
    const keys = await Promise.all(given.map(([password, salt]) => kernel.scrypt(password, salt)));
    assert.deepEqual(
      keys.map(toHex),
      given.map(([password, salt]) => toHex(scryptSync(password, salt, 32, cost))),
    );
  });
}

function describeHash(kernel: Kernel): void {
  test("the content hash is kopia's, with a key and without", () => {
    const hello = toUtf8("hello world\n");
    const hashOf = (secret: string): string => toHex(kernel.hash({ ...format, hashSecret: toUtf8(secret) }, hello));
    assert.equal(hashOf("0123456789abcdefghijklmnopqrstuv"), "0749cce4caa7f07e72802e47105f379f");
    assert.equal(hashOf("secret"), "0d34217b1120a689e2eb1d9a4c5b3628");
    assert.equal(hashOf(""), "c71b05fd1d1c7bf7e928ff18e58db519");
  });
}

function describeSeal(kernel: Kernel): void {
  const iv = Uint8Array.from({ length: 16 }, (_, i) => i);

  test("bytes sealed under a known nonce are the specification's", () => {
    const sealed = kernel.seal(format, toUtf8("foo"), iv, (count) => new Uint8Array(count).fill(0x11));
    assert.equal(toHex(sealed), "111111111111111111111111ecb4ab7d6df2a86f969c4bfc802e95a9c95c1a");
  });

  test("what kopia's own tests sealed opens", () => {
    for (const [sealed, sealedUnder, plain] of [
      ["e43ba07f85a6d70c5f1102ca06cf19c597e5f91e527b21f00fb76e8bec3fd1", "aabbccddeeffgghhiijjkkllmmnnoopp", "foo"],
      [
        "eaad755a238f1daa4052db2e5ccddd934790b6cca415b3ccfd46ac5746af33d9d30f4400ffa9eb3a64fb1ce21b888c12c043bf6787d4a5c15ad10f21f6a6027ee3afe0",
        "0".repeat(32),
        "quick brown fox jumps over the lazy dog",
      ],
    ] as const) {
      assert.equal(text(kernel.open(format, bytes(sealed), toUtf8(sealedUnder))), plain);
    }
  });

  test("whatever is sealed opens under its own iv, and with no bit changed", () => {
    const random = seededRandom("seal");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), fc.nat(7), (plain, at, bit) => {
        const sealed = kernel.seal(format, plain, iv, random);
        assert.equal(sealed.byteLength, plain.byteLength + overheadBytes);
        assert.deepEqual(Buffer.from(kernel.open(format, sealed, iv)), Buffer.from(plain));
        sealed[at % sealed.byteLength]! ^= 1 << bit;
        assert.throws(() => kernel.open(format, sealed, iv), { code: "KERNEL_SEAL_BROKEN" });
      }),
    );
    const sealed = kernel.seal(format, toUtf8("foo"), iv, random);
    assert.throws(() => kernel.open(format, sealed, iv.toReversed()), { code: "KERNEL_SEAL_BROKEN" });
    for (const length of [0, 11, 27]) {
      assert.throws(() => kernel.open(format, sealed.subarray(0, length), iv), { code: "KERNEL_SEAL_BROKEN" });
    }
  });
}

function describeOpenContents(kernel: Kernel): void {
  const stored = (plain: string, compressed = toUtf8(plain), compressionId = 0): [Uint8Array, SealedContent] => {
    const hash = kernel.hash(format, toUtf8(plain));
    const sealed = kernel.seal(format, compressed, hash, seededRandom(plain));
    return [sealed, { offset: 0, length: sealed.byteLength, hash, compressionId, originalLength: plain.length }];
  };

  test("contents anywhere in the fetched bytes open, in the order that was asked for", () => {
    const made = ["one", "", "three"].map((plain) => stored(plain));
    const fetched = concatBytes([toUtf8("before"), ...made.map(([sealed]) => sealed), toUtf8("behind")]);
    let offset = "before".length;
    const items = made.map(([, item]) => {
      const at = { ...item, offset };
      offset += item.length;
      return at;
    });
    assert.deepEqual(kernel.openContents(format, fetched, items.toReversed()).map(text), ["three", "", "one"]);
  });

  test("a content that was compressed comes back whole", () => {
    const plain = "hello ".repeat(1000);
    const [sealed, item] = stored(plain, compressed(0x1101, zstdCompressSync(plain)), 0x1101);
    assert.deepEqual(kernel.openContents(format, sealed, [item]).map(text), [plain]);
  });

  test("a content that is not what its entry says is an error that tells which", () => {
    const [sealed, good] = stored("content");
    const other = stored("another");
    const zstd = compressed(0x1100, zstdCompressSync("content"));
    for (const [bytes, item, code] of [
      [sealed, { ...good, hash: other[1].hash }, "KERNEL_SEAL_BROKEN"],
      [sealed, { ...good, length: good.length - 1 }, "KERNEL_SEAL_BROKEN"],
      [concatBytes([sealed, toUtf8("x")]), { ...good, length: good.length + 1 }, "KERNEL_SEAL_BROKEN"],
      [sealed, { ...good, offset: 10_000 }, "KERNEL_SEAL_BROKEN"],
      [sealed, { ...good, length: 0 }, "KERNEL_SEAL_BROKEN"],
      [sealed, { ...good, originalLength: good.originalLength + 1 }, "KERNEL_CONTENT_MISMATCH"],
      [sealed, { ...good, originalLength: good.originalLength - 1 }, "KERNEL_CONTENT_MISMATCH"],
      [sealed, { ...good, compressionId: 0x1100 }, "KERNEL_CONTENT_MISMATCH"],
      [...stored("content", zstd, 0x1101), "KERNEL_CONTENT_MISMATCH"],
      [...stored("content", zstd, 0), "KERNEL_CONTENT_MISMATCH"],
      [...stored("content", compressed(0x1601, toUtf8("none")), 0x1601), "KERNEL_COMPRESSION_UNSUPPORTED"],
    ] as const) {
      assert.throws(() => kernel.openContents(format, bytes, [item]), { code, detail: { item: 0 } });
    }
    assert.throws(() => kernel.openContents(format, sealed, [good, good, { ...good, originalLength: 1 }]), {
      code: "KERNEL_CONTENT_MISMATCH",
      detail: { item: 2 },
    });
  });

  test("a content sealed rightly under a hash that is not its own is an error", () => {
    const hash = kernel.hash(format, toUtf8("expected"));
    const sealed = kernel.seal(format, toUtf8("imposter"), hash, seededRandom("imposter"));
    const item = { offset: 0, length: sealed.byteLength, hash, compressionId: 0, originalLength: 8 };
    assert.throws(() => kernel.openContents(format, sealed, [item]), { code: "KERNEL_CONTENT_MISMATCH" });
  });
}

function describeExpand(kernel: Kernel): void {
  const plain = "expand me ".repeat(500);
  const half = plain.slice(0, 2000);

  test("gzip of one member and of several, zstd and deflate expand", () => {
    const members = [half, plain.slice(half.length)].map((part) => gzipSync(part));
    for (const stored of [
      compressed(0x1000, gzipSync(plain)),
      compressed(0x1002, gzipSync(plain, { level: 9 })),
      compressed(0x1300, concatBytes(members)),
      compressed(0x1100, zstdCompressSync(plain)),
      compressed(0x1103, zstdCompressSync(plain, { params: { [constants.ZSTD_c_checksumFlag]: 1 } })),
      compressed(0x1501, deflateRawSync(plain)),
    ]) {
      assert.equal(text(kernel.expand(stored, plain.length)), plain);
    }
  });

  test("a stream that holds more than it may is an error and not an allocation", () => {
    const bomb = new Uint8Array(64 * mebibyte);
    const before = process.memoryUsage().arrayBuffers;
    for (const stored of [
      compressed(0x1000, gzipSync(bomb, { level: 1 })),
      compressed(0x1100, zstdCompressSync(bomb)),
      compressed(0x1500, deflateRawSync(bomb, { level: 1 })),
    ]) {
      assert.throws(() => kernel.expand(stored, mebibyte), { code: "KERNEL_CONTENT_MISMATCH" });
    }
    assert.ok(process.memoryUsage().arrayBuffers - before < 32 * mebibyte, "no more than a few buffers");
  });

  test("a compression that is not read is told by its number", () => {
    for (const id of [0, 0x0f00, 0x1600, 0xffff_ffff]) {
      assert.throws(() => kernel.expand(compressed(id, toUtf8("stream")), 100), {
        code: "KERNEL_COMPRESSION_UNSUPPORTED",
        message: new RegExp(`0x${id.toString(16)}$`),
      });
    }
    assert.throws(() => kernel.expand(toUtf8("z"), 100), { code: "KERNEL_COMPRESSION_UNSUPPORTED" });
  });

  test("a stream that is damaged or cut off is a coded error", () => {
    const whole = [
      compressed(0x1000, gzipSync(plain)),
      compressed(0x1100, zstdCompressSync(plain)),
      compressed(0x1500, deflateRawSync(plain)),
    ];
    fc.assert(
      fc.property(fc.constantFrom(...whole), fc.nat(), fc.nat(255), fc.boolean(), (stored, at, value, cut) => {
        const damaged = Uint8Array.from(stored);
        damaged[at % damaged.byteLength] = value;
        try {
          kernel.expand(cut ? stored.subarray(0, at % stored.byteLength) : damaged, plain.length);
        } catch (error) {
          assert.match((error as { code: string }).code, /^KERNEL_(CONTENT_MISMATCH|COMPRESSION_UNSUPPORTED)$/);
        }
      }),
    );
    for (const stored of whole) {
      assert.throws(() => kernel.expand(stored.subarray(0, stored.byteLength - 10), plain.length), {
        code: "KERNEL_CONTENT_MISMATCH",
      });
    }
  });
}

function describeStoreBytes(kernel: Kernel): void {
  test("byte strings are cut as kopia cuts them", (t) => {
    const golden = requireGolden(t);
    if (golden === undefined) return;
    const { noise: noiseLengths, zeros: zeroLengths } = golden.splitterVectors(format.splitter);
    const items = [noise(24_000_000), new Uint8Array(12_000_000)].map((bytes) => ({ prefix: "", bytes }));
    const { chunks } = createPacker(kernel).storeBytes(items);
    assert.deepEqual(
      chunks.map((ofItem) => ofItem.map((chunk) => chunk.length)),
      [noiseLengths, zeroLengths],
    );
  });

  test("one long byte string that comes in pieces is cut as it is when it comes whole", () => {
    const whole = noise(20 * mebibyte);
    const chunksOf = (...pieces: Uint8Array[]): Chunk[] => {
      return [...createPacker(kernel).storePieces("k", pieces)].map(({ chunk }) => chunk);
    };
    const expected = hashed(kernel, cut(whole));
    const third = Math.floor(whole.byteLength / 3);
    assert.deepEqual(chunksOf(whole.subarray(0, third), new Uint8Array(0), whole.subarray(third)), expected);
    const mebibytes = Array.from({ length: 20 }, (_, i) => whole.subarray(i * mebibyte, (i + 1) * mebibyte));
    assert.deepEqual(chunksOf(...mebibytes), expected);
    const empty = hashed(kernel, [new Uint8Array(0)]);
    assert.deepEqual(chunksOf(), empty);
    assert.deepEqual(chunksOf(new Uint8Array(0)), empty);
  });

  test("a long byte string gives each pack out as it fills, and no chunk before it is pulled", () => {
    const packer = createPacker(kernel, { format: { ...format, packBytesMax: mebibyte } });
    let pulled = 0;
    const pieces = function* (): Generator<Uint8Array> {
      for (; pulled < 10; pulled++) yield new Uint8Array(4 * mebibyte).fill(pulled);
    };
    for (const { chunk, pack } of packer.storePieces("k", pieces())) {
      assert.equal(pack?.kind, "q");
      assert.deepEqual([...openPack(kernel, pack).keys()], [idOf("k", chunk)]);
      break;
    }
    assert.ok(pulled < 3, `${pulled} pieces`);
  });

  test("every item has its chunks, an empty one has one of no bytes, and the packs hold them all", () => {
    const packer = createPacker(kernel);
    const items = ["", "data", "folder", "manifest"].map((word) => ({
      prefix: word === "folder" ? "k" : word === "manifest" ? "m" : "",
      bytes: toUtf8(word),
    }));
    const { chunks, packs } = packer.storeBytes(items);
    assert.deepEqual(packs, []);
    const finished = packer.finishPacks();
    assert.deepEqual(finished.map((pack) => pack.kind).sort(), ["p", "q"]);
    const contents = new Map(finished.flatMap((pack) => [...openPack(kernel, pack)]));
    assert.equal(contents.size, items.length);
    for (const [i, { prefix, bytes }] of items.entries()) {
      assert.deepEqual(chunks[i], [{ hash: kernel.hash(format, bytes), length: bytes.byteLength }]);
      assert.equal(text(contents.get(idOf(prefix, chunks[i]?.[0] as Chunk)) as Uint8Array), text(bytes));
    }
    assert.deepEqual(packer.finishPacks(), []);
  });

  test("a pack begins with its header and a preamble, and has contents back to back under its one nameless pack", () => {
    const packHeader = toUtf8("header of the format");
    const packer = createPacker(kernel, { format: { ...format, packHeader, formatVersion: 2 } });
    packer.storeBytes(["one", "two", ""].map((word) => ({ prefix: "", bytes: toUtf8(word) })));
    const [pack] = packer.finishPacks() as [FullPack];
    assert.deepEqual(Buffer.from(pack.bytes.subarray(0, packHeader.byteLength)), Buffer.from(packHeader));
    let end = packHeader.byteLength + preambleBytes;
    for (const record of [...pack.contents.records()].toSorted((a, b) => a.packOffset - b.packOffset)) {
      assert.equal(record.packOffset, end);
      assert.equal(record.packedLength, record.originalLength + overheadBytes);
      assert.equal(record.packId, "");
      assert.equal(record.deleted, false);
      assert.equal(record.timestampSeconds, nowSeconds);
      assert.deepEqual(record.form, { compressionId: 0, formatVersion: 2, encryptionKeyId: 0 });
      end += record.packedLength;
    }
    assert.equal(pack.bytes.byteLength, end);
  });

  test("memory that is given back serves the next packs, and shows nowhere else", async () => {
    const packer = createPacker(kernel, { format: { ...format, packBytesMax: 64 << 10 } });
    const held: { readonly bytes: Uint8Array; readonly asMade: Buffer }[] = [];
    for (let number = 0; number < 40; number++) {
      const prefix = number % 3 === 0 ? "k" : "";
      const { chunks, packs } = packer.storeBytes([{ prefix, bytes: new Uint8Array(70_000).fill(number + 1) }]);
      const [pack] = packs as [FullPack];
      assert.deepEqual([...openPack(kernel, pack).keys()], [idOf(prefix, (chunks[0] as Chunk[])[0] as Chunk)]);
      if (number % 4 === 0) held.push({ bytes: pack.bytes, asMade: Buffer.from(pack.bytes) });
      else giveBack(pack.bytes);
      if (number % 4 !== 0) assert.deepEqual([pack.bytes.byteLength, pack.bytes[0]], [0, undefined]);
      await setImmediate(); // That is when the native one hears of it.
    }
    packer[Symbol.dispose]();
    for (const { bytes, asMade } of held) assert.ok(equalBytes(bytes, asMade));
  });

  test("a pack is given out by the content that fills it, and holds no more than that above its limit", () => {
    const packBytesMax = 10_000;
    const packer = createPacker(kernel, { format: { ...format, packBytesMax } });
    const lengthTo = packBytesMax - preambleBytes - overheadBytes;
    const item = (length: number, fill: number, prefix = "") => ({ prefix, bytes: new Uint8Array(length).fill(fill) });
    const packsOf = (...items: ReturnType<typeof item>[]): number[] =>
      packer.storeBytes(items).packs.map((pack) => pack.bytes.byteLength);
    // One byte below the limit is not full; the limit itself is.
    assert.deepEqual(packsOf(item(lengthTo - 1, 1)), []);
    assert.deepEqual(packsOf(item(30_000, 2)), [packBytesMax - 1 + 30_000 + overheadBytes]);
    assert.deepEqual(packsOf(item(lengthTo, 3)), [packBytesMax]);
    // Each kind has a pack of its own.
    assert.deepEqual(packsOf(item(6000, 4), item(6000, 5, "k"), item(6000, 6)), [
      preambleBytes + 2 * (6000 + overheadBytes),
    ]);
    assert.deepEqual(
      packer.finishPacks().map((pack) => pack.kind),
      ["q"],
    );
  });

  test("a content is stored once, whether it is in the same call, an earlier one, or a pack that is out already", () => {
    const packer = createPacker(kernel);
    const item = { prefix: "", bytes: toUtf8("again") };
    const { chunks } = packer.storeBytes([item, item]);
    assert.deepEqual(chunks[0], chunks[1]);
    packer.storeBytes([item]);
    assert.equal(countContents(packer.finishPacks()), 1);
    packer.storeBytes([item]);
    assert.deepEqual(packer.finishPacks(), []);
    assert.deepEqual(packer.counters, {
      knownContents: 3,
      knownBytes: 15,
      newContents: 1,
      newBytes: 5,
      sealedBytes: 5 + overheadBytes,
    });
  });

  test("the same bytes under another prefix are another content", () => {
    const packer = createPacker(kernel);
    const same = toUtf8("same");
    packer.storeBytes(["", "k", "m"].map((prefix) => ({ prefix, bytes: same })));
    assert.equal(countContents(packer.finishPacks()), 3);
  });

  test("a content that a known table has is not stored, and one whose entry is a tombstone is, with a later time", () => {
    const item = { prefix: "", bytes: toUtf8("known") };
    const key = keyOf("", kernel.hash(format, item.bytes));
    const entry = (deleted: boolean, timestampSeconds: number): ContentTable => {
      return tableOf({ ...anyRecord, key, deleted, timestampSeconds });
    };
    const timestampsStored = (known: readonly ContentTable[]): number[] => {
      const packer = createPacker(kernel, { known });
      packer.storeBytes([item]);
      return packer.finishPacks().flatMap((pack) => [...pack.contents.records()].map((one) => one.timestampSeconds));
    };
    assert.deepEqual(timestampsStored([entry(false, 5)]), []);
    assert.deepEqual(timestampsStored([entry(true, 5)]), [nowSeconds]);
    assert.deepEqual(timestampsStored([entry(true, nowSeconds)]), [nowSeconds + 1]);
    assert.deepEqual(timestampsStored([entry(true, nowSeconds + 1000)]), [nowSeconds + 1001]);
    // The winner over all tables counts.
    assert.deepEqual(timestampsStored([entry(false, 5), entry(true, 6)]), [nowSeconds]);
    assert.deepEqual(timestampsStored([entry(true, 5), entry(false, 6)]), []);
    assert.deepEqual(timestampsStored([entry(true, 5), entry(false, 5)]), []);
  });

  test("new known tables take the place of what was packed before", () => {
    const packer = createPacker(kernel);
    const item = { prefix: "", bytes: toUtf8("packed before") };
    packer.storeBytes([item]);
    const [pack] = packer.finishPacks() as [FullPack];
    packer.replaceKnown([pack.contents.inPack("p1-s1")]);
    packer.storeBytes([item]);
    assert.deepEqual(packer.finishPacks(), []);
    packer.replaceKnown([]);
    packer.storeBytes([item]);
    assert.equal(countContents(packer.finishPacks()), 1);
  });
}

function describeStoreFiles(kernel: Kernel): void {
  test("files of any size are cut as their whole bytes are, and come in the order given", async (t) => {
    const folder = temporaryFolder(t);
    const content = noise(20 * mebibyte + 1);
    const edges = [256 << 10, 2 * mebibyte, 8 * mebibyte].flatMap((edge) => [edge - 1, edge, edge + 1]);
    const sizes = [0, 1, ...edges, 4 * mebibyte, content.byteLength].toReversed();
    const files = sizes.map((size) => writeFileOf(folder, `of ${size}`, content.subarray(0, size)));
    const packer = createPacker(kernel);
    const { results, packs } = await storeFiles(packer, folder, files);
    assert.deepEqual(
      results.map((result) => [result.outcome, result.bytesRead]),
      sizes.map((size) => ["stored", size]),
    );
    const contents = new Map([...packs, ...packer.finishPacks()].flatMap((pack) => [...openPack(kernel, pack)]));
    for (const [i, size] of sizes.entries()) {
      const expected = cut(content.subarray(0, size));
      const chunks = results[i]?.chunks ?? [];
      assert.deepEqual(
        chunks.map((chunk) => chunk.length),
        expected.map((part) => part.byteLength),
        `${size}`,
      );
      for (const [j, part] of expected.entries()) {
        assert.ok(equalBytes(contents.get(idOf("", chunks[j] as Chunk)) as Uint8Array, part), `${size} ${j}`);
      }
    }
  });

  test("a file that ends with a largest chunk has no empty one behind it", async (t) => {
    const folder = temporaryFolder(t);
    const content = xorshiftBytes(8 * mebibyte); // Its first cut is behind its last byte.
    const file = writeFileOf(folder, "of one largest chunk", content);
    const { results } = await storeFiles(createPacker(kernel), folder, [file]);
    assert.deepEqual(results[0]?.chunks, hashed(kernel, [content]));
  });

  test("the modification time is the file's, to the nanosecond", async (t) => {
    const folder = temporaryFolder(t);
    const file = writeFileOf(folder, "dated", toUtf8("dated"));
    execFileSync("touch", ["-d", "1999-12-31T23:59:59.123456789Z", join(folder, "dated")]);
    const { results } = await storeFiles(createPacker(kernel), folder, [file]);
    assert.equal(results[0]?.mtimeNs, 946_684_799_123_456_789n);
    assert.equal(results[0]?.changed, false);
  });

  test("names may be any bytes, and many small files come in batches", async (t) => {
    const folder = temporaryFolder(t);
    const names = [Buffer.from([0xff, 0xfe, 0x0a]), Buffer.from("-rf"), Buffer.from("späße"), Buffer.alloc(255, "x")];
    for (let i = 0; i < 596; i++) names.push(Buffer.from(`file ${i}`));
    for (const name of names) writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), name]), name);
    const files = names.map((name) => ({ name, size: name.byteLength }));
    const { results, batches } = await storeFiles(createPacker(kernel), folder, files);
    assert.deepEqual(
      results.map((result) => result.chunks[0]),
      names.map((name) => ({ hash: kernel.hash(format, name), length: name.byteLength })),
    );
    assert.ok(batches < 10, `${batches} batches`);
  });

  test("what is no regular file, has gone, or cannot be read fails by its errno, and the others are stored", async (t) => {
    const folder = temporaryFolder(t);
    const secret = writeFileOf(temporaryFolder(t), "secret", toUtf8("outside"));
    symlinkSync(join(folder, secret.name.toString()), join(folder, "link"));
    symlinkSync("before", join(folder, "link to a neighbour"));
    mkdirSync(join(folder, "folder"));
    execFileSync("mkfifo", [join(folder, "fifo")]);
    const names = ["before", "link", "link to a neighbour", "folder", "fifo", "vanished", "after"];
    for (const name of ["before", "after"]) writeFileOf(folder, name, toUtf8(name));
    const files = names.map((name) => ({ name: Buffer.from(name), size: 5 }));
    const { results } = await storeFiles(createPacker(kernel), folder, files);
    assert.deepEqual(
      results.map((result) => result.outcome),
      ["stored", "open ELOOP", "open ELOOP", "open EINVAL", "open EINVAL", "open ENOENT", "stored"],
    );
  });

  test("a file that cannot be read fails at reading", async () => {
    // Its first page is not mapped; as root everything opens.
    const files = [{ name: Buffer.from("mem"), size: 0 }];
    const { results } = await storeFiles(createPacker(kernel), "/proc/self", files);
    assert.equal(results[0]?.outcome, "read EIO");
  });

  test("a file that holds more than its size says is read to its end, and reported as changed", async () => {
    const files = [{ name: Buffer.from("cmdline"), size: 0 }];
    const { results } = await storeFiles(createPacker(kernel), "/proc/self", files);
    const content = readFileSync("/proc/self/cmdline");
    assert.deepEqual(results[0]?.chunks, [{ hash: kernel.hash(format, content), length: content.byteLength }]);
    assert.equal(results[0]?.changed, true);
  });

  test("a file that changes while it is read is read again, once", async (t) => {
    const folder = temporaryFolder(t);
    const file = writeStampedFile(folder, "growing", 5 * mebibyte);
    const path = join(folder, "growing");
    const more = toUtf8("more");
    const grow = (readings: number) => (event: StoreEvent, reading: number) => {
      if (event.kind === "chunks" && reading <= readings) appendFileSync(path, more);
    };

    const once = await storeFiles(createPacker(kernel), folder, [file], grow(1));
    assert.equal(once.results[0]?.restarts, 1);
    assert.equal(once.results[0]?.changed, false);
    assert.deepEqual(once.results[0]?.chunks, hashed(kernel, cut(readFileSync(path))));

    const always = await storeFiles(createPacker(kernel), folder, [file], grow(9));
    assert.equal(always.results[0]?.restarts, 1);
    assert.equal(always.results[0]?.changed, true);
    assert.equal(totalOf(always.results[0]?.chunks ?? []), always.results[0]?.bytesRead);
  });

  test("a file that is written over in place while it is read is noticed by its times", async (t) => {
    const folder = temporaryFolder(t);
    const file = writeStampedFile(folder, "rewritten", 12 * mebibyte);
    let isFirst = true;
    const { results } = await storeFiles(createPacker(kernel), folder, [file], (event) => {
      if (event.kind !== "chunks" || !isFirst) return;
      isFirst = false;
      const fd = openSync(join(folder, "rewritten"), "r+");
      writeSync(fd, "x", 11 * mebibyte);
      closeSync(fd);
    });
    assert.equal(results[0]?.restarts, 1);
    assert.equal(results[0]?.changed, false);
    assert.deepEqual(results[0]?.chunks, hashed(kernel, cut(readFileSync(join(folder, "rewritten")))));
  });

  test("a file that is cut off while it is read is stored as it is then", async (t) => {
    const folder = temporaryFolder(t);
    const file = writeStampedFile(folder, "shrinking", 20 * mebibyte);
    const { results } = await storeFiles(createPacker(kernel), folder, [file], (event) => {
      if (event.kind !== "chunks") return;
      const fd = openSync(join(folder, "shrinking"), "r+");
      ftruncateSync(fd, 3);
      closeSync(fd);
    });
    assert.equal(results[0]?.bytesRead, 3);
    assert.deepEqual(results[0]?.chunks, hashed(kernel, [toUtf8("chu")]));
  });

  test("a huge file streams: packs come while it is read, each of one pack's size, and no byte twice", async (t) => {
    const folder = temporaryFolder(t);
    const size = 100 * mebibyte;
    const file = writeStampedFile(folder, "huge", size);
    const packer = createPacker(kernel);
    const packBytes: number[] = [];
    let firstPackAfter = -1;
    let chunkEvents = 0;
    const { results, packs } = await storeFiles(packer, folder, [file], (event) => {
      if (event.kind === "chunks") chunkEvents++;
      if (event.kind !== "pack") return;
      packBytes.push(event.pack.bytes.byteLength);
      if (firstPackAfter < 0) firstPackAfter = chunkEvents;
    });
    assert.equal(results[0]?.bytesRead, size);
    assert.equal(results[0]?.chunks.length, size / (2 * mebibyte));
    // Ten chunks of 2 MiB and what seals them are a little more than the limit.
    assert.deepEqual(packBytes, Array(5).fill(preambleBytes + 10 * (2 * mebibyte + overheadBytes)));
    assert.equal(firstPackAfter, 9);
    assert.equal(countContents(packs), 50);
    assert.deepEqual(packer.finishPacks(), []);
  });

  test("whoever stops pulling, or aborts, leaves no descriptor open", async (t) => {
    const folder = temporaryFolder(t);
    const files = Array.from({ length: 40 }, (_, i) => {
      return writeFileOf(folder, `${i}`, i % 3 < 2 ? noise(300 << 10) : toUtf8(`${i}`));
    });
    const openIn = (): string[] => {
      return readdirSync("/proc/self/fd")
        .map(linkOf)
        .filter((path) => path.startsWith(`${folder}/`));
    };
    const folderFd = openSync(folder, "r");
    try {
      for await (const _ of eventsOf(createPacker(kernel), folderFd, files, signal)) break;
      assert.deepEqual(openIn(), []);

      const abort = new AbortController();
      const reason = new Error("enough");
      const run = async (): Promise<void> => {
        for await (const _ of eventsOf(createPacker(kernel), folderFd, files, abort.signal)) abort.abort(reason);
      };
      await assert.rejects(run(), reason);
      assert.deepEqual(openIn(), []);
      await assert.rejects(run(), reason);
      assert.deepEqual(openIn(), []);
    } finally {
      closeSync(folderFd);
    }
  });

  test("no files are no events", async (t) => {
    assert.equal((await storeFiles(createPacker(kernel), temporaryFolder(t), [])).batches, 0);
  });
}

/** Zeros are cut every 2 MiB; a stamp at the start of each piece makes them differ. Modified long ago. */
function writeStampedFile(folder: string, name: string, size: number): FileToStore {
  const fd = openSync(join(folder, name), "w");
  ftruncateSync(fd, size);
  for (let at = 0; at < size; at += 2 * mebibyte) writeSync(fd, `chunk at ${at}`, at);
  closeSync(fd);
  utimesSync(join(folder, name), 0, 1);
  return { name: Buffer.from(name), size };
}

interface FileResult {
  /** "stored", or the operation and errno that failed; the empty text when nothing was told. */
  outcome: string;
  chunks: Chunk[];
  bytesRead: number;
  changed: boolean;
  mtimeNs: bigint;
  restarts: number;
}

interface StoredFiles {
  readonly results: readonly FileResult[];
  readonly packs: readonly FullPack[];
  readonly batches: number;
}

function eventsOf(packer: Packer, ...args: Parameters<NonNullable<Packer["storeFiles"]>>) {
  assert.ok(packer.storeFiles !== undefined);
  return packer.storeFiles(...args);
}

/** Follows the events as the contract tells, and checks their order. `onEvent` also gets the number of the reading. */
async function storeFiles(
  packer: Packer,
  folder: string,
  files: readonly FileToStore[],
  onEvent: (event: StoreEvent, reading: number) => void = () => undefined,
): Promise<StoredFiles> {
  const results = files.map((): FileResult => {
    return { outcome: "", chunks: [], bytesRead: 0, changed: false, mtimeNs: 0n, restarts: 0 };
  });
  const packs: FullPack[] = [];
  let batches = 0;
  let at = 0;
  const folderFd = openSync(folder, "r");
  try {
    for await (const batch of eventsOf(packer, folderFd, files, signal)) {
      batches++;
      for (const event of batch) {
        onEvent(event, (results[at]?.restarts ?? 0) + 1);
        if (event.kind === "pack") {
          packs.push(event.pack);
          continue;
        }
        assert.equal(event.file, at, "files come one after the other");
        const result = results[at] as FileResult;
        if (event.kind === "chunks") result.chunks.push(...event.chunks);
        if (event.kind === "restarted") {
          result.chunks = [];
          result.restarts++;
        }
        if (event.kind === "failed") result.outcome = `${event.operation} ${event.errno}`;
        if (event.kind === "file") {
          const { bytesRead, changed, mtimeNs } = event;
          Object.assign(result, { outcome: "stored", bytesRead, changed, mtimeNs });
          result.chunks.push(...event.chunks);
          assert.equal(totalOf(result.chunks), bytesRead);
        }
        if (event.kind === "file" || event.kind === "failed") at++;
      }
    }
  } finally {
    closeSync(folderFd);
  }
  assert.equal(at, files.length, "every file has an end");
  return { results, packs, batches };
}

function createPacker(kernel: Kernel, options: Partial<PackerOptions> = {}): Packer {
  return kernel.createPacker({
    format,
    readAheadBytes: 40 * mebibyte,
    known: [],
    nowSeconds: () => nowSeconds,
    random: seededRandom("packer"),
    ...options,
  });
}

const anyRecord: Omit<ContentRecord, "key"> = {
  timestampSeconds: 0,
  deleted: false,
  packId: "p1",
  packOffset: 32,
  packedLength: 33,
  originalLength: 5,
  form: { compressionId: 0, formatVersion: 3, encryptionKeyId: 0 },
};

function tableOf(record: ContentRecord): ContentTable {
  const builder = new ContentTableBuilder(record.key.byteLength);
  builder.add(record);
  return builder.build();
}

/** Plain bytes by id, each opened and checked by the kernel. */
function openPack(kernel: Kernel, pack: FullPack): Map<string, Uint8Array> {
  const records = [...pack.contents.records()];
  assert.deepEqual(
    records.toSorted((a, b) => compareBytes(a.key, b.key)).map((record) => toHex(record.key)),
    records.map((record) => toHex(record.key)),
  );
  const items = records.map((record) => ({
    offset: record.packOffset,
    length: record.packedLength,
    hash: record.key.subarray(1),
    compressionId: record.form.compressionId,
    originalLength: record.originalLength,
  }));
  const plain = kernel.openContents(format, pack.bytes, items);
  return new Map(records.map((record, i) => [toHex(record.key), plain[i] as Uint8Array]));
}

function countContents(packs: readonly FullPack[]): number {
  return packs.reduce((sum, pack) => sum + pack.contents.count, 0);
}

function keyOf(prefix: string, hash: Uint8Array): Uint8Array {
  return concatBytes([Uint8Array.of(prefix === "" ? 0 : prefix.charCodeAt(0)), hash]);
}

function idOf(prefix: string, chunk: Chunk): string {
  return toHex(keyOf(prefix, chunk.hash));
}

/** The chunks of the whole bytes; those of no bytes are one of no bytes. */
function cut(content: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let rest = content;
  do {
    const length = findCut(rest, dynamic4M) ?? rest.byteLength;
    parts.push(rest.subarray(0, length));
    rest = rest.subarray(length);
  } while (rest.byteLength > 0);
  return parts;
}

function hashed(kernel: Kernel, parts: readonly Uint8Array[]): Chunk[] {
  return parts.map((part) => ({ hash: kernel.hash(format, part), length: part.byteLength }));
}

function totalOf(chunks: readonly Chunk[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}

function writeFileOf(folder: string, name: string, content: Uint8Array): FileToStore {
  writeFileSync(join(folder, name), content);
  return { name: Buffer.from(name), size: content.byteLength };
}

/** Where a descriptor leads; empty for one that is gone by now. */
function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ""; // The descriptor of the listing itself.
  }
}

/** `u32 compression id ‖ stream`. */
function compressed(compressionId: number, stream: Uint8Array): Uint8Array {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(compressionId);
  return concatBytes([header, stream]);
}

function bytes(hex: string): Uint8Array {
  return fromHex(hex) as Uint8Array;
}

function text(content: Uint8Array): string {
  return Buffer.from(content).toString("utf8");
}
