import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MemoryBudget, type MemoryCharge, type MemoryShare } from "../../src/base/memory-budget.ts";

const { signal } = new AbortController();

/** Resolved promises have told by then. */
async function settle(): Promise<void> {
  await new Promise(setImmediate);
}

/** Whether it was granted by now, and the value. */
function watched<Value>(promise: Promise<Value>): { value: Value | undefined } {
  const seen: { value: Value | undefined } = { value: undefined };
  promise.then(
    (value) => {
      seen.value = value;
    },
    () => undefined,
  );
  return seen;
}

test("what is charged and held stays within the limit, and nothing waits for good, whatever jobs do", async () => {
  const minBytes = 30;
  const anyStep = fc.oneof(
    fc.record({ do: fc.constant("take" as const), job: fc.nat(3), bytes: fc.integer({ min: 1, max: minBytes - 10 }) }),
    fc.record({ do: fc.constant("give" as const), job: fc.nat(3), bytes: fc.nat() }),
    fc.record({ do: fc.constant("end" as const), job: fc.nat(3), bytes: fc.constant(0) }),
    fc.record({ do: fc.constant("hold" as const), job: fc.constant(0), bytes: fc.integer({ min: -5, max: 5 }) }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyStep, { maxLength: 60 }),
      fc.integer({ min: 1, max: 4 }),
      async (steps, jobsAtOnce) => {
        const budget = new MemoryBudget(100, jobsAtOnce);
        let held = 0;
        const jobs = Array.from({ length: 4 }, () => newJob());
        function newJob() {
          const share = watched(budget.openShare(minBytes, signal));
          return { share, charges: [] as { value: MemoryCharge | undefined }[] };
        }
        let excess = 0;
        const check = (act = "give"): void => {
          const now = Math.max(0, budget.usedBytes - budget.limitBytes);
          assert.ok(act === "hold" || now <= excess, `${budget.usedBytes} are used`); // What is held asks nobody.
          excess = now;
        };
        await settle();
        for (const { do: act, job: number, bytes } of steps) {
          const job = jobs[number] as ReturnType<typeof newJob>;
          if (act === "hold" && held + bytes >= 0 && held + bytes <= 10) {
            held += bytes;
            budget.hold(bytes);
          } else if (act === "take" && job.share.value !== undefined) {
            job.charges.push(watched(job.share.value.take(bytes, signal)));
          } else if (act === "give") {
            const given = job.charges.filter(({ value }) => value !== undefined);
            given[bytes % Math.max(1, given.length)]?.value?.[Symbol.dispose]();
          } else if (
            act === "end" &&
            job.share.value !== undefined &&
            job.charges.every(({ value }) => value !== undefined)
          ) {
            job.share.value?.[Symbol.dispose]();
            jobs[number] = newJob();
          }
          await settle();
          check(act);
        }
        // Whoever is granted something gives it back: then all that waits must get its turn.
        for (let round = 0; round < 400 && jobs.some(isWaiting); round++) {
          for (const { share, charges } of jobs) {
            for (const { value } of charges) value?.[Symbol.dispose]();
            if (charges.every(({ value }) => value !== undefined)) share.value?.[Symbol.dispose]();
          }
          await settle();
          check();
        }
        assert.ok(!jobs.some(isWaiting), "nobody waits any more");
      },
    ),
    { numRuns: 200 },
  );
  function isWaiting({ share, charges }: { share: { value: unknown }; charges: { value: unknown }[] }): boolean {
    return share.value === undefined || charges.some(({ value }) => value === undefined);
  }
});

test("a job goes on within its minimum, however much another wants", async () => {
  const budget = new MemoryBudget(112);
  const [greedy, modest] = [await budget.openShare(30, signal), await budget.openShare(30, signal)];
  const taken = Array.from({ length: 20 }, () => watched(greedy.take(10, signal)));
  await settle();
  assert.equal(taken.filter(({ value }) => value !== undefined).length, 7, "its minimum, and what is nobody's");
  for (let round = 0; round < 5; round++) {
    const charges = [await modest.take(15, signal), await modest.take(15, signal)];
    for (const charge of charges) charge[Symbol.dispose]();
  }
  assert.equal(taken.filter(({ value }) => value !== undefined).length, 7);
});

test("what is free goes first to whoever has least of it", async () => {
  const budget = new MemoryBudget(64);
  const [one, other] = [await budget.openShare(20, signal), await budget.openShare(20, signal)];
  const charges = [await one.take(20, signal), await one.take(20, signal), await other.take(20, signal)];
  const [again, first] = [watched(one.take(10, signal)), watched(other.take(10, signal))];
  await settle();
  assert.deepEqual([again.value, first.value], [undefined, undefined]);
  charges[1]?.[Symbol.dispose]();
  await settle();
  assert.ok(first.value !== undefined, "the one that has none");
  assert.ok(again.value !== undefined, "then there was room for both");
});

test("a job that waits stops the others from taking beyond their minimum, as soon as that makes room", async () => {
  const budget = new MemoryBudget(100);
  const busy = await budget.openShare(40, signal);
  const charges: MemoryCharge[] = [];
  for (let i = 0; i < 9; i++) charges.push(await busy.take(10, signal));
  const next = watched(budget.openShare(40, signal));
  await settle();
  assert.equal(next.value, undefined);
  for (let i = 0; i < 4; i++) {
    charges.shift()?.[Symbol.dispose]();
    const more = watched(busy.take(10, signal));
    await settle();
    assert.equal(more.value, undefined, "the room is kept");
  }
  charges.shift()?.[Symbol.dispose]();
  await settle();
  assert.ok(next.value !== undefined);
});

test("a job that may come beside another finds its minimum, whatever the other took meanwhile", async () => {
  const budget = new MemoryBudget(256, 2);
  const one = await budget.openShare(94, signal);
  using _ = one.takeOwn(66);
  assert.equal(one.takeFree(30).bytes, 30);
  const packs = Array.from({ length: 5 }, () => watched(one.take(28, signal)));
  await settle();
  assert.equal(packs.filter(({ value }) => value !== undefined).length, 2, "its own, and one that is nobody's");
  const other = watched(budget.openShare(94, signal));
  await settle();
  assert.ok(other.value !== undefined, "though nothing was given back");
  const third = watched(budget.openShare(94, signal));
  await settle();
  assert.equal(third.value, undefined);
});

test("the only job, and the only thing it took, are let beyond the limit: they would never come else", async () => {
  const budget = new MemoryBudget(100);
  budget.hold(95);
  using share = await budget.openShare(40, signal);
  using own = share.takeOwn(35);
  assert.equal(share.takeFree(50).bytes, 0);
  const large = await share.take(50, signal);
  let isGranted = false;
  const second = share.take(50, signal).then(() => {
    isGranted = true;
  });
  await settle();
  assert.equal(isGranted, false);
  large[Symbol.dispose]();
  await second;
  assert.equal(own.bytes, 35);
});

test("who is aborted while he waits takes nothing, and holds nobody up", async () => {
  const budget = new MemoryBudget(100);
  const share = await budget.openShare(100, signal);
  const abort = new AbortController();
  const gone = budget.openShare(60, abort.signal);
  abort.abort(new Error("enough"));
  await assert.rejects(gone, /enough/);
  await share.take(60, signal);
  await share.take(40, signal);
  assert.equal(budget.usedBytes, 100);
  await assert.rejects(share.take(1, abort.signal), /enough/);
  assert.equal(budget.peakBytes, 100);
});

test("what is given back twice counts once, and an ended job's charges are gone", async () => {
  const budget = new MemoryBudget(100);
  const share: MemoryShare = await budget.openShare(20, signal);
  const charge = await share.take(15, signal);
  const free = share.takeFree(1000);
  assert.deepEqual([free.bytes, budget.usedBytes], [73, 88]);
  for (const given of [charge, charge, free, free]) given[Symbol.dispose]();
  assert.equal(budget.usedBytes, 0);
  await share.take(20, signal);
  share[Symbol.dispose]();
  assert.equal(budget.usedBytes, 0);
});
