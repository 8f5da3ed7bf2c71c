/** What a kernel promises of each format that kopia has, beside those of the default one (kernel.contract.ts). */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { bufferOf, concatBytes, fromHex, toHex, toUtf8 } from "../../src/base/bytes.ts";
import { seededRandom } from "../../src/base/random.ts";
import type { ContentRecord } from "../../src/kernel/content-table.ts";
import type {
  EncryptionName,
  FullPack,
  HashName,
  Kernel,
  KernelFormat,
  SplitterName,
} from "../../src/kernel/kernel.ts";
import { noise, xorshiftBytes } from "../kernel/byte-sources.ts";
import { type CompressedVector, compressedVectors } from "../kernel/compressed-vectors.ts";
import { requireGolden } from "../support/golden.ts";

const mebibyte = 1 << 20;

export const format: KernelFormat = {
  hash: "BLAKE2B-256-128",
  hashSecret: toUtf8("0123456789abcdefghijklmnopqrstuv"),
  encryption: "AES256-GCM-HMAC-SHA256",
  /** Specification, section 13.1. */
  contentSecret: bytes("88aac0fcc646ffc04813cc17f4c7a17f8a73b53e4add438898256a7c87ad45d2"),
  splitter: "DYNAMIC-4M-BUZHASH",
  packBytesMax: 20 << 20,
  formatVersion: 3,
  packHeader: new Uint8Array(0),
};

/** Of `hello world` and a line feed, under the key above and under `secret`: specification, section 13.2. */
const hashes: Readonly<Record<HashName, readonly [string, string]>> = {
  "BLAKE2B-256": [
    "0749cce4caa7f07e72802e47105f379f8adf0717d902602dfa52f469d92402ee",
    "0d34217b1120a689e2eb1d9a4c5b362857a2d39a4c77314a62608e2aa0db5e2f",
  ],
  "BLAKE2B-256-128": ["0749cce4caa7f07e72802e47105f379f", "0d34217b1120a689e2eb1d9a4c5b3628"],
  "BLAKE2S-128": ["70737c275063ac2620a3ba1981c566bc", "e3f71bad8454e780f6dc745b2497c1f3"],
  "BLAKE2S-256": [
    "448ee4aa45b61b2644f8920ffd56657bd7f9a8f1d85d6b749f630b8825194b8f",
    "c09f5d0a3c68dc931c023fd1e8cf575576db896d3b7a36f1e3b00da7aa218458",
  ],
  "BLAKE3-256": [
    "ff1f07b4f2228c2bc1a0243d6e151c469c79c28c46f851b8be0d60330aee7a11",
    "4d62ecce69252227f29788d795d16509ec6977305578ed33a3cee94ca481916a",
  ],
  "BLAKE3-256-128": ["ff1f07b4f2228c2bc1a0243d6e151c46", "4d62ecce69252227f29788d795d16509"],
  "HMAC-SHA256": [
    "85e129a067091c94571f7465cbb18dc2c890d258aa07ec9a08c99a164b89f306",
    "6dc8750717249a7f056dc06f26ff617ae5a7cf18980d4f179657eb93617a553a",
  ],
  "HMAC-SHA256-128": ["85e129a067091c94571f7465cbb18dc2", "6dc8750717249a7f056dc06f26ff617a"],
  "HMAC-SHA224": [
    "c5b0aa5d46888071fd8ab1a602be3cd216949b5c59fb2aa1ca1dc65d",
    "7109b2a1f1f66b416829dae499505c277729827d8dbcfbd866f34a45",
  ],
  "HMAC-SHA3-224": [
    "afce765c219b8ad7d1ff0b422b05ba8d6fc637362a1fddb0c31e7666",
    "f515fa1143af0092adb93de2c89b8193fdda513de9390ea66183b046",
  ],
  "HMAC-SHA3-256": [
    "43d91619a74c01ab6a22d5e724c52e4b5ff02a6f27fa830394af76144f69b0e5",
    "9f22627089aed0a944c86b2cdd5188c0ee5edc004d52673e1e6551fef6da1ef8",
  ],
};

const hashNames = Object.keys(hashes) as readonly HashName[];
const encryptionNames: readonly EncryptionName[] = ["AES256-GCM-HMAC-SHA256", "CHACHA20-POLY1305-HMAC-SHA256"];
const splitterNames: readonly SplitterName[] = (["128K", "256K", "512K", "1M", "2M", "4M", "8M"] as const).flatMap(
  (size) => [`FIXED-${size}` as const, `DYNAMIC-${size}-BUZHASH` as const, `DYNAMIC-${size}-RABINKARP` as const],
);

/** All that kopia's writers make. */
const compressionIds: readonly number[] = [
  ...[0x1000, 0x1001, 0x1002, 0x1100, 0x1101, 0x1102, 0x1103, 0x1200, 0x1201, 0x1202, 0x1203],
  ...[0x1300, 0x1301, 0x1302, 0x1500, 0x1501, 0x1502],
];

const someNoise = noise(200_000);

export function describeKernelFormats(kernel: Kernel): void {
  describe(`every format that kopia has is the ${kernel.name} kernel's too`, () => {
    for (const name of hashNames) describeHash(kernel, name);
    describeSecrets(kernel);
    for (const name of encryptionNames) describeEncryption(kernel, name);
    for (const name of splitterNames) describeSplitter(kernel, name);
    describeRabinKarp(kernel);
    describeReadingCompressed(kernel);
    describeCompressing(kernel);
    describeWholeFormats(kernel);
  });
}

function describeHash(kernel: Kernel, hash: HashName): void {
  test(`${hash} is kopia's`, () => {
    const hello = toUtf8("hello world\n");
    const secrets = ["0123456789abcdefghijklmnopqrstuv", "secret"].map(toUtf8);
    const made = secrets.map((hashSecret) => toHex(kernel.hash({ ...format, hash, hashSecret }, hello)));
    assert.deepEqual(made, hashes[hash]);
  });
}

function describeSecrets(kernel: Kernel): void {
  test("a secret that is empty, or longer than a hash's key, is used as kopia uses it", () => {
    const hashOf = (hash: HashName, hashSecret: Uint8Array): string => {
      return toHex(kernel.hash({ ...format, hash, hashSecret }, toUtf8("hello world\n")));
    };
    const none = new Uint8Array(0);
    const long = Uint8Array.from({ length: 40 }, (_, i) => i);
    assert.equal(hashOf("BLAKE2B-256", none), "c71b05fd1d1c7bf7e928ff18e58db5193e9316416cc26ba9cc9094da80d7011e");
    assert.equal(hashOf("BLAKE3-256", none), "d58ac734abb05b2cbaebf78aad784d15923b456094dd3608ebc85b6197cc628a");
    assert.equal(hashOf("BLAKE3-256", long), "f3b152312eb38235f424b8b7a37f07866be3ad8bdc9a9a6515ecb1c2e7017646");
  });
}

function describeEncryption(kernel: Kernel, encryption: EncryptionName): void {
  const cipher = { ...format, encryption };
  const isAes = encryption.startsWith("AES");

  test(`what kopia's own tests sealed by ${encryption} opens, and sealing is the specification's`, () => {
    for (const [sealed, iv, plain] of [
      [
        isAes
          ? "e43ba07f85a6d70c5f1102ca06cf19c597e5f91e527b21f00fb76e8bec3fd1"
          : "118359f3d4d589d939efbbc3168ae4c77c51bcebce6845fe6ef5d11342faa6",
        "aabbccddeeffgghhiijjkkllmmnnoopp",
        "foo",
      ],
      [
        isAes
          ? "eaad755a238f1daa4052db2e5ccddd934790b6cca415b3ccfd46ac5746af33d9d30f4400ffa9eb3a64fb1ce21b888c12c043bf6787d4a5c15ad10f21f6a6027ee3afe0"
          : "836d2ba87892711077adbdbe1452d3b2c590bbfdf6fd3387dc6810220a32ec19de862e1a4f865575e328424b5f178afac1b7eeff11494f719d119b7ebb924d1d0846a3",
        "0".repeat(32),
        "quick brown fox jumps over the lazy dog",
      ],
    ] as const) {
      assert.equal(bufferOf(kernel.open(cipher, bytes(sealed), toUtf8(iv))).toString("utf8"), plain);
    }
    const iv = Uint8Array.from({ length: 16 }, (_, i) => i);
    const sealed = kernel.seal(cipher, toUtf8("foo"), iv, (count) => new Uint8Array(count).fill(0x11));
    assert.equal(
      toHex(sealed),
      `111111111111111111111111${isAes ? "ecb4ab7d6df2a86f969c4bfc802e95a9c95c1a" : "653ce7814490c77ad8e590c8a2f6be7379c942"}`,
    );
  });

  test(`whatever is sealed by ${encryption} opens under its own iv, of whatever length, and with no bit changed`, () => {
    const random = seededRandom(encryption);
    const iv = fc.uint8Array({ minLength: 16, maxLength: 32 });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), iv, fc.nat(), fc.nat(7), (plain, iv, at, bit) => {
        const sealed = kernel.seal(cipher, plain, iv, random);
        assert.deepEqual(bufferOf(kernel.open(cipher, sealed, iv)), bufferOf(plain));
        sealed[at % sealed.byteLength]! ^= 1 << bit;
        assert.throws(() => kernel.open(cipher, sealed, iv), { code: "KERNEL_SEAL_BROKEN" });
      }),
    );
  });
}

function describeSplitter(kernel: Kernel, splitter: SplitterName): void {
  test(`${splitter} cuts the golden inputs as kopia does, whole and in pieces`, (t) => {
    const golden = requireGolden(t);
    if (golden === undefined) return;
    const { noise: noiseLengths, zeros: zeroLengths } = golden.splitterVectors(splitter);
    for (const [whole, lengths] of [
      [noise(24_000_000), noiseLengths],
      [new Uint8Array(12_000_000), zeroLengths],
    ] as const) {
      assert.deepEqual(chunkLengths(kernel, splitter, [whole]), lengths);
      const [third, half] = [Math.floor(whole.byteLength / 3), Math.floor(whole.byteLength / 2)];
      const pieces = [whole.subarray(0, third), whole.subarray(third, half), whole.subarray(half)];
      assert.deepEqual(chunkLengths(kernel, splitter, pieces), lengths);
    }
  });
}

function describeRabinKarp(kernel: Kernel): void {
  test("the RABINKARP splitters cut the specification's input where kopia cuts it", () => {
    const input = xorshiftBytes(40 * mebibyte);
    const offsets = (splitter: SplitterName): number[] => {
      let sum = 0;
      return chunkLengths(kernel, splitter, [input]).map((length) => (sum += length));
    };
    assert.deepEqual(
      offsets("DYNAMIC-4M-RABINKARP").slice(0, -1),
      [4464243, 8751012, 13449658, 17223228, 19339372, 22204838, 26438230, 33860885, 38510129, 41698373],
    );
    assert.deepEqual(offsets("DYNAMIC-8M-RABINKARP").slice(0, -1), [13449658, 19339372, 33860885, 38510129]);
    assert.deepEqual(offsets("DYNAMIC-1M-RABINKARP").slice(0, 5), [1961412, 4058564, 5673764, 6422665, 7024777]);
  });
}

function describeReadingCompressed(kernel: Kernel): void {
  for (const { name, compressionId, plain, stream } of compressedVectors) {
    const stored = withHeader(compressionId, stream);
    test(`${name} of another program expands, and no further than it may`, () => {
      assert.deepEqual(bufferOf(kernel.expand(stored, plain.byteLength)), bufferOf(plain));
      assert.deepEqual(bufferOf(kernel.expand(stored, 2 * plain.byteLength)), bufferOf(plain));
      for (const bytesMax of [0, 1, plain.byteLength >> 1, plain.byteLength - 1]) {
        assert.throws(() => kernel.expand(stored, bytesMax), { code: "KERNEL_CONTENT_MISMATCH" });
      }
    });

    test(`${name} that is damaged or cut off is a coded error, or what it was`, () => {
      const isChecked = !name.includes("without checksums");
      fc.assert(
        fc.property(fc.nat(), fc.nat(255), fc.boolean(), (at, value, cut) => {
          const damaged = Uint8Array.from(cut ? stored.subarray(0, at % stored.byteLength) : stored);
          if (!cut) damaged[at % damaged.byteLength] = value;
          const answer = expanded(kernel, damaged, plain.byteLength);
          if (answer === undefined) return;
          assert.ok(answer.byteLength <= plain.byteLength);
          // What is cut off between two frames or chunks is whole as far as it goes; the content's length tells then.
          if (isChecked && !cut) assert.deepEqual(bufferOf(answer), bufferOf(plain.subarray(0, answer.byteLength)));
        }),
        { numRuns: 300 },
      );
    });
  }

  test("several LZ4 frames follow each other, with others between them that are passed over", () => {
    const { compressionId, plain, stream } = compressedVectors.find(({ name }) => name === "LZ4") as CompressedVector;
    const skippable = Buffer.from("572a4d1803000000616263", "hex");
    const stored = withHeader(compressionId, skippable, stream, skippable, stream);
    const twice = concatBytes([plain, plain]);
    assert.deepEqual(bufferOf(kernel.expand(stored, twice.byteLength)), bufferOf(twice));
  });

  test("bytes that are nothing of what they say are a coded error", () => {
    fc.assert(
      fc.property(fc.constantFrom(...compressionIds, 0x1400), fc.uint8Array({ maxLength: 200 }), (id, bytes) => {
        expanded(kernel, withHeader(id, bytes), 1000);
      }),
    );
  });

  test("a stream that says it holds more than it may is an error before anything is made room for", () => {
    // 64 blocks of 4 MiB in 12 bytes each, and a zstd frame that wants a window of 2 GiB.
    const block = Buffer.from("000800000000000080808002", "hex");
    const s2 = concatBytes([Buffer.from("ff06000053327354774f", "hex"), ...Array.from({ length: 64 }, () => block)]);
    const zstd = Buffer.from("28b52ffd00a8010000", "hex");
    const before = process.memoryUsage().arrayBuffers;
    for (const stored of [withHeader(0x1200, s2), withHeader(0x1100, zstd)]) {
      assert.throws(() => kernel.expand(stored, mebibyte), { code: "KERNEL_CONTENT_MISMATCH" });
    }
    assert.ok(process.memoryUsage().arrayBuffers - before < 16 * mebibyte);
  });

  test("bombs of each kind that can be written are errors", () => {
    const bomb = new Uint8Array(4 * mebibyte);
    for (const compressionId of compressionIds) {
      const { stored } = compressedBy(kernel, compressionId, bomb);
      assert.ok(stored.byteLength < bomb.byteLength / 10);
      assert.throws(() => kernel.expand(stored, bomb.byteLength / 2), { code: "KERNEL_CONTENT_MISMATCH" });
      assert.deepEqual(bufferOf(kernel.expand(stored, bomb.byteLength)), bufferOf(bomb));
    }
  });
}

/** Text, noise, runs, and all of them after each other. */
const anyBytes = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.tuple(fc.nat(255), fc.nat(70_000)).map(([byte, count]) => new Uint8Array(count).fill(byte)),
      fc.tuple(fc.nat(100_000), fc.nat(70_000)).map(([start, length]) => someNoise.subarray(start, start + length)),
      fc
        .tuple(fc.nat(1000), fc.nat(20))
        .map(([start, count]) => concatBytes(Array(count).fill(someNoise.subarray(start, start + 100)))),
    ),
    { maxLength: 8 },
  )
  .map(concatBytes);

function describeCompressing(kernel: Kernel): void {
  test("whatever is stored compressed comes back, whichever compression it is", () => {
    fc.assert(
      fc.property(fc.constantFrom(...compressionIds), anyBytes, (compressionId, plain) => {
        const { stored, isCompressed } = compressedBy(kernel, compressionId, plain);
        if (!isCompressed) assert.deepEqual(bufferOf(stored), bufferOf(plain));
        else assert.deepEqual(bufferOf(kernel.expand(stored, plain.byteLength)), bufferOf(plain));
      }),
      { numRuns: 200 },
    );
  });

  test("a content is compressed where that makes it smaller, header and all, and stored as it is elsewhere", () => {
    for (const compressionId of compressionIds) {
      const packer = kernel.createPacker({
        format: { ...format, compressionId },
        readAheadBytes: 0,
        known: [],
        nowSeconds: () => 1000,
        random: seededRandom("compress"),
      });
      const items = [toUtf8("text ".repeat(1000)), noise(5000), toUtf8("short"), new Uint8Array(0)];
      const { chunks } = packer.storeBytes(items.map((bytes, i) => ({ prefix: i === 0 ? "k" : "", bytes })));
      const records = packer.finishPacks().flatMap(({ contents }) => [...contents.records()]);
      const [text, ...others] = items.map((item, i) => {
        const hash = toHex(chunks[i]?.[0]?.hash as Uint8Array);
        assert.equal(hash, toHex(kernel.hash(format, item)), "the hash is that of the plain bytes");
        return records.find(({ key }) => toHex(key.subarray(1)) === hash) as ContentRecord;
      });
      assert.equal(text?.form.compressionId, compressionId);
      assert.equal(text.originalLength, 5000);
      assert.ok(text.packedLength < 500, `${compressionId.toString(16)}: ${text.packedLength}`);
      for (const { form, packedLength, originalLength } of others) {
        assert.equal(form.compressionId, 0);
        assert.equal(packedLength, originalLength + 28);
      }
    }
  });
}

/** What a packer seals of one content. */
function compressedBy(
  kernel: Kernel,
  compressionId: number,
  plain: Uint8Array,
): { readonly stored: Uint8Array; readonly isCompressed: boolean } {
  const chosen = { ...format, compressionId, splitter: "FIXED-8M" as const };
  const random = seededRandom("compressed");
  const packer = kernel.createPacker({ format: chosen, readAheadBytes: 0, known: [], nowSeconds: () => 1000, random });
  packer.storeBytes([{ prefix: "", bytes: plain }]);
  const [pack] = packer.finishPacks() as [FullPack];
  const { key, packOffset, packedLength, form } = pack.contents.at(0);
  const sealed = pack.bytes.subarray(packOffset, packOffset + packedLength);
  return { stored: kernel.open(chosen, sealed, key.subarray(1)), isCompressed: form.compressionId === compressionId };
}

/** Undefined where it does not expand, for a reason that has a code. */
function expanded(kernel: Kernel, stored: Uint8Array, bytesMax: number): Uint8Array | undefined {
  try {
    return kernel.expand(stored, bytesMax);
  } catch (error) {
    assert.match((error as { code: string }).code, /^KERNEL_(CONTENT_MISMATCH|COMPRESSION_UNSUPPORTED)$/);
    return undefined;
  }
}

function withHeader(compressionId: number, ...stream: readonly Uint8Array[]): Uint8Array {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(compressionId);
  return concatBytes([header, ...stream]);
}

function describeWholeFormats(kernel: Kernel): void {
  test("contents packed in any format open again, from wherever they lie", () => {
    const random = seededRandom("formats");
    const anyItems = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 8 });
    const anyFormat = fc.record(
      {
        hash: fc.constantFrom(...hashNames),
        encryption: fc.constantFrom(...encryptionNames),
        splitter: fc.constantFrom(...splitterNames),
        parityPercent: fc.constantFrom(1, 2, 10, 100),
        compressionId: fc.constantFrom(...compressionIds),
      },
      { requiredKeys: ["hash", "encryption", "splitter"] },
    );
    fc.assert(
      fc.property(anyFormat, anyItems, (choices, items) => {
        const chosen = { ...format, ...choices, packBytesMax: 10_000 };
        const packer = kernel.createPacker({
          format: chosen,
          readAheadBytes: 0,
          known: [],
          nowSeconds: () => 1000,
          random,
        });
        const { chunks } = packer.storeBytes(items.map((bytes) => ({ prefix: "", bytes })));
        const [pack] = packer.finishPacks();
        assert.ok(pack);
        const records = [...pack.contents.records()];
        const before = toUtf8("before");
        const opened = kernel.openContents(
          chosen,
          concatBytes([before, pack.bytes]),
          records.map(({ key, packOffset, packedLength, originalLength, form }) => ({
            offset: before.byteLength + packOffset,
            length: packedLength,
            hash: key.subarray(1),
            compressionId: form.compressionId,
            originalLength,
          })),
        );
        const contents = new Map(records.map(({ key }, i) => [toHex(key.subarray(1)), opened[i] as Uint8Array]));
        for (const [i, item] of items.entries()) {
          const hash = toHex(chunks[i]?.[0]?.hash as Uint8Array);
          assert.deepEqual(bufferOf(contents.get(hash) as Uint8Array), bufferOf(item));
        }
      }),
    );
  });
}

function chunkLengths(kernel: Kernel, splitter: SplitterName, pieces: readonly Uint8Array[]): number[] {
  // The fastest hash: what is looked at is where the cuts are.
  const hash = "HMAC-SHA256";
  const packer = kernel.createPacker({
    format: { ...format, hash, splitter },
    readAheadBytes: 0,
    known: [],
    nowSeconds: () => 1000,
    random: seededRandom(splitter),
  });
  return [...packer.storePieces("", pieces)].map(({ chunk }) => chunk.length);
}

function bytes(hex: string): Uint8Array {
  return fromHex(hex) as Uint8Array;
}
