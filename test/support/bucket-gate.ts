/**
 * Stands in front of a bucket's server and passes on what is asked of it, except what a test keeps: then whoever asked is
 * certain to be in the middle of what it does, for as long as the test likes (up to the minute after which the agent
 * takes a request for stalled).
 */

import { once } from "node:events";
import { createServer, type IncomingMessage, request as newRequest, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";

/** Requests that are kept. */
export interface Hold {
  /** Resolves when there is one. */
  readonly reached: Promise<void>;
  /** Passes on those that are kept, and all that come. */
  release(): void;
}

export interface HoldOptions {
  readonly method: "GET" | "PUT";
  /** Of the object's path, bucket included. */
  readonly path: RegExp;
  /** How many of such to pass on first. */
  readonly after?: number;
}

interface Keeping extends HoldOptions {
  passedCount: number;
  readonly reached: PromiseWithResolvers<void>;
  readonly released: PromiseWithResolvers<void>;
}

/** `server` is where it passes requests on to, as "http://127.0.0.1:8333"; signatures of requests stay valid. */
export async function openBucketGate(server: string): Promise<BucketGate> {
  const gate = new BucketGate(server);
  await gate.open();
  return gate;
}

export class BucketGate implements AsyncDisposable {
  readonly #target: URL;
  readonly #server: Server;
  readonly #keeping = new Set<Keeping>();

  constructor(server: string) {
    this.#target = new URL(server);
    // A request that is gone, on either side, is for the other side to notice.
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
      this.#pass(request, response).catch(() => response.destroy());
    };
    this.#server = createServer({ requestTimeout: 0 }, onRequest);
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async open(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  /** Keeps such requests until they are released. */
  hold(options: HoldOptions): Hold {
    const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const keeping = { ...options, passedCount: 0, reached, released };
    this.#keeping.add(keeping);
    return {
      reached: reached.promise,
      release: () => {
        this.#keeping.delete(keeping);
        released.resolve();
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { released } of this.#keeping) released.resolve();
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await this.#whenReleased(request);
    const { hostname, port } = this.#target;
    const headers = request.rawHeaders;
    const { method = "GET", url: path = "/" } = request;
    const onward = newRequest({ hostname, port, method, path, headers, setHost: false, agent: false });
    const answered = once(onward, "response");
    await Promise.all([pipeline(request, onward), this.#answer(answered, response)]);
  }

  async #answer(answered: Promise<unknown[]>, response: ServerResponse): Promise<void> {
    const [answer] = (await answered) as [IncomingMessage];
    response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
    await pipeline(answer, response);
  }

  async #whenReleased({ method, url = "" }: IncomingMessage): Promise<void> {
    const keeping = [...this.#keeping].find((one) => one.method === method && one.path.test(url));
    if (keeping === undefined) return;
    if (keeping.passedCount++ < (keeping.after ?? 0)) return;
    keeping.reached.resolve();
    await keeping.released.promise;
  }
}
