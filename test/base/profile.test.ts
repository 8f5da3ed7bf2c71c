import assert from "node:assert/strict";
import { test } from "node:test";
import { formatProfile, Profile, verdictOf } from "../../src/base/profile.ts";

const memory = { limitBytes: 256 << 20, usedBytes: 0, peakBytes: 94 << 20 };

test("time and queues of JavaScript and of the kernel's threads come together", async () => {
  const profile = new Profile();
  profile.add("put", 1500);
  profile.add("hash", 250);
  assert.equal(await profile.time("fetch", async () => 7), 7);
  await assert.rejects(
    profile.time("fetch", () => Promise.reject(new Error("gone"))),
    /gone/,
  );
  assert.equal(
    profile.timeNow("open", () => 8),
    8,
  );
  profile.queue("puts in flight", 1);
  profile.queue("puts in flight", 4);
  const report = profile.report({
    kernel: "native",
    threads: 2,
    kernelProfile: {
      seconds: { hash: 2, read: 0 },
      queues: { "puts in flight": { looks: 2, sum: 1, max: 1 }, "reads ahead": { looks: 0, sum: 0, max: 0 } },
    },
    memory,
  });
  assert.deepEqual([report.seconds.put, report.seconds.hash, report.seconds.read], [1.5, 2.25, undefined]);
  assert.deepEqual(report.queues, { "puts in flight": { average: 1.5, max: 4 } });
  assert.match(
    formatProfile(report),
    /^native kernel, 2 threads[\s\S]*^put +1\.50 s[\s\S]*at most 94 of 256 MiB\n.* of the time$/m,
  );
});

test("the verdict names what a run waits for most", () => {
  for (const [seconds, beginning] of [
    [{ hash: 15, read: 2, "wait for puts": 1 }, "the processor is the bottleneck: object store 10 %, processor 75 %"],
    [{ hash: 5, read: 16, "wait for puts": 1 }, "the disk is the bottleneck"],
    [{ hash: 5, read: 2, "wait for puts": 7 }, "the object store is the bottleneck: object store 70 %"],
    [{ fetch: 40, open: 4, write: 2 }, "the object store is the bottleneck: object store 70 %"],
    [{ fetch: 40, write: 18 }, "the disk is the bottleneck: object store 10 %"],
    [{ hash: 5, "wait for memory": 8 }, "the memory budget is the bottleneck (80 % of the time waited for)"],
    [{ hash: 1 }, "nothing stands out"],
    [{}, "nothing stands out: object store 0 %, processor 0 %, disk 0 % of the time"],
  ] as const) {
    assert.ok(verdictOf(seconds, 10, 2).startsWith(beginning), verdictOf(seconds, 10, 2));
  }
});
