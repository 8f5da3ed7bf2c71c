/** A page of docs/, and what tests read out of it: blocks of code, tables, headings. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fromHex } from "../../src/base/bytes.ts";

export const repositoryRoot = join(import.meta.dirname, "..", "..");

export class Page {
  readonly path: string;
  readonly text: string;

  /** `path` is below the root of this repository. */
  constructor(path: string) {
    this.path = path;
    this.text = readFileSync(join(repositoryRoot, path), "utf8");
  }

  headings(level: number): readonly string[] {
    return this.#matches(new RegExp(`^${"#".repeat(level)} (.+)$`, "gm"));
  }

  /** What stands below a heading, up to the next one of its level or above. */
  section(heading: string): string {
    const headings = [...this.text.matchAll(/^(#+) (.+)\n/gm)];
    const at = headings.findIndex((match) => match[2] === heading);
    const start = headings[at];
    assert.ok(start, `${this.path} has no heading ${heading}`);
    const isEnd = (match: RegExpExecArray): boolean => (match[1] as string).length <= (start[1] as string).length;
    return this.text.slice(start.index + start[0].length, headings.slice(at + 1).find(isEnd)?.index);
  }

  /** The blocks of a language below a heading, without the line feed at their ends. */
  blocks(heading: string, language: string): readonly string[] {
    const found = [...this.section(heading).matchAll(new RegExp(`^\`\`\`${language}\n(.*?)\n\`\`\`$`, "gms"))];
    assert.ok(found.length > 0, `${this.path} has no ${language} below ${heading}`);
    return found.map((match) => match[1] as string);
  }

  block(heading: string, language: string): string {
    return this.blocks(heading, language)[0] as string;
  }

  /** A block of hex digits; what follows a `#` in a line is a remark. */
  bytes(heading: string): Uint8Array {
    return bytesOfHex(this.block(heading, "hex").replaceAll(/#.*$/gm, ""));
  }

  /** The rows of the table whose header line begins so: the cells without back quotes. */
  table(header: string): readonly (readonly string[])[] {
    const start = this.text.indexOf(`\n${header}`);
    assert.ok(start >= 0, `${this.path} has no table ${header}`);
    const lines = this.text.slice(start + 1).split("\n");
    const end = lines.findIndex((line) => !line.startsWith("|"));
    assert.ok(end > 2, `the table ${header} of ${this.path} has rows`);
    return lines.slice(2, end).map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll("`", "")),
    );
  }

  /** The second cell of the row that begins so. */
  value(header: string, name: string): string {
    const row = this.table(header).find(([first]) => first === name);
    assert.ok(row?.[1] !== undefined, `${this.path} has no row ${name} below ${header}`);
    return row[1];
  }

  #matches(pattern: RegExp): readonly string[] {
    return [...this.text.matchAll(pattern)].map((match) => match[1] as string);
  }
}

/** White space does not count. */
export function bytesOfHex(text: string): Uint8Array {
  const bytes = fromHex(text.replaceAll(/\s/g, ""));
  assert.ok(bytes, `${text} is hex`);
  return bytes;
}
