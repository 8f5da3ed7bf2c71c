/** Sizes as people write them: `20MB`, `1.5GiB`, `256Mi`, `1000000`. */

const unitBytes: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
  ti: 2 ** 40,
};

/** Whole bytes; undefined where the text is no size, or one beyond what a number counts exactly. */
export function parseByteSize(text: string): number | undefined {
  const [, digits, unit = ""] = /^([0-9]{1,15}(?:\.[0-9]{1,6})?) ?([kmgt]i?)?b?$/i.exec(text.trim()) ?? [];
  if (digits === undefined) return undefined;
  const bytes = Math.round(Number(digits) * (unitBytes[unit.toLowerCase()] as number));
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
