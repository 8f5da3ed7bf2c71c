/**
 * Mode bits as stored: the nine permission bits where Unix has them, and the other three where Go has them, in octal
 * text with a leading zero. The type of a file is not among them.
 *
 *   Unix    Go        stored, alone
 *   04000   1 << 23   "040000000"    set user id
 *   02000   1 << 22   "020000000"    set group id
 *   01000   1 << 20   "04000000"     sticky
 *
 * Source: Go os.FileMode; kopia snapshot/manifest.go (Permissions); docs/format/folders.md.
 */

const permissionBits = 0o777;
const specialBits: readonly (readonly [unix: number, go: number])[] = [
  [0o4000, 1 << 23],
  [0o2000, 1 << 22],
  [0o1000, 1 << 20],
];

/** Go keeps the number in 32 signed bits. */
const storedModeMax = 0x7fff_ffff;

/** `mode` is the twelve Unix bits. */
export function formatMode(mode: number): string {
  const special = specialBits.reduce((bits, [unix, go]) => bits | ((mode & unix) === 0 ? 0 : go), 0);
  return `0${((mode & permissionBits) | special).toString(8)}`;
}

/** The twelve Unix bits; other bits are dropped. As in Go, `0` or `0o` means octal, `0x` hex, and no prefix decimal. */
export function parseMode(text: string): number | undefined {
  const stored = parseStored(text);
  if (stored === undefined || stored > storedModeMax) return undefined;
  return specialBits.reduce((bits, [unix, go]) => bits | ((stored & go) === 0 ? 0 : unix), stored & permissionBits);
}

function parseStored(text: string): number | undefined {
  if (text.length > 16) return undefined;
  const octal = /^0[oO]?([0-7]+)$/.exec(text)?.[1];
  if (octal !== undefined) return Number.parseInt(octal, 8);
  if (/^0[xX][0-9a-fA-F]+$/.test(text)) return Number.parseInt(text, 16);
  return /^(0|[1-9][0-9]*)$/.test(text) ? Number.parseInt(text, 10) : undefined;
}
