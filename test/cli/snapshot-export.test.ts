/** `fsb snapshot export`: GNU tar unpacks what was backed up. */

import assert from "node:assert/strict";
import {
  chownSync,
  existsSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { assertFailed, exitCodes, fsb, fsbBackup, fsbJson, fsbJsonLines, tryFsb } from "../support/fsb.ts";
import { requireGolden, treeOf } from "../support/golden.ts";
import { describeRun, runProgram } from "../support/program.ts";
import { lacking, requireRoot } from "../support/required.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { writeTree } from "../support/tree.ts";
import { assertSameTree, readManifest } from "../support/tree-manifest.ts";

describe("an exported snapshot", () => {
  it("of kopia's unpacks as its tree, owners, modes and times with it", async (t) => {
    const golden = requireGolden(t);
    if (golden === undefined || !requireRoot(t) || !(await requireTar(t))) return;
    const folder = temporaryFolder(t);
    const repo = ["--repo", golden.repositoryFolder("many-sessions")];
    const [{ snapshotId, tags } = {}] = await fsbJsonLines(["snapshot", "list", "--limit=1", ...repo]);
    const manifest = golden.manifest(treeOf({ tags: tags as Record<string, string> }));
    const file = join(folder, "archive.tar");
    const told = await fsbJson(["snapshot", "export", String(snapshotId), "--to", file, ...repo]);
    const kinds = [...manifest.values()].map(({ type }) => type);
    const count = (kind: string) => kinds.filter((one) => one === kind).length;
    assert.deepEqual([told.files, told.folders, told.symlinks], [count("file"), count("directory"), count("symlink")]);
    assertSameTree(manifest, readManifest(await unpacked(file, join(folder, "out"))));
    const streamed = await tryFsb(["snapshot", "export", String(snapshotId), ...repo]);
    assert.equal(streamed.exitCode, exitCodes.ok, describeRun(streamed));
    assert.ok(streamed.stdout.equals(readFileSync(file)), "standard output has the same bytes");
  });

  it("has long names, names of other bytes, far owners and times before the epoch", async (t) => {
    if (!requireRoot(t) || !(await requireTar(t))) return;
    const folder = temporaryFolder(t);
    const [volume, repository] = [join(folder, "volume"), join(folder, "repository")];
    const repo = ["--repo", repository];
    const long = "l".repeat(255);
    writeTree(volume, {
      [long]: { [long]: { [long]: "deep" } },
      "smörgås ☃": "text",
      exact: "x".repeat(1024),
      empty: "",
    });
    writeTree(volume, { ["n".repeat(98)]: "98", ["n".repeat(99)]: "99", ["f".repeat(97)]: {}, ["f".repeat(98)]: {} });
    for (const bytes of [[0xff], [0x61, 0xfe, 0x62], [0x0a]]) {
      writeFileSync(Buffer.concat([Buffer.from(`${volume}/`), Buffer.from(bytes)]), String(bytes));
    }
    symlinkSync("t".repeat(100), join(volume, "link-100"));
    symlinkSync("t".repeat(3000), join(volume, "link-3000"));
    symlinkSync(Buffer.of(0xff, 0xfe), join(volume, "link-bytes"));
    lutimesSync(join(volume, "link-100"), 1.25, 1.25);
    utimesSync(join(volume, "exact"), -1.5, -1.5);
    utimesSync(join(volume, "empty"), -86_400, -86_400);
    chownSync(join(volume, "exact"), 3_000_000_000, 2_097_152);
    utimesSync(join(volume, long), 1_700_000_000.125, 1_700_000_000.125);
    await fsb(["repo", "create", ...repo]);
    await fsbBackup(volume, repository);
    const file = join(folder, "archive.tar");
    await fsb(["snapshot", "export", "--to", file, ...repo]);
    assertSameTree(readManifest(volume), readManifest(await unpacked(file, join(folder, "out"))));

    const one = join(folder, "one.tar");
    await fsb(["snapshot", "export", "latest:exact", "--to", one, ...repo]);
    const single = readManifest(await unpacked(one, join(folder, "one")));
    assert.deepEqual(single.get("exact"), readManifest(volume).get("exact"));
    assert.equal(single.size, 2);
  });

  it("leaves a file that is there alone, and none behind that is not whole", async (t) => {
    const folder = temporaryFolder(t);
    const [volume, repository] = [join(folder, "volume"), join(folder, "repository")];
    const repo = ["--repo", repository];
    writeTree(volume, { a: "1" });
    await fsb(["repo", "create", ...repo]);
    await fsbBackup(volume, repository);
    const file = join(folder, "there");
    writeFileSync(file, "kept");
    const refused = await tryFsb(["snapshot", "export", "--to", file, ...repo]);
    assertFailed(refused, exitCodes.failed, /could not write .*there: EEXIST \[CLI_OUTPUT_FAILED\]/);
    assert.equal(readFileSync(file, "utf8"), "kept");
    const missing = join(folder, "none", "archive.tar");
    assertFailed(await tryFsb(["snapshot", "export", "--to", missing, ...repo]), exitCodes.failed, /ENOENT/);
    assert.ok(!existsSync(missing));
    const packs = readdirSync(repository, { recursive: true, encoding: "utf8" }).filter((name) =>
      /^p.*\.f$/.test(name),
    );
    assert.ok(packs.length > 0);
    for (const pack of packs)
      writeFileSync(join(repository, pack), Buffer.alloc(statSync(join(repository, pack)).size));
    const broken = join(folder, "broken.tar");
    assertFailed(
      await tryFsb(["snapshot", "export", "--to", broken, ...repo]),
      exitCodes.failed,
      /could not export "\.\/a" \[SNAPSHOT_ENTRY_UNREADABLE\]/,
    );
    assert.ok(!existsSync(broken));
  });
});

async function requireTar(t: TestContext): Promise<boolean> {
  const run = await runProgram("tar", ["--version"], { env: process.env });
  if (run.stdout.toString().includes("GNU tar")) return true;
  lacking(t, "no GNU tar");
  return false;
}

async function unpacked(file: string, into: string): Promise<string> {
  mkdirSync(into);
  const args = ["--extract", "--preserve-permissions", "--numeric-owner", "--file", file, "--directory", into];
  const run = await runProgram("tar", args, { env: { ...process.env, LC_ALL: "C" } });
  assert.deepEqual([run.exitCode, run.stderr], [0, ""], describeRun(run));
  return into;
}
