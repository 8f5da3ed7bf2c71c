import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Server, type Socket } from "node:net";
import { describe, it } from "node:test";
import { AgentHealth } from "../../../src/agent/observability/agent-health.ts";
import { createAgentLog } from "../../../src/agent/observability/agent-log.ts";
import { type EndpointOptions, plain, serveEndpoint } from "../../../src/agent/observability/http-endpoint.ts";
import type { Clock } from "../../../src/base/clock.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";

/** The URL it listens at, and how to end it. */
async function serving(routes: EndpointOptions["routes"], options: Partial<EndpointOptions> = {}) {
  const stop = new AbortController();
  const { promise: listening, resolve: onListening } = Promise.withResolvers<string>();
  const ended = serveEndpoint(
    { address: { host: "127.0.0.1", port: 0 }, routes, clock: systemClock, log: silentLog, onListening, ...options },
    stop.signal,
  );
  const address = await listening;
  const url = `http://${address}`;
  return {
    port: Number(/\d+$/.exec(address)?.[0]),
    get: async (path: string, method = "GET") => {
      const answer = await fetch(`${url}${path}`, { method });
      return `${answer.status} ${(await answer.text()).trimEnd()}`;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
    },
  };
}

describe("an endpoint", () => {
  it("gives what its routes give, and nothing else", async () => {
    await using endpoint = await serving({
      "/a": () => plain(200, "text"),
      "/b": async () => {
        throw new Error("no");
      },
    });
    assert.equal(await endpoint.get("/a"), "200 text");
    assert.equal(await endpoint.get("/a?x=1"), "200 text");
    assert.equal(await endpoint.get("/a", "HEAD"), "200 ");
    assert.equal(await endpoint.get("/"), "404 not found");
    assert.equal(await endpoint.get("/constructor"), "404 not found");
    assert.equal(await endpoint.get("/a", "POST"), "405 method not allowed");
    await assert.rejects(endpoint.get("/b"));
    assert.equal(await endpoint.get("/a"), "200 text");
  });

  it("waits for an address that another has, and says so once", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const lines: string[] = [];
    let sleeps = 0;
    const clock: Clock = {
      ...systemClock,
      sleep: async () => {
        sleeps++;
        if (sleeps < 3) return;
        other.close();
        await once(other, "close");
      },
    };
    const log = createAgentLog({ format: "text", level: "info", write: (line) => void lines.push(line) });
    await using endpoint = await serving(
      { "/a": () => plain(200, "text") },
      { address: { host: "127.0.0.1", port }, clock, log },
    );
    assert.equal(await endpoint.get("/a"), "200 text");
    assert.equal(lines.length, 1);
    assert.match(
      lines[0] ?? "",
      new RegExp(`could not listen at 127.0.0.1:${port}: EADDRINUSE \\[AGENT_LISTEN_FAILED\\]`),
    );
  });
});

describe("an endpoint in trouble", () => {
  it("goes on when connections cannot be accepted, and says so once", async () => {
    const lines: string[] = [];
    const log = createAgentLog({ format: "text", level: "info", write: (line) => void lines.push(line) });
    await using endpoint = await serving({ "/a": () => plain(200, "text") }, { log });
    const { server } = await firstRequest(() => endpoint.get("/a"));
    for (let count = 0; count < 3; count++) {
      server.emit("error", Object.assign(new Error("accept ENFILE"), { code: "ENFILE", syscall: "accept" }));
      assert.equal(await endpoint.get("/a"), "200 text");
    }
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? "", /could not listen at 127.0.0.1:0: ENFILE \[AGENT_LISTEN_FAILED\]/);
  });

  it("ends a connection on which the answer is not taken", async () => {
    const long = "x".repeat(64 << 20);
    await using endpoint = await serving({ "/a": () => plain(200, long) }, { idleMs: 100 });
    const slow = connect(endpoint.port, "127.0.0.1").on("error", () => undefined); // It is broken off.
    slow.pause();
    const { socket } = await firstRequest(() => slow.write("GET /a HTTP/1.1\r\nhost: x\r\n\r\n"));
    await once(socket, "close");
    slow.destroy();
  });
});

/** What Node tells of the first request that comes. */
async function firstRequest(ask: () => unknown): Promise<{ readonly server: Server; readonly socket: Socket }> {
  const begun = Promise.withResolvers<{ readonly server: Server; readonly socket: Socket }>();
  const onStart = (message: unknown) => begun.resolve(message as Awaited<typeof begun.promise>);
  subscribe("http.server.request.start", onStart);
  await ask();
  const request = await begun.promise;
  unsubscribe("http.server.request.start", onStart);
  return request;
}

describe("probes", () => {
  it("are told when all is synchronised, and that it stops", async () => {
    const health = new AgentHealth(["PodVolumeBackup", "PodVolumeRestore"]);
    await using endpoint = await serving(health.routes);
    assert.equal(await endpoint.get("/healthz"), "200 ok");
    health.synchronised("PodVolumeBackup");
    assert.equal(await endpoint.get("/readyz"), "503 not yet synchronised: PodVolumeRestore");
    health.synchronised("PodVolumeRestore");
    assert.equal(await endpoint.get("/readyz"), "200 ok");
    health.stopping();
    assert.equal(await endpoint.get("/readyz"), "503 stopping");
    assert.equal(await endpoint.get("/healthz"), "200 ok");
  });
});
