/**
 * A process that writes blobs into a filesystem repository, for tests with several of them:
 *
 *     node blob-writer.ts FOLDER WRITER COUNT ROUNDS
 *
 * In each round it writes, COUNT times at once, the blob that all processes write (`sharedBlob`) and one of its own. A
 * blob's bytes tell whether it is whole: 10,000 to 60,000 times the same letter, and the letter tells how many.
 */

import { parseArgs } from "node:util";
import { type BlobId, parseBlobId } from "../../src/repository/blob/blob-store.ts";
import { openFilesystemStore } from "../../src/repository/blob/filesystem.ts";

export const sharedBlob = parseBlobId("p00000000000000000000000000000000-s0123456789abcdef147");

/** All in the same few folders, so that processes make them at the same time. */
export function ownBlob(writer: number, number: number): BlobId {
  const hash = `${number % 4}000${writer}${number}`.padEnd(32, "0");
  return parseBlobId(`q${hash}-s0123456789abcdef147`);
}

/** The bytes that a writer writes. */
export function blobOf(writer: number): Uint8Array {
  return new Uint8Array((writer + 1) * 10_000).fill(0x41 + writer);
}

export function isWholeBlob(bytes: Uint8Array): boolean {
  const writer = (bytes[0] ?? 0) - 0x41;
  return bytes.byteLength === (writer + 1) * 10_000 && bytes.every((byte) => byte === bytes[0]);
}

if (process.argv[1] === import.meta.filename) {
  const [folder = "", writer, count, rounds] = parseArgs({ allowPositionals: true }).positionals;
  const { signal } = new AbortController();
  await using store = await openFilesystemStore(folder, { mode: "create", signal });
  const bytes = blobOf(Number(writer));
  const parts = [bytes.subarray(0, 7), bytes.subarray(7)];
  const numbers = Array.from({ length: Number(count) }, (_, number) => number);
  for (let round = 0; round < Number(rounds); round++) {
    const puts = numbers.flatMap((number) => [sharedBlob, ownBlob(Number(writer), number)]);
    await Promise.all(puts.map((id) => store.put(id, parts, { signal })));
  }
}
