import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createAgentLog } from "../../../src/agent/observability/agent-log.ts";
import {
  decideConcurrency,
  parseNodeAgentConfig,
  readNodeAgentSettings,
} from "../../../src/agent/velero/node-agent-config.ts";
import type { JsonObject } from "../../../src/kubernetes/json.ts";
import type { ObjectName, ResourceType } from "../../../src/kubernetes/kubernetes-object.ts";
import { ResourceError } from "../../../src/kubernetes/resource-error.ts";
import { MemoryResourceStore } from "../../kubernetes/memory-resource-store.ts";

const parse = (value: unknown) => parseNodeAgentConfig(new Map([["config.json", JSON.stringify(value)]]));
const inZone = (zone: string) => ({ matchLabels: { zone } });

describe("the node agent's ConfigMap", () => {
  it("gives the smallest number of the rules that match the node, else that of all nodes, else 1", () => {
    const config = parse({
      loadConcurrency: {
        globalConfig: 5,
        perNodeConfig: [
          { nodeSelector: inZone("a"), number: 4 },
          { nodeSelector: { matchExpressions: [{ key: "disk", operator: "Exists" }] }, number: 7 },
          { nodeSelector: inZone("b"), number: 1 },
        ],
      },
    });
    assert.deepEqual(config.problems, []);
    const of = (labels: Record<string, string>) => decideConcurrency(config, new Map(Object.entries(labels)));
    assert.equal(of({ zone: "a", disk: "fast" }), 4);
    assert.equal(of({ disk: "fast" }), 7);
    assert.equal(of({}), 5);
    assert.equal(decideConcurrency(config, undefined), 5, "the node cannot be read");
    assert.equal(decideConcurrency(parse({}), new Map()), 1);
  });

  it("leaves out what is no whole number above 0, or no selector, and says so", () => {
    const { global, perNode, problems } = parse({
      loadConcurrency: {
        globalConfig: 0,
        perNodeConfig: [{ nodeSelector: inZone("a"), number: -1 }, { nodeSelector: [], number: 2 }, { number: 3 }],
      },
    });
    assert.equal(global, undefined);
    assert.deepEqual(perNode, [{ selector: [], number: 3 }], "no selector selects all nodes, as for Velero");
    assert.deepEqual(problems, [
      "loadConcurrency.globalConfig is no whole number above 0",
      "loadConcurrency.perNodeConfig[0].number is no whole number above 0",
      "loadConcurrency.perNodeConfig[1].nodeSelector is no label selector",
    ]);
    for (const value of [7, null, [], { loadConcurrency: 3 }, { loadConcurrency: { globalConfig: "3" } }]) {
      assert.equal(parse(value).problems.length, 1, JSON.stringify(value));
    }
  });

  it("says under a key of its own what the work may take", () => {
    const fsb = {
      memoryBudget: "512Mi",
      parallelism: 3,
      uploadLimit: "20MB",
      downloadLimit: 30_000_000,
      readLimit: "1.5MiB",
      ioPriority: "best-effort:6",
      nice: "10",
    };
    const { engine, problems, ignored } = parse({ fsb });
    assert.deepEqual([problems, ignored], [[], []]);
    assert.deepEqual(engine, {
      memoryBudgetBytes: 512 * 2 ** 20,
      parallelism: 3,
      uploadBytesPerSecond: 20_000_000,
      downloadBytesPerSecond: 30_000_000,
      readBytesPerSecond: 1.5 * 2 ** 20,
      ioPriority: 6,
      niceness: 10,
    });
    assert.deepEqual(parse({}).engine, {});
  });

  it("leaves out what cannot be used of it, and says so", () => {
    const { engine, problems, ignored } = parse({
      fsb: { memoryBudget: "1MiB", nice: { 5: 6 }, ioPriority: "idle", toString: "1", turbo: true },
    });
    assert.deepEqual(engine, { ioPriority: "idle" });
    assert.deepEqual(ignored, ["fsb.toString", "fsb.turbo"]);
    assert.deepEqual(problems, [
      "fsb.memoryBudget: it must be at least 128MiB",
      "fsb.nice: it must be a whole number from 1 to 19",
    ]);
    assert.deepEqual(parse({ fsb: 7 }).problems, ["fsb is no object"]);
  });

  it("is not used when it has no key, or several, or no JSON", () => {
    const problemOf = (data: Record<string, string>) => parseNodeAgentConfig(new Map(Object.entries(data))).problems;
    assert.deepEqual(problemOf({}), ["it has no key in data"]);
    assert.deepEqual(problemOf({ a: "{}", b: "{}" }), ["it has 2 keys in data, a, b; one is expected"]);
    assert.deepEqual(problemOf({ a: "{" }), ["its key a is no JSON object"]);
  });
});

describe("reading the node agent's ConfigMap", () => {
  const config = (value: unknown, name = "node-agent-config"): JsonObject => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace: "velero", name },
    data: { "config.json": typeof value === "string" ? value : JSON.stringify(value) },
  });
  const read = async (store: MemoryResourceStore, configMap?: string) => {
    const lines: string[] = [];
    const log = createAgentLog({ format: "text", level: "warning", write: (line) => void lines.push(line) });
    const options = { veleroNamespace: "velero", node: "node-1", configMap, log };
    const { concurrency } = await readNodeAgentSettings(store, options, new AbortController().signal);
    return { concurrency, lines };
  };

  it("takes the node's labels into account", async () => {
    const store = new MemoryResourceStore();
    store.put(config({ loadConcurrency: { perNodeConfig: [{ nodeSelector: inZone("a"), number: 3 }] } }, "mine"));
    store.put({ apiVersion: "v1", kind: "Node", metadata: { name: "node-1", labels: { zone: "a" } } });
    assert.deepEqual(await read(store, "mine"), { concurrency: 3, lines: [] });
  });

  it("is content without one that was not named, and says what to do without one that was", async () => {
    const store = new MemoryResourceStore();
    assert.deepEqual(await read(store), { concurrency: 1, lines: [] });
    const { concurrency, lines } = await read(store, "mine");
    assert.equal(concurrency, 1);
    assert.match(lines.join(""), /^[^\n]*level=warning msg="Node agent ConfigMap does not exist, .*hint="make the/);
  });

  it("names all keys that are ignored in one warning", async () => {
    const store = new MemoryResourceStore();
    store.put(
      config({
        loadConcurrency: { globalConfig: 2, prepareQueueLength: 9 },
        podResources: {},
        privilegedFsBackup: true,
      }),
    );
    const { concurrency, lines } = await read(store);
    assert.equal(concurrency, 2);
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? "", /keys="podResources, privilegedFsBackup, loadConcurrency.prepareQueueLength"/);
  });

  it("keeps the default, and says so, when what is there is broken", async () => {
    const store = new MemoryResourceStore();
    store.put(config("{"));
    const { concurrency, lines } = await read(store);
    assert.equal(concurrency, 1);
    assert.match(lines.join(""), /because="its key config.json is no JSON object" hint="correct the ConfigMap/);
  });

  it("needs no right, but a server", async () => {
    for (const [code, expected] of [
      ["RESOURCE_STORE_DENIED", "default"],
      ["RESOURCE_STORE_UNAVAILABLE", "again"],
    ] as const) {
      const store = new MemoryResourceStore();
      store.get = async (_type: ResourceType, name: ObjectName) => {
        throw new ResourceError(code, `could not get ${name.name}`);
      };
      const reading = read(store);
      if (expected === "again") await assert.rejects(reading, { code });
      else assert.equal((await reading).concurrency, 1);
    }
  });
});
