/** A resource store in memory, with what an API server does to resource versions, finalizers and deletion. */

import type { JsonObject } from "../../src/kubernetes/json.ts";
import {
  type KubernetesObject,
  keyOf,
  type ObjectName,
  parseKubernetesObject,
  type ResourceType,
} from "../../src/kubernetes/kubernetes-object.ts";
import { applyMergePatch } from "../../src/kubernetes/merge-patch.ts";
import { ResourceError } from "../../src/kubernetes/resource-error.ts";
import {
  matchesScope,
  type ResourceEvent,
  type ResourceScope,
  type ResourceStore,
  type WatchEvent,
} from "../../src/kubernetes/resource-store.ts";
import { WatchFeed } from "../../src/kubernetes/watch-feed.ts";

export class MemoryResourceStore implements ResourceStore {
  readonly displayName = "memory";
  readonly events: { readonly about: string; readonly event: ResourceEvent }[] = [];
  readonly #objects = new Map<string, KubernetesObject>();
  readonly #feeds = new Map<WatchFeed, ResourceType>();
  #version = 0;

  /** Creates or replaces. */
  put(value: JsonObject): KubernetesObject {
    const { metadata } = parseKubernetesObject(value);
    const own = { uid: metadata.uid || `uid-of-${metadata.name}`, resourceVersion: String(++this.#version) };
    const object = parseKubernetesObject(applyMergePatch(value, { metadata: own }));
    this.#objects.set(storeKey(object, object.metadata), object);
    this.#show();
    return object;
  }

  delete(type: ResourceType, name: ObjectName): void {
    const object = this.#objects.get(storeKey(type, name));
    if (object === undefined) return;
    if (object.metadata.finalizers.length === 0) {
      this.#objects.delete(storeKey(type, name));
      this.#show();
      return;
    }
    this.put(
      applyMergePatch(object.content, { metadata: { deletionTimestamp: "2024-05-01T10:00:00Z" } }) as JsonObject,
    );
  }

  async get(type: ResourceType, name: ObjectName): Promise<KubernetesObject | undefined> {
    return this.#objects.get(storeKey(type, name));
  }

  async list(type: ResourceType, scope: ResourceScope): Promise<readonly KubernetesObject[]> {
    return this.#ofType(type).filter((object) => matchesScope(object, scope));
  }

  async *watch(
    type: ResourceType,
    scope: ResourceScope,
    options: { readonly signal: AbortSignal },
  ): AsyncIterable<WatchEvent> {
    const feed = new WatchFeed(scope);
    this.#feeds.set(feed, type);
    try {
      feed.show(this.#ofType(type));
      yield* feed.events(options.signal);
    } finally {
      this.#feeds.delete(feed);
    }
  }

  async patch(
    type: ResourceType,
    name: ObjectName,
    patch: JsonObject,
    options: { readonly resourceVersion: string; readonly signal: AbortSignal },
  ): Promise<KubernetesObject> {
    const object = this.#objects.get(storeKey(type, name));
    if (object === undefined) throw new ResourceError("RESOURCE_NOT_FOUND", `there is no ${type.kind} ${keyOf(name)}`);
    if (object.metadata.resourceVersion !== options.resourceVersion) {
      throw new ResourceError("RESOURCE_CONFLICT", `${type.kind} ${keyOf(name)} was changed meanwhile`);
    }
    const patched = this.put(applyMergePatch(object.content, patch) as JsonObject);
    if (patched.metadata.deletionTimestamp !== undefined) this.delete(type, name);
    return patched;
  }

  async recordEvent(about: KubernetesObject, event: ResourceEvent): Promise<void> {
    this.events.push({ about: `${about.kind} ${keyOf(about.metadata)}`, event });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#objects.clear();
  }

  #ofType(type: ResourceType): KubernetesObject[] {
    return [...this.#objects.values()].filter((o) => o.apiVersion === type.apiVersion && o.kind === type.kind);
  }

  #show(): void {
    for (const [feed, type] of this.#feeds) feed.show(this.#ofType(type));
  }
}

function storeKey(type: { readonly apiVersion: string; readonly kind: string }, name: ObjectName): string {
  return `${type.apiVersion} ${type.kind} ${keyOf(name)}`;
}
