// Writes what the targets begin with into corpus/: compressed streams, which a fuzzer would be long in finding.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateRawSync, gzipSync, zstdCompressSync } from "node:zlib";

const compressions = [
  [0, gzipSync],
  [1, (plain) => zstdCompressSync(plain)],
  [3, (plain) => Buffer.concat([gzipSync(plain), gzipSync(plain)])],
  [5, deflateRawSync],
];
const folder = join(import.meta.dirname, "corpus", "expand");
mkdirSync(folder, { recursive: true });
for (const [algorithm, compress] of compressions) {
  for (const [name, plain] of [
    ["nothing", ""],
    ["words", "some words, and some words again, "],
    ["run", "a".repeat(100_000)],
    ["text", Array.from({ length: 500 }, (_, i) => `${(i * i) % 977} `).join("")],
  ]) {
    // As the target takes it: the algorithm, the most bytes, the stream.
    const head = Buffer.from([algorithm, 0, 0, 0, 0]);
    head.writeUInt32LE(2 * plain.length, 1);
    writeFileSync(join(folder, `${algorithm}-${name}`), Buffer.concat([head, compress(Buffer.from(plain))]));
  }
}
