/** What a run may take, and where its time went: `docs/operations/limits.md`. */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { queueNames, stageNames } from "../../src/base/profile.ts";
import { assertFailed, exitCodes, fsb, tryFsb } from "../support/fsb.ts";
import { describeRun } from "../support/program.ts";

describe("what a run may take", () => {
  let folder = "";
  let volume = "";
  let repo: readonly string[] = [];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "fsb-test-"));
    volume = join(folder, "volume");
    mkdirSync(volume);
    writeFileSync(join(volume, "file"), Buffer.alloc(1_500_000, "some text"));
    repo = ["--repo", join(folder, "repository")];
    await fsb(["repo", "create", ...repo]);
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  it("is refused where it is no size, count or priority, or too little to work with", async () => {
    for (const [flag, value, why] of [
      ["--memory-budget", "much", "it must be a size, as 20MB or 256MiB"],
      ["--memory-budget", "64MiB", "it must be at least 128MiB"],
      ["--parallelism", "0", "it must be a whole number from 1 to 256"],
      ["--parallelism", "2.5", "it must be a whole number from 1 to 256"],
      ["--upload-limit", "fast", "it must be a size, as 20MB or 256MiB"],
      ["--download-limit", "999", "it must be at least 1KB"],
      ["--read-limit", "-1", "it must be a size, as 20MB or 256MiB"],
      ["--io-priority", "best-effort:8", "it must be idle, best-effort, or best-effort:0"],
      ["--io-priority", "realtime", "it must be idle, best-effort, or best-effort:0"],
      ["--nice", "20", "it must be a whole number from 1 to 19"],
      ["--nice", "0", "it must be a whole number from 1 to 19"],
    ] as const) {
      const run = await tryFsb(["backup", volume, `${flag}=${value}`, ...repo]);
      assertFailed(run, exitCodes.failed, /\[CLI_USAGE\]$/m);
      assert.ok(run.stderr.includes(why), describeRun(run));
    }
    const run = await tryFsb(["backup", volume, ...repo], { env: { FSB_MEMORY_BUDGET: "1MiB" } });
    assertFailed(run, exitCodes.failed, /at least 128MiB/);
  });

  it("is taken all together, and the profile says where the time went", async () => {
    const file = join(folder, "profile.json");
    const limits = ["--memory-budget=128MiB", "--parallelism=1", "--upload-limit=100MB", "--download-limit=100MB"];
    const priorities = ["--read-limit=1MB", "--io-priority=idle", "--nice=5"];
    const backup = await tryFsb(["backup", volume, ...limits, ...priorities, "--profile", file, ...repo]);
    assert.equal(backup.exitCode, exitCodes.ok, describeRun(backup));
    const profile = readProfile(file);
    for (const stage of ["read", "hash", "seal", "put", "commit"]) assert.ok(profile.seconds[stage], stage);
    assert.equal(profile.threads, 1);
    assert.ok(Number(profile.wallSeconds) >= 1.4, "1.5 MB at 1 MB a second");
    assert.equal(profile.memory.limitBytes, 128 * 2 ** 20);
    assert.ok(profile.memory.peakBytes <= profile.memory.limitBytes);
    assert.ok(backup.stderr.trimEnd().endsWith(String(profile.verdict).slice(-10)), describeRun(backup));
    assert.match(backup.stderr, /^put +[0-9.]+ s/m);

    const target = join(folder, "target");
    await fsb(["restore", "latest", target, ...limits, "--profile", file, ...repo]);
    const restored = readProfile(file);
    const ofThreads = restored.kernel === "native" ? ["write", "attributes", "sync"] : [];
    for (const stage of ["fetch", "open", ...ofThreads]) assert.ok(stage in restored.seconds, stage);
    assert.ok(restored.queues["ranges in flight"]?.max);
    assert.ok(restored.memory.peakBytes <= restored.memory.limitBytes);
    assert.ok(readFileSync(join(target, "file")).equals(readFileSync(join(volume, "file"))));
  });

  it("is refused before anything is stored where it could not be told", async () => {
    const before = await fsb(["snapshot", "list", "--json", ...repo]);
    const run = await tryFsb(["backup", volume, "--profile", join(folder, "none", "profile.json"), ...repo]);
    assertFailed(run, exitCodes.failed, /could not write the profile to .*: ENOENT \[CLI_OUTPUT_FAILED\]/);
    assert.equal(await fsb(["snapshot", "list", "--json", ...repo]), before);
  });

  it("is told of a run that fails, too", async () => {
    const file = join(folder, "failed.json");
    const run = await tryFsb(["restore", "latest", join(volume, "file"), "--profile", file, ...repo]);
    assert.equal(run.exitCode, exitCodes.failed);
    readProfile(file);
    const unwritable = await tryFsb(["backup", volume, "--profile", join(folder, "none", "p.json"), ...repo]);
    assertFailed(unwritable, exitCodes.failed, /could not write the profile .* ENOENT \[CLI_OUTPUT_FAILED\]/);
  });
});

interface WrittenProfile {
  readonly wallSeconds: number;
  readonly threads: number;
  readonly kernel: string;
  readonly seconds: Readonly<Record<string, number>>;
  readonly queues: Readonly<Record<string, { readonly average: number; readonly max: number }>>;
  readonly memory: { readonly limitBytes: number; readonly usedBytes: number; readonly peakBytes: number };
  readonly verdict: string;
}

/** Has the shape that the page tells. */
function readProfile(file: string): WrittenProfile {
  const profile = JSON.parse(readFileSync(file, "utf8")) as WrittenProfile;
  const keys = ["wallSeconds", "threads", "kernel", "seconds", "queues", "memory", "verdict"];
  assert.deepEqual(Object.keys(profile), keys);
  for (const [stage, seconds] of Object.entries(profile.seconds)) {
    assert.ok((stageNames as readonly string[]).includes(stage) && seconds >= 0, `${stage} ${seconds}`);
  }
  for (const [queue, { average, max }] of Object.entries(profile.queues)) {
    assert.ok((queueNames as readonly string[]).includes(queue) && average <= max, `${queue} ${average} ${max}`);
  }
  assert.match(profile.verdict, /object store \d+ %, processor \d+ %, disk \d+ % of the time$/);
  return profile;
}
