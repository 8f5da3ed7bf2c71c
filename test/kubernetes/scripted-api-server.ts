/**
 * A small API server for what a real one cannot be made to do. It holds boxes, lists them and lets them be watched; a
 * test may answer any request itself instead. Plain HTTP on loopback.
 */

import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { ApiConnection } from "../../src/kubernetes/api-connection.ts";
import type { JsonObject } from "../../src/kubernetes/json.ts";
import { box } from "../contracts/resource-store.contract.ts";

export interface ApiAsked {
  readonly kind: "list" | "watch" | "other";
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  /** How many of its kind came before it. */
  readonly index: number;
}

/** True when it answered, or will; otherwise the server does. */
export type ApiScript = (asked: ApiAsked, response: ServerResponse) => boolean;

export class ScriptedApiServer implements AsyncDisposable {
  readonly asked: ApiAsked[] = [];
  script: ApiScript = () => false;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #boxes = new Map<string, JsonObject>();
  readonly #history: { readonly version: number; readonly line: string }[] = [];
  readonly #watchers = new Set<ServerResponse>();
  #version = 100;

  static async start(): Promise<ScriptedApiServer> {
    const scripted = new ScriptedApiServer();
    scripted.#server.listen(0, "127.0.0.1");
    await once(scripted.#server, "listening");
    return scripted;
  }

  private constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  get connection(): ApiConnection & { renewals: number } {
    const { port } = this.#server.address() as AddressInfo;
    const server = new URL(`http://127.0.0.1:${port}/below/`);
    const made = {
      displayName: server.origin,
      renewals: 0,
      access: async () => {
        return { server, headers: { authorization: `Bearer token-${made.renewals}` }, tls: {}, proxy: undefined };
      },
      renew: () => void made.renewals++,
    };
    return made;
  }

  get version(): string {
    return String(this.#version);
  }

  put(name: string, rest: JsonObject = {}): void {
    const kind = this.#boxes.has(name) ? "MODIFIED" : "ADDED";
    this.#version += 1;
    const object = box(name, rest, { uid: `uid-of-${name}`, resourceVersion: this.version });
    this.#boxes.set(name, object);
    this.#tell(kind, object);
  }

  remove(name: string): void {
    const object = this.#boxes.get(name);
    if (object === undefined) return;
    this.#boxes.delete(name);
    this.#version += 1;
    const metadata = { ...(object.metadata as JsonObject), resourceVersion: this.version };
    this.#tell("DELETED", { ...object, metadata });
  }

  /** Of a kind that can be told of in a watch. */
  static event(type: string, object: JsonObject): string {
    return `${JSON.stringify({ type, object })}\n`;
  }

  static status(code: number, reason: string, message = reason): JsonObject {
    return { apiVersion: "v1", kind: "Status", status: "Failure", code, reason, message };
  }

  /** Cuts every connection without a word. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "/", "http://server");
    const isBoxes = url.pathname === "/below/apis/test.io/v1/namespaces/shop/boxes";
    const kind = !isBoxes ? "other" : url.searchParams.get("watch") === "true" ? "watch" : "list";
    const index = this.asked.filter((asked) => asked.kind === kind).length;
    const asked = { kind, query: url.searchParams, headers: request.headers, index } as const;
    this.asked.push(asked);
    if (this.script(asked, response)) return;
    if (kind === "list") this.#list(response);
    else if (kind === "watch") this.#watch(asked.query, response);
    else response.writeHead(404).end();
  }

  #list(response: ServerResponse): void {
    const items = [...this.#boxes.values()];
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ kind: "BoxList", metadata: { resourceVersion: this.version }, items }));
  }

  #watch(query: URLSearchParams, response: ServerResponse): void {
    const from = Number(query.get("resourceVersion"));
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    for (const { version, line } of this.#history) if (version > from) response.write(line);
    this.#watchers.add(response);
    response.once("close", () => this.#watchers.delete(response));
  }

  #tell(type: string, object: JsonObject): void {
    const line = ScriptedApiServer.event(type, object);
    this.#history.push({ version: this.#version, line });
    for (const watcher of this.#watchers) watcher.write(line);
  }
}
