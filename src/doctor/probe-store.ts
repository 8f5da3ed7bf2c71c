/**
 * Does to a store what the engine does, with an object of its own name: puts and replaces it, reads it whole and in part,
 * looks it up, lists it, and removes it.
 *
 * Guarantees: nothing else is touched; the object is removed again, or its name is told. After an abort it is removed as far
 * as the store lets it, and nothing is told any more.
 */

import { toHex } from "../base/bytes.ts";
import type { Clock } from "../base/clock.ts";
import type { RandomSource } from "../base/random.ts";
import { type BlobId, type BlobStore, parseBlobId } from "../repository/blob/blob-store.ts";
import { look, type Trouble } from "./finding.ts";
import { aheadOf } from "./judge-cluster.ts";
import type { ProbeReport, ProbeStep } from "./judge-store.ts";

export interface ProbeOptions {
  /** Why nothing may be put; empty where it may. */
  readonly notPut: string;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Removing goes on for so long after everything else was given up. */
const removeMs = 10_000;
const probeBytes = 1000;
const rangeOfProbe = { offset: 100, length: 50 };

export async function probeStore(store: BlobStore, options: ProbeOptions): Promise<ProbeReport> {
  const { random, notPut, signal } = options;
  const report = { store: store.displayName, conditional: undefined, left: [], aheadMs: undefined, notPut };
  if (notPut !== "") {
    const listed = await look(() => countBlobs(store, "fsb-doctor-", signal));
    if ("trouble" in listed) return { ...report, done: [], wrong: { step: "reach", trouble: listed.trouble } };
    return { ...report, done: ["reach"], wrong: undefined };
  }
  const name = `fsb-doctor-${toHex(random(8))}`;
  const [id, another] = [parseBlobId(name), parseBlobId(`${name}-if-absent`)];
  let worked: Worked = { done: [], wrong: undefined, conditional: undefined, aheadMs: undefined };
  let left: readonly BlobId[] = [];
  try {
    worked = await work(store, id, another, options);
  } finally {
    left = await remove(store, [id, another], worked.done.includes("put"));
  }
  const done = left.length === 0 && worked.wrong === undefined ? ([...worked.done, "delete"] as const) : worked.done;
  return { ...report, ...worked, done, left };
}

type Worked = Pick<ProbeReport, "done" | "wrong" | "conditional" | "aheadMs">;

async function work(store: BlobStore, id: BlobId, another: BlobId, options: ProbeOptions): Promise<Worked> {
  const { random, clock, signal } = options;
  const done: ProbeStep[] = [];
  let aheadMs: number | undefined;
  const [first, bytes] = [random(probeBytes), random(probeBytes)];
  const { offset, length } = rangeOfProbe;
  const steps: readonly (readonly [ProbeStep, () => Promise<string | undefined>])[] = [
    // Before anything is put: some servers make a bucket that is not there when they are given an object for it.
    ["reach", async () => void (await countBlobs(store, id, signal))],
    ["put", async () => void (await store.put(id, [first], { signal }))],
    [
      "replace",
      async () => {
        const beforeMs = clock.nowMs();
        await store.put(id, [bytes], { signal });
        const modifiedMs = (await store.metadata(id, { signal }))?.modifiedMs;
        const afterMs = clock.nowMs();
        if (modifiedMs === undefined) return "it was put, and is not there";
        // A store may know whole seconds only.
        aheadMs = aheadOf({ beforeMs, afterMs }, { fromMs: modifiedMs, toMs: modifiedMs + 999 });
        return undefined;
      },
    ],
    ["get", async () => differing(await store.get(id, { signal }), bytes)],
    [
      "range",
      async () =>
        differing(await store.get(id, { signal, range: rangeOfProbe }), bytes.subarray(offset, offset + length)),
    ],
    [
      "look-up",
      async () =>
        (await store.metadata(id, { signal }))?.length === probeBytes ? undefined : "it tells another length",
    ],
    ["list", async () => ((await countBlobs(store, id, signal)) === 1 ? undefined : "what was put is not listed")],
  ];
  for (const [step, act] of steps) {
    const seen = await look(act);
    const wrong = "trouble" in seen ? seen.trouble : seen.value === undefined ? undefined : answered(seen.value);
    if (wrong !== undefined) return { done, wrong: { step, trouble: wrong }, conditional: undefined, aheadMs };
    done.push(step);
  }
  const conditional = await look(async () => {
    await store.put(another, [bytes], { signal, existing: "keep" });
    return "taken" as const;
  });
  return { done, wrong: undefined, conditional, aheadMs };
}

/** The names of what is still there. Where the store does not tell, what was put and not removed is. */
async function remove(store: BlobStore, ids: readonly BlobId[], isPut: boolean): Promise<readonly BlobId[]> {
  const signal = AbortSignal.timeout(removeMs);
  const left: BlobId[] = [];
  for (const id of ids) {
    // Why not is told by the finding: the credentials may not.
    const isRemoved = await store.delete(id, { signal }).then(
      () => true,
      () => false,
    );
    const isThere = await store.metadata(id, { signal }).then(
      (found) => found !== undefined,
      () => isPut && !isRemoved,
    );
    if (isThere) left.push(id);
  }
  return left;
}

export async function countBlobs(store: BlobStore, prefix: string, signal: AbortSignal): Promise<number> {
  let count = 0;
  for await (const _ of store.list(prefix, { signal })) count += 1;
  return count;
}

function differing(got: Uint8Array, wanted: Uint8Array): string | undefined {
  return Buffer.from(got).equals(wanted) ? undefined : `it gives ${got.length} bytes that are not those asked for`;
}

function answered(because: string): Trouble {
  return { code: "", reason: "", because, hint: "" };
}
