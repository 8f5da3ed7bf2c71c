/** What docs/operations/failures.md says that a user sees, to be held against what happens. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { textAt } from "../../src/kubernetes/json.ts";

const page = join(import.meta.dirname, "..", "..", "docs", "operations", "failures.md");

export interface Failure {
  /** What happened. */
  readonly what: string;
  readonly phase: string;
  /** The whole message, with `…` for what differs from one time to the next. */
  readonly message: string;
}

/** The rows of its tables whose second cell is a phase. */
export function readFailures(): readonly Failure[] {
  return readFileSync(page, "utf8")
    .split("\n")
    .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|")))
    .filter(([, , phase = ""]) => /^`(Completed|Failed|Canceled)`$/.test(phase))
    .map(([, what = "", phase = "", message = ""]) => ({ what, phase: bare(phase), message: bare(message) }));
}

/** Fails unless the object's status is what the page has for it. */
export function assertAsOnPage(what: string, object: unknown): void {
  const failure = readFailures().find((one) => one.what === what);
  assert.ok(failure !== undefined, `the page tells of "${what}": ${JSON.stringify(object)}`);
  const message = textAt(object, "status", "message") ?? "";
  assert.equal(textAt(object, "status", "phase"), failure.phase, message);
  const parts = failure.message.split("…").map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  assert.match(message, new RegExp(`^${parts.join(".*")}$`));
}

function bare(cell: string): string {
  return cell.replace(/^`(.*)`$/, "$1");
}
