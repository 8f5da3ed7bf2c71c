/** A real API server takes all that daemonset/ has, as it is, and the two ways of taking the stock agent's place. */

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it, type TestContext } from "node:test";
import { parseAllDocuments, stringify } from "yaml";
import { fieldAt, itemsAt, type JsonObject, textAt } from "../../src/kubernetes/json.ts";
import { KubernetesCluster, startCluster } from "../support/kubernetes-cluster.ts";
import { describeRun, runProgram } from "../support/program.ts";
import { lacking } from "../support/required.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { veleroVersions } from "../support/velero-server.ts";
import { buildRenderers, changes, objectNamed, type Rendered, renderWithHelm, renderWithKustomize } from "./render.ts";
import { stockDaemonSet } from "./stock-daemon-set.ts";

const cluster = await startCluster();
if (cluster instanceof KubernetesCluster) after(() => cluster[Symbol.asyncDispose]());

const daemonSets = "/apis/apps/v1/namespaces/velero/daemonsets";

describe("the API server", () => {
  const ways: Readonly<Record<string, JsonObject & { readonly components: readonly string[] }>> = {
    "kustomize base": { components: [] },
    "kustomize base with monitoring": { components: ["monitoring"] },
    "kustomize base with monitoring, privileged": { components: ["monitoring", "privileged"] },
    "kustomize base with an SELinux type": { components: ["spc-t"] },
  };
  for (const [way, { components }] of Object.entries(ways)) {
    it(`takes the ${way}, and no field of it gets lost`, async (t) => {
      const set = await setUp(t);
      if (set === undefined) return;
      await assertTaken(t, set, await renderWithKustomize(t, set, { components }));
    });
  }

  it("takes the Helm chart with all values set, and no field of it gets lost", async (t) => {
    const set = await setUp(t);
    if (set === undefined) return;
    const values = {
      image: { repository: "example.test/fsb", tag: "9", pullSecrets: ["registry"] },
      kubeletRoot: "/var/lib/k0s/kubelet",
      nodeSelector: { disk: "ssd" },
      tolerations: [{ operator: "Exists" }],
      priorityClassName: "system-node-critical",
      podAnnotations: { note: "a" },
      extraEnv: [{ name: "HTTPS_PROXY", value: "http://proxy.test" }],
      extraArgs: ["--log-format=json"],
      rbac: { secretNames: ["velero-repo-credentials"] },
      serviceAccount: { annotations: { "eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/backup" } },
      podMonitor: { enabled: true, labels: { release: "prometheus" } },
      alerts: { enabled: true, labels: { release: "prometheus" } },
    };
    await assertTaken(t, set, await renderWithHelm(t, set, values));
  });
});

describe("the stock agent's place", () => {
  for (const version of veleroVersions) {
    it(`is taken by a change of the image of ${version}'s DaemonSet, and given back by another`, async (t) => {
      const set = await setUp(t);
      const stock = set && (await stockDaemonSet(t, version, set.cluster));
      if (set === undefined || stock === undefined) return;
      await set.cluster.put(daemonSets, stock);
      for (const image of ["fsb:0.1.0", imageOf(stock)]) {
        await kubectl(set, ["--namespace", "velero", "set", "image", "daemonset/node-agent", `node-agent=${image}`]);
        const { body } = await set.cluster.ask("GET", `${daemonSets}/node-agent`);
        assert.equal(imageOf(body), image);
        assert.deepEqual(
          missingIn(body, stock).filter((path) => !path.endsWith(".image")),
          [],
        );
      }
    });

    it(`is taken by the component image-only, which changes nothing else of ${version}'s DaemonSet`, async (t) => {
      const set = await setUp(t);
      const own = set && (await stockDaemonSet(t, version, set.cluster));
      if (set === undefined || own === undefined) return;
      const before = await renderWithKustomize(t, set, { resources: [], own });
      const after = await renderWithKustomize(t, set, { resources: [], own, components: ["image-only"] });
      const base = objectNamed(await renderWithKustomize(t, set, {}), "DaemonSet node-agent");
      assert.deepEqual(changes(before, after), {
        "DaemonSet node-agent.spec.template.spec.containers.0.image": imageOf(base),
      });
    });

    it(`is taken by the base once ${version}'s DaemonSet is deleted, and given back the same way`, async (t) => {
      const set = await setUp(t);
      const stock = set && (await stockDaemonSet(t, version, set.cluster));
      if (set === undefined || stock === undefined) return;
      const ours = objectNamed(await renderWithKustomize(t, set, {}), "DaemonSet node-agent");
      for (const next of [stock, ours, stock]) {
        await kubectl(set, ["--namespace", "velero", "delete", "daemonset", "node-agent", "--ignore-not-found"]);
        await apply(t, set, [next], []);
        const { body } = await set.cluster.ask("GET", `${daemonSets}/node-agent`);
        assert.deepEqual(missingIn(body, next), []);
        const volumes = (object: unknown) =>
          itemsAt(fieldAt(object, "spec", "template", "spec"), "volumes").map((volume) => textAt(volume, "name"));
        assert.deepEqual(volumes(body), volumes(next), "nothing of the other one is left");
      }
    });
  }
});

interface SetUp {
  readonly kubectl: string;
  readonly helm: string;
  readonly cluster: KubernetesCluster;
}

/** Undefined when the test was skipped. */
async function setUp(t: TestContext): Promise<SetUp | undefined> {
  if (!(cluster instanceof KubernetesCluster)) return lacking(t, cluster.missing);
  const renderers = await buildRenderers(t);
  if (renderers === undefined) return undefined;
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "velero" } };
  await cluster.put("/api/v1/namespaces", namespace);
  await cluster.define([monitoringKind("PodMonitor"), monitoringKind("PrometheusRule")]);
  return { ...renderers, cluster };
}

async function assertTaken(t: TestContext, set: SetUp, rendered: Rendered): Promise<void> {
  const answer = await apply(t, set, [...rendered.values()], ["--dry-run=server", "--output=yaml"]);
  const taken = parseAllDocuments(answer).flatMap((document) => itemsAt(document.toJS(), "items"));
  assert.equal(taken.length, rendered.size);
  for (const object of rendered.values()) {
    const same = taken.find(
      (other) => textAt(other, "kind") === object.kind && textAt(other, "metadata", "name") === nameOf(object),
    );
    assert.deepEqual(missingIn(same, object), [], `${object.kind} ${nameOf(object)}`);
  }
}

async function apply(t: TestContext, set: SetUp, objects: readonly JsonObject[], flags: readonly string[]) {
  const file = join(temporaryFolder(t), "objects.yaml");
  writeFileSync(file, objects.map((object) => `---\n${stringify(object)}`).join(""));
  return await kubectl(set, ["apply", "--validate=strict", "--filename", file, ...flags]);
}

async function kubectl(set: SetUp, args: readonly string[]): Promise<string> {
  const as = ["--kubeconfig", set.cluster.kubeconfig("admin")];
  const run = await runProgram(set.kubectl, [...as, ...args], { env: { HOME: set.cluster.folder } });
  assert.equal(run.exitCode, 0, describeRun(run));
  return run.stdout.toString();
}

/** Paths of what `wanted` has and `found` has not, or not so. */
function missingIn(found: unknown, wanted: unknown, path = ""): string[] {
  if (typeof wanted !== "object" || wanted === null) return Object.is(found, wanted) ? [] : [path];
  if (typeof found !== "object" || found === null) return [path];
  const fields: Readonly<Record<string, unknown>> = { ...found };
  return Object.entries(wanted).flatMap(([key, value]) => missingIn(fields[key], value, `${path}.${key}`));
}

function imageOf(daemonSet: unknown): string {
  const [container] = itemsAt(fieldAt(daemonSet, "spec", "template", "spec"), "containers");
  return textAt(container, "image") ?? "";
}

function nameOf(object: JsonObject): string {
  return textAt(object, "metadata", "name") ?? "";
}

/** A kind of the Prometheus operator, with the fields that are used checked and no others taken. */
function monitoringKind(kind: "PodMonitor" | "PrometheusRule"): JsonObject {
  const text = { type: "string" };
  const texts = { type: "object", additionalProperties: text };
  const list = (properties: JsonObject) => ({ type: "array", items: { type: "object", properties } });
  const specs = {
    PodMonitor: {
      jobLabel: text,
      selector: { type: "object", properties: { matchLabels: texts } },
      podMetricsEndpoints: list({
        ...{ port: text, path: text, interval: text, honorLabels: { type: "boolean" } },
        relabelings: list({ sourceLabels: { type: "array", items: text }, targetLabel: text }),
      }),
    },
    PrometheusRule: {
      groups: list({
        name: text,
        rules: list({ alert: text, expr: text, for: text, labels: texts, annotations: texts }),
      }),
    },
  };
  const plural = `${kind.toLowerCase()}s`;
  const openAPIV3Schema = {
    type: "object",
    properties: { spec: { type: "object", properties: specs[kind] } },
  };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.monitoring.coreos.com` },
    spec: {
      group: "monitoring.coreos.com",
      scope: "Namespaced",
      names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema } }],
    },
  };
}
