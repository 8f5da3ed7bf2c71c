/**
 * A control loop: whatever happens to an object, its key is looked at again, from scratch.
 *
 * Guarantees: one key is in at most one `reconcile` at a time; nothing is looked at before every source has given what
 * existed at the start, oldest first; a `reconcile` that throws is logged and tried again with growing waits. Source: controller-runtime's FAQ ("level-triggered").
 */

import { hasCode } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { KubernetesObject, ResourceType } from "./kubernetes-object.ts";
import type { ResourceScope, ResourceStore } from "./resource-store.ts";
import type { WorkQueue } from "./work-queue.ts";

export interface WatchSource {
  readonly type: ResourceType;
  readonly scope: ResourceScope;
  /** The keys that must be looked at when this object changed or went. */
  keysFor(object: KubernetesObject, kind: "present" | "gone"): Iterable<string>;
}

/** "done", or when to look again though nothing changed. */
export type Reconciled = "done" | { readonly againInMs: number };

export interface ControllerOptions {
  /** For the log. */
  readonly name: string;
  readonly store: ResourceStore;
  readonly queue: WorkQueue;
  readonly sources: readonly WatchSource[];
  /** How many keys are looked at at once. */
  readonly workers: number;
  readonly log: Log;
  /** Every source has given what existed at the start. */
  onSynced?(): void;
  reconcile(key: string, signal: AbortSignal): Promise<Reconciled>;
}

/** Runs until the signal aborts, and returns when nothing is in hand any more. */
export async function runController(options: ControllerOptions, signal: AbortSignal): Promise<void> {
  // Ends the other loops when one of them fails by a bug.
  const bug = new AbortController();
  const stop = AbortSignal.any([signal, bug.signal]);
  const feeds = options.sources.map((source) => new SourceFeed(options, source));
  const loops = [
    ...feeds.map((feed) => feed.run(stop)),
    Promise.race([Promise.all(feeds.map((feed) => feed.synced)), aborted(stop)]).then(async () => {
      if (!stop.aborted) options.onSynced?.();
      // All of them: what one has in hand must not outlive the loop because another had nothing to do.
      const workers = await Promise.allSettled(Array.from({ length: options.workers }, () => work(options, stop)));
      for (const worker of workers) if (worker.status === "rejected") throw worker.reason;
    }),
  ];
  const ended = loops.map((loop) =>
    loop.catch((error: unknown) => {
      if (!stop.aborted) bug.abort(error);
    }),
  );
  await Promise.all(ended);
  options.queue.close();
  if (bug.signal.aborted) throw bug.signal.reason;
}

async function work(options: ControllerOptions, signal: AbortSignal): Promise<void> {
  const { queue, log } = options;
  while (true) {
    const key = await queue.take(signal);
    try {
      const answer = await options.reconcile(key, signal);
      queue.forgetRetries(key);
      if (answer !== "done") queue.addAfter(key, answer.againInMs);
    } catch (error) {
      if (signal.aborted) throw error;
      if (hasCode(error, "RESOURCE_CONFLICT"))
        log.debug("Met a conflict, deciding again", { controller: options.name, key });
      else log.error("Failed to reconcile", error, { controller: options.name, key });
      queue.retry(key);
    } finally {
      queue.done(key);
    }
  }
}

class SourceFeed {
  readonly synced: Promise<void>;
  readonly #options: ControllerOptions;
  readonly #source: WatchSource;
  #setSynced: () => void = () => undefined;

  constructor(options: ControllerOptions, source: WatchSource) {
    this.#options = options;
    this.#source = source;
    this.synced = new Promise((resolve) => {
      this.#setSynced = resolve;
    });
  }

  async run(signal: AbortSignal): Promise<never> {
    const { store } = this.#options;
    const { type, scope } = this.#source;
    let first: KubernetesObject[] | undefined = [];
    for await (const event of store.watch(type, scope, { signal })) {
      if (event.kind === "synced") {
        for (const object of (first ?? []).sort(compareAge)) this.#add(object, "present");
        first = undefined;
        this.#setSynced();
      } else if (first !== undefined && event.kind === "present") {
        first.push(event.object);
      } else {
        this.#add(event.object, event.kind);
      }
    }
    signal.throwIfAborted();
    throw new Error(`the watch of ${type.kind} in ${store.displayName} ended by itself`);
  }

  #add(object: KubernetesObject, kind: "present" | "gone"): void {
    for (const key of this.#source.keysFor(object, kind)) this.#options.queue.add(key);
  }
}

/** Oldest first; those without a time last; then by name. */
export function compareAge(a: KubernetesObject, b: KubernetesObject): number {
  const [ageA, ageB] = [a.metadata.creationTimestamp ?? "~", b.metadata.creationTimestamp ?? "~"];
  if (ageA !== ageB) return ageA < ageB ? -1 : 1;
  return a.metadata.name < b.metadata.name ? -1 : a.metadata.name > b.metadata.name ? 1 : 0;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
