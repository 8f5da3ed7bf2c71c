/** What linters say of the DaemonSet and the Dockerfile; docs/operations/install.md explains what is left. */

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { stringify } from "yaml";
import type { JsonObject } from "../../src/kubernetes/json.ts";
import { Page } from "../docs/page.ts";
import { buildPeer, installPythonPeer } from "../support/peers.ts";
import { describeRun, runProgram } from "../support/program.ts";
import { lacking } from "../support/required.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { buildRenderers, daemonsetFolder, objectNamed, renderWithHelm } from "./render.ts";

interface Finding {
  readonly id: string;
}

interface Report {
  readonly valid: boolean;
  readonly score: number;
  readonly scoring: { readonly critical?: readonly Finding[]; readonly advise?: readonly Finding[] };
}

describe("kubesec", () => {
  it("finds nothing in the DaemonSet but what is explained", async (t) => {
    const explained = new Page("docs/operations/install.md").table("| finding of kubesec |").map(([id]) => id);
    const report = await scan(t, {});
    if (report === undefined) return;
    assert.equal(report.valid, true);
    assert.deepEqual(report.scoring.critical ?? [], []);
    assert.deepEqual(idsOf(report.scoring.advise).toSorted(), explained.toSorted());
    t.diagnostic(`score ${report.score}`);
  });

  it("would find it, were it privileged", async (t) => {
    const report = await scan(t, { privileged: true });
    if (report === undefined) return;
    assert.deepEqual(idsOf(report.scoring.critical), ["Privileged"]);
  });
});

describe("hadolint", () => {
  it("finds nothing in the Dockerfile", async (t) => {
    const hadolint = await installPythonPeer("hadolint", "hadolint");
    if (!("program" in hadolint)) return lacking(t, hadolint.missing);
    const run = await runProgram(hadolint.program, ["--no-color", join(daemonsetFolder, "Dockerfile")], { env: {} });
    assert.equal(run.exitCode, 0, `${describeRun(run)}\n${run.stdout}`);
  });
});

/** Undefined when the test was skipped. */
async function scan(t: TestContext, values: JsonObject): Promise<Report | undefined> {
  const kubesec = await buildPeer("kubesec", "github.com/controlplaneio/kubesec/v2");
  if (!("program" in kubesec)) return lacking(t, kubesec.missing);
  const renderers = await buildRenderers(t);
  if (renderers === undefined) return undefined;
  const folder = temporaryFolder(t);
  const daemonSet = objectNamed(await renderWithHelm(t, renderers, values), "DaemonSet node-agent");
  writeFileSync(join(folder, "object.yaml"), stringify(daemonSet));
  // It would fetch schemas from elsewhere; a real API server checks the objects in another test.
  writeFileSync(join(folder, "any.json"), "{}");
  const args = ["scan", "--schema-location", join(folder, "any.json"), join(folder, "object.yaml")];
  const run = await runProgram(kubesec.program, args, { env: { HOME: folder } });
  const [report] = JSON.parse(run.stdout.toString()) as Report[];
  assert.ok(report, describeRun(run));
  return report;
}

function idsOf(findings: readonly Finding[] = []): readonly string[] {
  return findings.map(({ id }) => id);
}
