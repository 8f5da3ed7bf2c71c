/** Where an API server is, and what lets a request in. */

import type { Agent } from "node:http";
import type { ConnectionOptions } from "node:tls";

/** What one request needs. Everything but the server is secret. */
export interface ApiAccess {
  /** May have a path, below which the API is. */
  readonly server: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: Pick<ConnectionOptions, "ca" | "cert" | "key" | "rejectUnauthorized" | "servername">;
  /** Set where a proxy stands between. */
  readonly proxy: Agent | undefined;
}

/** Errors: ResourceError; RESOURCE_STORE_INVALID when what it is made from cannot be read. */
export interface ApiConnection {
  /** The server's address, without secrets. */
  readonly displayName: string;
  /** What holds now: tokens and certificates that were renewed meanwhile are read anew. */
  access(): Promise<ApiAccess>;
  /** The server refused what `access` gave: the next one reads everything anew. */
  renew(): void;
}
