/**
 * A small HTTP server that gives texts by path, for metrics and probes.
 *
 * Guarantees: it never ends the agent. Where the address cannot be had, that is said, and tried again for as long as it
 * takes: what had it may be the pod that this one replaces. Connections are few and end soon; what a request sends is not
 * read.
 */

import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "../../base/clock.ts";
import { errnoOf } from "../../base/errors.ts";
import { formatListenAddress, type ListenAddress } from "../../base/listen-address.ts";
import type { Log } from "../../base/log.ts";
import { AgentError } from "../agent-error.ts";

const listenAgainMs = 15_000;
const connectionsMax = 32;
const requestMs = 10_000;
/** For a connection on which nothing moves: an answer may be longer than what the kernel takes of it. */
const idleMsMax = 30_000;

export interface EndpointAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

export interface EndpointOptions {
  readonly address: ListenAddress;
  /** By path; asked for each GET. */
  readonly routes: Readonly<Record<string, () => Promise<EndpointAnswer> | EndpointAnswer>>;
  readonly clock: Clock;
  readonly log: Log;
  /** How long a connection may lie still; default 30 seconds. */
  readonly idleMs?: number;
  /** Once it listens, with the port that it got. */
  onListening(address: string): void;
}

/** Runs until the signal aborts, and returns when its connections are closed. */
export async function serveEndpoint(options: EndpointOptions, signal: AbortSignal): Promise<void> {
  const { address, clock, log } = options;
  const server = createEndpoint(options);
  let logged: string | undefined;
  // Heard for good: also of a connection that cannot be accepted, after which it listens on.
  server.on("error", (cause) => {
    const errno = errnoOf(cause) ?? String(cause);
    if (logged !== errno) log.error("Failed to listen", listenError(address, errno, cause));
    logged = errno;
  });
  try {
    while (!signal.aborted && !server.listening) {
      server.listen(address.port, address.host);
      await once(server, "listening", { signal }).catch(
        () => clock.sleep(listenAgainMs, signal).catch(() => undefined), // Told above; or it is over.
      );
    }
    if (signal.aborted) return;
    const { port } = server.address() as AddressInfo;
    options.onListening(formatListenAddress({ ...address, port }));
    await once(signal, "abort");
  } finally {
    await closed(server);
  }
}

function listenError(address: ListenAddress, errno: string, cause: unknown): AgentError {
  return new AgentError("AGENT_LISTEN_FAILED", `could not listen at ${formatListenAddress(address)}: ${errno}`, {
    cause,
    hint: "free the port, or give another one with --metrics-address or --health-address",
  });
}

function createEndpoint({ routes, log, idleMs = idleMsMax }: EndpointOptions): Server {
  const limits = { requestTimeout: requestMs, headersTimeout: requestMs, connectionsCheckingInterval: requestMs };
  const server = createServer(limits, (request, response) => {
    const path = (request.url ?? "").split("?")[0] as string;
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    const send = ({ status, contentType, text }: EndpointAnswer) => {
      response.writeHead(status, { "content-type": contentType, connection: "close" });
      response.end(request.method === "HEAD" ? undefined : text);
    };
    if (request.method !== "GET" && request.method !== "HEAD") return send(plain(405, "method not allowed"));
    if (route === undefined) return send(plain(404, "not found"));
    Promise.resolve()
      .then(route)
      .then(send)
      .catch((error: unknown) => {
        log.error("Failed to answer a request", error, { path });
        response.destroy();
      });
  });
  server.maxConnections = connectionsMax;
  server.timeout = idleMs;
  server.unref(); // It is no reason to go on.
  return server;
}

export function plain(status: number, text: string): EndpointAnswer {
  return { status, contentType: "text/plain; charset=utf-8", text: `${text}\n` };
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  if (!server.listening) return;
  server.close();
  await once(server, "close");
}
