import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { MarkerFolder } from "../../../src/agent/engine/volume-work.ts";
import { decideMarkerReach } from "../../../src/agent/jobs/marker-reach.ts";
import { parseRestoreWaitUser, type RestoreWaitUser } from "../../../src/agent/velero/velero-resources.ts";
import { errnoOf } from "../../../src/base/errors.ts";
import type { JsonObject } from "../../../src/kubernetes/json.ts";
import { parseKubernetesObject } from "../../../src/kubernetes/kubernetes-object.ts";
import { asNobody } from "../../support/other-user.ts";
import { requireRoot } from "../../support/required.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

const veleroImage = "registry.example:5000/mirror/velero:v1.18.1@sha256:0123";
/** As Velero 1.15 and later have it where nothing else is said. */
const usual = { runAsUser: 1000, runAsNonRoot: true, capabilities: { drop: ["ALL"] } };

function user(container: JsonObject, pod: JsonObject = {}, image = veleroImage): RestoreWaitUser {
  const found = parseRestoreWaitUser(
    parseKubernetesObject({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "db-0" },
      spec: {
        securityContext: pod,
        initContainers: [
          { name: "other", securityContext: { runAsUser: 7 } },
          { name: "restore-wait", image, securityContext: container },
        ],
      },
    }),
  );
  assert.ok(found !== undefined);
  return found;
}

const root = (mode: number, userId: number, groupId: number): MarkerFolder => ({ name: "root", mode, userId, groupId });
const is = (waiting: RestoreWaitUser, ...folders: readonly MarkerFolder[]) => decideMarkerReach(waiting, folders).is;

describe("whether restore-wait sees the done marker", () => {
  const cases: readonly [string, RestoreWaitUser, MarkerFolder, string][] = [
    ["everyone may search 0755", user(usual), root(0o755, 999, 999), "reachable"],
    ["the usual user not what is a database's alone", user(usual), root(0o700, 999, 999), "unreachable"],
    ["the owner may, by the container", user({ runAsUser: 999 }), root(0o700, 999, 999), "reachable"],
    ["the owner may, by the pod", user({}, { runAsUser: 999 }), root(0o700, 999, 999), "reachable"],
    [
      "the container's user goes before the pod's",
      user({ runAsUser: 1000, runAsGroup: 1 }, { runAsUser: 999 }),
      root(0o700, 999, 999),
      "unreachable",
    ],
    ["a group may, by runAsGroup", user({ ...usual, runAsGroup: 999 }), root(0o750, 0, 999), "reachable"],
    ["a group may, by fsGroup", user(usual, { fsGroup: 999 }), root(0o2770, 0, 999), "reachable"],
    [
      "a group may, by supplementalGroups",
      user(usual, { supplementalGroups: [5, 999] }),
      root(0o750, 0, 999),
      "reachable",
    ],
    ["read permission is none to search", user(usual), root(0o744, 999, 999), "unreachable"],
    [
      "the owner's class counts alone for the owner",
      user({ runAsUser: 999, runAsGroup: 999 }),
      root(0o077, 999, 999),
      "unreachable",
    ],
    ["the group's class counts alone for the group", user(usual, { fsGroup: 999 }), root(0o707, 0, 999), "unreachable"],
    ["root may", user({ runAsUser: 0 }), root(0o700, 999, 999), "reachable"],
    [
      "root that gave up all capabilities may not",
      user({ runAsUser: 0, runAsGroup: 0, capabilities: { drop: ["ALL"] } }),
      root(0o700, 999, 999),
      "unreachable",
    ],
    [
      "root that gave up the one may not",
      user({ runAsUser: 0, runAsGroup: 0, capabilities: { drop: ["cap_dac_override"] } }),
      root(0o700, 999, 999),
      "unreachable",
    ],
    [
      "root that took it back may",
      user({ runAsUser: 0, capabilities: { drop: ["ALL"], add: ["DAC_OVERRIDE"] } }),
      root(0o700, 999, 999),
      "reachable",
    ],
    [
      "root that may read everything may",
      user({ runAsUser: 0, capabilities: { drop: ["ALL"], add: ["DAC_READ_SEARCH"] } }),
      root(0o700, 999, 999),
      "reachable",
    ],
    [
      "root that is privileged may",
      user({ runAsUser: 0, privileged: true, capabilities: { drop: ["ALL"] } }),
      root(0o700, 999, 999),
      "reachable",
    ],
    [
      "an added capability is nothing to another user",
      user({ ...usual, capabilities: { add: ["DAC_OVERRIDE"] } }),
      root(0o700, 999, 999),
      "unreachable",
    ],
    ["the user of Velero's image may not", user({}), root(0o700, 999, 999), "unreachable"],
    ["the user of Velero's image may by its group or may not", user({}), root(0o750, 999, 1000), "uncertain"],
    ["the user of another image may be anyone", user({}, {}, "tools/wait:1"), root(0o700, 999, 999), "uncertain"],
    ["the user of another image may what everyone may", user({}, {}, "tools/wait:1"), root(0o755, 0, 0), "reachable"],
    ["a user without a group may have group 0", user(usual), root(0o750, 999, 0), "uncertain"],
    ["ids that are none count as not given", user({ runAsUser: "0" }), root(0o700, 999, 999), "unreachable"],
  ];
  for (const [name, waiting, folder, expected] of cases) it(name, () => assert.equal(is(waiting, folder), expected));

  it("takes every folder on the way", () => {
    const own = root(0o755, 0, 0);
    assert.equal(is(user(usual), own, root(0o700, 0, 0)), "unreachable");
    assert.equal(is(user(usual), root(0o750, 9, 0), root(0o700, 9, 9)), "unreachable");
    assert.equal(is(user(usual), root(0o750, 9, 0), own), "uncertain");
    assert.equal(is(user(usual), own, own), "reachable");
  });

  it("says who it is about, and which folder", () => {
    const folder = root(0o700, 999, 999);
    const said = (waiting: RestoreWaitUser) => {
      const reach = decideMarkerReach(waiting, [root(0o755, 0, 0), folder]);
      assert.ok(reach.is !== "reachable");
      assert.equal(reach.folder, folder);
      return reach.user;
    };
    assert.equal(said(user({ runAsUser: 1000, runAsGroup: 3 }, { fsGroup: 4 })), "user 1000:3 with groups 4");
    assert.equal(said(user({ runAsUser: 0, capabilities: { drop: ["ALL"] } })), "user 0 without CAP_DAC_OVERRIDE");
    assert.equal(said(user({})), `the user of image ${veleroImage}`);
  });

  it("is nobody's matter in a pod that does not wait", () => {
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "db-0" }, spec: { containers: [{}] } };
    assert.equal(parseRestoreWaitUser(parseKubernetesObject(pod)), undefined);
  });

  it("is what the kernel says of every owner, group and mode", async (t) => {
    if (!requireRoot(t)) return;
    const folder = join(temporaryFolder(t), "volume");
    chmodSync(join(folder, ".."), 0o755);
    mkdirSync(folder);
    writeFileSync(join(folder, "marker"), "");
    const nobody = user({ runAsUser: 65_534, runAsGroup: 65_534 });
    for (const owner of [0, 65_534]) {
      for (const group of [0, 65_534]) {
        for (const bits of [0o000, 0o001, 0o010, 0o011, 0o100, 0o101, 0o110, 0o111]) {
          chownSync(folder, owner, group);
          chmodSync(folder, 0o600 | bits);
          const isSeen = await asNobody(async () => isThere(join(folder, "marker")));
          const { mode, uid, gid } = statSync(folder);
          const reach = is(nobody, root(mode & 0o7777, uid, gid));
          assert.equal(reach, isSeen ? "reachable" : "unreachable", `${mode.toString(8)} of ${uid}:${gid}`);
        }
      }
    }
  });
});

function isThere(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch (error) {
    assert.equal(errnoOf(error), "EACCES");
    return false;
  }
}
