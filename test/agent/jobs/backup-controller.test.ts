/** A backup's work, with an API server that is away in the middle of it. */

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { podVolumeBackupKind } from "../../../src/agent/jobs/backup-controller.ts";
import { parsePodVolumeBackup, pods } from "../../../src/agent/velero/velero-resources.ts";
import { silentLog } from "../../../src/base/log.ts";
import { ResourceError } from "../../../src/kubernetes/resource-error.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { contextOf } from "../agent-context.ts";
import { CopyingWork } from "../copying-work.ts";
import { backupOf } from "../node-under-test.ts";

const { signal } = new AbortController();

describe("a backup from whose volume files vanished", () => {
  it("waits for an API server that is away before it asks whether the pod stays", async (t) => {
    const folder = temporaryFolder(t);
    mkdirSync(join(folder, "uid-of-db-0", "volumes", "kubernetes.io~empty-dir", "data"), { recursive: true });
    mkdirSync(join(folder, "store"));
    const context = contextOf({ podsRoot: folder, isWithoutServer: true });
    const { store } = context;
    store.put({
      ...{ apiVersion: "velero.io/v1", kind: "BackupStorageLocation" },
      metadata: { namespace: "velero", name: "default" },
      spec: { provider: "velero.io/fs", config: { fspath: join(folder, "store") } },
    });
    store.put({
      ...{ apiVersion: "v1", kind: "Secret", metadata: { namespace: "velero", name: "velero-repo-credentials" } },
      stringData: { "repository-password": "password" },
    });
    store.put({
      ...{ apiVersion: "v1", kind: "Pod", metadata: { namespace: "shop", name: "db-0" } },
      spec: { nodeName: "node-1", volumes: [{ name: "data", emptyDir: {} }] },
    });
    const work = new CopyingWork();
    work.losesFiles = true;
    let failures = 0;
    work.during = async () => {
      const get = store.get.bind(store);
      store.get = async (type, name) => {
        if (type !== pods || failures === 5) return await get(type, name);
        failures++;
        throw new ResourceError("RESOURCE_STORE_UNAVAILABLE", "the API server is away");
      };
    };
    const seen = parsePodVolumeBackup(store.put(backupOf("one", "db-0", "data")));
    const run = { signal, onProgress: () => undefined };
    const status = await podVolumeBackupKind({ ...context, work }).run(seen, silentLog, run);
    assert.equal(failures, 5);
    assert.notEqual(status.snapshotID, undefined);
  });
});
