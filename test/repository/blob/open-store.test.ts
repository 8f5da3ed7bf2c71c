import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { describeRun, runProgram } from "../../support/program.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

const source = join(import.meta.dirname, "..", "..", "..", "src");

/** Opens a store in a process of its own, and tells which files of the SDK that loaded. */
async function loadedFor(location: object): Promise<string[]> {
  const script = `
    import { Module } from "node:module";
    import { systemClock } from ${JSON.stringify(join(source, "base", "clock.ts"))};
    import { silentLog } from ${JSON.stringify(join(source, "base", "log.ts"))};
    import { openStore } from ${JSON.stringify(join(source, "repository", "blob", "open-store.ts"))};
    const { signal } = new AbortController();
    const store = await openStore(${JSON.stringify(location)}, { mode: "create", clock: systemClock, log: silentLog, signal });
    await store[Symbol.asyncDispose]();
    console.log(JSON.stringify(Object.keys(Module._cache).filter((file) => /@aws-sdk|@smithy/.test(file))));`;
  const run = await runProgram(process.execPath, ["--input-type=module", "--eval", script], { env: process.env });
  assert.equal(run.exitCode, 0, describeRun(run));
  return JSON.parse(run.stdout.toString("utf8")) as string[];
}

test("a repository in a folder loads nothing of the SDK, one in a bucket does", async (t) => {
  assert.deepEqual(await loadedFor({ kind: "fs", folder: join(temporaryFolder(t), "repository") }), []);
  const bucket = { kind: "s3", bucket: "backups", prefix: "", endpoint: "http://127.0.0.1:9" };
  assert.ok((await loadedFor(bucket)).length > 0);
});
