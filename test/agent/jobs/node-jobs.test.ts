import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NodeJobs } from "../../../src/agent/jobs/node-jobs.ts";

function fresh(limit: number) {
  const jobs = new NodeJobs(limit);
  const woken: string[] = [];
  const take = (name: string, createdMs: number) =>
    jobs.take(name, { uid: `uid-of-${name}`, createdMs, wake: () => woken.push(name) });
  return { jobs, woken, take };
}

describe("the jobs of a node", () => {
  it("run within the limit, and wake the oldest that waits", () => {
    const { woken, take } = fresh(1);
    const first = take("first", 1);
    assert.ok(first);
    assert.equal(take("young", 3), undefined);
    assert.equal(take("old", 2), undefined);
    first.release();
    assert.deepEqual(woken, ["old"]);
    assert.equal(take("young", 3), undefined);
    assert.ok(take("old", 2));
  });

  it("pass over one that no longer wants to run", () => {
    const { jobs, woken, take } = fresh(1);
    const first = take("first", 1);
    take("old", 2);
    take("young", 3);
    first?.release();
    jobs.withdraw("old");
    assert.deepEqual(woken, ["old", "young"]);
    assert.ok(take("young", 3));
  });

  it("start no more once they are stopped, and settle when their work has ended", async () => {
    const { jobs, take } = fresh(2);
    const job = take("a", 1);
    job?.run(async () => {
      await new Promise<void>((resolve) => job.signal.addEventListener("abort", () => resolve()));
    });
    job?.stop("cancel");
    jobs.stopAll("shutdown");
    assert.equal(job?.stopReason, "cancel");
    assert.equal(take("b", 2), undefined);
    await jobs.settled();
    assert.equal(jobs.get("a"), undefined);
  });

  it("are settled when one that was taken is released without having run", async () => {
    const { jobs, take } = fresh(1);
    const job = take("first", 1);
    jobs.stopAll("shutdown");
    let settled = false;
    const settling = jobs.settled().then(() => {
      settled = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(settled, false);
    job?.release();
    await settling;
  });
});
