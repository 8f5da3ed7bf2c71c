import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { inOwnRoot, requireOwnRoot } from "./own-root.ts";
import { describeRun, runProgram } from "./program.ts";
import { temporaryFolder } from "./temporary-folder.ts";

it("a program with a root of its own sees the machine and what is shown to it, which the machine does not", async (t) => {
  if (!(await requireOwnRoot(t))) return;
  const work = temporaryFolder(t);
  const path = (name: string): string => join(work, name);
  for (const folder of ["root", "pods", "run"]) mkdirSync(path(folder));
  writeFileSync(path("pods/file"), "of a pod");
  symlinkSync("/pods-of-a-test/file", path("link"));
  const places = { "pods-of-a-test": path("pods"), "link-of-a-test": path("link"), run: path("run") };
  const [command, ...args] = inOwnRoot(path("root"), places);
  const script = 'cat /link-of-a-test && ls -A /run && cat "$1/pods/file" && echo new > /pods-of-a-test/made && exit 7';
  const run = await runProgram(command, [...args, "/bin/sh", "-c", script, "sh", work], { env: process.env });
  assert.equal(run.exitCode, 7, describeRun(run));
  assert.equal(run.stdout.toString("utf8"), "of a podof a pod");
  assert.equal(readFileSync(path("pods/made"), "utf8"), "new\n");
  assert.deepEqual(readdirSync(path("root")), []);
  assert.ok(!existsSync("/pods-of-a-test") && !existsSync("/link-of-a-test"));
});
