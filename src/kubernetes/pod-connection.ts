/**
 * The API server as a pod sees it, with the token and the certificate authority of its service account. Kubelet replaces
 * the token long before it expires, so a minute's age is young enough; client-go reads it as often.
 */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import type { ApiAccess, ApiConnection } from "./api-connection.ts";
import { ResourceError } from "./resource-error.ts";

const readAgainMs = 60_000;

export interface PodConnectionOptions {
  readonly server: URL;
  /** With the files `token` and `ca.crt`. */
  readonly folder: string;
  readonly clock: Clock;
}

export class PodConnection implements ApiConnection {
  readonly displayName: string;
  readonly #options: PodConnectionOptions;
  #known: { readonly access: ApiAccess; readonly readMs: number } | undefined;

  constructor(options: PodConnectionOptions) {
    this.displayName = options.server.origin;
    this.#options = options;
  }

  async access(): Promise<ApiAccess> {
    const { server, clock } = this.#options;
    const nowMs = clock.nowMs();
    if (this.#known !== undefined && nowMs - this.#known.readMs < readAgainMs) return this.#known.access;
    const [token, ca] = await Promise.all([this.#read("token"), this.#read("ca.crt")]);
    const headers = { authorization: `Bearer ${token.trim()}` };
    const access: ApiAccess = { server, headers, tls: { ca }, proxy: undefined };
    this.#known = { access, readMs: nowMs };
    return access;
  }

  renew(): void {
    this.#known = undefined;
  }

  async #read(name: string): Promise<string> {
    const path = join(this.#options.folder, name);
    return await readFile(path, "utf8").catch((cause: unknown) => {
      throw new ResourceError("RESOURCE_STORE_INVALID", `could not read the service account's ${path}`, {
        cause,
        hint: "set automountServiceAccountToken of the pod or of its ServiceAccount to true",
      });
    });
  }
}
