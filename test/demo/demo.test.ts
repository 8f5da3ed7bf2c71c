import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { describeRun, runProgram } from "../support/program.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

test("the demo completes two backups and a restore, finds the marker and no difference, and tidies up", async (t) => {
  const folder = temporaryFolder(t);
  const demo = join(import.meta.dirname, "demo.ts");
  const run = await runProgram(process.execPath, [demo, "--tidy"], { env: { ...process.env, TMPDIR: folder } });
  const said = run.stdout.toString("utf8");
  assert.equal(run.exitCode, 0, describeRun(run) + said);
  assert.equal(said.match(/^ +Completed: /gm)?.length, 3);
  assert.match(said, /\/\.velero\/[0-9a-f-]+: there$/m);
  assert.match(said, /^ +none: 214 files, folders and links are the same$/m);
  assert.match(said, /the repository grew by [0-9]{1,3},[0-9]{3} bytes$/m);
});
