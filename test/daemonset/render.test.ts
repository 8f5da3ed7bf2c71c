/** What users get of daemonset/: the same from the Helm chart as from the kustomize base, and changed as they ask. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type JsonObject, textAt } from "../../src/kubernetes/json.ts";
import { buildRenderers, changes, objectNamed, renderWithHelm, renderWithKustomize, tryHelm } from "./render.ts";

const daemonSetKey = "DaemonSet node-agent";

describe("the Helm chart", () => {
  const alike: Readonly<Record<string, { readonly values: JsonObject; readonly components: readonly string[] }>> = {
    "with default values": { values: {}, components: [] },
    "with monitoring": {
      values: { podMonitor: { enabled: true }, alerts: { enabled: true } },
      components: ["monitoring"],
    },
    privileged: { values: { privileged: true }, components: ["privileged"] },
    "with an SELinux type": { values: { seLinuxOptions: { type: "spc_t" } }, components: ["spc-t"] },
  };
  for (const [how, { values, components }] of Object.entries(alike)) {
    it(`${how} gives what the kustomize base gives so`, async (t) => {
      const renderers = await buildRenderers(t);
      if (renderers === undefined) return;
      const chart = await renderWithHelm(t, renderers, values);
      const base = await renderWithKustomize(t, renderers, { components });
      assert.deepEqual([...chart.keys()].sort(), [...base.keys()].sort());
      for (const [key, object] of base) assert.deepEqual(chart.get(key), object, key);
    });
  }

  it("gives the same in another namespace", async (t) => {
    const renderers = await buildRenderers(t);
    if (renderers === undefined) return;
    const chart = await renderWithHelm(t, renderers, {}, "backups");
    const base = await renderWithKustomize(t, renderers, { namespace: "backups" });
    for (const [key, object] of base) assert.deepEqual(chart.get(key), object, key);
    assert.doesNotMatch(JSON.stringify([...base.values()]), /"namespace":"velero"/);
  });

  it("changes what its values name, and nothing else", async (t) => {
    const renderers = await buildRenderers(t);
    if (renderers === undefined) return;
    const before = await renderWithHelm(t, renderers);
    const changed = async (values: JsonObject) => changes(before, await renderWithHelm(t, renderers, values));
    const template = `${daemonSetKey}.spec.template`;
    const [agent, check] = [`${template}.spec.containers.0`, `${template}.spec.initContainers.0`];

    assert.deepEqual(await changed({ image: { repository: "example.test/fsb", tag: "9", pullPolicy: "Always" } }), {
      [`${agent}.image`]: "example.test/fsb:9",
      [`${agent}.imagePullPolicy`]: "Always",
      [`${check}.image`]: "example.test/fsb:9",
      [`${check}.imagePullPolicy`]: "Always",
    });
    assert.deepEqual(await changed({ image: { pullSecrets: ["a", "b"] } }), {
      [`${template}.spec.imagePullSecrets`]: [{ name: "a" }, { name: "b" }],
    });
    assert.deepEqual(await changed({ kubeletRoot: "/var/lib/k0s/kubelet" }), {
      [`${template}.spec.volumes.0.hostPath.path`]: "/var/lib/k0s/kubelet/pods",
    });
    const resources = { limits: { memory: "2Gi" } };
    assert.deepEqual(await changed({ resources }), {
      [`${agent}.resources.limits.memory`]: "2Gi",
      [`${agent}.resources.requests`]: undefined,
      [`${check}.resources.limits.memory`]: "2Gi",
      [`${check}.resources.requests`]: undefined,
    });
    const tolerations = [{ operator: "Exists" }];
    const scheduling = { nodeSelector: { disk: "ssd" }, tolerations, priorityClassName: "high" };
    assert.deepEqual(await changed(scheduling), {
      [`${template}.spec.nodeSelector`]: { disk: "ssd" },
      [`${template}.spec.tolerations`]: tolerations,
      [`${template}.spec.priorityClassName`]: "high",
    });
    assert.deepEqual(await changed({ podLabels: { team: "a", role: "other" }, podAnnotations: { note: "b" } }), {
      [`${template}.metadata.labels.team`]: "a",
      [`${template}.metadata.annotations`]: { note: "b" },
    });
    const proxy = { name: "HTTPS_PROXY", value: "http://proxy.test" };
    assert.deepEqual(await changed({ extraEnv: [proxy], extraArgs: ["--log-format=json"] }), {
      [`${agent}.env.5`]: proxy,
      [`${agent}.args.5`]: "--log-format=json",
    });
    const perNodeConfig = [{ nodeSelector: { matchLabels: { big: "yes" } }, number: 4 }];
    assert.deepEqual(await changed({ config: { loadConcurrency: { globalConfig: 2, perNodeConfig } } }), {
      "ConfigMap fsb-node-agent-config.data.node-agent-config.json": `${JSON.stringify({
        loadConcurrency: { globalConfig: 2, perNodeConfig },
      })}\n`,
    });
    assert.deepEqual(await changed({ config: { create: false, name: "node-agent-config" } }), {
      "ConfigMap fsb-node-agent-config": undefined,
      [`${agent}.args.2`]: "--node-agent-configmap=node-agent-config",
    });
    assert.deepEqual(await changed({ cloudCredentialsSecret: "other" }), {
      [`${template}.spec.volumes.2.secret.secretName`]: "other",
    });
    assert.deepEqual(await changed({ cloudCredentialsSecret: "" }), {
      [`${agent}.env.4`]: undefined,
      [`${agent}.volumeMounts.2`]: undefined,
      [`${template}.spec.volumes.2`]: undefined,
    });
    const annotations = { "eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/backup" };
    assert.deepEqual(await changed({ serviceAccount: { annotations } }), {
      "ServiceAccount fsb-node-agent.metadata.annotations": annotations,
    });
    assert.deepEqual(await changed({ serviceAccount: { create: false, name: "velero" } }), {
      "ServiceAccount fsb-node-agent": undefined,
      "ClusterRoleBinding fsb-node-agent.subjects.0.name": "velero",
      "RoleBinding fsb-node-agent.subjects.0.name": "velero",
      [`${template}.spec.serviceAccountName`]: "velero",
    });
    assert.deepEqual(await changed({ rbac: { secretNames: ["velero-repo-credentials"] } }), {
      "Role fsb-node-agent.rules.3.resourceNames": ["velero-repo-credentials"],
    });
    assert.deepEqual(Object.keys(await changed({ rbac: { create: false } })).sort(), [
      "ClusterRole fsb-node-agent",
      "ClusterRoleBinding fsb-node-agent",
      "Role fsb-node-agent",
      "RoleBinding fsb-node-agent",
    ]);
  });

  it("gives cluster-wide objects another name for a second installation", async (t) => {
    const renderers = await buildRenderers(t);
    if (renderers === undefined) return;
    const chart = await renderWithHelm(t, renderers, { rbac: { clusterRoleName: "second" } });
    assert.ok(chart.has("ClusterRole second"));
    assert.equal(textAt(objectNamed(chart, "ClusterRoleBinding second"), "roleRef", "name"), "second");
  });

  it("refuses values that it does not know", async (t) => {
    const renderers = await buildRenderers(t);
    if (renderers === undefined) return;
    for (const values of [{ kubletRoot: "/a" }, { image: { name: "fsb" } }, { kubeletRoot: "relative" }]) {
      const run = await tryHelm(t, renderers.helm, values);
      assert.notEqual(run.exitCode, 0);
      assert.match(run.stderr, /values don't meet the specifications of the schema/, JSON.stringify(values));
    }
  });
});
