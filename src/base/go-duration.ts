/**
 * Durations as Go's flags and annotations write them: `10m0s`, `1h15m30.5s`, `300ms`, `0`.
 *
 * Source: Go time.ParseDuration.
 */

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

const part = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y;

/** Milliseconds, perhaps with a fraction; undefined for what is no duration, and for a negative one. */
export function parseGoDuration(text: string): number | undefined {
  const digits = text.replace(/^\+/, "");
  if (digits === "0") return 0;
  let totalMs = 0;
  part.lastIndex = 0;
  while (part.lastIndex < digits.length) {
    const match = part.exec(digits);
    if (match === null) return undefined;
    totalMs += Number(match[1]) * (unitMs[match[2] as string] as number);
  }
  return digits === "" || !Number.isFinite(totalMs) ? undefined : totalMs;
}
