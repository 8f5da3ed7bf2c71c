/** A set of numbers from 0 up to a bound, a bit each. */

export class NumberSet {
  readonly #bits: Uint8Array;
  #size = 0;

  constructor(bound: number) {
    this.#bits = new Uint8Array(Math.ceil(bound / 8));
  }

  get size(): number {
    return this.#size;
  }

  has(number: number): boolean {
    return ((this.#bits[number >>> 3] as number) & (1 << (number & 7))) !== 0;
  }

  /** False for one that was in it already. */
  add(number: number): boolean {
    if (this.has(number)) return false;
    const at = number >>> 3;
    this.#bits[at] = (this.#bits[at] as number) | (1 << (number & 7));
    this.#size++;
    return true;
  }
}
