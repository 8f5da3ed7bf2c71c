/** Each outcome of each finding about a cluster. What a healthy one and common faults say: test/cli/doctor.test.ts. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { agentRights } from "../../src/doctor/agent-rights.ts";
import type { Finding, Seen } from "../../src/doctor/finding.ts";
import {
  agentAccount,
  aheadOf,
  judgeAgentPods,
  judgeAgentRights,
  judgeApiServer,
  judgeDaemonSet,
  judgeDefinitions,
  judgeOwnRights,
  judgeServer,
} from "../../src/doctor/judge-cluster.ts";
import type { JsonObject } from "../../src/kubernetes/json.ts";
import { type KubernetesObject, parseKubernetesObject } from "../../src/kubernetes/kubernetes-object.ts";
import { shippedObject } from "../support/installed-velero.ts";

const trouble = { code: "RESOURCE_STORE_DENIED", reason: "", because: "it was denied", hint: "ask for it" };

function told(findings: readonly Finding[] | Finding): readonly string[] {
  return [findings].flat().map(({ status, check }) => `${status} ${check}`);
}

function object(kind: string, content: JsonObject): KubernetesObject {
  return parseKubernetesObject({ apiVersion: "v1", kind, metadata: { name: "one" }, ...content });
}

function deployment(image: string, args: readonly string[] = []): Seen<KubernetesObject> {
  const containers = [{ name: "velero", image, args }];
  return {
    value: object("Deployment", { spec: { template: { spec: { containers } } }, status: { availableReplicas: 1 } }),
  };
}

describe("what was not seen", () => {
  it("is a warning with what to do, and never in order", () => {
    const unseen = [
      ...judgeServer("velero", { trouble }),
      judgeDefinitions({ trouble }, { trouble }),
      ...judgeDaemonSet("velero", { trouble }),
      ...judgeAgentPods("velero", { trouble }),
      judgeOwnRights({ trouble }, false),
      judgeAgentRights("account", { trouble }),
    ];
    assert.deepEqual(
      new Set(unseen.map(({ status, because, fix }) => [status, because, fix].join("|"))),
      new Set(["warn|not known: it was denied|ask for it"]),
    );
  });
});

describe("an API server", () => {
  it("fails where it cannot be reached, for nothing is known then", () => {
    const unreached = { ...trouble, code: "RESOURCE_STORE_UNAVAILABLE" };
    assert.deepEqual(told(judgeApiServer("s", { trouble: unreached })), ["FAIL api-server"]);
  });

  it("is not known where it denies to tell its version, for it answers", () => {
    assert.deepEqual(told(judgeApiServer("s", { trouble })), ["warn api-server"]);
  });

  it("has a clock that agrees, or differs, or is not told", () => {
    const clock = (aheadMs: number | undefined) => judgeApiServer("s", { value: { version: "v1.34.2", aheadMs } })[1];
    assert.deepEqual(
      [clock(0)?.status, clock(60_000)?.status, clock(-61_000)?.status, clock(undefined)?.status],
      ["ok", "ok", "warn", "warn"],
    );
    assert.match(clock(-61_000)?.because ?? "", /its clock is 61 seconds behind this machine's/);
    assert.match(clock(600_000)?.because ?? "", /its clock is 10 minutes ahead of this machine's/);
  });

  it("has a clock that is ahead by what cannot be explained by the time that the answer took", () => {
    const ours = { beforeMs: 1000, afterMs: 2000 };
    assert.equal(aheadOf(ours, { fromMs: 1500, toMs: 2499 }), 0);
    assert.equal(aheadOf(ours, { fromMs: 5000, toMs: 5999 }), 3000);
    assert.equal(aheadOf(ours, { fromMs: 0, toMs: 400 }), -600);
  });
});

describe("rights", () => {
  const all = agentRights.map((right) => ({ right, isAllowed: true }));
  const some = agentRights.map((right) => ({ right, isAllowed: right.resource !== "nodes" }));

  it("are yours, or are missing, which is a fault where you are the agent", () => {
    assert.equal(judgeOwnRights({ value: all }, false).status, "ok");
    const { status, because } = judgeOwnRights({ value: some }, false);
    assert.deepEqual([status, because], ["warn", "you may not get nodes in the whole cluster"]);
    assert.equal(judgeOwnRights({ value: some }, true).status, "FAIL");
  });

  it("are the agent's, by its pods' service account", () => {
    assert.equal(judgeAgentRights("a", { value: all }).status, "ok");
    assert.equal(judgeAgentRights("a", { value: some }).status, "FAIL");
    const named = parseKubernetesObject(shippedObject("daemon-set.yaml"));
    assert.equal(agentAccount("velero", named), "system:serviceaccount:velero:fsb-node-agent");
    assert.equal(agentAccount("velero", object("DaemonSet", {})), "system:serviceaccount:velero:default");
    const hostile = object("DaemonSet", { spec: { template: { spec: { serviceAccountName: "../x" } } } });
    assert.equal(agentAccount("velero", hostile), undefined);
  });
});

describe("a Velero server", () => {
  it("may not be there, or not be of a known version", () => {
    assert.deepEqual(told(judgeServer("velero", { value: undefined })), ["FAIL velero-server"]);
    assert.deepEqual(told(judgeServer("velero", deployment("velero:main"))), [
      "ok velero-server",
      "warn velero-version",
    ]);
    assert.deepEqual(told(judgeServer("velero", deployment("velero:v1.20.0"))), [
      "ok velero-server",
      "warn velero-version",
    ]);
  });

  it("is asked for its uploader in either form of the flag", () => {
    const uploader = (...args: readonly string[]) => told(judgeServer("velero", deployment("velero:v1.18.1", args)))[2];
    assert.equal(uploader("--uploader-type", "restic"), "FAIL velero-uploader");
    assert.equal(uploader("--uploader-type=restic"), "FAIL velero-uploader");
    assert.equal(uploader("--uploader-type=kopia"), undefined);
    assert.equal(uploader("server"), undefined);
  });

  it("works with definitions that are as new as it is", () => {
    const judged = (generation: "1.16" | "1.17" | "unknown", image: string) =>
      judgeDefinitions({ value: generation }, deployment(image)).status;
    assert.equal(judged("1.17", "velero:v1.18.1"), "ok");
    assert.equal(judged("1.16", "velero:v1.16.2"), "ok");
    assert.equal(judged("1.16", "velero:v1.18.1"), "FAIL");
    assert.equal(judged("unknown", "velero:v1.18.1"), "FAIL");
  });
});

describe("the agent's DaemonSet", () => {
  const ready = { desiredNumberScheduled: 2, numberReady: 2 };
  const judged = (change: (text: string) => string, status: JsonObject = ready) => {
    const content = JSON.parse(change(JSON.stringify(shippedObject("daemon-set.yaml")))) as JsonObject;
    return told(judgeDaemonSet("velero", { value: parseKubernetesObject({ ...content, status }) }));
  };
  const fine = ["ok daemon-set", "ok daemon-set-labels", "ok pods-folder", "ok mount-propagation"];

  it("is in order as it is shipped", () => {
    assert.deepEqual(
      judged((text) => text),
      fine,
    );
    assert.deepEqual(
      judged((text) => text.replaceAll("HostToContainer", "Bidirectional")),
      fine,
    );
  });

  it("is wanted on some node", () => {
    assert.equal(judged((text) => text, {})[0], "FAIL daemon-set");
  });

  it("has pods that either generation of servers finds", () => {
    for (const label of ["name", "role"]) {
      const [, labels] = judged((text) => text.replaceAll(`"${label}":"node-agent"`, `"${label}":"other"`));
      assert.equal(labels, "FAIL daemon-set-labels", label);
    }
  });

  it("has the pods' folder, and mounts it", () => {
    assert.deepEqual(judged((text) => text.replaceAll(`"hostPath"`, `"emptyDir"`)).slice(2), ["FAIL pods-folder"]);
    assert.deepEqual(
      judged((text) => text.replaceAll(`"name":"host-pods","mountPath"`, `"name":"other","mountPath"`)).slice(2),
      ["FAIL pods-folder"],
    );
  });
});

describe("the agents' pods", () => {
  const pod = (name: string, node: string, status: JsonObject) => {
    return parseKubernetesObject({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name },
      spec: { nodeName: node },
      status,
    });
  };
  const running = { phase: "Running", containerStatuses: [{ name: "node-agent", state: { running: {} } }] };
  const judged = (...pods: readonly KubernetesObject[]) => judgeAgentPods("velero", { value: pods });

  it("are in order where each runs on a node of its own", () => {
    assert.deepEqual(told(judged(pod("a", "n1", running), pod("b", "n2", running))), ["ok agent-pods"]);
    assert.deepEqual(told(judged()), ["warn agent-pods"]);
  });

  it("are not where two are on one node, or one waits, was killed, or did not start", () => {
    assert.match(
      judged(pod("a", "n1", running), pod("b", "n1", running))[0]?.because ?? "",
      /two agents run on this node/,
    );
    const of = (status: JsonObject) => judged(pod("a", "n1", status))[0];
    const init = {
      phase: "Pending",
      initContainerStatuses: [{ name: "check-node", state: { waiting: { reason: "CrashLoopBackOff" } } }],
    };
    assert.match(of(init)?.because ?? "", /container check-node is waiting: CrashLoopBackOff/);
    const killed = {
      phase: "Running",
      containerStatuses: [
        { name: "node-agent", state: { running: {} }, lastState: { terminated: { reason: "OOMKilled" } } },
      ],
    };
    assert.match(of(killed)?.because ?? "", /ended with OOMKilled/);
    const ended = (reason: string) => ({
      phase: "Running",
      containerStatuses: [{ name: "node-agent", state: { terminated: { reason, exitCode: 1 } } }],
    });
    assert.match(of(ended("Error"))?.because ?? "", /container node-agent ended with Error$/);
    const checked = { phase: "Running", initContainerStatuses: ended("Completed").containerStatuses };
    assert.equal(of(checked)?.status, "ok");
    assert.match(of({ phase: "Pending" })?.because ?? "", /it is Pending/);
    assert.equal(of({})?.status, "FAIL");
  });
});
