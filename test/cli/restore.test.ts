/** `fsb restore`: the folder it makes, and what it says of entries that could not be restored. */

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { assertFailed, exitCodes, fsb, fsbBackup, fsbRestore, tryFsb } from "../support/fsb.ts";
import { requireRoot } from "../support/required.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

describe("fsb restore", () => {
  it("makes its target with all folders above it", async (t) => {
    const { work, repository } = await scene(t);
    const target = join(work, "some", "where", "below");
    await fsbRestore("latest", target, repository);
    assert.equal(readFileSync(join(target, "0"), "utf8"), "0");
  });

  it("says why it cannot make its target", async (t) => {
    const { work, repository } = await scene(t);
    writeFileSync(join(work, "file"), "");
    symlinkSync("nowhere", join(work, "dangling"));
    for (const [target, code] of [
      [join(work, "file"), "VOLUME_NOT_A_FOLDER"],
      [join(work, "file", "a", "b"), "VOLUME_NOT_A_FOLDER"],
      [join(work, "dangling"), "VOLUME_NOT_FOUND"],
      [join(work, "dangling", "a"), "VOLUME_NOT_FOUND"],
      ["/proc/fsb/a", "VOLUME_NOT_FOUND"],
    ] as const) {
      const run = await tryFsb(["restore", "latest", target, "--repo", repository]);
      assertFailed(run, exitCodes.failed, new RegExp(`${target}.* \\[${code}\\]$`, "m"));
    }
  });

  it("says that the file system of its target is read-only", async (t) => {
    if (!requireRoot(t)) return;
    const { work, repository } = await scene(t);
    const mount = join(work, "mount");
    mkdirSync(mount);
    const readOnly = `mount -t tmpfs -o ro none ${mount} && exec "$@"`;
    const target = join(mount, "a", "b");
    const args = ["restore", "latest", target, "--repo", repository];
    const run = await tryFsb(args, { through: ["unshare", "--mount", "bash", "-c", readOnly, "bash"] });
    if (/unshare|mount:/.test(run.stderr)) return t.skip("this root may not mount");
    assertFailed(run, exitCodes.failed, /\[VOLUME_READ_ONLY\]$/m);
  });

  it("names each entry that could not be restored on a line of its own", async (t) => {
    const { work, repository } = await scene(t);
    const target = join(work, "target");
    for (let i = 0; i < 5; i++) {
      mkdirSync(join(target, `${i}`), { recursive: true });
      writeFileSync(join(target, `${i}`, "kept"), "");
    }
    const run = await tryFsb(["restore", "latest", target, "--repo", repository]);
    assertFailed(run, exitCodes.failed, /^fsb: 5 entries could not be restored, named above \[RESTORE_INCOMPLETE\]$/m);
    const lines = run.stderr.trimEnd().split("\n");
    assert.equal(lines.length, 7);
    for (const [index, line] of lines.slice(0, 5).sort().entries()) {
      assert.ok(line.startsWith(`fsb: ${index}: `) && line.includes("[VOLUME_FOLDER_IN_THE_WAY]"), line);
      assert.doesNotMatch(line, /hint/);
    }
  });
});

/** A snapshot of the files 0 to 4. */
async function scene(t: TestContext): Promise<{ work: string; repository: string }> {
  const work = temporaryFolder(t);
  const [volume, repository] = [join(work, "volume"), join(work, "repository")];
  mkdirSync(volume);
  for (let i = 0; i < 5; i++) writeFileSync(join(volume, `${i}`), `${i}`);
  await fsb(["repo", "create", "--repo", repository]);
  await fsbBackup(volume, repository);
  return { work, repository };
}
