/** What the command line writes: where it goes, what never reaches the terminal, and what becomes of a reader that goes away. */

import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { Output } from "../../src/cli/terminal.ts";
import { assertFailed, exitCodes, fsb, fsbBackup, fsbJson, tryFsb } from "../support/fsb.ts";
import { describeRun } from "../support/program.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** Runs the rest of its arguments with standard output closed by the reader, or on a full device. */
const toClosedPipe = ["bash", "-c", 'set -o pipefail; "$@" | true', "bash"];
const toFullDevice = ["bash", "-c", '"$@" > /dev/full', "bash"];

describe("the result", () => {
  it("may be left unread: the command does its work and keeps its exit code", async (t) => {
    const { volume, repository } = await scene(t);
    const args = ["backup", volume, "--repo", repository];
    const run = await tryFsb(args, { through: toClosedPipe });
    assert.equal(run.exitCode, exitCodes.ok, describeRun(run));
    await fsb(["snapshot", "show", "latest", "--repo", repository]);
    const missing = await tryFsb(["snapshot", "show", "ffff", "--repo", repository], { through: toClosedPipe });
    assertFailed(missing, exitCodes.failed, /SNAPSHOT_NOT_FOUND/);
  });

  it("that cannot be written is an error, and so is help", async (t) => {
    const { repository } = await scene(t);
    for (const args of [["repo", "status", "--repo", repository], ["--help"]]) {
      const run = await tryFsb(args, { through: toFullDevice });
      assertFailed(run, exitCodes.failed, /^fsb: could not write the result: ENOSPC \[CLI_OUTPUT_FAILED\]$/m);
    }
  });

  it("of ls tells kinds as `ls -l` does", async (t) => {
    const { volume, repository } = await scene(t);
    mkdirSync(join(volume, "folder"));
    symlinkSync("file", join(volume, "link"));
    await fsbBackup(volume, repository);
    const lines = (await fsb(["snapshot", "ls", "--no-headers", "--repo", repository])).trimEnd().split("\n");
    assert.deepEqual(
      lines.map((line) => [line[0], line.split(" ").at(-1)]),
      [
        ["d", "folder/"],
        ["-", "file"],
        ["l", "link"],
      ],
    );
  });
});

describe("text from a volume or a repository", () => {
  it("reaches the terminal without characters that would steer it, and with them in JSON", async (t) => {
    const { volume, repository } = await scene(t);
    const evil = "a\u001b[31m\u009b\u202e\n\u{e0001}";
    writeFileSync(join(volume, evil), "");
    const repo = ["--repo", repository];
    const backup = ["backup", volume, ...repo, "--tag", `key:${evil}`, "--source", `me@here:/${evil}`];
    const told = [
      await fsb(backup),
      await fsb(["snapshot", "list", "--no-headers", ...repo]),
      await fsb(["snapshot", "ls", ...repo]),
      await fsb(["snapshot", "show", ...repo]),
      (await tryFsb(["snapshot", "cat", `latest:${evil}/x`, ...repo])).stderr,
    ];
    for (const text of told) assert.doesNotMatch(text, /(?!\n)[\p{Cc}\p{Cf}]/u);
    assert.equal((told[1] as string).split("\n").length, 2, "a name makes no lines");
    const shown = await fsbJson(["snapshot", "show", ...repo]);
    assert.deepEqual(shown.tags, { "tag:key": evil });
    assert.deepEqual(JSON.parse(told[3] as string), shown);
  });

  it("is harmless in notes", () => {
    let said = "";
    const write = (text: string): void => {
      said += text;
    };
    const stream = { write } as unknown as NodeJS.WritableStream;
    const output = new Output({ env: {}, stdin: process.stdin, stdout: stream, stderr: stream });
    output.note("a\u001b[2J\nfsb: forged");
    output.error(new Error("b\u0007"));
    assert.equal(said, "fsb: a\\u001b[2J\\u000afsb: forged\nfsb: b\\u0007\n");
  });
});

async function scene(t: TestContext): Promise<{ volume: string; repository: string }> {
  const folder = temporaryFolder(t);
  const [volume, repository] = [join(folder, "volume"), join(folder, "repository")];
  mkdirSync(volume);
  writeFileSync(join(volume, "file"), "some text");
  await fsb(["repo", "create", "--repo", repository]);
  return { volume, repository };
}
