/** Randomness comes from here, so that a test can print a seed and run again. */

import { createHash, randomBytes } from "node:crypto";

/** `count` fresh random bytes; the caller owns them. */
export type RandomSource = (count: number) => Uint8Array;

export const systemRandom: RandomSource = (count) => randomBytes(count);

/** The same bytes for the same seed: SHAKE-256 over seed and call number. For tests only. */
export function seededRandom(seed: string): RandomSource {
  let call = 0;
  return (count) =>
    count === 0
      ? new Uint8Array(0)
      : createHash("shake256", { outputLength: count }).update(`${seed}:${call++}`).digest();
}
