import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createAgentLog } from "../../src/agent/observability/agent-log.ts";
import { ResourceError, type ResourceErrorCode } from "../../src/kubernetes/resource-error.ts";
import { untilReachable } from "../../src/kubernetes/until-reachable.ts";
import { ManualClock } from "../repository/manual-clock.ts";

describe("waiting for an API server", () => {
  const wait = async (answers: (ResourceErrorCode | "answer")[], signal = new AbortController().signal) => {
    const clock = new ManualClock(0);
    const lines: string[] = [];
    const log = createAgentLog({ format: "text", level: "info", write: (line) => void lines.push(line) });
    const work = async () => {
      const answer = answers.shift();
      if (answer !== "answer") throw new ResourceError(answer ?? "RESOURCE_STORE_UNAVAILABLE", "no");
      return "reached";
    };
    const result = await untilReachable(work, { clock, random: () => 0, log }, signal);
    return { result, waitedMs: clock.nowMs(), lines };
  };

  it("goes on for as long as it takes, with growing waits, and says so now and then", async () => {
    const down = Array.from({ length: 30 }, () => "RESOURCE_STORE_UNAVAILABLE" as const);
    const { result, waitedMs, lines } = await wait([...down, "RESOURCE_STORE_UNAUTHENTICATED", "answer"]);
    assert.equal(result, "reached");
    assert.ok(waitedMs > 300_000 && waitedMs < 31 * 30_000, String(waitedMs));
    assert.equal(lines.filter((line) => line.includes("level=error")).length, 3, lines.join(""));
    assert.match(lines.at(-1) ?? "", /Reached the API server/);
  });

  it("is over with any answer", async () => {
    await assert.rejects(wait(["RESOURCE_STORE_UNAVAILABLE", "RESOURCE_STORE_DENIED"]), {
      code: "RESOURCE_STORE_DENIED",
    });
  });

  it("is over with the signal", async () => {
    const stop = new AbortController();
    stop.abort();
    await assert.rejects(wait([], stop.signal), { name: "AbortError" });
  });
});
