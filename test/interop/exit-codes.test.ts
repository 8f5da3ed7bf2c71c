/** How the command line ends: in full, in part, or by an interrupt; and where it takes repository and password from. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { blobFiles } from "../support/blob-files.ts";
import {
  assertFailed,
  exitCodes,
  fsb,
  fsbBackup,
  fsbJson,
  fsbJsonLines,
  fsbRestore,
  parseBackup,
  tryFsb,
} from "../support/fsb.ts";
import { type Kopia, repositoryPassword, requireKopia } from "../support/kopia.ts";
import { describeRun } from "../support/program.ts";
import { requireRoot } from "../support/required.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { assertSameTree, readManifest } from "../support/tree-manifest.ts";

/** Root without the right to read what the modes forbid. */
const withoutOverride = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];

test("repository and password come from flags, a file or the environment", async (t) => {
  const work = temporaryFolder(t);
  const repository = join(work, "repository");
  const passwordFile = join(work, "password");
  writeFileSync(passwordFile, `${repositoryPassword}\n`);
  mkdirSync(repository);
  const none = { password: undefined };
  await fsb(["repo", "create", "--repo", repository, "--password-file", passwordFile], none);
  for (const [args, env] of [
    [["--repo", repository], { FSB_PASSWORD: repositoryPassword }],
    [["--repo", repository], { KOPIA_PASSWORD: repositoryPassword }],
    [["--password-file", passwordFile], { FSB_REPO: repository }],
  ] as const) {
    const status = await fsbJson(["repo", "status", ...args], { ...none, env });
    assert.notEqual(Object.keys(status).length, 0);
  }
});

test("a file that cannot be read fails the backup, and no snapshot appears", async (t) => {
  const prepared = await volumeWithSecret(t);
  if (prepared === undefined) return;
  const { volume, repository, kopia } = prepared;
  const run = await tryFsb(["backup", volume, "--repo", repository, "--json"], { through: withoutOverride });
  assertFailed(run, exitCodes.failed, /secret/);
  assert.equal((await kopia.snapshotList()).length, 0);
  await kopia.verify();
});

test("with --on-file-error continue such a file is told and left out, and the rest is stored", async (t) => {
  const prepared = await volumeWithSecret(t);
  if (prepared === undefined) return;
  const { work, volume, repository, kopia } = prepared;
  const args = ["backup", volume, "--repo", repository, "--on-file-error", "continue", "--json"];
  const run = await tryFsb(args, { through: withoutOverride });
  assert.equal(run.exitCode, exitCodes.incomplete, describeRun(run));
  const stored = parseBackup(run.stdout.toString("utf8"));
  assert.match(JSON.stringify(stored) + run.stderr, /secret/);
  assert.equal(stored.files, 1);
  assert.deepEqual(
    (await kopia.snapshotList()).map((snapshot) => snapshot.id),
    [stored.snapshotId],
  );
  await kopia.verify();

  const target = join(work, "restored");
  await fsbRestore(stored.snapshotId, target, repository);
  const expected = new Map(readManifest(volume));
  expected.delete("secret");
  assertSameTree(expected, readManifest(target));
});

test("an interrupted backup leaves a repository that kopia verifies, and the next backup is whole", async (t) => {
  const work = temporaryFolder(t);
  const kopia = await requireKopia(t, work);
  if (kopia === undefined) return;
  const { repository, volume } = await emptyRepository(work, kopia);
  writeFileSync(join(volume, "small"), "first");
  const first = await fsbBackup(volume, repository);

  writeFileSync(join(volume, "large"), randomBytes(120_000_000));
  const packs = blobFiles(repository, "p").length;
  let group = 0;
  const running = tryFsb(["backup", volume, "--repo", repository], {
    ownProcessGroup: true,
    onStart: (pid) => {
      group = pid;
    },
  });
  const ended = running.then(() => true);
  while (blobFiles(repository, "p").length === packs) {
    if (await Promise.race([ended, delay(5, false)])) break;
  }
  process.kill(-group, "SIGINT");
  const run = await running;
  assert.equal(run.exitCode, exitCodes.interrupted, describeRun(run));

  await kopia.verify();
  assert.deepEqual(
    (await kopia.snapshotList()).map((snapshot) => snapshot.id),
    [first.snapshotId],
  );
  const whole = await fsbBackup(volume, repository);
  await kopia.verify();
  const target = join(work, "restored");
  await fsbRestore(whole.snapshotId, target, repository);
  assertSameTree(readManifest(volume), readManifest(target));
  assert.equal((await fsbJsonLines(["snapshot", "list", "--repo", repository])).length, 2);
});

async function emptyRepository(work: string, kopia: Kopia): Promise<{ repository: string; volume: string }> {
  const [repository, volume] = [join(work, "repository"), join(work, "volume")];
  for (const folder of [repository, volume]) mkdirSync(folder);
  await fsb(["repo", "create", "--repo", repository]);
  await kopia.connectFilesystem(repository);
  return { repository, volume };
}

/** A volume with one file that can be read and one, `secret`, that cannot. */
async function volumeWithSecret(
  t: TestContext,
): Promise<{ work: string; repository: string; volume: string; kopia: Kopia } | undefined> {
  const work = temporaryFolder(t);
  const kopia = await requireKopia(t, work);
  if (kopia === undefined || !requireRoot(t)) return undefined;
  const { repository, volume } = await emptyRepository(work, kopia);
  writeFileSync(join(volume, "readable"), "anyone may");
  writeFileSync(join(volume, "secret"), "no one may", { mode: 0o000 });
  return { work, repository, volume, kopia };
}
