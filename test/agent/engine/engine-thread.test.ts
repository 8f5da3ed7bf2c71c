import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { AgentError } from "../../../src/agent/agent-error.ts";
import { EngineThread, type EngineThreadOptions } from "../../../src/agent/engine/engine-thread.ts";
import type {
  BackupRequest,
  BackupWorkRun,
  StoreRequest,
  WorkProgress,
} from "../../../src/agent/engine/volume-work.ts";
import { createAgentLog } from "../../../src/agent/observability/agent-log.ts";
import { type Clock, systemClock } from "../../../src/base/clock.ts";
import { explainInOneLine, hasCode, hintOf } from "../../../src/base/errors.ts";
import { silentLog } from "../../../src/base/log.ts";
import { volumeWorkContract } from "../../contracts/volume-work.contract.ts";
import { lacking } from "../../support/required.ts";

volumeWorkContract("the engine in a thread", (sink) => {
  const work = new EngineThread(sink);
  return { work, [Symbol.asyncDispose]: () => work[Symbol.asyncDispose]() };
});

/** Sleeps until it is told that the time is over. */
class HeldClock implements Clock {
  readonly nowMs = systemClock.nowMs;
  readonly nowNs = systemClock.nowNs;
  readonly #sleepers: (() => void)[] = [];

  sleep(_ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#sleepers.push(resolve);
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  }

  async wakeAll(): Promise<void> {
    for (const wake of this.#sleepers.splice(0)) wake();
    await new Promise((resolve) => setImmediate(resolve)); // Those who slept go on.
  }
}

describe("the engine's thread", () => {
  it("is there from the first job until it has been idle, and then for the next one anew", async () => {
    const clock = new HeldClock();
    await using thread = scripted({ clock });
    assert.equal(thread.isRunning, false);
    const first = await thread.backUp(asked("nothing"), running());
    const second = await thread.backUp(asked("nothing"), running());
    assert.equal(first.snapshotId, second.snapshotId, "one thread for both");
    assert.equal(thread.isRunning, true);
    await clock.wakeAll();
    assert.equal(thread.isRunning, false);
    const third = await thread.backUp(asked("nothing"), running());
    assert.notEqual(third.snapshotId, first.snapshotId);
  });

  it("stays while a job runs, however long ago the last one ended", async () => {
    const clock = new HeldClock();
    await using thread = scripted({ clock });
    const stopping = new AbortController();
    const waiting = thread.backUp(asked("wait for the end"), { ...running(), signal: stopping.signal });
    await thread.backUp(asked("nothing"), running());
    await clock.wakeAll();
    assert.equal(thread.isRunning, true);
    stopping.abort();
    await assert.rejects(waiting, (error) => error === stopping.signal.reason);
    await clock.wakeAll();
    assert.equal(thread.isRunning, false);
  });

  it("takes its own jobs with it when it crashes, and the next job gets another", async () => {
    for (const [act, words] of [
      ["crash", "the engine's thread failed [ENGINE_THREAD_FAILED]: the bug (hint: "],
      ["exit", "the engine's thread ended while it worked [ENGINE_THREAD_FAILED]"],
    ] as const) {
      await using thread = scripted();
      const other = told(thread.backUp(asked("wait for ever"), running()));
      const error = await told(thread.backUp(asked(act), running()));
      assert.ok(explainInOneLine(error).startsWith(words), explainInOneLine(error));
      assert.ok(hasCode(await other, "ENGINE_THREAD_FAILED"));
      await thread.backUp(asked("nothing"), running());
    }
  });

  it("tells when it ran out of memory what to do about it, and leaves the daemon alive", async () => {
    await using thread = scripted({ heapMiBMax: 24 });
    const error = await told(thread.backUp(asked("exhaust memory"), running()));
    assert.ok(hasCode(error, "ENGINE_OUT_OF_MEMORY"), explainInOneLine(error));
    assert.match(hintOf(error) ?? "", /memory/);
    await thread.backUp(asked("nothing"), running());
  });

  it("fails what still runs when it is disposed, and has ended then", async () => {
    const thread = scripted();
    const started = Promise.withResolvers<void>();
    const job = told(thread.backUp(asked("wait for ever"), { ...running(), onProgress: () => started.resolve() }));
    await started.promise;
    await thread[Symbol.asyncDispose]();
    assert.equal(thread.isRunning, false);
    assert.ok(hasCode(await job, "ENGINE_THREAD_FAILED"));
  });

  it("asks what the credentials are by now, and gets them", async () => {
    await using thread = scripted();
    const credentials = { text: "[default]", name: "key cloud of Secret velero/cloud-credentials" };
    await thread.backUp(asked("expect credentials"), { ...running(), readCredentials: async () => credentials });
    const none = thread.backUp(asked("expect credentials"), running());
    assert.match(String(await told(none)), /there are none/);
  });

  it("hands on what its work may take: what the ConfigMap says, and before it what was given", async () => {
    await using thread = new EngineThread({ log: silentLog, settings: { parallelism: 1 } });
    thread.configure({ parallelism: 3, memoryBudgetBytes: 1 });
    const error = await told(thread.backUp(asked("anything"), running()));
    assert.equal((error as { readonly code?: unknown }).code, "ENGINE_MEMORY_TOO_SMALL");
    await using given = new EngineThread({ log: silentLog, settings: { memoryBudgetBytes: 2 ** 28 } });
    given.configure({ memoryBudgetBytes: 1 });
    const later = await told(given.backUp(asked("anything"), running()));
    assert.equal((later as { readonly code?: unknown }).code, "BLOB_STORE_NOT_FOUND");
  });

  it("tells the profile into the log, and that there is none while nothing runs", async () => {
    const lines: string[] = [];
    const log = {
      ...silentLog,
      info: (message: string, fields = {}) => void lines.push(message + JSON.stringify(fields)),
    };
    await using thread = new EngineThread({ log });
    thread.tellProfile();
    assert.match(lines.join(), /Found no profile: the engine is not running/);
    await told(thread.backUp(asked("anything"), running()));
    thread.tellProfile();
    await told(thread.backUp(asked("anything"), running())); // It is told in the order of what was asked.
    assert.match(lines.join(), /Told the engine's profile.*wallSeconds.*limitBytes\\":268435456/);
  });

  it("asks whether the volume is in use, and gets the answer as it was given", async () => {
    await using thread = scripted();
    let isInUse = true;
    const gone = new AgentError("POD_TERMINATING", "pod shop/db-0 went away", {
      hint: "back up again",
      detail: { n: 1 },
    });
    const run: BackupWorkRun = {
      ...running(),
      assertVolumeInUse: async () => {
        if (!isInUse) throw gone;
      },
    };
    await thread.backUp(asked("ask"), run);
    isInUse = false;
    const error = await told(thread.backUp(asked("ask"), run));
    assert.equal(explainInOneLine(error), explainInOneLine(gone));
    assert.ok(hasCode(error, "POD_TERMINATING"));
  });

  it("tells progress in few messages, the last of a job among them", async () => {
    await using thread = scripted();
    const seen: WorkProgress[] = [];
    await thread.backUp(asked("progress"), { ...running(), onProgress: (progress) => void seen.push(progress) });
    assert.deepEqual(seen.at(-1), { bytesDone: 10_000, totalBytes: 10_000 });
    assert.ok(seen.length < 100, `${seen.length} messages`);
  });

  it("tells every request to a store, many at a time", async () => {
    const batches: (readonly StoreRequest[])[] = [];
    await using thread = scripted({ onStoreRequests: (batch) => void batches.push(batch) });
    await thread.backUp(asked("requests"), running());
    const bytes = batches.flat().map((request) => request.bytes);
    assert.deepEqual(
      bytes,
      Array.from({ length: 2_500 }, (_, index) => index + 1),
    );
    assert.ok(batches.length < 100, `${batches.length} batches`);
  });

  it("has its lines in the daemon's log, with fields and errors", async () => {
    const lines: string[] = [];
    const log = createAgentLog({ format: "text", level: "info", write: (line) => void lines.push(line) });
    await using thread = scripted({ log });
    await thread.backUp(asked("log"), running());
    assert.deepEqual(
      lines.map((line) => line.replace(/^time=\S+ /, "")),
      [
        'level=warning msg="Found it odd" pod=shop/db-0 count=1\n',
        'level=error msg=Failed pod=shop/db-0 count=2 error="no such pod [POD_NOT_FOUND] (hint: look again)" errorCode=POD_NOT_FOUND\n',
      ],
    );
  });

  it("is found by the built program too", async (t) => {
    const root = join(import.meta.dirname, "..", "..", "..");
    const { isBuilt } = (await import(pathToFileURL(join(root, "src", "built.mjs")).href)) as {
      isBuilt(root: string): boolean;
    };
    if (!isBuilt(root)) return lacking(t, "needs dist/ as the sources are now: npm run build");
    const built = pathToFileURL(join(root, "dist", "agent", "engine", "engine-thread.js")).href;
    const { EngineThread: BuiltThread } = (await import(built)) as { readonly EngineThread: typeof EngineThread };
    await using thread = new BuiltThread({ log: silentLog });
    const error = await told(thread.backUp(asked("anything"), running()));
    assert.equal((error as { readonly code?: unknown }).code, "BLOB_STORE_NOT_FOUND");
  });
});

function scripted(options: Partial<EngineThreadOptions> = {}): EngineThread {
  const program = new URL("./scripted-work-main.ts", import.meta.url);
  return new EngineThread({ log: silentLog, program, ...options });
}

/** What the job is to do; see the program. */
function asked(description: string): BackupRequest {
  return {
    repository: {
      location: { kind: "fs", base: "/nowhere", folder: "/nowhere/kopia/shop" },
      password: "p",
      create: false,
    },
    volumePath: "/nowhere",
    source: { userName: "agent", host: "node", path: "/data" },
    tags: {},
    description,
    pins: [],
    policy: {},
    parent: { tags: {} },
    parallelFiles: 1,
    onFileError: "fail",
  };
}

function running(): BackupWorkRun {
  return {
    signal: new AbortController().signal,
    onProgress: () => undefined,
    readCredentials: async () => undefined,
    assertVolumeInUse: async () => undefined,
  };
}

/** What a job is to fail with. */
async function told(job: Promise<unknown>): Promise<unknown> {
  return await job.then(
    () => assert.fail("the job was to fail"),
    (error: unknown) => error,
  );
}
