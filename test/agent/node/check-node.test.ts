/** What keeps a node's agent from starting, and what does not. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { checkNode, isPrivateMount } from "../../../src/agent/node/check-node.ts";
import { CodedError } from "../../../src/base/errors.ts";
import { MemoryResourceStore } from "../../kubernetes/memory-resource-store.ts";
import { requireRoot } from "../../support/required.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

const signal = AbortSignal.timeout(30_000);

/** A node whose kubelet made folders for these pods. */
function nodeWith(t: TestContext, folders: readonly string[]) {
  const podsRoot = join(temporaryFolder(t), "pods");
  mkdirSync(podsRoot);
  for (const uid of folders) mkdirSync(join(podsRoot, uid));
  const store = new MemoryResourceStore();
  return { store, options: { store, podsRoot, node: "node-a", veleroNamespace: "velero" } };
}

function pod(name: string, phase: string, metadata = {}) {
  const spec = { nodeName: "node-a", containers: [] };
  return { apiVersion: "v1", kind: "Pod", metadata: { namespace: "shop", name, ...metadata }, spec, status: { phase } };
}

describe("a node's check", () => {
  it("passes on a node without pods", async (t) => {
    const { options } = nodeWith(t, []);
    assert.deepEqual(await checkNode(options, signal), { runningPods: 0, withoutFolder: 0 });
  });

  it("passes when a pod's folder is there, and counts those that are not", async (t) => {
    const { store, options } = nodeWith(t, ["uid-of-a", "mirrored"]);
    store.put(pod("a", "Running"));
    store.put(pod("gone", "Running"));
    store.put(pod("ended", "Succeeded"));
    store.put(pod("static", "Running", { annotations: { "kubernetes.io/config.mirror": "mirrored" } }));
    assert.deepEqual(await checkNode(options, signal), { runningPods: 3, withoutFolder: 1 });
  });

  it("fails when no running pod has a folder: the root is not that of the kubelet", async (t) => {
    const { store, options } = nodeWith(t, ["of-another-node"]);
    store.put(pod("a", "Running"));
    await assert.rejects(checkNode(options, signal), (error: unknown) => {
      assert.ok(error instanceof CodedError);
      assert.equal(error.code, "AGENT_PODS_ROOT_INVALID");
      assert.match(error.hint ?? "", /kubelet/);
      return true;
    });
  });

  it("fails when there is no folder of pods", async (t) => {
    const { options } = nodeWith(t, []);
    const podsRoot = join(options.podsRoot, "not-there");
    await assert.rejects(checkNode({ ...options, podsRoot }, signal), { code: "AGENT_PODS_ROOT_INVALID" });
  });
});

describe("a mount point", () => {
  for (const [propagation, isPrivate] of [
    ["private", true],
    ["slave", false],
    ["shared", false],
  ] as const) {
    it(`that is ${propagation} is told from the kernel's own list`, (t) => {
      if (!requireRoot(t)) return;
      const folder = join(temporaryFolder(t), "a folder");
      mkdirSync(folder);
      const shared = 'mount --bind "$1" "$1" && mount --make-shared "$1"';
      const look = `unshare --mount --propagation ${propagation} cat /proc/self/mountinfo`;
      const script = ["--mount", "--propagation", "private", "sh", "-c", `${shared} && ${look}`, "sh", folder];
      const list = execFileSync("unshare", script).toString();
      assert.equal(isPrivateMount(list, folder), isPrivate, list);
    });
  }

  it("is looked for by its whole path, and the last mount on it counts", () => {
    const line = (path: string, optional: string) => `30 1 8:1 / ${path} rw,relatime ${optional}- ext4 /dev/sda1 rw`;
    assert.equal(isPrivateMount(line("/host_pods", ""), "/host_pods"), true);
    assert.equal(isPrivateMount(line("/host_pods/a", ""), "/host_pods"), false);
    assert.equal(isPrivateMount(line("/", ""), "/host_pods"), false);
    assert.equal(isPrivateMount(`${line("/h", "")}\n${line("/h", "master:1 ")}`, "/h"), false);
    assert.equal(isPrivateMount(`${line("/h", "master:1 ")}\n${line("/h", "")}`, "/h"), true);
    assert.equal(isPrivateMount(line("/h", "unbindable "), "/h"), true);
  });
});
