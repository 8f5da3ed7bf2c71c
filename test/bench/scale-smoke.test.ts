import assert from "node:assert/strict";
import { test } from "node:test";
import { findContenders } from "../../bench/contenders.ts";
import { formatScale, measureScale } from "../../bench/scale.ts";
import { lacking } from "../support/required.ts";

test("the scale bench restores what it stored when the repository has several snapshots, and tells how much more it took", async (t) => {
  const { contenders, absent } = await findContenders(["fsb", "fsb-typescript"]);
  const [contender] = contenders;
  if (contender === undefined) return lacking(t, absent.map(({ because }) => because).join("; "));
  const lines: string[] = [];
  const options = { contenders: [contender.name], scale: 0.002, rounds: 1, folder: undefined };
  const result = await measureScale("snapshots", { ...options, progress: (line) => void lines.push(line) });
  assert.deepEqual(
    result.rows.map(({ work, amount }) => `${work}, ${amount}`),
    ["again, nothing changed, 1", "again, nothing changed, 2", "restore, 1", "restore, 2"],
  );
  const table = formatScale(result, "npm run bench -- scale snapshots");
  assert.equal(table.match(/^\| .*\| × 2\.0 \| × [\d.]+ \| × [\d.]+ \| × [\d.]+ \|$/gm)?.length, 2, table);
  t.diagnostic([...lines, table].join("\n"));
});
