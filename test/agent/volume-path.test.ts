import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { findVolumePath, locateVolume } from "../../src/agent/volume-path.ts";
import { CodedError, chainOf } from "../../src/base/errors.ts";
import type { JsonObject } from "../../src/kubernetes/json.ts";
import { MemoryResourceStore } from "../kubernetes/memory-resource-store.ts";

const signal = AbortSignal.timeout(60_000);
const wanted = { pod: { namespace: "shop", name: "db-0", uid: "" }, volume: "data" };

function pod(volume: JsonObject, metadata: JsonObject = {}): JsonObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace: "shop", name: "db-0", uid: "u-1", ...metadata },
    spec: { volumes: [{ name: "data", ...volume }] },
  };
}

const claimed = pod({ persistentVolumeClaim: { claimName: "c" } });
const claim = (volumeName: string | null) => ({
  apiVersion: "v1",
  kind: "PersistentVolumeClaim",
  metadata: { namespace: "shop", name: "c" },
  spec: { volumeName },
});
const volume = (spec: JsonObject, metadata: JsonObject = {}, name = "pv-1") => ({
  apiVersion: "v1",
  kind: "PersistentVolume",
  metadata: { name, ...metadata },
  spec,
});
const migrated = { annotations: { "pv.kubernetes.io/migrated-to": "ebs.csi.aws.com" } };
const driver = { apiVersion: "storage.k8s.io/v1", kind: "CSIDriver", metadata: { name: "ebs.csi.aws.com" } };

async function placeOf(objects: readonly JsonObject[], uid = ""): Promise<string> {
  const store = new MemoryResourceStore();
  for (const object of objects) store.put(object);
  try {
    const place = await locateVolume(store, { ...wanted, pod: { ...wanted.pod, uid } }, signal);
    return [place.podUid, ...place.folders].join(" ");
  } catch (error) {
    const codes = chainOf(error).map((link) => (link instanceof CodedError ? link.code : "?"));
    return codes.join();
  }
}

describe("the place of a pod's volume", () => {
  const cases: readonly [string, readonly JsonObject[], string][] = [
    ["an emptyDir is named after the volume", [pod({ emptyDir: {} })], "u-1 data"],
    ["an inline CSI volume is mounted one level deeper", [pod({ csi: { driver: "d" } })], "u-1 data mount"],
    ["a generic ephemeral volume is not resolved", [pod({ ephemeral: {} })], "u-1 data"],
    ["a claim is named after its volume", [claimed, claim("pv-1"), volume({ nfs: {} })], "u-1 pv-1"],
    [
      "a CSI claim is mounted one level deeper",
      [claimed, claim("pv-1"), volume({ csi: { driver: "d" } })],
      "u-1 pv-1 mount",
    ],
    [
      "a migrated one too",
      [claimed, claim("pv-1"), volume({ awsElasticBlockStore: {} }, migrated), driver],
      "u-1 pv-1 mount",
    ],
    [
      "but not without its driver",
      [claimed, claim("pv-1"), volume({ awsElasticBlockStore: {} }, migrated)],
      "u-1 pv-1",
    ],
    [
      "a block volume is refused",
      [claimed, claim("pv-1"), volume({ csi: {}, volumeMode: "Block" })],
      "POD_VOLUME_BLOCK_MODE",
    ],
    ["a missing pod is named", [], "POD_NOT_FOUND"],
    ["a volume that the pod does not have is named", [pod({ name: "other" })], "POD_VOLUME_NOT_FOUND"],
    ["a missing claim is named", [claimed], "PERSISTENT_VOLUME_CLAIM_NOT_FOUND"],
    ["an unbound claim is named", [claimed, claim(null)], "PERSISTENT_VOLUME_CLAIM_NOT_BOUND"],
    ["a missing volume is named", [claimed, claim("pv-1")], "PERSISTENT_VOLUME_NOT_FOUND"],
    ["a uid that is a path is refused", [pod({ emptyDir: {} }, { uid: ".." })], "POD_VOLUME_NAME_INVALID"],
    [
      "a volume name that is a path is refused",
      [claimed, claim("a/b"), volume({}, {}, "a/b")],
      "POD_VOLUME_NAME_INVALID",
    ],
  ];
  for (const [name, objects, expected] of cases) it(name, async () => assert.equal(await placeOf(objects), expected));

  it("is refused when the pod is another instance", async () => {
    assert.equal(await placeOf([pod({ emptyDir: {} })], "u-1"), "u-1 data");
    assert.equal(await placeOf([pod({ emptyDir: {} })], "u-0"), "POD_REPLACED");
  });
});

describe("the folder of a pod's volume", () => {
  const place = { podUid: "u-1", folders: ["pv-1", "mount"] };
  const find = (root: string) => findVolumePath(root, place, wanted);

  it("is the one that matches, and an error names how many did otherwise", async () => {
    const root = await mkdtemp(join(tmpdir(), "fsb-pods-"));
    try {
      const message = (count: number) =>
        `error identifying unique volume path on host for volume data in pod db-0: expected one matching path: ${root}/u-1/volumes/*/pv-1/mount, got ${count}`;
      await assert.rejects(find(root), { message: message(0) });
      const first = join(root, "u-1", "volumes", "kubernetes.io~csi", "pv-1", "mount");
      await mkdir(first, { recursive: true });
      await mkdir(join(root, "u-1", "volumes", "kubernetes.io~nfs", "other"), { recursive: true });
      assert.deepEqual(await find(root), { path: first, pattern: `${root}/u-1/volumes/*/pv-1/mount` });
      await mkdir(join(root, "u-1", "volumes", "kubernetes.io~nfs", "pv-1", "mount"), { recursive: true });
      await assert.rejects(find(root), { message: message(2) });
    } finally {
      await rm(root, { recursive: true });
    }
  });

  it("is never behind a symbolic link", async () => {
    const root = await mkdtemp(join(tmpdir(), "fsb-pods-"));
    try {
      await mkdir(join(root, "elsewhere", "mount"), { recursive: true });
      await mkdir(join(root, "u-1", "volumes", "kubernetes.io~csi"), { recursive: true });
      await symlink(join(root, "elsewhere"), join(root, "u-1", "volumes", "kubernetes.io~csi", "pv-1"));
      await assert.rejects(find(root), /got 0/);
    } finally {
      await rm(root, { recursive: true });
    }
  });
});
