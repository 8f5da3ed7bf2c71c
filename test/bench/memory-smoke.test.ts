import assert from "node:assert/strict";
import { test } from "node:test";
import { formatTable, measureMemory } from "../../bench/memory.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

test("the memory bench runs at a smoke size and tells a peak for each command", async (t) => {
  const rows = await measureMemory(0.01, temporaryFolder(t));
  assert.deepEqual(
    rows.map(({ shape, command }) => `${command} ${shape}`),
    [
      "backup one file of 31 MiB",
      "restore one file of 31 MiB",
      "backup 1000 files of 100 bytes",
      "restore 1000 files of 100 bytes",
    ],
  );
  for (const row of rows) assert.ok(row.peakResidentBytes > 2 ** 20, `${row.shape}: ${row.peakResidentBytes} bytes`);
  t.diagnostic(formatTable(rows));
});
