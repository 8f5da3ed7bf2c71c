/**
 * The API server of a kubeconfig's context. @kubernetes/client-node reads the file and does what it asks for: tokens,
 * client certificates, exec plugins, OIDC, proxies. Renewed means read again, so a file that `kubectl` or a login tool
 * rewrote is noticed.
 */

import type { Agent } from "node:http";
import type { RequestOptions } from "node:https";
import { KubeConfig } from "@kubernetes/client-node/dist/config.js";
import { errnoOf } from "../base/errors.ts";
import type { ApiAccess, ApiConnection } from "./api-connection.ts";
import { ResourceError } from "./resource-error.ts";

export class KubeconfigConnection implements ApiConnection {
  readonly displayName: string;
  readonly #files: readonly string[];
  readonly #context: string | undefined;
  #config: KubeConfig | undefined;

  /** The files as KUBECONFIG names them: what an earlier one says counts. Throws RESOURCE_STORE_INVALID. */
  constructor(files: readonly string[], context?: string) {
    this.#files = files;
    this.#context = context;
    this.#config = this.#load();
    this.displayName = serverOf(this.#config)?.origin ?? "";
  }

  async access(): Promise<ApiAccess> {
    this.#config ??= this.#load();
    const config = this.#config;
    const options: RequestOptions = {};
    try {
      await config.applyToHTTPSOptions(options);
    } catch (cause) {
      throw invalid(`could not use the credentials of ${this.#described()}`, cause);
    }
    const headers = Object.entries(options.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]);
    if (options.auth) headers.push(["authorization", `Basic ${Buffer.from(options.auth).toString("base64")}`]);
    const { ca, cert, key, rejectUnauthorized, servername } = options;
    return {
      server: serverOf(config) ?? this.#noServer(),
      headers: Object.fromEntries(headers),
      tls: {
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
        ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
        ...(servername === undefined ? {} : { servername }),
      },
      // Where there is no proxy, connections are pooled by the store's own agent.
      proxy: config.getCurrentCluster()?.proxyUrl ? (options.agent as Agent) : undefined,
    };
  }

  renew(): void {
    this.#config = undefined;
  }

  #load(): KubeConfig {
    const merged = new KubeConfig();
    try {
      for (const file of this.#files) {
        const config = new KubeConfig();
        config.loadFromFile(file);
        merged.mergeConfig(config, Boolean(merged.currentContext));
      }
    } catch (cause) {
      throw invalid(`could not read ${this.#files.join(", ")} as kubeconfig`, cause);
    }
    if (this.#context !== undefined) merged.setCurrentContext(this.#context);
    if (serverOf(merged) === undefined) this.#noServer(merged.getCurrentContext());
    return merged;
  }

  #described(): string {
    return `${this.#files.join(", ")}${this.#context === undefined ? "" : `, context ${this.#context}`}`;
  }

  #noServer(context?: string): never {
    const named = context ? `context ${context}, or it` : "current context, or it";
    throw new ResourceError("RESOURCE_STORE_INVALID", `${this.#files.join(", ")} has no ${named} names no server`, {
      hint: "kubectl config get-contexts lists those there are",
    });
  }
}

function serverOf(config: KubeConfig): URL | undefined {
  return URL.parse(config.getCurrentCluster()?.server ?? "") ?? undefined;
}

/** A parser's message quotes what it could not read, which may be a secret: then there is no cause to tell. */
function invalid(what: string, cause: unknown): ResourceError {
  const quotes = cause instanceof SyntaxError || (cause instanceof Error && cause.name === "YAMLException");
  const isFile = errnoOf(cause) === "ENOENT";
  return new ResourceError("RESOURCE_STORE_INVALID", quotes ? `${what}: it is malformed` : what, {
    ...(quotes ? {} : { cause }),
    hint: isFile ? "name a file that exists" : "kubectl get --raw /version shows whether kubectl can use it",
  });
}
