/**
 * Writes to descriptor 3 what the children took that this process had before it became Node: measured-command.ts. Its
 * argument is the exit code of the last of them.
 */

import { writeSync } from "node:fs";
import koffi from "koffi";
import type { ChildUsage } from "./measured-command.ts";

const RUSAGE_CHILDREN = -1;

/**
 * struct rusage on 64-bit Linux, in the machine's byte order.
 *    0..15    user time: seconds, microseconds
 *   16..31    system time, likewise
 *   32..39    the largest resident set of one child, in KiB
 *   40..143   what is not told here
 * Source: getrusage(2), <bits/types/struct_rusage.h>.
 */
const usage = new BigInt64Array(18);
const getrusage = koffi.load(null).func("int getrusage(int who, _Out_ void *usage)");
if (getrusage(RUSAGE_CHILDREN, usage) !== 0) throw new Error("getrusage failed");
const [userS = 0n, userUs = 0n, systemS = 0n, systemUs = 0n, peakKiB = 0n] = usage;
const told: ChildUsage = {
  exitCode: Number(process.argv[2]),
  cpuSeconds: Number(userS + systemS) + Number(userUs + systemUs) / 1e6,
  peakResidentBytes: Number(peakKiB) * 1024,
};
writeSync(3, JSON.stringify(told));
