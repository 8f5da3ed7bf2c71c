import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { judgeRepository } from "../../../src/agent/velero/backup-repository.ts";
import { readRepositoryPassword } from "../../../src/agent/velero/repository-password.ts";
import { hasCode } from "../../../src/base/errors.ts";
import type { JsonObject } from "../../../src/kubernetes/json.ts";
import { MemoryResourceStore } from "../../kubernetes/memory-resource-store.ts";

const wanted = { volumeNamespace: "shop", backupStorageLocation: "default" };
const repository = (phase: string, message = "") => ({ ...wanted, repositoryType: "kopia", phase, message });

describe("the readiness of a BackupRepository", () => {
  const judge = (found: readonly ReturnType<typeof repository>[], waitedMs = 0, isWithoutServer = false) => {
    const readiness = judgeRepository(wanted, found, { isWithoutServer, waitedMs });
    return readiness.is === "hopeless" ? readiness.error.code : readiness.is;
  };

  it("follows its phase", () => {
    assert.equal(judge([repository("Ready")]), "ready");
    assert.equal(judge([repository("New")]), "pending");
    assert.equal(judge([repository("")]), "pending");
    assert.equal(judge([repository("NotReady", "no bucket")]), "BACKUP_REPOSITORY_NOT_READY");
    assert.equal(judge([repository("Ready"), repository("Ready")]), "BACKUP_REPOSITORY_AMBIGUOUS");
  });

  it("is pending while there is none, but without a server there need be none", () => {
    assert.equal(judge([]), "pending");
    assert.equal(judge([], 0, true), "ready");
    assert.equal(judge([{ ...repository("Ready"), volumeNamespace: "other" }]), "pending");
    assert.equal(judge([{ ...repository("Ready"), repositoryType: "restic" }]), "pending");
  });

  it("bears with one that is re-established, for a while", () => {
    const passing = [repository("NotReady", "re-establish on BSL change, create or delete")];
    assert.equal(judge(passing, 29_000), "pending");
    assert.equal(judge(passing, 30_000), "BACKUP_REPOSITORY_NOT_READY");
  });
});

describe("the password of repositories", () => {
  const read = async (content: JsonObject | undefined) => {
    const store = new MemoryResourceStore();
    const metadata = { namespace: "velero", name: "velero-repo-credentials" };
    if (content !== undefined) store.put({ apiVersion: "v1", kind: "Secret", metadata, ...content });
    return await readRepositoryPassword(store, "velero", AbortSignal.timeout(60_000));
  };
  const data = (text: string) => ({ data: { "repository-password": Buffer.from(text).toString("base64") } });

  it("loses white space at its ends only, as Go counts it", async () => {
    assert.equal(await read(data("\u0085\n a b \t\u3000")), "a b");
    assert.equal(await read(data("\ufeffx")), "\ufeffx");
  });

  it("is taken from stringData first", async () => {
    assert.equal(await read({ ...data("old"), stringData: { "repository-password": "new\n" } }), "new");
  });

  it("is missed by name", async () => {
    const isMissing = (error: unknown) => hasCode(error, "REPOSITORY_PASSWORD_NOT_FOUND");
    await assert.rejects(read(undefined), isMissing);
    await assert.rejects(read({ data: {} }), isMissing);
    await assert.rejects(read({ data: { "repository-password": "not base64!" } }), isMissing);
  });
});
