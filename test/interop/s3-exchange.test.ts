/** Fsb, by its command line, and the real kopia share one repository in a bucket of a real S3 server. */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { assertFailed, exitCodes, fsb, fsbBackup, fsbJson, fsbRestore, tryFsb } from "../support/fsb.ts";
import { goldenSource } from "../support/golden.ts";
import { type Kopia, requireKopia } from "../support/kopia.ts";
import type { ObjectServer } from "../support/object-server.ts";
import { requireRoot } from "../support/required.ts";
import { requireSeaweedfs } from "../support/seaweedfs.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { asKopiaRestores, assertSameTree, readManifest } from "../support/tree-manifest.ts";

/** The bytes of a manifest, an index blob and a session marker, with room. */
const bookkeepingBytesMax = 100_000;

interface Shared {
  readonly work: string;
  /** As `--repo` takes it. */
  readonly location: string;
  readonly server: ObjectServer;
  readonly prefix: string;
}

async function place(t: TestContext): Promise<Shared | undefined> {
  const work = temporaryFolder(t);
  const server = await requireSeaweedfs(t);
  if (server === undefined) return undefined;
  const { accessKeyId, secretAccessKey } = server.owner;
  const credentialsFile = join(work, "credentials");
  writeFileSync(
    credentialsFile,
    `[default]\naws_access_key_id=${accessKeyId}\naws_secret_access_key=${secretAccessKey}\n`,
  );
  const { prefix } = server.newLocation();
  const query = new URLSearchParams({ endpoint: server.endpoint, region: server.region, credentialsFile });
  return { work, server, prefix, location: `s3://${server.bucket}/${prefix}?${query}` };
}

async function connect(kopia: Kopia, { server, prefix }: Shared, how: "createS3" | "connectS3"): Promise<void> {
  const { bucket, endpoint, region, owner } = server;
  await kopia[how]({ bucket, prefix, endpoint, region, ...owner });
}

for (const maker of ["fsb", "kopia"] as const) {
  test(`in a bucket where ${maker} made the repository, each continues from the other's snapshot and restores it`, async (t) => {
    const shared = await place(t);
    const kopia = shared && (await requireKopia(t, shared.work));
    if (shared === undefined || kopia === undefined || !requireRoot(t)) return;
    const { work, location } = shared;
    if (maker === "kopia") {
      await connect(kopia, shared, "createS3");
    } else {
      const created = await fsbJson(["repo", "create", "--repo", location]);
      assert.match(String(created.location), /^s3:\/\/backups\/test-\d+\/\?endpoint=http:\/\/127\.0\.0\.1/);
      await connect(kopia, shared, "connectS3");
    }
    const folder = join(work, "volume");
    mkdirSync(join(folder, "deep", "deeper"), { recursive: true });
    writeFileSync(join(folder, "large"), Buffer.alloc(30 << 20, "some bytes that repeat, and a large file of them "));
    for (let at = 0; at < 50; at++) writeFileSync(join(folder, "deep", "deeper", `file ${at}`), `content ${at}`);

    const first = await fsbBackup(folder, location, "--source", goldenSource);
    const byKopia = await kopia.snapshotCreate(folder, { source: goldenSource });
    assert.equal(byKopia.rootEntry.obj, first.rootObjectId);
    assert.equal(byKopia.stats.nonCachedFiles, 0);
    writeFileSync(join(folder, "deep", "more"), "a file more");
    const second = await fsbBackup(folder, location, "--source", goldenSource);
    assert.ok(second.uploadedBytes < bookkeepingBytesMax, `uploaded ${second.uploadedBytes}`);
    await kopia.verify();
    await kopia.maintenanceRun("none");
    await fsb(["snapshot", "verify", "--repo", location]);

    const target = mkdtempSync(join(work, "restored-"));
    await kopia.restore(second.snapshotId, join(target, "by-kopia"));
    assertSameTree(readManifest(folder), readManifest(join(target, "by-kopia")), asKopiaRestores);
    await fsbRestore(second.snapshotId, join(target, "by-fsb"), location);
    assertSameTree(readManifest(folder), readManifest(join(target, "by-fsb")));
  });
}

test("a bucket without a repository, or that is not there, ends with the code for no repository", async (t) => {
  const shared = await place(t);
  if (shared === undefined) return;
  const empty = await tryFsb(["snapshot", "list", "--repo", shared.location]);
  assertFailed(empty, exitCodes.noRepository, /there is no repository at s3:\/\/backups\/test-\d+/);
  const elsewhere = shared.location.replace("s3://backups/", "s3://no-such-bucket/");
  const missing = await tryFsb(["snapshot", "list", "--repo", elsewhere]);
  assertFailed(missing, exitCodes.noRepository, /no-such-bucket/);
});

test("a location that is not understood is named, and no credentials are said where they are looked for", async (t) => {
  const { work } = { work: temporaryFolder(t) };
  for (const [location, named] of [
    ["s3://backups/a?regoin=eu", /unknown parameter "regoin"/],
    ["s3:///a", /names none/],
    ["s3://backups/a?insecureSkipTLSVerify=maybe", /true or false/],
    ["s3://backups/a?endpoint=http://user:word@host/", /has a user in its URL/],
    ["s3://backups/a?endpoint=http://host/path", /path is not expected/],
    ["s3://backups/a?endpoint=host:9000", /is no URL/],
    ["s3://b/a?region=x", /"b" cannot be the name of a bucket/],
  ] as const) {
    const run = await tryFsb(["snapshot", "list", "--repo", location]);
    assertFailed(run, exitCodes.failed, named);
    assert.doesNotMatch(run.stderr, /user:word/);
  }
  const env = {
    HOME: work,
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_ACCESS_KEY_ID: undefined,
    AWS_SHARED_CREDENTIALS_FILE: undefined,
  };
  const location = "s3://backups/a?endpoint=http://127.0.0.1:9&region=x";
  const run = await tryFsb(["snapshot", "list", "--repo", location], { env });
  assertFailed(
    run,
    exitCodes.failed,
    /there are no credentials from .*metadata service, for .*\.aws\/credentials and /,
  );
  assert.match(run.stderr, /^hint: .*AWS_ACCESS_KEY_ID/m);
});
