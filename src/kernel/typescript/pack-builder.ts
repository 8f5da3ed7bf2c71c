/**
 * One open pack: header and preamble, then sealed contents back to back. Its tail (padding, local index, postamble) is
 * the content layer's.
 *
 * Source: docs/format/packs.md; kopia repo/content/content_manager.go.
 */

import { ContentTableBuilder } from "../content-table.ts";
import type { FullPack, KernelFormat } from "../kernel.ts";
import { compress } from "./compression.ts";
import { sealedLength, sealInto } from "./sealing.ts";
import { splitterOf } from "./splitters.ts";

/** A header is at most 64 KiB; the preamble follows it. */
const headerRoomBytes = 72 << 10;
const preambleBytes = 32;
const nonceBytes = 12;
const ivBytes = 16;

export class PackBuilder {
  readonly #format: KernelFormat;
  readonly #kind: "p" | "q";
  readonly #random: (count: number) => Uint8Array;
  #bytes: Uint8Array;
  #length = 0;
  #contents: ContentTableBuilder | undefined;

  constructor(format: KernelFormat, kind: "p" | "q", random: (count: number) => Uint8Array) {
    this.#format = format;
    this.#kind = kind;
    this.#random = random;
    // Room for a full pack from the start, and for the content that fills it: what is not written is not resident, and
    // nothing is copied to grow.
    const largestContent = sealedLength(format, splitterOf(format.splitter).chunkBytesMax);
    this.#bytes = new Uint8Array(headerRoomBytes + format.packBytesMax + largestContent);
    this.#append(format.packHeader);
    this.#append(random(preambleBytes));
  }

  get isFull(): boolean {
    return this.#length >= this.#format.packBytesMax;
  }

  /** Seals the content behind the others, compressed where that was asked for and helps; the table copies `key`. Gives the
   * sealed length. */
  add(key: Uint8Array, plain: Uint8Array, timestampSeconds: number): number {
    const { compressionId = 0, formatVersion } = this.#format;
    const compressed = compressionId === 0 ? undefined : compress(compressionId, plain);
    const stored = compressed ?? plain;
    const form = { compressionId: compressed === undefined ? 0 : compressionId, formatVersion, encryptionKeyId: 0 };
    const packedLength = sealedLength(this.#format, stored.byteLength);
    this.#reserve(packedLength);
    const iv = key.subarray(key.byteLength - ivBytes);
    sealInto(this.#bytes, this.#length, this.#format, stored, iv, this.#random(nonceBytes));
    this.#contents ??= new ContentTableBuilder(key.byteLength);
    this.#contents.add({
      key,
      timestampSeconds,
      deleted: false,
      packId: "",
      packOffset: this.#length,
      packedLength,
      originalLength: plain.byteLength,
      form,
    });
    this.#length += packedLength;
    return packedLength;
  }

  /** Undefined when nothing was added. */
  finish(): FullPack | undefined {
    const contents = this.#contents?.build();
    return contents && { kind: this.#kind, bytes: this.#bytes.subarray(0, this.#length), contents };
  }

  #append(bytes: Uint8Array): void {
    this.#reserve(bytes.byteLength);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.byteLength;
  }

  /** Only a content beyond what a splitter makes does not fit. */
  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.byteLength) return;
    const larger = new Uint8Array(needed);
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}
