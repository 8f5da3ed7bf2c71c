/**
 * kopia's DYNAMIC-…-RABINKARP splitters: as buzhash.ts, but the rolling hash is the last 64 bytes, read as a polynomial
 * over GF(2), modulo one of degree 53. What was in the window before it was full is zeros, which leave no trace.
 *
 * 53 bits are more than JavaScript's bitwise numbers hold, so the hash is two of them: `high` has bits 32 to 52.
 *
 * Source: docs/format/objects.md; kopia repo/splitter/splitter_rabinkarp64.go, chmduquesne/rollinghash rabinkarp64.
 */

import type { SplitterSizes } from "./buzhash.ts";

const windowBytes = 64;
const degree = 53;
const polynomial = 0x2e3e3e4a305605n;
/** Of `high`: the eight bits below bit 53, which a shift by a byte carries out. */
const topShift = degree - 8 - 32;

/** As buzhash.ts' `findCut`. */
export function findRabinKarpCut(bytes: Uint8Array, sizes: SplitterSizes): number | undefined {
  const { minimum, maximum, mask } = sizes;
  if (bytes.byteLength < minimum) return undefined;
  const end = Math.min(bytes.byteLength, maximum);
  const start = minimum - windowBytes;
  let high = 0;
  let low = 0;
  for (let i = start; i < end; i++) {
    if (i >= minimum) {
      const leaving = bytes[i - windowBytes] as number;
      high ^= leavingHigh[leaving] as number;
      low ^= leavingLow[leaving] as number;
    }
    const top = (high >>> topShift) & 0xff;
    high = ((high << 8) | (low >>> 24)) ^ (reducedHigh[top] as number);
    low = ((low << 8) | (bytes[i] as number)) ^ (reducedLow[top] as number);
    if ((low & mask) === 0 && i >= minimum - 1) return i + 1;
  }
  return end === maximum ? maximum : undefined;
}

/** What a byte adds to the hash by the time that it leaves the window: b · x^(8·63) mod P. */
const [leavingHigh, leavingLow] = tableOf(8 * (windowBytes - 1), 0n);
/** What takes the place of the byte that a shift carries out: (b · x^53 mod P), and b itself, to clear it. */
const [reducedHigh, reducedLow] = tableOf(degree, 1n << BigInt(degree));

/** Of each byte b: b · x^power mod P, plus b · cleared. The upper and the lower 32 bits. */
function tableOf(power: number, cleared: bigint): readonly [Int32Array, Int32Array] {
  const bits = Array.from({ length: 8 }, (_, bit) => powerOfX(power + bit) ^ (cleared << BigInt(bit)));
  const high = new Int32Array(256);
  const low = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    const sum = bits.reduce((sum, value, bit) => ((byte >> bit) & 1 ? sum ^ value : sum), 0n);
    high[byte] = Number(BigInt.asIntN(32, sum >> 32n));
    low[byte] = Number(BigInt.asIntN(32, sum));
  }
  return [high, low];
}

function powerOfX(power: number): bigint {
  let value = 1n;
  for (let i = 0; i < power; i++) {
    value <<= 1n;
    if (value >> BigInt(degree) !== 0n) value ^= polynomial;
  }
  return value;
}
