/** A backup's work, with an API server that is away in the middle of it. */

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { podVolumeBackupKind } from "../../../src/agent/jobs/backup-controller.ts";
import { parsePodVolumeBackup, pods } from "../../../src/agent/velero/velero-resources.ts";
import { silentLog } from "../../../src/base/log.ts";
import { ResourceError } from "../../../src/kubernetes/resource-error.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { contextOf } from "../agent-context.ts";
import { CopyingWork } from "../copying-work.ts";
import { backupOf } from "../node-under-test.ts";

const { signal } = new AbortController();

/** An agent's context for one backup, without a server behind it. */
function place(t: TestContext) {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, "uid-of-db-0", "volumes", "kubernetes.io~empty-dir", "data"), { recursive: true });
  mkdirSync(join(folder, "store"));
  const work = new CopyingWork();
  const context = { ...contextOf({ podsRoot: folder, isWithoutServer: true }), work };
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
  const backUp = () => {
    const seen = parsePodVolumeBackup(store.put(backupOf("one", "db-0", "data")));
    return podVolumeBackupKind(context).run(seen, silentLog, { signal, onProgress: () => undefined });
  };
  return { context, work, store, backUp };
}

describe("a backup during which the API server is away", () => {
  it("waits at every look at an object that it takes before it reads the volume", async (t) => {
    const { store, backUp } = place(t);
    const failed = new Set<string>();
    const failsFirst = async <Result>(kind: string, look: () => Promise<Result>): Promise<Result> => {
      if (failed.has(kind)) return await look();
      failed.add(kind);
      throw new ResourceError("RESOURCE_STORE_UNAVAILABLE", "the API server is away");
    };
    const [get, list] = [store.get.bind(store), store.list.bind(store)];
    store.get = (type, name) => failsFirst(type.kind, () => get(type, name));
    store.list = (type, scope) => failsFirst(`list ${type.kind}`, () => list(type, scope));
    const status = await backUp();
    assert.notEqual(status.snapshotID, undefined);
    assert.deepEqual([...failed].sort(), ["BackupStorageLocation", "Pod", "Secret", "list BackupRepository"]);
  });

  it("waits before it asks whether the pod stays, when files vanished", async (t) => {
    const { work, store, backUp } = place(t);
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
    const status = await backUp();
    assert.equal(failures, 5);
    assert.notEqual(status.snapshotID, undefined);
  });
});
