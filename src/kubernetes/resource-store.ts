/**
 * The seam to Kubernetes: objects by kind and name, in an API server or in a folder of YAML files.
 *
 * Source: Kubernetes API concepts (resource versions, list and watch, merge patch).
 */

import { fieldAt, isJsonObject, type JsonObject } from "./json.ts";
import type { KubernetesObject, ObjectName, ResourceType } from "./kubernetes-object.ts";

/** Which objects of a kind; without fields, all of them. */
export interface ResourceScope {
  readonly namespace?: string;
  /** Labels that must have these values. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Fields that must have these values, by dotted path; an API server knows few, such as a pod's "spec.nodeName". */
  readonly fields?: Readonly<Record<string, string>>;
  /**
   * The fields that are wanted of each object beside its metadata, by dotted path, where that is not all: a store need not
   * give more, but may.
   */
  readonly only?: readonly string[];
}

export type WatchEvent =
  /** It exists and matches; this is its newest state that is known. */
  | { readonly kind: "present"; readonly object: KubernetesObject }
  /** It no longer exists, or no longer matches; this is the last state that was known. */
  | { readonly kind: "gone"; readonly object: KubernetesObject }
  /** Everything that existed when the watch began has been given. */
  | { readonly kind: "synced" };

export interface ResourceEvent {
  readonly type: "Normal" | "Warning";
  /** One word in CamelCase. */
  readonly reason: string;
  /** A sentence for people; no secrets. */
  readonly message: string;
}

/**
 * Guarantees:
 * - `get` gives the newest state, including that of an edit which caused a conflict.
 * - `watch` first gives all that matches, then "synced", then changes. It is level-triggered: states in between may be
 *   left out, the same state may come twice, the last one always comes; memory is one state an object. Loss of
 *   connection is repaired inside; a watch ends only by its signal, whose reason it throws.
 * - `patch` changes the object only if it is still at `resourceVersion`, as a whole and durably, and gives the new
 *   state. Watchers see it.
 * - `recordEvent` tells people. It is best effort: trouble with it is logged, never thrown.
 *
 * Errors: ResourceError. RESOURCE_CONFLICT: read again and decide again. RESOURCE_STORE_UNAVAILABLE is worth retrying,
 * the others are not. An abort travels as itself.
 */
export interface ResourceStore extends AsyncDisposable {
  /** What a person calls this place, without secrets. */
  readonly displayName: string;
  /** Undefined when there is no such object. */
  get(
    type: ResourceType,
    name: ObjectName,
    options: { readonly signal: AbortSignal },
  ): Promise<KubernetesObject | undefined>;
  /** In no order. */
  list(
    type: ResourceType,
    scope: ResourceScope,
    options: { readonly signal: AbortSignal },
  ): Promise<readonly KubernetesObject[]>;
  watch(type: ResourceType, scope: ResourceScope, options: { readonly signal: AbortSignal }): AsyncIterable<WatchEvent>;
  /** A merge patch (RFC 7396). RESOURCE_NOT_FOUND when the object is gone. */
  patch(
    type: ResourceType,
    name: ObjectName,
    patch: JsonObject,
    options: { readonly resourceVersion: string; readonly signal: AbortSignal },
  ): Promise<KubernetesObject>;
  recordEvent(about: KubernetesObject, event: ResourceEvent, options: { readonly signal: AbortSignal }): Promise<void>;
}

/** What those need who only look. */
export type ResourceReader = Pick<ResourceStore, "get" | "list">;

/** For stores that select by themselves. */
export function matchesScope(object: KubernetesObject, scope: ResourceScope): boolean {
  const { metadata, content } = object;
  return (
    (scope.namespace === undefined || metadata.namespace === scope.namespace) &&
    Object.entries(scope.labels ?? {}).every(([key, value]) => metadata.labels.get(key) === value) &&
    Object.entries(scope.fields ?? {}).every(([path, value]) => fieldAt(content, ...path.split(".")) === value)
  );
}

/** The object without what the scope does not want of it, so that what is held of many objects is small. */
export function wantedOf(object: KubernetesObject, { only }: ResourceScope): KubernetesObject {
  if (only === undefined) return object;
  const content: Record<string, unknown> = {};
  for (const path of only) {
    const keys = path.split(".");
    const value = fieldAt(object.content, ...keys);
    if (value !== undefined) setField(content, keys, value);
  }
  return { ...object, content };
}

function setField(target: Record<string, unknown>, [key, ...below]: readonly string[], value: unknown): void {
  if (key === undefined) return;
  if (below.length === 0) {
    target[key] = value;
    return;
  }
  const inner = target[key];
  const next: Record<string, unknown> = isJsonObject(inner) ? { ...inner } : {};
  setField(next, below, value);
  target[key] = next;
}
