/**
 * Copies `length` bytes that stand `offset` before `at` to `at`: where the two overlap, what was just written is read again,
 * and so repeats.
 */
export function copyBack(bytes: Uint8Array, at: number, offset: number, length: number): void {
  if (length <= offset) bytes.copyWithin(at, at - offset, at - offset + length);
  else for (let i = at; i < at + length; i++) bytes[i] = bytes[i - offset] as number;
}
