/**
 * Splitters side by side: kopia's buzhash, which this program uses, in both kernels, and FastCDC with the same least, middle
 * and greatest size, in Rust and as WebAssembly. How fast they are, how large their chunks, and how much of data that was
 * edited they store anew.
 *
 * All split the same bytes, rounds alternate, and the fastest round counts. Both kernels must cut at the same places, and
 * the chunks of each splitter must add up to the data, before anything is told.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { get_chunks } from "fastcdc-wasm";
import { dynamic4M, findCut } from "../src/kernel/typescript/buzhash.ts";
import { describeMachine, formatAbsent, formatMachine, formatTable, type Machine } from "./report.ts";
import { formatBytes, Noise } from "./volumes.ts";
import { WorkFolder } from "./work-folder.ts";

export const splitterNames = ["buzhash", "buzhash-typescript", "fastcdc", "fastcdc-wasm"] as const;

export type SplitterName = (typeof splitterNames)[number];

export interface SplitterOptions {
  readonly splitters: readonly SplitterName[];
  /** Of 64 MiB of each kind of data. */
  readonly scale: number;
  /** For the speed. */
  readonly rounds: number;
  /** So many times each edit is done, at a different place every time. */
  readonly places: number;
  readonly folder: string | undefined;
  readonly progress: (line: string) => void;
}

export interface SplitterResult {
  readonly date: string;
  readonly machine: Machine;
  readonly rounds: number;
  readonly places: number;
  readonly bytes: number;
  readonly absent: readonly { readonly name: SplitterName; readonly because: string }[];
  readonly data: readonly SplitData[];
}

export interface SplitData {
  readonly kind: DataKind;
  readonly splitters: readonly SplitterRow[];
}

export interface SplitterRow {
  readonly name: SplitterName;
  /** Of the fastest round. */
  readonly bytesPerSecond: number;
  /** In bytes, rising. */
  readonly chunkLengths: readonly number[];
  /**
   * In the order of `edits`, of each edit by place: bytes of chunks that the data did not have before it. Empty for the
   * second of two kernels.
   */
  readonly newBytes: readonly (readonly number[])[];
}

interface Split {
  /** Of processor time. */
  readonly seconds: number;
  readonly lengths: readonly number[];
}

const wholeBytes = 64 * 2 ** 20;
const root = join(import.meta.dirname, "..");

export type DataKind = "noise" | "log lines" | "database pages";

const makers: Readonly<Record<DataKind, (bytes: number) => Buffer>> = {
  noise: (bytes) => new Noise().next(bytes),
  "log lines": logLines,
  "database pages": databasePages,
};

/** What is done to the data, at one place of it. */
const edits: Readonly<Record<string, Edit>> = {
  "100 bytes put in": { at: "places", bytesOut: 0, bytesIn: 100 },
  "100 bytes taken out": { at: "places", bytesOut: 100, bytesIn: 0 },
  "4 KiB written over": { at: "places", bytesOut: 4096, bytesIn: 4096 },
  "1 MiB behind all": { at: "end", bytesOut: 0, bytesIn: 2 ** 20 },
};

interface Edit {
  readonly at: "places" | "end";
  readonly bytesOut: number;
  readonly bytesIn: number;
}

export const editNames = Object.keys(edits);

export function measureSplitters({
  splitters,
  scale,
  rounds,
  places,
  folder,
  progress,
}: SplitterOptions): SplitterResult {
  const begun = { date: new Date().toISOString(), machine: describeMachine() };
  const missing = splitters.some(isNative) ? buildNativeSplitters() : undefined;
  const absent = missing === undefined ? [] : splitters.filter(isNative).map((name) => ({ name, because: missing }));
  for (const { name, because } of absent) progress(`splitter: without ${name}, which ${because}`);
  const present = splitters.filter((name) => !absent.some((one) => one.name === name));
  using work = new WorkFolder(folder ?? tmpdir());
  const file = join(work.path, "data");
  const bytes = Math.ceil(wholeBytes * scale);
  const data = Object.entries(makers).map(([kind, make]): SplitData => {
    const splits = (names: readonly SplitterName[], of: Buffer, times: number): ReadonlyMap<SplitterName, Split> => {
      writeFileSync(file, of);
      const all = splitAlternately(names, of, file, times);
      assertAgreed(all, of.byteLength);
      return all;
    };
    const before = make(bytes);
    const first = splits(present, before, rounds);
    const known = new Map(present.map((name) => [name, chunkSet(before, lengthsOf(first, name))]));
    progress(`splitter: ${kind}, ${formatBytes(bytes)}`);
    // The kernels were found to cut alike.
    const different = present.filter((name) => name !== "buzhash-typescript" || !present.includes("buzhash"));
    const newBytes = new Map<SplitterName, number[][]>(different.map((name) => [name, []]));
    for (const edit of Object.values(edits)) {
      for (const name of different) newBytes.get(name)?.push([]);
      for (const place of edit.at === "end" ? [before.byteLength] : placesIn(before, places)) {
        const after = replaced(before, place, edit);
        const again = splits(different, after, 1);
        for (const name of different) {
          const added = bytesNotIn(known.get(name) ?? new Set(), after, lengthsOf(again, name));
          newBytes.get(name)?.at(-1)?.push(added);
        }
      }
    }
    const rows = present.map((name): SplitterRow => {
      const bytesPerSecond = bytes / (first.get(name)?.seconds ?? Number.NaN);
      const chunkLengths = lengthsOf(first, name).toSorted((a, b) => a - b);
      return { name, bytesPerSecond, chunkLengths, newBytes: newBytes.get(name) ?? [] };
    });
    return { kind: kind as DataKind, splitters: rows };
  });
  return { ...begun, rounds, places, bytes, absent, data };
}

function isNative(name: SplitterName): boolean {
  return name === "buzhash" || name === "fastcdc";
}

/** Why they cannot be had; undefined where they can. */
function buildNativeSplitters(): string | undefined {
  const args = ["build", "--release", "--locked", "--quiet", "--package", "fsb-kernel", "--example", "split"];
  const { error, status, stderr } = spawnSync("cargo", args, { cwd: join(root, "native"), encoding: "utf8" });
  if (error !== undefined) return "needs cargo";
  return status === 0 ? undefined : `could not be built: ${stderr.slice(-800)}`;
}

function splitAlternately(
  names: readonly SplitterName[],
  data: Buffer,
  file: string,
  rounds: number,
): ReadonlyMap<SplitterName, Split> {
  const fastest = new Map<SplitterName, Split>();
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const split = splitOnce(name, data, file);
      if (split.seconds < (fastest.get(name)?.seconds ?? Number.POSITIVE_INFINITY)) fastest.set(name, split);
    }
  }
  return fastest;
}

function splitOnce(name: SplitterName, data: Buffer, file: string): Split {
  if (isNative(name)) return splitNatively(name, file);
  const start = process.cpuUsage();
  const lengths = name === "buzhash-typescript" ? splitByReference(data) : splitByWasm(data);
  const { user, system } = process.cpuUsage(start);
  return { seconds: (user + system) / 1e6, lengths };
}

function splitNatively(name: SplitterName, file: string): Split {
  const program = join(root, "native", "target", "release", "examples", "split");
  const run = spawnSync(program, [name, "1", file], { encoding: "utf8", maxBuffer: 2 ** 26 });
  assert.equal(run.status, 0, run.stderr);
  const [seconds = Number.NaN, ...lengths] = run.stdout.trim().split("\n").map(Number);
  return { seconds, lengths };
}

function splitByReference(data: Buffer): readonly number[] {
  const lengths: number[] = [];
  for (let offset = 0; offset < data.byteLength; ) {
    const rest = data.subarray(offset);
    const length = findCut(rest, dynamic4M) ?? rest.byteLength;
    lengths.push(length);
    offset += length;
  }
  return lengths;
}

/** It gives where chunks begin, and at times also where the data ends. */
function splitByWasm(data: Buffer): readonly number[] {
  const { minimum, maximum, mask } = dynamic4M;
  const starts = get_chunks(data, minimum, mask + 1, maximum).filter((start) => start < data.byteLength);
  return Array.from(starts, (start, index) => (starts[index + 1] ?? data.byteLength) - start);
}

function assertAgreed(splits: ReadonlyMap<SplitterName, Split>, bytes: number): void {
  for (const [name, { lengths }] of splits) {
    const sum = lengths.reduce((total, length) => total + length, 0);
    assert.equal(sum, bytes, `the chunks of ${name} are the data`);
    const { minimum, maximum } = dynamic4M;
    assert.ok(
      lengths.every((length, index) => length <= maximum && (length >= minimum || index === lengths.length - 1)),
      `the chunks of ${name} are within bounds: ${lengths.join(", ")}`,
    );
  }
  const [native, reference] = [splits.get("buzhash"), splits.get("buzhash-typescript")];
  if (native !== undefined && reference !== undefined) assert.deepEqual(native.lengths, reference.lengths);
}

function lengthsOf(splits: ReadonlyMap<SplitterName, Split>, name: SplitterName): readonly number[] {
  return splits.get(name)?.lengths ?? [];
}

function chunkSet(data: Buffer, lengths: readonly number[]): ReadonlySet<string> {
  return new Set(digests(data, lengths).map(({ digest }) => digest));
}

/** Of the distinct chunks that the set does not have. */
function bytesNotIn(known: ReadonlySet<string>, data: Buffer, lengths: readonly number[]): number {
  const added = new Map(digests(data, lengths).map(({ digest, length }) => [digest, length]));
  return added.entries().reduce((sum, [digest, length]) => (known.has(digest) ? sum : sum + length), 0);
}

function digests(data: Buffer, lengths: readonly number[]): readonly { digest: string; length: number }[] {
  let offset = 0;
  return lengths.map((length) => {
    const digest = createHash("sha256")
      .update(data.subarray(offset, offset + length))
      .digest("base64");
    offset += length;
    return { digest, length };
  });
}

/** Lines of text with few words, as services write them. */
function logLines(bytes: number): Buffer {
  const data = Buffer.alloc(bytes);
  const [levels, paths] = [
    ["INFO", "INFO", "INFO", "WARN", "ERROR"],
    ["/", "/login", "/cart", "/api/items", "/api/orders"],
  ];
  const random = numbers();
  for (let offset = 0, line = 0; offset < bytes; line++) {
    const time = new Date(1_700_000_000_000 + line * 37).toISOString();
    const [level, path] = [levels[random() % levels.length], paths[random() % paths.length]];
    const text = `${time} ${level} request=${random() % 1_000_000} path=${path} status=200 ms=${random() % 900}\n`;
    offset += data.write(text, offset);
  }
  return data;
}

/** Pages of 8 KiB: a header, rows that are alike from the page's end on, and zeros between; one of eight pages is empty. */
function databasePages(bytes: number): Buffer {
  const [pageBytes, rowBytes] = [8192, 128];
  const data = Buffer.alloc(bytes);
  const random = numbers();
  for (let page = 0; (page + 1) * pageBytes <= bytes; page++) {
    if (page % 8 === 7) continue;
    const start = page * pageBytes;
    data.writeUInt32LE(page, start);
    const rows = 20 + (random() % 40);
    for (let row = 1; row <= rows; row++) {
      const at = start + pageBytes - row * rowBytes;
      data.writeUInt32LE(page * 64 + row, at);
      data.write(`customer-${random() % 100_000} street ${random() % 500} city ${random() % 50}`, at + 16);
    }
  }
  return data;
}

/** The same in every run, below 2³¹. */
function numbers(): () => number {
  let state = 42;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return state >>> 3;
  };
}

/** Spread evenly, and no multiples of anything. */
function placesIn(data: Buffer, count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => Math.floor(((index + 0.47) / count) * data.byteLength));
}

/** With bytes in it that the data does not hold elsewhere. */
function replaced(data: Buffer, place: number, { bytesOut, bytesIn }: Edit): Buffer {
  const added = new Noise(`edit ${place}`).next(bytesIn);
  return Buffer.concat([data.subarray(0, place), added, data.subarray(place + bytesOut)]);
}

/** For docs/decisions/fastcdc.md. `command` is how to run it again. */
export function formatSplitters(
  { date, machine, rounds, places, bytes, absent, data }: SplitterResult,
  command: string,
): string {
  const mebibytes = (count: number): string => (count / 2 ** 20).toFixed(1);
  const meanAndMost = (each: readonly number[]): string => {
    const mean = each.reduce((sum, one) => sum + one, 0) / each.length;
    return `${mebibytes(mean)} (${mebibytes(Math.max(...each))})`;
  };
  const at = (lengths: readonly number[], share: number): string =>
    mebibytes(lengths[Math.min(lengths.length - 1, Math.floor(lengths.length * share))] ?? 0);
  const rows = data.flatMap(({ kind, splitters }) =>
    splitters.map((row, index) => ({ kind, row, isFirst: index === 0 })),
  );
  const edited = (all: readonly SplitterRow[]): readonly SplitterRow[] => all.filter((row) => row.newBytes.length > 0);
  return [
    formatTable(
      ["data", "splitter", "GB/s", "chunks", "least MiB", "tenth", "median", "nine tenths", "greatest"],
      rows.map(({ kind, row, isFirst }) => [
        isFirst ? kind : "",
        row.name,
        row.bytesPerSecond < 100e9 ? (row.bytesPerSecond / 1e9).toFixed(2) : "over 100",
        String(row.chunkLengths.length),
        ...[0, 0.1, 0.5, 0.9, 1].map((share) => at(row.chunkLengths, share)),
      ]),
      2,
    ),
    "",
    `What is stored anew after one edit, in MiB: the mean of ${places} edits at different places, and the most.`,
    "",
    formatTable(
      ["data", "edit", ...edited(data[0]?.splitters ?? []).map(({ name }) => name)],
      data.flatMap(({ kind, splitters }) =>
        editNames.map((edit, index) => [
          index === 0 ? kind : "",
          edit,
          ...edited(splitters).map(({ newBytes }) => meanAndMost(newBytes[index] ?? [])),
        ]),
      ),
      2,
    ),
    "",
    `\`${command}\` on ${date.slice(0, 10)}: ${formatBytes(bytes)} of each kind, by processor time of one thread, the fastest of ${rounds}`,
    `alternating rounds.${formatAbsent(absent)}`,
    `${formatMachine(machine)}.`,
  ].join("\n");
}
