/** The repository that the examples of docs/format/ are taken from; its keys are in docs/format/README.md. */

import type { KernelFormat } from "../../src/kernel/kernel.ts";
import { typescriptKernel } from "../../src/kernel/typescript/kernel.ts";
import type { BlobStore } from "../../src/repository/blob/blob-store.ts";
import { MemoryBlobStore } from "../../src/repository/blob/memory.ts";
import { deriveContentSecret } from "../../src/repository/format/keys.ts";
import { EncryptedBlobs } from "../../src/repository/index/encrypted-blob.ts";
import { bytesOfHex, Page } from "./page.ts";

const index = new Page("docs/format/README.md");

export const examplePassword = exampleValue("password");
export const exampleUniqueId = bytesOfHex(exampleValue("unique id"));
export const exampleMasterKey = bytesOfHex(exampleValue("master key"));
export const exampleSecret = bytesOfHex(exampleValue("secret"));

/** What stands for every random byte in the examples. */
export const exampleRandom = (count: number): Uint8Array => new Uint8Array(count).fill(0x22);

export const exampleFormat: KernelFormat = {
  hash: "BLAKE2B-256-128",
  hashSecret: exampleSecret,
  encryption: "AES256-GCM-HMAC-SHA256",
  contentSecret: deriveContentSecret(exampleMasterKey),
  splitter: "DYNAMIC-4M-BUZHASH",
  packBytesMax: 20 << 20,
  formatVersion: 3,
  packHeader: new Uint8Array(0),
};

export function exampleBlobs(store: BlobStore = new MemoryBlobStore()): EncryptedBlobs {
  return new EncryptedBlobs(store, typescriptKernel, exampleFormat, exampleRandom);
}

function exampleValue(name: string): string {
  return index.value("| of the example |", name);
}
