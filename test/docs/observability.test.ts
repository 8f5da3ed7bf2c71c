/** docs/operations/observability.md names the metrics, reasons and lines that there are. */

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { AgentMetrics } from "../../src/agent/observability/agent-metrics.ts";
import { systemClock } from "../../src/base/clock.ts";
import { Page, repositoryRoot } from "./page.ts";

const page = new Page("docs/operations/observability.md");
const sources = globSync("src/**/*.ts", { cwd: repositoryRoot }).map((file) =>
  readFileSync(join(repositoryRoot, file), "utf8"),
);

describe("docs/operations/observability.md", () => {
  it("has every metric with its type, and no other", async () => {
    const metrics = new AgentMetrics({
      node: "n",
      version: "1",
      clock: systemClock,
      isEngineRunning: () => false,
      memoryUse: () => undefined,
    });
    const types = [...(await metrics.text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(
      ([, name, type]) => `${name} ${type}`,
    );
    const documented = [...page.section("Metrics").matchAll(/^\| (`.+?`) \| ([a-z, ]+?) \|/gm)].flatMap(
      ([, names = "", kinds = ""]) => {
        const kind = kinds.split(", ");
        return [...names.matchAll(/`(.+?)`/g)].map(([, name], index) => `${name} ${kind[index] ?? kind[0]}`);
      },
    );
    assert.deepEqual(documented.toSorted(), types.toSorted());
  });

  it("quotes lines of the log and reasons of events that are in the code", () => {
    const quoted = [page.section("Log"), page.section("Events")].flatMap((section) =>
      [...section.matchAll(/^\| (?!when|reason|---).*$/gm)].flatMap(([row]) => [...row.matchAll(/`(.+?)`/g)]),
    );
    const lines = quoted.map(([, line = ""]) => line).filter((line) => line !== "spec.cancel");
    assert.ok(lines.length > 30);
    // In the code they are put together of these.
    const shape = (text: string) =>
      text
        .replaceAll(/\$\{.*?\}|PVB|PVR|\bbackup\b|\brestore\b|:8085/g, "…")
        .replace(/Data-Path-(Completed|Failed|Canceled)/, "Data-Path-…");
    const known = new Set(
      sources.flatMap((text) =>
        [...text.matchAll(/"([^"\n]+)"|`([^`\n]+)`/g)].map((match) => shape(match[1] ?? match[2] ?? "")),
      ),
    );
    assert.deepEqual(
      lines.filter((line) => !known.has(shape(line))),
      [],
    );
  });
});
