/** From runs to tables. */

import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg, totalmem } from "node:os";
import type { Absent, Contender, ContenderName } from "./contenders.ts";
import type { Usage } from "./measured-command.ts";

/** Of the runs of one kind. */
export interface Summary {
  readonly runs: number;
  /** Medians; of an even number of runs the mean of the two in the middle. */
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly secondsMin: number;
  readonly secondsMax: number;
  /** The highest of all. */
  readonly peakResidentBytes: number;
}

export interface Row extends Summary {
  readonly work: string;
  readonly contender: ContenderName;
  /** How many times as fast as the fastest peer of the same work; undefined where there is none. */
  readonly timesAsFast: number | undefined;
  /** The least processor time of a peer, over that of this. */
  readonly timesLessCpu: number | undefined;
}

export function summarize(samples: readonly Usage[]): Summary {
  const seconds = samples.map((sample) => sample.seconds);
  return {
    runs: samples.length,
    seconds: median(seconds),
    cpuSeconds: median(samples.map((sample) => sample.cpuSeconds)),
    secondsMin: Math.min(...seconds),
    secondsMax: Math.max(...seconds),
    peakResidentBytes: Math.max(...samples.map((sample) => sample.peakResidentBytes)),
  };
}

/** By work, in the order in which the works come first; within a work by contender. */
export function compare(
  contenders: readonly Pick<Contender, "name" | "isPeer">[],
  samples: readonly (Usage & { readonly work: string; readonly contender: ContenderName })[],
): readonly Row[] {
  return [...new Set(samples.map(({ work }) => work))].flatMap((work) => {
    const summaries = contenders.map((contender) => {
      const own = samples.filter((sample) => sample.work === work && sample.contender === contender.name);
      return { contender, summary: summarize(own) };
    });
    const peers = summaries.filter(({ contender }) => contender.isPeer).map(({ summary }) => summary);
    const against = (key: "seconds" | "cpuSeconds", own: Summary): number | undefined =>
      peers.length === 0 ? undefined : Math.min(...peers.map((peer) => peer[key])) / own[key];
    return summaries.map(({ contender, summary }) => ({
      work,
      contender: contender.name,
      ...summary,
      timesAsFast: against("seconds", summary),
      timesLessCpu: against("cpuSeconds", summary),
    }));
  });
}

export function formatRows(rows: readonly Row[]): string {
  const columns = ["work", "program", "seconds", "from – to", "CPU seconds", "peak MB", "times as fast", "by CPU"];
  const best = (row: Row): boolean => !rows.some((other) => other.work === row.work && other.seconds < row.seconds);
  return formatTable(
    columns,
    rows.map((row, index) => [
      rows[index - 1]?.work === row.work ? "" : row.work,
      row.contender,
      best(row) ? `**${formatSeconds(row.seconds)}**` : formatSeconds(row.seconds),
      `${formatSeconds(row.secondsMin)} – ${formatSeconds(row.secondsMax)}`,
      formatSeconds(row.cpuSeconds),
      formatMegabytes(row.peakResidentBytes),
      formatRatio(row.timesAsFast),
      formatRatio(row.timesLessCpu),
    ]),
    2,
  );
}

/** The first columns hold text, the others numbers. */
export function formatTable(
  columns: readonly string[],
  rows: readonly (readonly string[])[],
  textColumns: number,
): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = columns.map((_, index) => (index < textColumns ? "---" : "--:"));
  return [columns, rule, ...rows].map(line).join("\n");
}

export function formatSeconds(seconds: number): string {
  return seconds.toFixed(seconds < 9.95 ? 2 : 1);
}

/** Of 10⁶ bytes. */
export function formatMegabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

export function formatRatio(ratio: number | undefined): string {
  return ratio === undefined ? "" : ratio.toFixed(2);
}

/** In general words, and how busy it is, which is to be asked before anything is run. */
export interface Machine {
  readonly processors: number;
  readonly architecture: string;
  readonly memoryBytes: number;
  /** Of one minute. */
  readonly load: number;
  readonly node: string;
}

export function describeMachine(): Machine {
  return {
    processors: availableParallelism(),
    architecture: process.arch,
    memoryBytes: totalmem(),
    load: loadavg()[0] ?? 0,
    node: process.versions.node,
  };
}

export function formatMachine({ processors, architecture, memoryBytes, load, node }: Machine): string {
  const memory = `${(memoryBytes / 2 ** 30).toFixed(0)} GiB of memory`;
  const busy =
    load < 0.3 ? "otherwise idle" : `with other work on it, a load of ${load.toFixed(1)} before the first run`;
  return `Linux on ${architecture} with ${processors} processors and ${memory}, ${busy}; Node ${node}`;
}

/** How and where programs were measured. */
export interface Circumstances {
  readonly rounds: number;
  readonly inMemory: boolean;
  /** ISO 8601, when it began. */
  readonly date: string;
  readonly machine: Machine;
  readonly versions: readonly string[];
  readonly absent: readonly Absent[];
}

export function formatPlace({ inMemory }: Circumstances): string {
  return inMemory ? "in memory (tmpfs)" : "on disk";
}

/** Two lines: the machine, and the programs that were there and were not. */
export function formatCircumstances({ machine, versions, absent }: Circumstances): string {
  return `${formatMachine(machine)}.\n${versions.join(", ")}.${formatAbsent(absent)}`;
}

/** A sentence for each, with a space before it. */
export function formatAbsent(absent: readonly { readonly name: string; readonly because: string }[]): string {
  return absent.map(({ name, because }) => ` Without ${name}: it ${because}.`).join("");
}

/** Writes the text between the section's two markers in a Markdown file. Fails where it has none. */
export function replaceSection(file: string, section: string, text: string): void {
  const [begin, end] = [`<!-- measured: ${section} -->`, `<!-- end: ${section} -->`];
  const old = readFileSync(file, "utf8");
  const [from, to] = [old.indexOf(begin), old.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${file} has no section between ${begin} and ${end}`);
  writeFileSync(file, `${old.slice(0, from + begin.length)}\n\n${text.trim()}\n\n${old.slice(to)}`);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}
