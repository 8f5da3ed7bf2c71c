/**
 * Reading LZ4 frames, which kopia wrote up to 0.22. Nothing writes them any more.
 *
 * A frame: `u32 LE magic ‖ flags ‖ block size code ‖ [u64 content size] ‖ header checksum`, blocks, `u32 0`, and perhaps the
 * content's checksum. A block: `u32 LE length`, bit 31 set for one that is stored plain, its bytes, and perhaps their
 * checksum. Checksums are XXH32. Several frames may follow each other, and skippable ones may stand between them.
 * A block's elements: a token whose high four bits are the length of the literal that follows and whose low four that of
 * the match behind it, less 4; 15 goes on in bytes that are added up until one is not 255. The last element has no match.
 *
 * Source: the LZ4 project's lz4_Frame_format.md and lz4_Block_format.md.
 */

import { viewOf } from "../../base/bytes.ts";
import { copyBack } from "./copy-back.ts";
import { xxh32 } from "./xxh32.ts";

const magic = 0x184d2204;
const skippableMagic = 0x184d2a50;
const plainBit = 0x8000_0000;
const longLength = 15;
const matchBytesMin = 4;

/** Undefined where the frames are damaged or hold more than `bytesMax`. Allocates no more than that. */
export function readLz4(stream: Uint8Array, bytesMax: number): Uint8Array | undefined {
  const reader = new FrameReader(stream, new Uint8Array(bytesMax));
  try {
    while (!reader.isAtEnd) reader.readFrame();
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  return reader.plain;
}

/** Throws RangeError for whatever is not as it should be, as a view does where it is read beyond its end. */
class FrameReader {
  readonly #stream: Uint8Array;
  readonly #view: DataView;
  readonly #target: Uint8Array;
  #at = 0;
  #done = 0;

  constructor(stream: Uint8Array, target: Uint8Array) {
    this.#stream = stream;
    this.#view = viewOf(stream);
    this.#target = target;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#stream.byteLength;
  }

  get plain(): Uint8Array {
    return this.#done === this.#target.byteLength ? this.#target : this.#target.slice(0, this.#done);
  }

  readFrame(): void {
    const found = this.#u32();
    if ((found & ~0xf) >>> 0 === skippableMagic) {
      this.#take(this.#u32());
      return;
    }
    assertSound(found === magic);
    const descriptorFrom = this.#at;
    const flags = this.#u8();
    this.#u8(); // The size of blocks, which each tells by itself.
    assertSound(flags >>> 6 === 1 && (flags & 0b11) === 0); // Version 1, and no dictionary.
    const contentBytes = flags & 0b1000 ? this.#u32() + this.#u32() * 2 ** 32 : undefined;
    const descriptor = this.#stream.subarray(descriptorFrom, this.#at);
    assertSound(this.#u8() === ((xxh32(descriptor) >>> 8) & 0xff));
    const start = this.#done;
    for (let header = this.#u32(); header !== 0; header = this.#u32()) {
      const block = this.#take(header & ~plainBit);
      if (flags & 0b1_0000) assertSound(this.#u32() === xxh32(block));
      if (header >= plainBit) this.#literal(block);
      else this.#readBlock(block, flags & 0b10_0000 ? this.#done : start);
    }
    const content = this.#target.subarray(start, this.#done);
    assertSound(contentBytes === undefined || contentBytes === content.byteLength);
    if (flags & 0b100) assertSound(this.#u32() === xxh32(content));
  }

  /** Matches reach back to `reachable` at the most. */
  #readBlock(block: Uint8Array, reachable: number): void {
    let at = 0;
    const byte = (): number => {
      const value = block[at++];
      if (value === undefined) throw new RangeError("block ends early");
      return value;
    };
    const lengthOf = (code: number): number => {
      let length = code;
      if (code === longLength) {
        let more: number;
        do {
          more = byte();
          length += more;
        } while (more === 255);
      }
      return length;
    };
    for (;;) {
      const token = byte();
      const literal = lengthOf(token >>> 4);
      assertSound(literal <= block.byteLength - at);
      this.#literal(block.subarray(at, at + literal));
      at += literal;
      if (at === block.byteLength) return;
      const offset = byte() | (byte() << 8);
      const length = lengthOf(token & 0xf) + matchBytesMin;
      assertSound(offset > 0 && offset <= this.#done - reachable && length <= this.#target.byteLength - this.#done);
      copyBack(this.#target, this.#done, offset, length);
      this.#done += length;
    }
  }

  #literal(bytes: Uint8Array): void {
    this.#target.set(bytes, this.#done); // A RangeError where it does not fit.
    this.#done += bytes.byteLength;
  }

  #u8(): number {
    return this.#view.getUint8(this.#at++);
  }

  #u32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, true);
  }

  #take(count: number): Uint8Array {
    assertSound(count <= this.#stream.byteLength - this.#at);
    this.#at += count;
    return this.#stream.subarray(this.#at - count, this.#at);
  }
}

function assertSound(condition: boolean): asserts condition {
  if (!condition) throw new RangeError("frame is damaged");
}
