/** DaemonSet node-agent as Velero's own program makes it: `velero install --use-node-agent`, with a secret file. */

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { itemsAt, type JsonObject, textAt } from "../../src/kubernetes/json.ts";
import type { KubernetesCluster } from "../support/kubernetes-cluster.ts";
import { describeRun, runProgram } from "../support/program.ts";
import { lacking } from "../support/required.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { buildVelero, type VeleroVersion } from "../support/velero-server.ts";

/** Undefined when the test was skipped. The cluster is asked for its version. */
export async function stockDaemonSet(
  t: TestContext,
  version: VeleroVersion,
  cluster: KubernetesCluster,
): Promise<JsonObject | undefined> {
  const velero = await buildVelero(version);
  if (!("program" in velero)) return lacking(t, velero.missing);
  const folder = temporaryFolder(t);
  const secretFile = join(folder, "cloud");
  writeFileSync(secretFile, "[default]\n");
  const storage = [
    "--provider",
    "aws",
    "--plugins",
    "example.test/plugin",
    "--bucket",
    "b",
    "--secret-file",
    secretFile,
  ];
  const args = ["install", "--use-node-agent", "--use-volume-snapshots=false", ...storage, "--dry-run", "-o", "json"];
  const env = { HOME: folder, KUBECONFIG: cluster.kubeconfig("admin") };
  const run = await runProgram(velero.program, args, { env });
  assert.equal(run.exitCode, 0, describeRun(run));
  const items = itemsAt(JSON.parse(run.stdout.toString()), "items");
  const daemonSet = items.find((item) => textAt(item, "kind") === "DaemonSet") as JsonObject | undefined;
  assert.equal(textAt(daemonSet, "metadata", "name"), "node-agent");
  return JSON.parse(JSON.stringify(daemonSet), (_, value) => value ?? undefined) as JsonObject; // Times that are null.
}
