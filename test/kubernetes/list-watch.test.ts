/** Listing and watching through everything that can go wrong between a client and a server. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Clock } from "../../src/base/clock.ts";
import { explainInOneLine, hasCode } from "../../src/base/errors.ts";
import { type Log, silentLog } from "../../src/base/log.ts";
import { ApiResourceStore } from "../../src/kubernetes/api-resource-store.ts";
import { fieldAt } from "../../src/kubernetes/json.ts";
import { waitMs } from "../../src/kubernetes/list-watch.ts";
import { ResourceError } from "../../src/kubernetes/resource-error.ts";
import { box, boxes } from "../contracts/resource-store.contract.ts";
import { type ApiScript, ScriptedApiServer } from "./scripted-api-server.ts";

const signal = AbortSignal.timeout(60_000);
const scope = { namespace: "shop" };
const { event, status } = ScriptedApiServer;

/** Sleeps take no time, but are written down. */
class WrittenClock implements Clock {
  readonly sleptMs: number[] = [];
  nowMs = () => Date.now();
  nowNs = () => BigInt(Date.now()) * 1_000_000n;
  async sleep(ms: number, stop: AbortSignal): Promise<void> {
    stop.throwIfAborted();
    this.sleptMs.push(ms);
    await new Promise(setImmediate);
  }
}

interface Watched extends AsyncDisposable {
  readonly server: ScriptedApiServer;
  readonly clock: WrittenClock;
  readonly store: ApiResourceStore;
  readonly lines: readonly string[];
  /** Why it began anew, each time. */
  readonly restarts: readonly string[];
  next(): Promise<string>;
}

/** A watch of the boxes of a server that holds one at the start. */
async function watched(script: ApiScript = () => false): Promise<Watched> {
  const server = await ScriptedApiServer.start();
  server.put("one", { spec: { size: 1 } });
  server.script = script;
  const lines: string[] = [];
  const log: Log = {
    ...silentLog,
    info: (message) => void lines.push(message),
    error: (message, error) => void lines.push(`${message}: ${explainInOneLine(error)}`),
  };
  const clock = new WrittenClock();
  const restarts: string[] = [];
  const store = new ApiResourceStore({
    onWatchRestarted: (kind, reason) => void restarts.push(`${kind} ${reason}`),
    connection: server.connection,
    clock,
    log,
    random: () => 0.5,
    component: "fsb",
    host: "node-a",
    silenceMaxMs: 200,
    stallMs: 200,
  });
  const stop = new AbortController();
  const events = store.watch(boxes, scope, { signal: AbortSignal.any([stop.signal, signal]) })[Symbol.asyncIterator]();
  return {
    server,
    clock,
    store,
    lines,
    restarts,
    async next() {
      const { value } = await events.next();
      if (value.kind === "synced") return "synced";
      return `${value.kind} ${value.object.metadata.name} ${fieldAt(value.object.content, "spec", "size")}`;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await events.return?.();
      await store[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

async function start(watch: Watched): Promise<void> {
  assert.deepEqual([await watch.next(), await watch.next()], ["present one 1", "synced"]);
}

function counted(server: ScriptedApiServer, kind: "list" | "watch"): number {
  return server.asked.filter((asked) => asked.kind === kind).length;
}

describe("list and watch", () => {
  it("goes on from where it was when the server ends a watch or cuts the line, and does not list again", async () => {
    await using watch = await watched();
    await start(watch);
    for (let size = 2; size < 6; size++) {
      watch.server.put("one", { spec: { size } });
      assert.equal(await watch.next(), `present one ${size}`);
      watch.server.cut();
    }
    assert.equal(counted(watch.server, "list"), 1);
  });

  it("goes on from a bookmark", async () => {
    await using watch = await watched((asked, response) => {
      if (asked.kind !== "watch" || asked.index > 0) return false;
      const bookmark = { apiVersion: "test.io/v1", kind: "Box", metadata: { resourceVersion: "5000" } };
      response.end(event("BOOKMARK", bookmark));
      return true;
    });
    await start(watch);
    while (counted(watch.server, "watch") < 2) await new Promise(setImmediate);
    const again = watch.server.asked.filter((asked) => asked.kind === "watch")[1];
    assert.equal(again?.query.get("resourceVersion"), "5000");
    assert.equal(again?.query.get("allowWatchBookmarks"), "true");
  });

  it("lists again when the version is gone, tells what was missed, and waits longer each time of a storm", async () => {
    await using watch = await watched((asked, response) => {
      if (asked.kind !== "watch" || asked.index >= 6) return false;
      if (asked.index === 3) watch.server.remove("one");
      if (asked.index === 3) watch.server.put("two", { spec: { size: 2 } });
      if (asked.index % 2 === 0) response.end(event("ERROR", status(410, "Expired")));
      else response.writeHead(410).end(JSON.stringify(status(410, "Expired")));
      return true;
    });
    await start(watch);
    assert.deepEqual([await watch.next(), await watch.next()], ["gone one 1", "present two 2"]);
    while (counted(watch.server, "watch") < 7) await new Promise(setImmediate);
    assert.equal(counted(watch.server, "list"), 7);
    assert.deepEqual(watch.clock.sleptMs, [375, 750, 1500, 3000, 6000, 12000]);
    watch.server.put("three", { spec: { size: 3 } });
    assert.equal(await watch.next(), "present three 3");
    assert.equal(watch.lines.length, 2, watch.lines.join("\n"));
    assert.match(watch.lines[0] ?? "", /^Failed to watch, trying again: .*RESOURCE_VERSION_GONE/);
    assert.equal(watch.lines[1], "Resumed watch");
    assert.deepEqual(
      watch.restarts,
      Array.from({ length: 6 }, () => "Box RESOURCE_VERSION_GONE"),
    );
  });

  it("leaves a connection on which nothing comes, also before the answer", async () => {
    await using watch = await watched((asked, response) => {
      if (asked.kind === "list" && asked.index === 0) return true;
      if (asked.kind !== "watch" || asked.index > 1) return false;
      if (asked.index === 1) response.writeHead(200).flushHeaders();
      return true;
    });
    await start(watch);
    while (counted(watch.server, "watch") < 3) await new Promise(setImmediate);
    watch.server.put("two", { spec: { size: 2 } });
    assert.equal(await watch.next(), "present two 2");
    assert.equal(counted(watch.server, "list"), 2);
  });

  it("takes nothing in from a line that breaks off, and misses nothing by it", async () => {
    await using watch = await watched((asked, response) => {
      if (asked.kind !== "watch" || asked.index > 1) return false;
      watch.server.put("two", { spec: { size: 2 } });
      const line = event("ADDED", box("two", { spec: { size: 2 } }, { resourceVersion: watch.server.version }));
      response.write(line.slice(0, -10), () => (asked.index === 0 ? response.destroy() : response.end()));
      return true;
    });
    await start(watch);
    assert.equal(await watch.next(), "present two 2");
    assert.equal(counted(watch.server, "list"), 1);
  });

  it("lists again after what cannot be understood", async () => {
    const strange = ['{"type": "ADDED", "object"\n', "[]\n", '"text"\n', "<html>\n", event("ADDED", {}), "\u0000\n"];
    await using watch = await watched((asked, response) => {
      const line = asked.kind === "watch" ? strange[asked.index] : undefined;
      if (line === undefined) return false;
      response.end(line);
      return true;
    });
    await start(watch);
    while (counted(watch.server, "watch") <= strange.length) await new Promise(setImmediate);
    assert.equal(counted(watch.server, "list"), strange.length + 1);
    watch.server.put("two", { spec: { size: 2 } });
    assert.equal(await watch.next(), "present two 2");
  });

  it("does not take a line in that has no end", async () => {
    await using watch = await watched((asked, response) => {
      if (asked.kind !== "watch" || asked.index > 0) return false;
      const more = (): void => void response.write("x".repeat(1024 * 1024), more);
      more();
      response.on("error", () => undefined);
      return true;
    });
    await start(watch);
    watch.server.put("two", { spec: { size: 2 } });
    assert.equal(await watch.next(), "present two 2");
  });

  it("reads a list that comes slowly, and one in pages", async () => {
    await using watch = await watched((asked, response) => {
      if (asked.kind !== "list") return false;
      const isLast = asked.query.get("continue") === "more";
      const items = [box(isLast ? "two" : "one", { spec: { size: 1 } }, { resourceVersion: "7" })];
      const metadata = { resourceVersion: "7", ...(isLast ? {} : { continue: "more" }) };
      const text = JSON.stringify({ metadata, items });
      const parts = text.match(/.{1,12}/g) ?? []; // Together they take longer than a single one may.
      const more = (): void => {
        const part = parts.shift();
        if (part === undefined) response.end();
        else response.write(part, () => setTimeout(more, 25));
      };
      more();
      return true;
    });
    assert.deepEqual([await watch.next(), await watch.next()], ["present one 1", "present two 1"]);
    assert.equal(await watch.next(), "synced");
  });

  it("starts a list over whose pages are forgotten, and one that breaks off", async () => {
    await using watch = await watched((asked, response) => {
      if (asked.kind !== "list") return false;
      if (asked.index === 0)
        response.end(JSON.stringify({ metadata: { resourceVersion: "7", continue: "x" }, items: [] }));
      else if (asked.index === 1) response.writeHead(410).end(JSON.stringify(status(410, "Expired")));
      else if (asked.index === 2) response.end('{"metadata": {"resourceVersion": "7"}, "items": [{');
      else if (asked.index === 3) response.write('{"metadata', () => response.destroy());
      else return false;
      return true;
    });
    await start(watch);
    assert.equal(counted(watch.server, "list"), 5);
  });

  it("lists anew when a server does not get to the version that it is asked for", async () => {
    await using watch = await watched((asked, response) => {
      if (asked.kind !== "watch" || asked.query.get("resourceVersion") !== "101") return false;
      if (asked.index === 4) watch.server.put("two", { spec: { size: 2 } });
      response.writeHead(504).end(JSON.stringify(status(504, "Timeout", "Too large resource version")));
      return true;
    });
    await start(watch);
    assert.equal(await watch.next(), "present two 2");
    assert.equal(counted(watch.server, "list"), 2);
  });

  it("waits as long as a server that is too busy asks for", async () => {
    await using watch = await watched((asked, response) => {
      if (asked.kind !== "list" || asked.index > 0) return false;
      response.writeHead(429, { "retry-after": "7" }).end(JSON.stringify(status(429, "TooManyRequests")));
      return true;
    });
    await start(watch);
    assert.deepEqual(watch.clock.sleptMs, [7375]);
  });

  it("logs a right that is missing at once, and only once", async () => {
    await using watch = await watched((asked, response) => {
      if (asked.kind !== "list" || asked.index > 4) return false;
      response.writeHead(403).end(JSON.stringify(status(403, "Forbidden", 'User "agent" cannot list')));
      return true;
    });
    await start(watch);
    assert.equal(watch.lines.length, 1);
    assert.match(watch.lines[0] ?? "", /denied to list boxes in namespace shop: User "agent" cannot list \[RESOURCE_/);
  });

  it("renews credentials once for a request that the server does not accept", async () => {
    await using server = await ScriptedApiServer.start();
    const connection = server.connection;
    server.script = (asked, response) => {
      if (asked.headers.authorization === "Bearer token-1") return false;
      response.writeHead(401).end(JSON.stringify(status(401, "Unauthorized")));
      return true;
    };
    const options = { connection, clock: new WrittenClock(), log: silentLog, random: Math.random };
    await using store = new ApiResourceStore({ ...options, component: "fsb", host: "node-a" });
    assert.deepEqual(await store.list(boxes, scope, { signal }), []);
    connection.renew();
    await assert.rejects(store.list(boxes, scope, { signal }), (error) => {
      return hasCode(error, "RESOURCE_STORE_UNAUTHENTICATED") && !explainInOneLine(error).includes("token-");
    });
    assert.equal(connection.renewals, 3);
  });

  it("asks for metadata alone where nothing else is wanted", async () => {
    await using watch = await watched();
    const { server, store } = watch;
    await store.list(boxes, { ...scope, only: [] }, { signal });
    assert.match(server.asked.at(-1)?.headers.accept ?? "", /as=PartialObjectMetadataList/);
    await store.list(boxes, { ...scope, only: ["spec.size"] }, { signal });
    assert.equal(server.asked.at(-1)?.headers.accept, "application/json");
  });

  it("follows no redirect with its token", async () => {
    await using elsewhere = await ScriptedApiServer.start();
    await using watch = await watched();
    await start(watch);
    const { server } = await elsewhere.connection.access();
    watch.server.script = (_asked, response) => {
      response.writeHead(307, { location: server.href }).end();
      return true;
    };
    await assert.rejects(watch.store.list(boxes, scope, { signal }), (error) => hasCode(error, "RESOURCE_REJECTED"));
    assert.equal(elsewhere.asked.length, 0);
  });

  it("asks once more over a new connection when an idle one turns out to be closed", async () => {
    await using watch = await watched();
    await start(watch);
    for (let round = 0; round < 5; round++) {
      assert.equal((await watch.store.list(boxes, scope, { signal })).length, 1);
      watch.server.cut();
    }
  });

  it("ends with the reason of its signal, whatever it waits for", async () => {
    for (const stage of ["list", "watch"] as const) {
      const stop = new AbortController();
      await using server = await ScriptedApiServer.start();
      server.script = (asked) => {
        if (asked.kind === stage) stop.abort(new Error("enough"));
        return asked.kind === stage;
      };
      const options = { connection: server.connection, clock: new WrittenClock(), log: silentLog, random: Math.random };
      await using store = new ApiResourceStore({ ...options, component: "fsb", host: "node-a" });
      const watching = (async () => {
        for await (const _ of store.watch(boxes, scope, { signal: stop.signal }));
      })();
      await assert.rejects(watching, /enough/);
    }
  });
});

describe("the wait before another attempt", () => {
  it("grows to half a minute, and is at least what the server asks for, within bounds", () => {
    const plain = new ResourceError("RESOURCE_STORE_UNAVAILABLE", "away");
    assert.deepEqual(
      [1, 2, 3, 20, 2000].map((failures) => waitMs(failures, plain, 1)),
      [500, 1000, 2000, 30000, 30000],
    );
    assert.equal(waitMs(1, plain, 0), 250);
    const asked = new ResourceError("RESOURCE_STORE_UNAVAILABLE", "busy", { detail: { retryAfterSeconds: 9 } });
    assert.equal(waitMs(1, asked, 1), 9500);
    const absurd = new ResourceError("RESOURCE_STORE_UNAVAILABLE", "busy", { detail: { retryAfterSeconds: 1e12 } });
    assert.equal(waitMs(1, absurd, 1), 120_500);
  });
});
