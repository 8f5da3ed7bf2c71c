/** A thread's program whose jobs do what their description says, to see what becomes of it on the other side. */

import { strict as assert } from "node:assert";
import { parentPort, threadId } from "node:worker_threads";
import { AgentError } from "../../../src/agent/agent-error.ts";
import type {
  BackupOutcome,
  BackupRequest,
  BackupWorkRun,
  ReportingWork,
} from "../../../src/agent/engine/volume-work.ts";
import { serveWork, type WorkSurroundings } from "../../../src/agent/engine/work-server.ts";

assert(parentPort);
serveWork(parentPort, (surroundings) => scriptedWork(surroundings));

function scriptedWork({ log, onStoreRequest }: WorkSurroundings): ReportingWork {
  const acts: Readonly<Record<string, (run: BackupWorkRun) => Promise<unknown> | unknown>> = {
    nothing: () => undefined,
    crash: () => setImmediate(() => Promise.reject(new Error("the bug"))) && never,
    exit: () => process.exit(7),
    "exhaust memory": () => {
      const kept: unknown[] = [];
      while (true) kept.push(Array.from({ length: 1000 }, (_, index) => ({ index })));
    },
    "wait for the end": ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      }),
    "wait for ever": ({ onProgress }) => {
      onProgress({ bytesDone: 1, totalBytes: 2 });
      return never;
    },
    ask: async (run) => {
      await run.assertVolumeInUse();
    },
    "expect credentials": async (run) => {
      const credentials = await run.readCredentials();
      assert(credentials !== undefined && "text" in credentials, "there are none");
      assert.equal(credentials.text, "[default]");
    },
    progress: (run) => {
      for (let bytesDone = 1; bytesDone <= 10_000; bytesDone++) run.onProgress({ bytesDone, totalBytes: 10_000 });
    },
    requests: () => {
      for (let bytes = 1; bytes <= 2_500; bytes++)
        onStoreRequest({ operation: "put", result: "ok", durationMs: 1, bytes });
    },
    log: () => {
      const inner = log.with({ pod: "shop/db-0" });
      inner.warn("Found it odd", { count: 1 });
      inner.error("Failed", new AgentError("POD_NOT_FOUND", "no such pod", { hint: "look again" }), { count: 2 });
    },
  };
  return {
    backUp: async ({ description }: BackupRequest, run) => {
      const act = acts[description];
      assert(act, description);
      await act(run);
      const none = { count: 0, first: [] };
      const outcome: BackupOutcome = {
        snapshotId: String(threadId),
        totalBytes: 0,
        fileCount: 0,
        incrementalBytes: 0,
        parentSnapshotId: undefined,
        unreadable: none,
        changed: none,
        vanished: none,
      };
      return outcome;
    },
    restore: () => assert.fail("no test restores"),
    profile: () => undefined,
    memoryUse: () => undefined,
  };
}

const never = new Promise<never>(() => undefined);
