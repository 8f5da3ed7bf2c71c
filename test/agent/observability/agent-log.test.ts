import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createAgentLog, type LogFormat, type LogLevel } from "../../../src/agent/observability/agent-log.ts";
import { CodedError } from "../../../src/base/errors.ts";

function lines(format: LogFormat, level: LogLevel): { log: ReturnType<typeof createAgentLog>; written: string[] } {
  const written: string[] = [];
  return { log: createAgentLog({ format, level, write: (line) => void written.push(line) }), written };
}

describe("the agent's log", () => {
  it("writes text as a stock agent does", () => {
    const { log, written } = lines("text", "info");
    log.with({ pod: "shop/db-0" }).info("PodVolumeBackup starting", { note: 'a "b"', bytes: 3 });
    log.error("Failed", new CodedError("X_Y", "it broke", { hint: "mend it" }));
    log.debug("not this");
    assert.match(
      written[0] ?? "",
      /^time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" level=info msg="PodVolumeBackup starting" pod=shop\/db-0 note="a \\"b\\"" bytes=3\n$/,
    );
    assert.match(
      written[1] ?? "",
      /level=error msg=Failed error="it broke \[X_Y\] \(hint: mend it\)" errorCode=X_Y\n$/,
    );
    assert.equal(written.length, 2);
  });

  it("writes an object a line as JSON", () => {
    const { log, written } = lines("json", "warning");
    log.info("not this");
    log.warn("Careful", { pod: "shop/db-0" });
    log.error("Failed", new Error("it\nbroke"));
    const [first, second] = written.map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual([first?.level, first?.msg, first?.pod], ["warning", "Careful", "shop/db-0"]);
    assert.deepEqual([second?.level, second?.["error.message"]], ["error", "it; broke"]);
    assert.ok(written.every((line) => line.endsWith("}\n")));
  });
});
