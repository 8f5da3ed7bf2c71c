import assert from "node:assert/strict";
import { mkdirSync, realpathSync, rmdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { findVolumePath, locateVolume, type VolumePlace } from "../../../src/agent/node/volume-path.ts";
import { CodedError, chainOf } from "../../../src/base/errors.ts";
import type { JsonObject } from "../../../src/kubernetes/json.ts";
import { MemoryResourceStore } from "../../kubernetes/memory-resource-store.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

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
const claim = (volumeName: string | null, name = "c", podUid = "") => ({
  apiVersion: "v1",
  kind: "PersistentVolumeClaim",
  metadata: {
    namespace: "shop",
    name,
    ownerReferences:
      podUid === "" ? [] : [{ apiVersion: "v1", kind: "Pod", name: "db-0", uid: podUid, controller: true }],
  },
  spec: { volumeName },
});
const volume = (spec: JsonObject, metadata: JsonObject = {}, name = "pv-1") => ({
  apiVersion: "v1",
  kind: "PersistentVolume",
  metadata: { name, ...metadata },
  spec,
});
const mirror = { annotations: { "kubernetes.io/config.mirror": "u-of-another-pod" } };
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
    [
      "a generic ephemeral volume is that of the claim made for the pod",
      [pod({ ephemeral: {} }), claim("pv-1", "db-0-data", "u-1"), volume({ csi: { driver: "d" } })],
      "u-1 pv-1 mount",
    ],
    [
      "but not of a claim that another made under its name",
      [pod({ ephemeral: {} }), claim("pv-1", "db-0-data", "u-2"), volume({ csi: { driver: "d" } })],
      "PERSISTENT_VOLUME_CLAIM_NOT_FOUND",
    ],
    [
      "nor of one that nobody owns",
      [pod({ ephemeral: {} }), claim("pv-1", "db-0-data"), volume({ csi: { driver: "d" } })],
      "PERSISTENT_VOLUME_CLAIM_NOT_FOUND",
    ],
    ["a pod that mirrors another keeps its own uid", [pod({ emptyDir: {} }, mirror)], "u-1 data"],
    ["a hostPath volume is refused", [pod({ hostPath: { path: "/" } })], "POD_VOLUME_UNSUPPORTED"],
    ["an image is refused", [pod({ image: { reference: "x" } })], "POD_VOLUME_UNSUPPORTED"],
    [
      "a claim of a hostPath volume is refused",
      [claimed, claim("pv-1"), volume({ hostPath: { path: "/" } })],
      "POD_VOLUME_UNSUPPORTED",
    ],
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
  const place = { podUid: "u-1", folders: ["pv-1", "mount"], type: "csi", isMemory: false, isMirror: false };
  const noOthers = { runningPodUids: async () => [] };
  const find = (root: string) => findVolumePath(root, place, wanted, noOthers);

  it("is the one that matches, and an error names how many did otherwise", async (t) => {
    const root = temporaryFolder(t);
    const message = (count: number) =>
      new RegExp(
        `^error identifying unique volume path on host for volume data in pod db-0: expected one matching path: ${root}/u-1/volumes/\\*/pv-1/mount, got ${count}: `,
      );
    await assert.rejects(find(root), { message: message(0) });
    const first = join(root, "u-1", "volumes", "kubernetes.io~csi", "pv-1", "mount");
    mkdirSync(first, { recursive: true });
    mkdirSync(join(root, "u-1", "volumes", "kubernetes.io~nfs", "other"), { recursive: true });
    assert.deepEqual(await find(root), { path: first, pattern: `${root}/u-1/volumes/*/pv-1/mount` });
    mkdirSync(join(root, "u-1", "volumes", "kubernetes.io~nfs", "pv-1", "mount"), { recursive: true });
    await assert.rejects(find(root), { message: message(2) });
  });

  it("is never behind a symbolic link", async (t) => {
    const root = temporaryFolder(t);
    mkdirSync(join(root, "elsewhere", "mount"), { recursive: true });
    mkdirSync(join(root, "u-1", "volumes", "kubernetes.io~csi"), { recursive: true });
    symlinkSync(join(root, "elsewhere"), join(root, "u-1", "volumes", "kubernetes.io~csi", "pv-1"));
    await assert.rejects(find(root), /got 0: .+pv-1 is a symbolic link, which is not followed/);
  });

  describe("is missed with the cause", () => {
    const causes: readonly [string, readonly string[], Partial<VolumePlace>, readonly string[], RegExp][] = [
      [
        "another kubelet's root",
        ["u-8/volumes", "u-9/volumes"],
        {},
        ["u-1", "u-2"],
        /none of the 2 pods that run on this node has a folder in/,
      ],
      ["a pod of another uid", ["u-2/volumes"], {}, ["u-1", "u-2"], /no folder for a pod of uid u-1 there/],
      ["a uid that is no name", ["u-2/volumes"], {}, ["..", "u-2"], /no folder for a pod of uid u-1 there/],
      ["a mirror pod", ["u-2/volumes"], { isMirror: true }, [], /the pod mirrors a static one/],
      [
        "a pod without volumes",
        ["u-1/volumes"],
        {},
        [],
        /of this pod the kubelet has no volumes at all, and no such csi/,
      ],
      [
        "a volume that was not set up",
        ["u-1/volumes/kubernetes.io~empty-dir/tmp"],
        {},
        [],
        /of this pod the kubelet has kubernetes.io~empty-dir\/tmp, and no such csi/,
      ],
      [
        "a driver that has mounted nothing",
        ["u-1/volumes/kubernetes.io~csi/pv-1"],
        {},
        [],
        /in which its CSI driver has mounted nothing/,
      ],
      [
        "a block device",
        ["u-1/volumes", "u-1/volumeDevices/kubernetes.io~csi/pv-1"],
        {},
        [],
        /the pod has it as a block device/,
      ],
      [
        "a volume that is there twice",
        ["u-1/volumes/kubernetes.io~nfs/pv-1/mount", "u-1/volumes/kubernetes.io~csi/pv-1/mount"],
        {},
        [],
        /got 2: it is there of kubernetes.io~csi and kubernetes.io~nfs/,
      ],
    ];
    for (const [name, folders, other, uids, because] of causes) {
      it(name, async (t) => {
        const root = temporaryFolder(t);
        for (const folder of folders) mkdirSync(join(root, folder), { recursive: true });
        const search = { runningPodUids: async () => uids };
        await assert.rejects(findVolumePath(root, { ...place, ...other }, wanted, search), (error: unknown) => {
          assert.ok(error instanceof CodedError && error.code === "POD_VOLUME_PATH_NOT_FOUND");
          assert.match(error.message, because);
          return error.hint !== undefined;
        });
      });
    }
  });

  describe("on which nothing is mounted", () => {
    const propagated = "shared:1";
    /** `mounts` are below the pods root, which itself is mounted with these optional fields. */
    const seen = async (
      t: TestContext,
      { plugin = "kubernetes.io~csi", files = ["vol_data.json"], propagation = "", mounts = [] as string[], type = {} },
    ): Promise<string> => {
      const root = join(temporaryFolder(t), "pods root");
      const own = { ...place, ...type, folders: plugin === "kubernetes.io~csi" ? ["pv-1", "mount"] : ["pv-1"] };
      const volume = join(root, "u-1", "volumes", plugin, "pv-1");
      mkdirSync(join(volume, "mount"), { recursive: true });
      if (plugin !== "kubernetes.io~csi") rmdirSync(join(volume, "mount"));
      for (const file of files) writeFileSync(join(volume, file), "");
      const lines = [
        "21 1 0:1 / / rw shared:9 - ext4 /dev/a rw",
        `22 21 0:2 /pods ${realpathSync(root).replaceAll(" ", "\\040")} rw ${propagation} - ext4 /dev/a rw`,
        ...mounts.map((path) => `23 22 0:3 / ${join(realpathSync(root), path).replaceAll(" ", "\\040")} rw - xfs b rw`),
        "not a line of this kind",
      ];
      const search = { ...noOthers, readMounts: async () => lines.join("\n").replaceAll("  ", " ") };
      try {
        return (await findVolumePath(root, own, wanted, search)).doubt ?? "fine";
      } catch (error) {
        assert.ok(error instanceof CodedError);
        return `${error.code}: ${error.hint}`;
      }
    };
    const mount = "u-1/volumes/kubernetes.io~csi/pv-1/mount";
    const lost = /^POD_VOLUME_NOT_MOUNTED: mount the kubelet's folder of pods with mountPropagation: HostToContainer/;
    const doubtful = /^nothing is mounted at /;

    it("is refused where it is empty and later mounts do not show, as a backup of it would be", async (t) => {
      assert.match(await seen(t, {}), lost);
      assert.equal(await seen(t, { mounts: [mount] }), "fine");
    });

    it("is doubted where it is empty but mounts do show: its driver may mount nothing", async (t) => {
      assert.match(await seen(t, { propagation: propagated }), doubtful);
      assert.match(await seen(t, { propagation: "master:7 propagate_from:2" }), doubtful);
      assert.equal(await seen(t, { propagation: propagated, mounts: [mount] }), "fine");
    });

    it("is taken where it has files and mounts do show, and doubted where they do not", async (t) => {
      const files = ["vol_data.json", "mount/a.txt"];
      assert.equal(await seen(t, { propagation: propagated, files }), "fine");
      assert.match(await seen(t, { files }), doubtful);
    });

    it("is taken where the kubelet has not told its driver to mount", async (t) => {
      assert.equal(await seen(t, { files: [] }), "fine");
    });

    it("is refused of plugins that always mount, and taken of those that give a plain folder", async (t) => {
      const files: string[] = [];
      assert.match(await seen(t, { plugin: "kubernetes.io~nfs", files }), lost);
      assert.match(await seen(t, { plugin: "kubernetes.io~empty-dir", files, type: { isMemory: true } }), lost);
      assert.equal(await seen(t, { plugin: "kubernetes.io~empty-dir", files }), "fine");
      assert.equal(await seen(t, { plugin: "example.com~flex", files }), "fine");
    });

    it("is looked up in the kernel's own table unless told otherwise", async (t) => {
      const root = temporaryFolder(t);
      mkdirSync(join(root, "u-1", "volumes", "kubernetes.io~nfs", "pv-1"), { recursive: true });
      writeFileSync(join(root, "u-1", "volumes", "kubernetes.io~nfs", "pv-1", "a.txt"), "");
      const { path } = await findVolumePath(root, { ...place, folders: ["pv-1"] }, wanted, noOthers);
      assert.equal(path, join(root, "u-1", "volumes", "kubernetes.io~nfs", "pv-1"));
    });
  });
});
