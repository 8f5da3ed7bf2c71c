/** Arguments that are not what they should be, and those that may be written in more than one way. */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { assertFailed, exitCodes, fsb, fsbBackup, fsbJson, tryFsb } from "../support/fsb.ts";
import { describeRun } from "../support/program.ts";

describe("arguments", () => {
  let folder = "";
  let volume = "";
  let repo: readonly string[] = [];
  let first = "";

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "fsb-test-"));
    volume = join(folder, "volume");
    mkdirSync(volume);
    writeFileSync(join(volume, "file"), "some text");
    repo = ["--repo", join(folder, "repository")];
    await fsb(["repo", "create", ...repo]);
    first = (await fsbBackup(volume, join(folder, "repository"))).snapshotId;
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  it("that are not understood are told with a code and where to read on", async () => {
    for (const [args, what, command] of [
      [["backup", "--wrong"], "unknown option '--wrong'", "fsb backup"],
      [["backup"], "missing required argument 'path'", "fsb backup"],
      [["snapshot", "show", "a", "b"], "too many arguments for 'show'", "fsb snapshot show"],
      [["agent", "--log-level", "loud"], "option '--log-level <level>' argument 'loud' is invalid", "fsb agent"],
      [["snapshot"], "no command was named", "fsb snapshot"],
      [["bakup"], "unknown command 'bakup'", "fsb"],
    ] as const) {
      const run = await tryFsb(args);
      assertFailed(run, exitCodes.failed, /\[CLI_USAGE\]$/m);
      assert.ok(run.stderr.includes(`fsb: ${what}`), describeRun(run));
      assert.ok(run.stderr.endsWith(`\nhint: see \`${command} --help\`\n`), describeRun(run));
    }
  });

  it("that are no UTF-8 are refused, and the folder is reached from within", async () => {
    const inside = ["bash", "-c", `mkdir -p ${folder}/$'n\\xff' && cd ${folder}/$'n\\xff' && "$@"`, "bash"];
    const named = (...args: string[]): string[] => ["bash", "-c", `"$@" ${args.join(" ")}`, "bash"];
    const path = `${folder}/$'n\\xff'`;
    for (const [args, through] of [
      [["backup", ...repo], named(path)],
      [["restore", "latest", ...repo], named(path)],
      [["repo", "status"], named("--repo", path)],
      [["repo", "status", ...repo], named("--password-file", path)],
    ] as const) {
      assertFailed(await tryFsb(args, { through }), exitCodes.failed, /is not UTF-8 \[CLI_USAGE\]$/m);
    }
    for (const args of [
      ["restore", first, ".", ...repo],
      ["backup", ".", ...repo],
    ]) {
      const run = await tryFsb(args, { through: inside });
      assert.equal(run.exitCode, exitCodes.ok, describeRun(run));
    }
    assert.equal(await fsb(["snapshot", "cat", "latest:file", ...repo]), "some text");
  });

  it("that are relative to a folder that is gone are told so", async () => {
    const through = ["bash", "-c", `mkdir ${folder}/gone && cd ${folder}/gone && rmdir ../gone && "$@"`, "bash"];
    const run = await tryFsb(["repo", "status", "--repo", "relative"], { through });
    assertFailed(run, exitCodes.failed, /the working directory is gone \[CLI_USAGE\]$/m);
  });

  it("of sources may be relative, as those of Velero since 1.17 are", async () => {
    const source = "default@default:snapshot-pod-volume/kopia/shop/db-0/data";
    assert.equal((await fsbJson(["backup", volume, "--source", source, ...repo])).source, source);
    assertFailed(
      await tryFsb(["backup", volume, "--source", "elsewhere", ...repo]),
      exitCodes.failed,
      /\[CLI_USAGE\]$/m,
    );
  });

  it("of tags are given once a key", async () => {
    const run = await tryFsb(["backup", volume, "--tag", "a:b", "--tag", "a:c", ...repo]);
    assertFailed(run, exitCodes.failed, /"a:c".* \[CLI_USAGE\]$/m);
  });

  it("of parents are those of snapshots", async () => {
    for (const parent of [first.slice(0, 12), "latest", "latest~1"]) {
      const { readBytes } = await fsbJson(["backup", volume, "--parent", parent, ...repo]);
      assert.equal(readBytes, 0, parent);
    }
    for (const [parent, code] of [
      ["not a snapshot", "SNAPSHOT_SELECTOR_INVALID"],
      ["latest:file", "SNAPSHOT_SELECTOR_INVALID"],
      ["latest~99", "SNAPSHOT_NOT_FOUND"],
    ] as const) {
      const run = await tryFsb(["backup", volume, "--parent", parent, ...repo]);
      assertFailed(run, exitCodes.failed, new RegExp(`\\[${code}\\]$`, "m"));
    }
  });

  it("that name no snapshot lead to the list of them", async () => {
    for (const selector of ["latest~99", "ffff"]) {
      const run = await tryFsb(["snapshot", "show", selector, ...repo]);
      assertFailed(run, exitCodes.failed, /^hint: `fsb snapshot list` shows what there is$/m);
    }
  });
});
