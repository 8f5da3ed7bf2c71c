/** One watcher's events, made from the full set of objects each time it changes, or from one change at a time. */

import { type KubernetesObject, keyOf, type ObjectName } from "./kubernetes-object.ts";
import { matchesScope, type ResourceScope, type WatchEvent } from "./resource-store.ts";

/**
 * Holds at most one pending event an object, so a slow watcher costs no more memory than the objects themselves and
 * sees the newest state of each.
 */
export class WatchFeed {
  readonly #scope: ResourceScope;
  /** What the watcher was, or will be, told about, by key. */
  readonly #known = new Map<string, KubernetesObject>();
  readonly #pending = new Map<string, WatchEvent>();
  #synced: "not yet" | "pending" | "told" = "not yet";
  #wake: (() => void) | undefined;

  constructor(scope: ResourceScope) {
    this.#scope = scope;
  }

  /** All objects of the kind there are now, whether they match or not. */
  show(objects: Iterable<KubernetesObject>): void {
    const matching = new Map<string, KubernetesObject>();
    for (const object of objects) {
      if (matchesScope(object, this.#scope)) matching.set(keyOf(object.metadata), object);
    }
    for (const [key, object] of this.#known) {
      if (!matching.has(key)) this.#tell(key, { kind: "gone", object });
    }
    for (const [key, object] of matching) {
      const known = this.#known.get(key);
      if (known === undefined || !isSameState(known, object)) this.#tell(key, { kind: "present", object });
    }
    this.#known.clear();
    for (const [key, object] of matching) this.#known.set(key, object);
    if (this.#synced === "not yet") this.#synced = "pending";
    this.#wake?.();
  }

  /** This object's newest state; it may not match any more. */
  set(object: KubernetesObject): void {
    if (!matchesScope(object, this.#scope)) {
      this.remove(object.metadata);
      return;
    }
    const key = keyOf(object.metadata);
    const known = this.#known.get(key);
    if (known !== undefined && isSameState(known, object)) return;
    this.#known.set(key, object);
    this.#tell(key, { kind: "present", object });
    this.#wake?.();
  }

  /** There is no such object any more, or it does not match any more. */
  remove(name: ObjectName): void {
    const key = keyOf(name);
    const object = this.#known.get(key);
    if (object === undefined) return;
    this.#known.delete(key);
    this.#tell(key, { kind: "gone", object });
    this.#wake?.();
  }

  /** For one consumer. Throws the signal's reason when it aborts. */
  async *events(signal: AbortSignal): AsyncGenerator<WatchEvent, never> {
    const onAbort = () => this.#wake?.();
    signal.addEventListener("abort", onAbort);
    try {
      while (true) {
        signal.throwIfAborted();
        const next = this.#next();
        if (next !== undefined) yield next;
        else await this.#changed();
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #next(): WatchEvent | undefined {
    for (const [key, event] of this.#pending) {
      this.#pending.delete(key);
      return event;
    }
    if (this.#synced !== "pending") return undefined;
    this.#synced = "told";
    return { kind: "synced" };
  }

  async #changed(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }

  #tell(key: string, event: WatchEvent): void {
    this.#pending.delete(key);
    this.#pending.set(key, event);
  }
}

function isSameState(a: KubernetesObject, b: KubernetesObject): boolean {
  return a.metadata.uid === b.metadata.uid && a.metadata.resourceVersion === b.metadata.resourceVersion;
}
