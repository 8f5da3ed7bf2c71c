import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { findContenders } from "../../bench/contenders.ts";
import type { SetResult } from "../../bench/sets.ts";
import { describeRun, runProgram } from "../support/program.ts";
import { lacking } from "../support/required.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const bench = join(import.meta.dirname, "..", "..", "bench", "bench.ts");

test("the bench runs at a smoke size, checks what was restored, and tells tables as Markdown and JSON", async (t) => {
  const { contenders, absent } = await findContenders(["fsb", "fsb-typescript", "kopia"]);
  // The native kernel may be missing where there is no Rust.
  if (contenders.every(({ isPeer }) => isPeer)) return lacking(t, absent.map(({ because }) => because).join("; "));
  const names = contenders.map(({ name }) => name);
  const folder = temporaryFolder(t);
  const [json, markdown] = [join(folder, "runs.json"), join(folder, "page.md")];
  writeFileSync(markdown, "# Page\n\n<!-- measured: tiny -->\nold\n<!-- end: tiny -->\n\nafter\n");
  const files = ["--json", json, "--markdown", markdown];
  const args = [bench, "tiny", ...names, "--scale", "0.005", "--rounds", "1", ...files];
  const run = await runProgram(process.execPath, args, { env: process.env });
  assert.equal(run.exitCode, 0, describeRun(run));

  const [result] = JSON.parse(readFileSync(json, "utf8")) as readonly SetResult[];
  assert.ok(result !== undefined && /^[0-9a-f]{64}$/.test(result.digest), "the digest of what was stored and restored");
  assert.deepEqual(
    result.rows.map(({ work, contender }) => `${contender}: ${work}`),
    ["first backup", "again, nothing changed", "restore"].flatMap((work) => names.map((name) => `${name}: ${work}`)),
  );
  for (const { work, contender, seconds, cpuSeconds, peakResidentBytes } of result.rows) {
    const row = `${contender}: ${work}`;
    assert.ok(seconds > 0 && cpuSeconds > 0 && peakResidentBytes > 2 ** 24, `${row} ${JSON.stringify(result.rows)}`);
  }
  const page = readFileSync(markdown, "utf8");
  assert.match(page, /^# Page\n\n<!-- measured: tiny -->\n\n\*\*tiny\*\*: [\s\S]*\n\n<!-- end: tiny -->\n\nafter\n$/);
  assert.equal(page.match(/^\| /gm)?.length, 2 + 3 * names.length, page);
  t.diagnostic(run.stdout.toString("utf8"));
});
