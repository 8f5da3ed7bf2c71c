/** A set of equally long keys without an object each: open addressing over one block of memory. */

import { compareBytes, viewOf } from "../../base/bytes.ts";

export class KeySet {
  readonly #keyBytes: number;
  #keys: Uint8Array;
  /** Key number + 1, or 0 where free. A power of two, at most half full. */
  #slots: Uint32Array;
  #count = 0;

  constructor(keyBytes: number) {
    this.#keyBytes = keyBytes;
    this.#keys = new Uint8Array(keyBytes * 64);
    this.#slots = new Uint32Array(256);
  }

  get count(): number {
    return this.#count;
  }

  has(key: Uint8Array): boolean {
    return this.#slots[this.#slotOf(key)] !== 0;
  }

  /** False when it was in the set before. */
  add(key: Uint8Array): boolean {
    const slot = this.#slotOf(key);
    if (this.#slots[slot] !== 0) return false;
    const start = this.#count * this.#keyBytes;
    if (start === this.#keys.byteLength) {
      const larger = new Uint8Array(start * 2);
      larger.set(this.#keys);
      this.#keys = larger;
    }
    this.#keys.set(key, start);
    this.#slots[slot] = ++this.#count;
    if (this.#count * 2 > this.#slots.length) this.#rehash();
    return true;
  }

  clear(): void {
    this.#keys = new Uint8Array(this.#keyBytes * 64);
    this.#slots = new Uint32Array(256);
    this.#count = 0;
  }

  /** Where the key is, or would go. The key's last bytes are a keyed hash, so they spread by themselves. */
  #slotOf(key: Uint8Array): number {
    const mask = this.#slots.length - 1;
    let slot = viewOf(key).getUint32(key.byteLength - 4) & mask;
    for (;;) {
      const number = this.#slots[slot] as number;
      if (number === 0 || compareBytes(this.#key(number - 1), key) === 0) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #key(number: number): Uint8Array {
    return this.#keys.subarray(number * this.#keyBytes, (number + 1) * this.#keyBytes);
  }

  #rehash(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2);
    for (let number = 0; number < this.#count; number++) this.#slots[this.#slotOf(this.#key(number))] = number + 1;
  }
}
