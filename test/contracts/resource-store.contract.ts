/** What every ResourceStore promises. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hasCode } from "../../src/base/errors.ts";
import { fieldAt, type JsonObject } from "../../src/kubernetes/json.ts";
import type { ObjectName, ResourceType } from "../../src/kubernetes/kubernetes-object.ts";
import type { ResourceStore, WatchEvent } from "../../src/kubernetes/resource-store.ts";

/** The kinds that a store under test must serve. */
export const boxes: ResourceType = { apiVersion: "test.io/v1", kind: "Box", plural: "boxes", namespaced: true };
export const shelves: ResourceType = { apiVersion: "test.io/v1", kind: "Shelf", plural: "shelves", namespaced: false };

export interface ResourceStoreUnderTest extends AsyncDisposable {
  readonly store: ResourceStore;
  /** What another user of the place does: creates or replaces an object, or removes it. */
  put(object: JsonObject): Promise<void>;
  remove(type: ResourceType, name: ObjectName): Promise<void>;
}

export function box(name: string, rest: JsonObject = {}, metadata: JsonObject = {}): JsonObject {
  return { apiVersion: "test.io/v1", kind: "Box", metadata: { namespace: "shop", name, ...metadata }, ...rest };
}

const one = { namespace: "shop", name: "one" };
const signal = AbortSignal.timeout(60_000);

export function resourceStoreContract(name: string, open: () => Promise<ResourceStoreUnderTest>): void {
  describe(`${name} as a resource store`, () => {
    it("gives an object that exists, and undefined for one that does not", async () => {
      await using place = await open();
      await place.put(box("one", { spec: { size: 3 } }));
      const found = await place.store.get(boxes, one, { signal });
      assert.equal(fieldAt(found?.content, "spec", "size"), 3);
      assert.equal(found?.metadata.name, "one");
      assert.notEqual(found?.metadata.resourceVersion, "");
      assert.equal(await place.store.get(boxes, { ...one, name: "two" }, { signal }), undefined);
      assert.equal(await place.store.get(boxes, { ...one, namespace: "other" }, { signal }), undefined);
      assert.equal(await place.store.get(shelves, { namespace: "", name: "one" }, { signal }), undefined);
    });

    it("lists by namespace, label and field", async () => {
      await using place = await open();
      await place.put(box("one", { spec: { node: "a" } }, { labels: { color: "red" } }));
      await place.put(box("two", { spec: { node: "b" } }, { labels: { color: "red" } }));
      await place.put({ apiVersion: "test.io/v1", kind: "Box", metadata: { namespace: "other", name: "three" } });
      await place.put({ apiVersion: "test.io/v1", kind: "Shelf", metadata: { name: "low" } });
      const names = async (type: ResourceType, scope: object) =>
        (await place.store.list(type, scope, { signal })).map((object) => object.metadata.name).sort();
      assert.deepEqual(await names(boxes, {}), ["one", "three", "two"]);
      assert.deepEqual(await names(boxes, { namespace: "shop" }), ["one", "two"]);
      assert.deepEqual(await names(boxes, { labels: { color: "red" } }), ["one", "two"]);
      assert.deepEqual(await names(boxes, { fields: { "spec.node": "b" } }), ["two"]);
      assert.deepEqual(await names(shelves, {}), ["low"]);
    });

    it("patches what is named and leaves the rest", async () => {
      await using place = await open();
      await place.put(box("one", { spec: { size: 3 }, status: { phase: "New", note: "x" } }));
      const before = await place.store.get(boxes, one, { signal });
      const after = await place.store.patch(
        boxes,
        one,
        { status: { phase: "Done", note: null, progress: { done: 7 } } },
        { resourceVersion: before?.metadata.resourceVersion ?? "", signal },
      );
      assert.deepEqual(fieldAt(after.content, "status"), { phase: "Done", progress: { done: 7 } });
      assert.deepEqual(fieldAt(after.content, "spec"), { size: 3 });
      assert.notEqual(after.metadata.resourceVersion, before?.metadata.resourceVersion);
      const read = await place.store.get(boxes, one, { signal });
      assert.deepEqual(fieldAt(read?.content, "status"), { phase: "Done", progress: { done: 7 } });
      assert.equal(read?.metadata.resourceVersion, after.metadata.resourceVersion);
    });

    it("refuses a patch of an older state, and one of a missing object", async () => {
      await using place = await open();
      await place.put(box("one", { spec: { size: 3 } }));
      const old = await place.store.get(boxes, one, { signal });
      const options = { resourceVersion: old?.metadata.resourceVersion ?? "", signal };
      await place.put(box("one", { spec: { size: 4 } }));
      await assert.rejects(place.store.patch(boxes, one, { status: { phase: "Done" } }, options), (error) =>
        hasCode(error, "RESOURCE_CONFLICT"),
      );
      const now = await place.store.get(boxes, one, { signal });
      assert.equal(fieldAt(now?.content, "spec", "size"), 4);
      assert.equal(fieldAt(now?.content, "status"), undefined);
      await assert.rejects(place.store.patch(boxes, { ...one, name: "two" }, {}, options), (error) =>
        hasCode(error, "RESOURCE_NOT_FOUND"),
      );
    });

    it("lets one of two patches of the same state through", async () => {
      await using place = await open();
      await place.put(box("one"));
      const state = await place.store.get(boxes, one, { signal });
      const options = { resourceVersion: state?.metadata.resourceVersion ?? "", signal };
      const results = await Promise.allSettled(
        ["a", "b"].map((by) => place.store.patch(boxes, one, { status: { by } }, options)),
      );
      assert.deepEqual(results.map((result) => result.status).sort(), ["fulfilled", "rejected"]);
    });

    it("watches: first what exists, then that this was all, then changes, and the last state always", async () => {
      await using place = await open();
      await place.put(box("one", { spec: { size: 1 } }));
      await using watch = follow(place.store, boxes, { namespace: "shop" });
      assert.deepEqual(await watch.until(1), ["present one 1"]);
      assert.deepEqual(await watch.until(1), ["synced"]);
      await place.put(box("two", { spec: { size: 1 } }));
      assert.deepEqual(await watch.until(1), ["present two 1"]);
      await place.put(box("two", { spec: { size: 2 } }));
      await place.put(box("two", { spec: { size: 3 } }));
      assert.equal((await watch.untilSeen("present two 3")).at(-1), "present two 3");
      await place.remove(boxes, one);
      assert.equal((await watch.untilSeen("gone one 1")).at(-1), "gone one 1");
    });

    it("calls an object gone for a watcher whose scope it leaves", async () => {
      await using place = await open();
      await place.put(box("one", { spec: { node: "a", size: 1 } }));
      await using watch = follow(place.store, boxes, { fields: { "spec.node": "a" } });
      assert.deepEqual(await watch.until(2), ["present one 1", "synced"]);
      await place.put(box("one", { spec: { node: "b", size: 2 } }));
      assert.deepEqual(await watch.until(1), ["gone one 1"]);
    });

    it("tells whoever wants metadata alone what comes, changes and goes, and leaves the scope", async () => {
      await using place = await open();
      await place.put(box("one", { spec: { node: "a" } }, { labels: { color: "red" } }));
      await place.put(box("two", { spec: { node: "b" } }));
      const scope = { fields: { "spec.node": "a" }, only: [] } as const;
      const [listed, ...others] = await place.store.list(boxes, scope, { signal });
      assert.deepEqual([listed?.kind, listed?.metadata.labels.get("color"), others.length], ["Box", "red", 0]);
      await using watch = follow(place.store, boxes, scope, nameOnly);
      assert.deepEqual(await watch.until(2), ["present one", "synced"]);
      await place.put(box("one", { spec: { node: "a", size: 2 } }));
      assert.deepEqual(await watch.until(1), ["present one"]);
      await place.put(box("one", { spec: { node: "b" } }));
      assert.deepEqual(await watch.until(1), ["gone one"]);
    });

    it("tells watchers of patches", async () => {
      await using place = await open();
      await place.put(box("one"));
      await using watch = follow(place.store, boxes, {});
      await watch.until(2);
      const state = await place.store.get(boxes, one, { signal });
      const resourceVersion = state?.metadata.resourceVersion ?? "";
      await place.store.patch(boxes, one, { spec: { size: 9 } }, { resourceVersion, signal });
      assert.deepEqual(await watch.until(1), ["present one 9"]);
    });

    it("ends a watch with the reason of its signal", async () => {
      await using place = await open();
      const stop = new AbortController();
      const watching = (async () => {
        for await (const event of place.store.watch(boxes, {}, { signal: stop.signal })) {
          if (event.kind === "synced") stop.abort(new Error("enough"));
        }
      })();
      await assert.rejects(watching, /enough/);
    });

    it("records an event without touching the object", async () => {
      await using place = await open();
      await place.put(box("one"));
      const object = await place.store.get(boxes, one, { signal });
      assert.ok(object);
      await place.store.recordEvent(object, { type: "Warning", reason: "Fell", message: "it fell" }, { signal });
      const after = await place.store.get(boxes, one, { signal });
      assert.equal(after?.metadata.resourceVersion, object.metadata.resourceVersion);
    });
  });
}

function follow(store: ResourceStore, type: ResourceType, scope: object, tell = told) {
  const stop = new AbortController();
  const events = store.watch(type, scope, { signal: AbortSignal.any([stop.signal, signal]) })[Symbol.asyncIterator]();
  const next = async () => tell((await events.next()).value as WatchEvent);
  return {
    /** The next so many events. */
    async until(count: number): Promise<string[]> {
      const seen: string[] = [];
      while (seen.length < count) seen.push(await next());
      return seen;
    },
    async untilSeen(wanted: string): Promise<string[]> {
      const seen = [await next()];
      while (seen.at(-1) !== wanted) seen.push(await next());
      return seen;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await events.return?.();
    },
  };
}

function nameOnly(event: WatchEvent): string {
  return event.kind === "synced" ? "synced" : `${event.kind} ${event.object.metadata.name}`;
}

function told(event: WatchEvent): string {
  if (event.kind === "synced") return "synced";
  return `${event.kind} ${event.object.metadata.name} ${fieldAt(event.object.content, "spec", "size") ?? ""}`.trim();
}
