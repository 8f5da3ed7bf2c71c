/** The alert rules, by Prometheus' own tool: which series make which alert fire, and when. */

import assert from "node:assert/strict";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { parse } from "yaml";
import { fieldAt, itemsAt, type JsonObject, textAt } from "../../src/kubernetes/json.ts";
import { buildPeer } from "../support/peers.ts";
import { describeRun, runProgram } from "../support/program.ts";
import { lacking } from "../support/required.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { daemonsetFolder } from "./render.ts";

const file = join(daemonsetFolder, "monitoring", "prometheus-rule.yaml");
const spec = fieldAt(parse(readFileSync(file, "utf8")), "spec") as JsonObject;
const rules = itemsAt(spec, "groups").flatMap((group) => itemsAt(group, "rules"));
/** Made by Prometheus itself. */
const metricsOfPrometheus = ["up"];

interface Case {
  /** One sample a minute; Prometheus' notation: `first+step x count`. */
  readonly series: Readonly<Record<string, string>>;
  /** By minute, the label sets of the alert that fire then. */
  readonly firing: Readonly<Record<number, readonly JsonObject[]>>;
}

const nodeA = { node: "a", severity: "warning" };
const job = (operation: string, phase: string) => `fsb_jobs_total{node="a",operation="${operation}",phase="${phase}"}`;
const success = (operation: string) => `fsb_last_success_timestamp_seconds{node="a",operation="${operation}"}`;

const cases: Readonly<Record<string, Case>> = {
  FsbBackupFailed: {
    series: {
      [job("backup", "Failed")]: "0x10 1x200",
      [job("backup", "Completed")]: "0+1x210",
      [job("restore", "Failed")]: "0x210",
    },
    firing: { 9: [], 12: [nodeA], 60: [nodeA], 75: [] },
  },
  FsbRestoreFailed: {
    series: { [job("restore", "Failed")]: "0x10 1x200", [job("backup", "Failed")]: "0x210" },
    firing: { 9: [], 12: [nodeA], 75: [] },
  },
  FsbNoBackupSucceeded: {
    // The agent is restarted after an hour and knows of no success since; a restore is none of a backup.
    series: { [success("backup")]: "60x59 _x1700", [success("restore")]: "0+60x1760" },
    firing: { 30: [], 1500: [], 1570: [{ severity: "critical" }] },
  },
  FsbJobStalled: {
    series: {
      'fsb_stalled{node="a",operation="backup"}': "0x9 1x20 0x20",
      'fsb_stalled{node="b",operation="backup"}': "0x50",
    },
    firing: { 12: [], 17: [{ ...nodeA, operation: "backup" }], 35: [] },
  },
  FsbAgentDown: {
    series: {
      'up{job="node-agent",node="a"}': "1x9 0x30",
      'up{job="node-agent",node="b"}': "1x40",
      'up{job="other",node="a"}': "0x40",
    },
    firing: { 9: [], 15: [], 25: [{ ...nodeA, job: "node-agent" }] },
  },
  FsbAgentsGone: {
    series: { 'fsb_build_info{node="a",version="1"}': "1x9 stale" },
    firing: { 9: [], 20: [], 30: [{ severity: "critical" }] },
  },
};

describe("the alert rules", () => {
  it("are right in Prometheus' eyes", async (t) => {
    const promtool = await buildPromtool(t);
    if (promtool === undefined) return;
    const folder = folderWithRules(t);
    const run = await runProgram(promtool, ["check", "rules", "--lint-fatal", join(folder, "rules.json")], { env: {} });
    assert.equal(run.exitCode, 0, describeRun(run));
    assert.match(run.stdout.toString(), new RegExp(`${rules.length} rules found`));
  });

  it("each have a case that shows when they fire", () => {
    assert.deepEqual(rules.map((rule) => textAt(rule, "alert")).toSorted(), Object.keys(cases).sort());
  });

  for (const [alert, { series, firing }] of Object.entries(cases)) {
    it(`${alert} fires when it is to, and only then`, async (t) => {
      const promtool = await buildPromtool(t);
      if (promtool === undefined) return;
      const folder = folderWithRules(t);
      const rule = rules.find((candidate) => textAt(candidate, "alert") === alert);
      assert.ok(Object.values(firing).some((labels) => labels.length > 0));
      const test = {
        interval: "1m",
        input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
        alert_rule_test: Object.entries(firing).map(([minute, labels]) => ({
          eval_time: `${minute}m`,
          alertname: alert,
          exp_alerts: labels.map((exp_labels) => ({ exp_labels })),
        })),
      };
      // Only whether it fires is looked at, not what it says.
      const silent = { name: "rules", rules: [{ ...(rule as JsonObject), annotations: {} }] };
      writeFileSync(join(folder, "rules.json"), JSON.stringify({ groups: [silent] }));
      writeFileSync(join(folder, "test.json"), JSON.stringify({ rule_files: ["rules.json"], tests: [test] }));
      const run = await runProgram(promtool, ["test", "rules", join(folder, "test.json")], { env: {} });
      assert.equal(run.exitCode, 0, `${describeRun(run)}\n${run.stdout}`);
    });
  }

  it("use metrics that the agent has", () => {
    const sources = globSync("src/agent/observability/*.ts", { cwd: join(daemonsetFolder, "..") });
    const code = sources.map((path) => readFileSync(join(daemonsetFolder, "..", path), "utf8")).join("\n");
    const used = new Set(rules.flatMap((rule) => (textAt(rule, "expr") ?? "").match(/\b(fsb|podVolume)_\w+|\bup\b/g)));
    assert.ok(used.size >= 5, [...used].join(" "));
    const unknown = [...used].filter(
      (name) => !metricsOfPrometheus.includes(name ?? "") && !code.includes(`"${name}"`),
    );
    assert.deepEqual(unknown, []);
  });
});

async function buildPromtool(t: TestContext): Promise<string | undefined> {
  const promtool = await buildPeer("promtool", "github.com/prometheus/prometheus/cmd/promtool");
  return "program" in promtool ? promtool.program : lacking(t, promtool.missing);
}

/** With rules.json, which is YAML too. */
function folderWithRules(t: TestContext): string {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "rules.json"), JSON.stringify(spec));
  return folder;
}
