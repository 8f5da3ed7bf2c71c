/**
 * Times as Go's time.Time writes them in JSON: RFC 3339 in UTC, up to nine fractional digits, trailing zeros and an empty
 * fraction left out. `2025-03-04T05:06:07.12Z`, `1969-12-31T23:59:59.999999999Z`.
 *
 * In memory a time is a bigint of nanoseconds since the Unix epoch. Kopia's own range is that of 64 bits, the years 1677
 * to 2262; what is written here may lie anywhere in the years 0 to 9999, and kopia reads it without complaint.
 *
 * Source: Go time/format_rfc3339.go; kopia fs/utc_timestamp.go.
 */

import assert from "node:assert/strict";

const nsPerSecond = 1_000_000_000n;
const secondsPerDay = 86_400;

/** 0000-01-01T00:00:00Z and 9999-12-31T23:59:59.999999999Z, the ends of what RFC 3339 can say. */
export const goTimeNsMin = -62_167_219_200n * nsPerSecond;
export const goTimeNsMax = 253_402_300_800n * nsPerSecond - 1n;

/** The nearest time that can be written: a file system may hold any 64-bit number of seconds. */
export function clampGoTime(timeNs: bigint): bigint {
  if (timeNs < goTimeNsMin) return goTimeNsMin;
  return timeNs > goTimeNsMax ? goTimeNsMax : timeNs;
}

/** The time must lie from `goTimeNsMin` to `goTimeNsMax`. */
export function formatGoTime(timeNs: bigint): string {
  assert(timeNs >= goTimeNsMin && timeNs <= goTimeNsMax, "a time to write lies in the years 0 to 9999");
  const rest = timeNs % nsPerSecond;
  const nanoseconds = Number(rest < 0n ? rest + nsPerSecond : rest);
  const seconds = Number((timeNs - BigInt(nanoseconds)) / nsPerSecond);
  const date = new Date(seconds * 1000).toISOString().slice(0, 19);
  if (nanoseconds === 0) return `${date}Z`;
  return `${date}.${String(nanoseconds).padStart(9, "0").replace(/0+$/, "")}Z`;
}

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))$/;

/**
 * Undefined unless the text is RFC 3339, of any offset, and lies in the years 0 to 9999 in UTC. As in Go, digits past the
 * ninth are dropped.
 */
export function parseGoTime(text: string): bigint | undefined {
  const match = rfc3339.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as Six;
  const offsetHour = Number(match[9] ?? 0);
  const offsetMinute = Number(match[10] ?? 0);
  if (month < 1 || month > 12 || day < 1 || day > daysOfMonth(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 59 || offsetHour > 23 || offsetMinute > 59) return undefined;
  const offset = (match[8] === "-" ? -60 : 60) * (offsetHour * 60 + offsetMinute);
  const seconds = daysFromEpoch(year, month, day) * secondsPerDay + hour * 3600 + minute * 60 + second - offset;
  const timeNs = BigInt(seconds) * nsPerSecond + BigInt((match[7] ?? "").slice(0, 9).padEnd(9, "0"));
  return timeNs >= goTimeNsMin && timeNs <= goTimeNsMax ? timeNs : undefined;
}

type Six = [number, number, number, number, number, number];

function daysOfMonth(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Days from 1970-01-01 in the proleptic Gregorian calendar. Date.UTC takes the years 0 to 99 for 1900 to 1999. */
function daysFromEpoch(year: number, month: number, day: number): number {
  // A year that begins in March has its leap day last, and the days before each month follow one formula.
  const marchYear = month > 2 ? year : year - 1;
  const marchMonth = (month + 9) % 12;
  const dayOfYear = Math.floor((153 * marchMonth + 2) / 5) + day - 1;
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
  return marchYear * 365 + leapDays + dayOfYear - daysToEpochMarchYear;
}

/** Days from 0000-03-01 to 1970-01-01. */
const daysToEpochMarchYear = 719_468;
