/**
 * Lists, as every command tells them: rows that come one by one are picked, ordered, cut off and written, for people as a
 * table, for programs as JSON or YAML.
 *
 * Memory: the first rows, by which the columns of a table are made wide enough; with `--sort` all rows, or as many as
 * `--limit` says.
 */

import { type Command, InvalidArgumentError, Option } from "commander";
import { parseByteSize } from "../base/byte-size.ts";
import { CliError } from "./cli-error.ts";
import { formatBytes, type Output } from "./terminal.ts";

/** What programs read. Sizes are bytes, times are as in RFC 3339 and UTC. */
export type Row = Readonly<Record<string, unknown>>;

export interface Column {
  /** Of the row, `a.b` for one within another. */
  readonly field: string;
  /** Else the field's name in capitals. */
  readonly title?: string;
  /** What people read; else what programs do. */
  readonly text?: (value: never, row: Row) => string;
  /** Shows with `-o wide` only. */
  readonly isWide?: boolean;
}

export interface ListOptions {
  readonly where?: readonly Condition[];
  readonly sort?: Order;
  readonly limit?: number;
  readonly headers?: boolean;
}

interface Condition {
  readonly field: string;
  readonly test: "=" | "!=" | "<" | "<=" | ">" | ">=" | "~";
  readonly value: string;
  /** What `~` looks for. */
  readonly pattern?: RegExp;
}

interface Order {
  readonly field: string;
  readonly isDescending: boolean;
}

const rowsMeasured = 200;
const writtenBytes = 1 << 16;

export function addListOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--where <condition>", "rows whose FIELD is so: =, !=, ~ (a regular expression), <, <=, > or >=")
        .argParser((text: string, before: readonly Condition[] | undefined) => [...(before ?? []), conditionOf(text)])
        .default(undefined, "all"),
    )
    .addOption(new Option("--sort <field>", "by a field; -FIELD for the greatest first").argParser(orderOf))
    .addOption(new Option("--limit <count>", "so many rows at most").argParser(countOf))
    .addOption(new Option("--no-headers", "a table without its first line"));
}

export async function writeList(
  output: Output,
  columns: readonly Column[],
  rows: AsyncIterable<Row> | Iterable<Row>,
  options: ListOptions = {},
): Promise<void> {
  const picked = limited(ordered(matching(rows, columns, options.where ?? []), columns, options), options.limit);
  const lines = output.isTable
    ? tableLines(picked, shown(columns, output), options.headers !== false)
    : encoded(picked);
  let waiting: string[] = [];
  let length = 0;
  async function* encoded(from: AsyncIterable<Row>): AsyncIterable<string> {
    for await (const row of from) yield* await output.encode(row);
  }
  for await (const line of lines) {
    waiting.push(line);
    length += line.length;
    if (length < writtenBytes) continue;
    if (!(await output.lines(waiting))) return;
    waiting = [];
    length = 0;
  }
  if (waiting.length > 0) await output.lines(waiting);
}

export const asBytes = { text: (count: number) => formatBytes(count) };
/** To the second. */
export const asTime = { text: (time: string) => (time === "" ? "" : time.slice(0, 19).concat("Z")) };

function shown(columns: readonly Column[], output: Output): readonly Column[] {
  return output.format === "wide" ? columns : columns.filter(({ isWide }) => isWide !== true);
}

async function* matching(
  rows: AsyncIterable<Row> | Iterable<Row>,
  columns: readonly Column[],
  conditions: readonly Condition[],
): AsyncIterable<Row> {
  for await (const row of rows) {
    if (conditions.every((condition) => isSo(condition, fieldOf(row, condition.field, columns)))) yield row;
  }
}

async function* ordered(
  rows: AsyncIterable<Row>,
  columns: readonly Column[],
  { sort, limit }: ListOptions,
): AsyncIterable<Row> {
  if (sort === undefined) return yield* rows;
  const { field, isDescending } = sort;
  const keep = limit ?? Number.POSITIVE_INFINITY;
  const order = (a: Keyed, b: Keyed): number => compareValues(a.key, b.key) * (isDescending ? -1 : 1);
  let kept: Keyed[] = [];
  for await (const row of rows) {
    kept.push({ row, key: fieldOf(row, field, columns) });
    // Seldom enough that each row is sorted a few times only.
    if (kept.length >= 2 * keep + rowsMeasured) kept = kept.sort(order).slice(0, keep);
  }
  for (const { row } of kept.sort(order)) yield row;
}

interface Keyed {
  readonly row: Row;
  readonly key: unknown;
}

async function* limited(rows: AsyncIterable<Row>, limit = Number.POSITIVE_INFINITY): AsyncIterable<Row> {
  let count = 0;
  if (limit === 0) return;
  for await (const row of rows) {
    yield row;
    if (++count >= limit) return;
  }
}

interface Cell {
  readonly text: string;
  readonly isNumber: boolean;
}

async function* tableLines(
  rows: AsyncIterable<Row>,
  columns: readonly Column[],
  hasHeaders: boolean,
): AsyncIterable<string> {
  const titles = columns.map(({ field, title = field.toUpperCase() }) => ({ text: title, isNumber: false }));
  let measured: (readonly Cell[])[] | undefined = [];
  let widths = titles.map(({ text }) => (hasHeaders ? text.length : 0));
  function* begun(first: readonly (readonly Cell[])[]): Iterable<string> {
    widths = widths.map((width, i) => Math.max(width, ...first.map((cells) => cells[i]?.text.length ?? 0)));
    const rightAligned = titles.map((title, i) => ({ ...title, isNumber: first.some((cells) => cells[i]?.isNumber) }));
    if (hasHeaders) yield lineOf(rightAligned, widths);
    for (const cells of first) yield lineOf(cells, widths);
  }
  for await (const row of rows) {
    const cells = columns.map((column) => cellOf(row, column));
    if (measured === undefined) {
      yield lineOf(cells, widths);
    } else if (measured.push(cells) === rowsMeasured) {
      yield* begun(measured);
      measured = undefined;
    }
  }
  if (measured !== undefined) yield* begun(measured);
}

function cellOf(row: Row, { field, text }: Column): Cell {
  const value = valueAt(row, field);
  const isNumber = typeof value === "number" || typeof value === "bigint";
  if (value === undefined) return { text: "", isNumber };
  if (text !== undefined) return { text: text(value as never, row), isNumber };
  return { text: textOf(value), isNumber };
}

function textOf(value: unknown): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function lineOf(cells: readonly Cell[], widths: readonly number[]): string {
  const padded = cells.map(({ text, isNumber }, i) => {
    const width = widths[i] as number;
    if (isNumber) return text.padStart(width);
    return i === cells.length - 1 ? text : text.padEnd(width);
  });
  return padded.join("  ").trimEnd();
}

/** Errors: CLI_USAGE where no row has it. */
function fieldOf(row: Row, field: string, columns: readonly Column[]): unknown {
  const value = valueAt(row, field);
  const [first = ""] = field.split(".");
  if (value !== undefined || Object.hasOwn(row, first) || columns.some((column) => column.field === field))
    return value;
  const names = [...new Set([...Object.keys(row), ...columns.map((column) => column.field)])].sort();
  throw new CliError("CLI_USAGE", `rows have no field ${JSON.stringify(field)}`, {
    hint: `there are ${names.join(", ")}`,
  });
}

function valueAt(row: Row, field: string): unknown {
  if (Object.hasOwn(row, field)) return row[field];
  let value: unknown = row;
  for (const name of field.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Row)[name];
  }
  return value;
}

function conditionOf(text: string): Condition {
  const [, field, test, value] = /^([A-Za-z][\w.-]*)\s*(!=|<=|>=|=|~|<|>)\s*(.*)$/s.exec(text) ?? [];
  if (field === undefined || test === undefined || value === undefined) {
    throw new InvalidArgumentError("a condition is a field, one of = != ~ < <= > >=, and a value: 'size>1GiB'");
  }
  const condition = { field, test: test as Condition["test"], value };
  return test === "~" ? { ...condition, pattern: patternOf(value) } : condition;
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text, "u");
  } catch {
    // Its message repeats the expression in words of its own.
    throw new InvalidArgumentError(`${JSON.stringify(text)} is no regular expression`);
  }
}

function orderOf(text: string): Order {
  const isDescending = text.startsWith("-");
  return { field: isDescending ? text.slice(1) : text, isDescending };
}

function countOf(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(count)) return count;
  throw new InvalidArgumentError("a whole number of rows is wanted");
}

function isSo({ field, test, value, pattern }: Condition, actual: unknown): boolean {
  const text = actual === undefined ? "" : textOf(actual);
  if (pattern !== undefined) return pattern.test(text);
  const isNumber = typeof actual === "number" || typeof actual === "bigint";
  const wanted = isNumber ? numberOf(value, field) : value;
  const order = compareValues(isNumber ? actual : text, wanted);
  switch (test) {
    case "=":
      return order === 0;
    case "!=":
      return order !== 0;
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    case ">":
      return order > 0;
    default:
      return order >= 0;
  }
}

function numberOf(text: string, field: string): number | bigint {
  if (/^-?\d+$/.test(text)) return BigInt(text);
  const number = parseByteSize(text) ?? Number(text);
  if (text !== "" && !Number.isNaN(number)) return number;
  throw new CliError("CLI_USAGE", `${field} is a number, and ${JSON.stringify(text)} is none`, {
    hint: "write it as 1000, 20MB or 1.5GiB",
  });
}

/** Numbers by size, times by when, other texts by their characters; what is not there comes first. */
function compareValues(a: unknown, b: unknown): number {
  const areNumbers = [a, b].every((value) => typeof value === "number" || typeof value === "bigint");
  if (areNumbers) return (a as number) < (b as number) ? -1 : (a as number) > (b as number) ? 1 : 0;
  const [one, other] = [a, b].map((value) => (value === undefined ? "" : sortable(String(value)))) as [string, string];
  return one < other ? -1 : one > other ? 1 : 0;
}

/** A fraction of a second comes after none: without what ends a time, the characters say so. */
function sortable(text: string): string {
  return /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(text) ? text.slice(0, -1) : text;
}
