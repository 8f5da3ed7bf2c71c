import assert from "node:assert/strict";
import { test } from "node:test";
import { editNames, formatSplitters, measureSplitters } from "../../bench/splitter.ts";

test("the splitter bench runs at a smoke size and tells how much of edited data each splitter stores anew", (t) => {
  const splitters = ["buzhash-typescript", "fastcdc-wasm"] as const;
  const options = { splitters, scale: 0.25, rounds: 1, places: 2, folder: undefined };
  const result = measureSplitters({ ...options, progress: t.diagnostic.bind(t) });
  assert.deepEqual(
    result.data.map(({ kind }) => kind),
    ["noise", "log lines", "database pages"],
  );
  for (const { kind, splitters: rows } of result.data) {
    assert.deepEqual(
      rows.map(({ name }) => name),
      splitters,
    );
    for (const { name, bytesPerSecond, chunkLengths, newBytes } of rows) {
      const row = `${kind}, ${name}`;
      assert.ok(bytesPerSecond > 0 && chunkLengths.length > 1, row);
      assert.equal(newBytes.length, editNames.length, row);
      // Every edit puts in what is new, and whatever is behind all leaves the chunks before it as they were.
      assert.ok(
        newBytes.flat().every((bytes) => bytes > 0),
        `${row}: ${newBytes.join(", ")}`,
      );
      const [appended = 0] = newBytes[editNames.indexOf("1 MiB behind all")] ?? [];
      assert.ok(appended >= 2 ** 20 && appended < result.bytes, `${row}: ${appended}`);
    }
  }
  t.diagnostic(formatSplitters(result, "npm run bench -- splitter"));
});
