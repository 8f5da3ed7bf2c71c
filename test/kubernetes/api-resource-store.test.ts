/** The store over a real API server: the contract, rights, rejections, events, restarts, renewed tokens. */

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { pods, podVolumeBackups } from "../../src/agent/velero/velero-resources.ts";
import { systemClock } from "../../src/base/clock.ts";
import { CodedError, hasCode, hintOf } from "../../src/base/errors.ts";
import { silentLog } from "../../src/base/log.ts";
import type { ApiConnection } from "../../src/kubernetes/api-connection.ts";
import { ApiResourceStore } from "../../src/kubernetes/api-resource-store.ts";
import { fieldAt, type JsonObject } from "../../src/kubernetes/json.ts";
import type { ObjectName, ResourceType } from "../../src/kubernetes/kubernetes-object.ts";
import { openApiConnection } from "../../src/kubernetes/open-connection.ts";
import { PodConnection } from "../../src/kubernetes/pod-connection.ts";
import { box, boxes, resourceStoreContract, shelves } from "../contracts/resource-store.contract.ts";
import { type ClusterUser, KubernetesCluster, startCluster } from "../support/kubernetes-cluster.ts";
import { lacking } from "../support/required.ts";
import { veleroCrds } from "../support/velero-crds.ts";

const signal = AbortSignal.timeout(300_000);
const one = { namespace: "shop", name: "one" };

const cluster = await startCluster();
if (cluster instanceof KubernetesCluster) {
  after(() => cluster[Symbol.asyncDispose]());
  await prepare(cluster);
  resourceStoreContract("an API server", () => openContractPlace(cluster));
  realServer(cluster);
} else {
  it("keeps the contract of resource stores", (t) => lacking(t, cluster.missing));
}

async function prepare(cluster: KubernetesCluster): Promise<void> {
  for (const name of ["shop", "other", "velero"]) {
    await cluster.put("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  }
  await cluster.define([definitionOf(boxes), definitionOf(shelves), ...veleroCrds]);
}

async function openContractPlace(cluster: KubernetesCluster) {
  const store = await storeFor(cluster, "admin");
  return {
    store,
    put: (object: JsonObject) => {
      const type = object.kind === "Shelf" ? shelves : boxes;
      const namespace = String(fieldAt(object, "metadata", "namespace") ?? "");
      return cluster.put(collection(type, namespace), object);
    },
    remove: (type: ResourceType, { namespace, name }: ObjectName) => {
      return cluster.remove(`${collection(type, namespace)}/${name}`);
    },
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      for (const namespace of ["shop", "other"]) await cluster.remove(collection(boxes, namespace));
      await cluster.remove(collection(shelves, ""));
    },
  };
}

function realServer(cluster: KubernetesCluster): void {
  describe("a store over an API server", () => {
    it("names the right that is missing", async () => {
      await using store = await storeFor(cluster, "agent");
      const backup = { namespace: "velero", name: "denied" };
      await assert.rejects(
        store.patch(podVolumeBackups, backup, { status: {} }, { resourceVersion: "1", signal }),
        (error) => {
          assert.ok(hasCode(error, "RESOURCE_STORE_DENIED"));
          assert.equal(
            hintOf(error),
            "a role must allow the verb patch on podvolumebackups.velero.io in namespace velero",
          );
          return true;
        },
      );
      await assert.rejects(store.list(pods, {}, { signal }), (error) => {
        assert.equal(hintOf(error), "a role must allow the verb list on pods in all namespaces");
        return true;
      });
    });

    it("starts to watch once it may", async () => {
      await using store = await storeFor(cluster, "agent");
      await cluster.put(collection(podVolumeBackups, "velero"), podVolumeBackup("late"));
      await using watch = follow(store, podVolumeBackups, { namespace: "velero" });
      const first = watch.next();
      await cluster.allow("backups", [
        { apiGroups: ["velero.io"], resources: ["podvolumebackups"], verbs: ["get", "list", "watch", "patch"] },
      ]);
      assert.equal(await first, "present late");
      assert.equal(await watch.next(), "synced");
      await cluster.remove(`${collection(podVolumeBackups, "velero")}/late`);
      assert.equal(await watch.next(), "gone late");
    });

    it("tells what the server's schema rejects", async () => {
      await using store = await storeFor(cluster, "admin");
      await cluster.put(collection(podVolumeBackups, "velero"), podVolumeBackup("strict"));
      const name = { namespace: "velero", name: "strict" };
      const seen = await store.get(podVolumeBackups, name, { signal });
      const options = { resourceVersion: seen?.metadata.resourceVersion ?? "", signal };
      await assert.rejects(
        store.patch(podVolumeBackups, name, { status: { phase: "Sleeping" } }, options),
        (error) => hasCode(error, "RESOURCE_REJECTED") && /status\.phase.*Sleeping/.test((error as Error).message),
      );
      const patched = await store.patch(podVolumeBackups, name, { status: { phase: "Completed" } }, options);
      assert.equal(fieldAt(patched.content, "status", "phase"), "Completed");
    });

    it("tells a kind that is not installed from an object that is not there", async () => {
      await using store = await storeFor(cluster, "admin");
      const unknown: ResourceType = { ...boxes, kind: "Crate", plural: "crates" };
      for (const ask of [() => store.get(unknown, one, { signal }), () => store.list(unknown, {}, { signal })]) {
        await assert.rejects(ask, (error) => {
          return hasCode(error, "RESOURCE_KIND_UNKNOWN") && /crates\.test\.io/.test(hintOf(error) ?? "");
        });
      }
    });

    it("refuses a field that the server cannot select by", async () => {
      await using store = await storeFor(cluster, "admin");
      await assert.rejects(store.list(boxes, { fields: { "spec.size": "3" } }, { signal }), (error) =>
        hasCode(error, "RESOURCE_REJECTED"),
      );
    });

    it("does not let a name climb out of its place", async () => {
      await using store = await storeFor(cluster, "admin");
      for (const name of ["", ".", "..", "../../../version", "a/b", "a%2fb", "a?b", "a#b", "a b"]) {
        assert.equal(await store.get(boxes, { namespace: "shop", name }, { signal }), undefined, name);
        assert.equal(await store.get(boxes, { namespace: name, name: "one" }, { signal }), undefined, name);
      }
    });

    it("lists more than a page, without who manages which field", async () => {
      await using place = await openContractPlace(cluster);
      const count = 260;
      for (let at = 0; at < count; at += 20) {
        const names = Array.from({ length: 20 }, (_, index) => `box-${at + index}`);
        await Promise.all(names.map((name) => place.put(box(name))));
      }
      const listed = await place.store.list(boxes, { namespace: "shop" }, { signal });
      assert.equal(new Set(listed.map((object) => object.metadata.name)).size, count);
      assert.equal(fieldAt(listed[0]?.content, "metadata", "managedFields"), undefined);
      assert.equal(listed[0]?.kind, "Box");
    });

    it("knows that there are none, also where metadata alone is wanted", async () => {
      await using place = await openContractPlace(cluster);
      for (const only of [[], ["spec.node"]]) {
        const scope = { namespace: "shop", only };
        assert.deepEqual(await place.store.list(boxes, scope, { signal }), []);
        for await (const event of place.store.watch(boxes, scope, { signal })) {
          assert.equal(event.kind, "synced");
          break;
        }
      }
    });

    it("keeps of objects what is wanted of them, and no more", async () => {
      await using place = await openContractPlace(cluster);
      await place.put(box("one", { spec: { size: 3, node: "a" } }));
      for (const [only, content] of [
        [[], {}],
        [["spec.node", "spec.color", "status.phase"], { spec: { node: "a" } }],
      ] as const) {
        const scope = { namespace: "shop", only };
        const [listed] = await place.store.list(boxes, scope, { signal });
        assert.deepEqual([listed?.kind, listed?.metadata.name, listed?.content], ["Box", "one", content]);
        for await (const event of place.store.watch(boxes, scope, { signal })) {
          assert.ok(event.kind === "present");
          assert.deepEqual([event.object.metadata.name, event.object.content], ["one", content]);
          break;
        }
      }
    });

    it("records what happened once, however often it is told, and by restarts too", async () => {
      await using place = await openContractPlace(cluster);
      await place.put(box("one"));
      const about = await place.store.get(boxes, one, { signal });
      assert.ok(about);
      const fell = { type: "Warning", reason: "Fell", message: `it fell ${"deep ".repeat(400)}` } as const;
      for (let told = 0; told < 3; told++) await place.store.recordEvent(about, fell, { signal });
      {
        await using another = await storeFor(cluster, "admin");
        await another.recordEvent(about, fell, { signal });
        await another.recordEvent(about, { ...fell, reason: "Rose" }, { signal });
      }
      const uid = about.metadata.uid;
      const listed = await cluster.ask("GET", `/api/v1/namespaces/shop/events?fieldSelector=involvedObject.uid=${uid}`);
      const items = fieldAt(listed.body, "items") as JsonObject[];
      assert.deepEqual(items.map((item) => item.reason).toSorted(), ["Fell", "Rose"]);
      assert.deepEqual(items[0]?.source, { component: "fsb", host: "node-a" });
    });

    it("takes an event that may not be recorded for no trouble of its caller", async () => {
      await using store = await storeFor(cluster, "agent");
      await using place = await openContractPlace(cluster);
      await place.put(box("one"));
      const about = await place.store.get(boxes, one, { signal });
      assert.ok(about);
      await store.recordEvent(about, { type: "Normal", reason: "Stood", message: "it stood" }, { signal });
    });

    it("goes on watching when the server restarts, and misses nothing", async () => {
      await using place = await openContractPlace(cluster);
      await place.put(box("one"));
      await using watch = follow(place.store, boxes, { namespace: "shop" });
      assert.deepEqual([await watch.next(), await watch.next()], ["present one", "synced"]);
      await cluster.stopApiServer();
      await assert.rejects(place.store.get(boxes, one, { signal }), (error) =>
        hasCode(error, "RESOURCE_STORE_UNAVAILABLE"),
      );
      await cluster.startApiServer();
      await place.put(box("two"));
      assert.equal(await watch.next(), "present two");
    });

    it("logs in with the token that is there now", async () => {
      const folder = await mkdtemp(join(tmpdir(), "fsb-account-"));
      try {
        writeFileSync(join(folder, "ca.crt"), readFileSync(cluster.certificateFile));
        writeFileSync(join(folder, "token"), "expired\n");
        const connection = new PodConnection({ server: new URL(cluster.server), folder, clock: systemClock });
        await using store = storeOver(connection);
        await assert.rejects(store.list(boxes, {}, { signal }), (error) =>
          hasCode(error, "RESOURCE_STORE_UNAUTHENTICATED"),
        );
        writeFileSync(join(folder, "token"), `${cluster.token("admin")}\n`);
        assert.deepEqual(await store.list(boxes, {}, { signal }), []);
      } finally {
        await rm(folder, { recursive: true });
      }
    });

    it("does not talk to a server whose certificate it cannot check", async () => {
      const folder = await mkdtemp(join(tmpdir(), "fsb-account-"));
      try {
        writeFileSync(join(folder, "ca.crt"), "");
        writeFileSync(join(folder, "token"), cluster.token("admin"));
        await using store = storeOver(
          new PodConnection({ server: new URL(cluster.server), folder, clock: systemClock }),
        );
        await assert.rejects(store.list(boxes, {}, { signal }), (error) => {
          assert.ok(error instanceof CodedError && error.code === "RESOURCE_STORE_UNAVAILABLE");
          assert.match(error.hint ?? "", /certificate/);
          return true;
        });
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  });
}

async function storeFor(cluster: KubernetesCluster, user: ClusterUser): Promise<ApiResourceStore> {
  const kubeconfig = cluster.kubeconfig(user);
  return storeOver(await openApiConnection({ kubeconfig, env: {}, clock: systemClock }));
}

function storeOver(connection: ApiConnection): ApiResourceStore {
  const who = { component: "fsb", host: "node-a" };
  return new ApiResourceStore({ connection, clock: systemClock, log: silentLog, random: Math.random, ...who });
}

function follow(store: ApiResourceStore, type: ResourceType, scope: object) {
  const stop = new AbortController();
  const events = store.watch(type, scope, { signal: AbortSignal.any([stop.signal, signal]) })[Symbol.asyncIterator]();
  return {
    async next(): Promise<string> {
      const { value } = await events.next();
      return value.kind === "synced" ? "synced" : `${value.kind} ${value.object.metadata.name}`;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await events.return?.();
    },
  };
}

function collection(type: ResourceType, namespace: string): string {
  return `/apis/${type.apiVersion}${type.namespaced ? `/namespaces/${namespace}` : ""}/${type.plural}`;
}

function podVolumeBackup(name: string): JsonObject {
  return {
    apiVersion: podVolumeBackups.apiVersion,
    kind: podVolumeBackups.kind,
    metadata: { namespace: "velero", name },
    spec: {
      node: "node-a",
      pod: { kind: "Pod", namespace: "shop", name: "db-0", uid: "u" },
      volume: "data",
      backupStorageLocation: "default",
      repoIdentifier: "",
    },
  };
}

function definitionOf(type: ResourceType): JsonObject {
  const anything = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const node = { type: "object", properties: { node: { type: "string" } } };
  const spec = { ...anything, ...node };
  const [group = "", version = ""] = type.apiVersion.split("/");
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${type.plural}.${group}` },
    spec: {
      group,
      scope: type.namespaced ? "Namespaced" : "Cluster",
      names: { kind: type.kind, plural: type.plural, singular: type.kind.toLowerCase(), listKind: `${type.kind}List` },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: "object", properties: { spec, status: anything } } },
          selectableFields: [{ jsonPath: ".spec.node" }],
        },
      ],
    },
  };
}
