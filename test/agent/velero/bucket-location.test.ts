/** The agent and the engine, with a repository in a bucket of a real S3 server and its credentials in a Secret. */

import assert from "node:assert/strict";
import { chmod, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { EngineWork } from "../../../src/agent/engine/engine-work.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import { requireRoot } from "../../support/required.ts";
import { requireSeaweedfs } from "../../support/seaweedfs.ts";
import { backupOf, messageOf, NodeUnderTest, restoreOf } from "../node-under-test.ts";

test("a volume goes into a bucket and comes back, and a rotated Secret is used by the next backup", async (t) => {
  const server = await requireSeaweedfs(t);
  if (server === undefined || !requireRoot(t)) return;
  await using node = await NodeUnderTest.create();
  const { prefix } = server.newLocation();
  const { accessKeyId, secretAccessKey } = server.owner;
  const putSecret = async (secret: string): Promise<void> => {
    const cloud = `[default]\naws_access_key_id=${accessKeyId}\naws_secret_access_key=${secret}\n`;
    const metadata = { namespace: "velero", name: "cloud-credentials" };
    await node.put("cloud.yaml", { apiVersion: "v1", kind: "Secret", metadata, stringData: { cloud } });
  };
  await putSecret("not-the-secret");
  await node.put("location.yaml", {
    apiVersion: "velero.io/v1",
    kind: "BackupStorageLocation",
    metadata: { name: "default" },
    spec: {
      provider: "aws",
      objectStorage: { bucket: server.bucket, prefix },
      config: { region: server.region, s3Url: server.endpoint, s3ForcePathStyle: "true" },
      credential: { name: "cloud-credentials", key: "cloud" },
    },
  });
  await node.addPod("db-0", { data: { "a.txt": "hello" } });
  await chmod(node.volume("db-0", "data"), 0o700);
  await node.put("denied.yaml", backupOf("denied", "db-0", "data"));
  node.start({ work: new EngineWork({ clock: systemClock, log: silentLog }) });
  const denied = await node.untilBackup("denied");
  assert.equal(denied.phase, "Failed");
  assert.match(messageOf(denied), /\[BLOB_STORE_DENIED\].*key cloud of Secret velero\/cloud-credentials/);
  assert.doesNotMatch(messageOf(denied), /not-the-secret/);

  await putSecret(secretAccessKey);
  await node.put("backup.yaml", backupOf("backup", "db-0", "data"));
  const backup = await node.untilBackup("backup");
  assert.equal(backup.phase, "Completed", messageOf(backup));
  const file = join(node.volume("db-0", "data"), "a.txt");
  await rm(file);
  await node.put("restore.yaml", restoreOf("back", "db-0", "data", String(backup.snapshotID)));
  const restored = await node.untilRestore("back");
  assert.equal(restored.phase, "Completed", messageOf(restored));
  assert.equal(await readFile(file, "utf8"), "hello");
  assert.match(
    messageOf(restored),
    /cannot be told whether restore-wait, .+, can search the volume's root, mode 0700 of 0:0/,
  );
  assert.ok(!node.logLines.join("").includes(secretAccessKey));
});
