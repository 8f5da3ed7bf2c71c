/** What probes are told: that the process turns, by the answer itself, and whether it sees what it is to work on. */

import { type EndpointAnswer, plain } from "./http-endpoint.ts";

export class AgentHealth {
  readonly #awaited: Set<string>;
  #isStopping = false;

  /** Names of what must be synchronised. */
  constructor(awaited: Iterable<string>) {
    this.#awaited = new Set(awaited);
  }

  synchronised(name: string): void {
    this.#awaited.delete(name);
  }

  stopping(): void {
    this.#isStopping = true;
  }

  /** By path. */
  get routes(): Readonly<Record<string, () => EndpointAnswer>> {
    return {
      "/healthz": () => plain(200, "ok"),
      "/readyz": () => {
        if (this.#isStopping) return plain(503, "stopping");
        if (this.#awaited.size === 0) return plain(200, "ok");
        return plain(503, [...this.#awaited].map((name) => `not yet synchronised: ${name}`).join("\n"));
      },
    };
  }
}
