/**
 * Peak resident memory of a backup and a restore, for the two shapes that a volume has: one huge file, and one folder
 * with very many tiny ones. Prints a Markdown table.
 *
 *     node bench/memory.ts [--scale FACTOR] [--folder FOLDER]
 *
 * At scale 1 that is a file of 3 GiB and 100,000 files of 100 bytes; it takes about 10 GiB in FOLDER (default: the
 * system's temporary folder), and gives them back. Memory is the kernel's own high-water mark of the largest process of
 * each command. What was restored is compared with what was stored by a digest over names and bytes.
 */

import assert from "node:assert/strict";
import { createCipheriv, createHash } from "node:crypto";
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type FsbResult, tryFsb } from "../test/support/fsb.ts";
import { describeRun } from "../test/support/program.ts";

export interface MemoryRow {
  readonly shape: string;
  readonly command: "backup" | "restore";
  readonly bytes: number;
  readonly peakResidentBytes: number;
  readonly seconds: number;
  /** SHA-256 over names, lengths and bytes; the same for what was stored and what was restored. */
  readonly digest: string;
}

const hugeFileBytes = 3 * 2 ** 30;
const tinyFileCount = 100_000;
const tinyFileBytes = 100;
const stepBytes = 1 << 20;

/** Works in a fresh folder below `parent` and removes it. */
export async function measureMemory(scale: number, parent: string): Promise<readonly MemoryRow[]> {
  const work = mkdtempSync(join(parent, "fsb-memory-"));
  try {
    return [
      ...(await measureShape(`one file of ${mebibytes(hugeFileBytes * scale)} MiB`, join(work, "huge"), (folder) =>
        writeNoise(join(folder, "data"), Math.ceil(hugeFileBytes * scale)),
      )),
      ...(await measureShape(
        `${Math.ceil(tinyFileCount * scale)} files of ${tinyFileBytes} bytes`,
        join(work, "tiny"),
        (folder) => {
          const noise = noiseStream();
          for (let index = 0; index < tinyFileCount * scale; index++) {
            writeWhole(join(folder, `file-${index}`), noise.update(Buffer.alloc(tinyFileBytes)));
          }
        },
      )),
    ];
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function measureShape(shape: string, work: string, fill: (folder: string) => void): Promise<MemoryRow[]> {
  const [volume, repository, target] = [join(work, "volume"), join(work, "repository"), join(work, "target")];
  for (const folder of [volume, repository]) mkdirSync(folder, { recursive: true });
  fill(volume);
  const stored = digestOf(volume);
  const timed = async (...args: readonly string[]): Promise<FsbResult & { seconds: number }> => {
    const startMs = performance.now();
    const run = await tryFsb([...args, "--repo", repository], { measureMemory: true });
    assert.equal(run.exitCode, 0, describeRun(run));
    return { ...run, seconds: (performance.now() - startMs) / 1000 };
  };
  const row = (command: MemoryRow["command"], run: FsbResult & { seconds: number }): MemoryRow => {
    const { peakResidentBytes, seconds } = run;
    return { shape, command, bytes: stored.bytes, peakResidentBytes, seconds, digest: stored.digest };
  };

  await timed("repo", "create");
  const backup = await timed("backup", volume, "--json");
  const { snapshotId } = JSON.parse(backup.stdout.toString("utf8")) as { snapshotId: string };
  rmSync(volume, { recursive: true });
  const restore = await timed("restore", snapshotId, target);
  assert.deepEqual(digestOf(target), stored, `${shape}: what was restored is not what was stored`);
  rmSync(work, { recursive: true });
  return [row("backup", backup), row("restore", restore)];
}

/** Bytes that do not compress, the same in every run, at the speed of the processor's AES. */
function noiseStream(): { update(zeros: Buffer): Buffer } {
  return createCipheriv("aes-128-ctr", Buffer.alloc(16, "noise"), Buffer.alloc(16));
}

function writeNoise(path: string, bytes: number): void {
  const noise = noiseStream();
  const zeros = Buffer.alloc(stepBytes);
  const fd = openSync(path, "wx");
  for (let left = bytes; left > 0; left -= stepBytes) {
    writeSync(fd, noise.update(zeros.subarray(0, Math.min(left, stepBytes))));
  }
  closeSync(fd);
}

function writeWhole(path: string, bytes: Buffer): void {
  const fd = openSync(path, "wx");
  writeSync(fd, bytes);
  closeSync(fd);
}

/** Of the files of one folder, in the order of their names. */
function digestOf(folder: string): { bytes: number; digest: string } {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(stepBytes);
  let bytes = 0;
  for (const name of readdirSync(folder).sort()) {
    const fd = openSync(join(folder, name), "r");
    let size = 0;
    hash.update(`${name}\0`);
    for (let length = readSync(fd, buffer); length > 0; length = readSync(fd, buffer)) {
      hash.update(buffer.subarray(0, length));
      size += length;
    }
    hash.update(`\0${size}\0`);
    closeSync(fd);
    bytes += size;
  }
  return { bytes, digest: hash.digest("hex") };
}

export function formatTable(rows: readonly MemoryRow[]): string {
  const lines = rows.map(({ shape, command, bytes, peakResidentBytes, seconds, digest }) => {
    const numbers = [mebibytes(bytes), mebibytes(peakResidentBytes), seconds.toFixed(1)];
    return `| ${[shape, command, ...numbers, digest.slice(0, 12)].join(" | ")} |`;
  });
  const head =
    "| volume | command | MiB | peak resident MiB | seconds | digest |\n| --- | --- | --: | --: | --: | --- |";
  return `${head}\n${lines.join("\n")}\n`;
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { scale: { type: "string", default: "1" }, folder: { type: "string", default: tmpdir() } },
  });
  process.stdout.write(formatTable(await measureMemory(Number(values.scale), values.folder)));
}
