/** Kubernetes objects in an API server. */

import type { Clock } from "../base/clock.ts";
import { hasCode } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { ApiClient } from "./api-client.ts";
import type { ApiConnection } from "./api-connection.ts";
import { objectPath } from "./api-path.ts";
import { recordApiEvent } from "./event-recorder.ts";
import { fieldAt, isJsonObject, itemsAt, type JsonObject, textAt } from "./json.ts";
import { type KubernetesObject, keyOf, type ObjectName, type ResourceType } from "./kubernetes-object.ts";
import { listAndWatch, listObjects, parseApiObject } from "./list-watch.ts";
import { ResourceError } from "./resource-error.ts";
import type { ResourceEvent, ResourceScope, ResourceStore, WatchEvent } from "./resource-store.ts";
import { WatchFeed } from "./watch-feed.ts";

export interface ApiResourceStoreOptions {
  readonly connection: ApiConnection;
  readonly clock: Clock;
  readonly log: Log;
  /** Between 0 and 1; for jitter. */
  readonly random: () => number;
  /** Who events come from. */
  readonly component: string;
  /** The node they come from. */
  readonly host: string;
  /** A watch without a word for so long is taken for dead; default 2.5 minutes, a server says something every minute. */
  readonly silenceMaxMs?: number;
  /** Any other request without a byte for so long; default 30 seconds. */
  readonly stallMs?: number;
  /** Told of each watch that begins anew, and why: "ended" by the server, or the error's code. */
  onWatchRestarted?(kind: string, reason: string): void;
}

/**
 * Guarantees, beyond those of ResourceStore:
 * - Labels, fields and namespaces are selected by the server. It knows a field of few kinds; RESOURCE_REJECTED is what a
 *   list with another throws, and what a watch logs.
 * - Objects come without `metadata.managedFields`.
 * - What a failed request leaves unknown is not tried again here: after RESOURCE_STORE_UNAVAILABLE a patch may have been
 *   made.
 */
export class ApiResourceStore implements ResourceStore {
  readonly displayName: string;
  readonly #options: ApiResourceStoreOptions;
  readonly #client: ApiClient;

  constructor(options: ApiResourceStoreOptions) {
    const { connection, stallMs } = options;
    this.displayName = connection.displayName;
    this.#options = options;
    this.#client = new ApiClient({ connection, ...(stallMs === undefined ? {} : { stallMs }) });
  }

  async get(
    type: ResourceType,
    name: ObjectName,
    options: { readonly signal: AbortSignal },
  ): Promise<KubernetesObject | undefined> {
    const path = objectPath(type, name);
    if (path === undefined) return undefined;
    const purpose = { verb: "get", type, namespace: name.namespace, name: name.name } as const;
    try {
      return parseApiObject(await this.#client.call({ purpose, method: "GET", path }, options.signal), type);
    } catch (error) {
      if (hasCode(error, "RESOURCE_NOT_FOUND")) return undefined;
      throw error;
    }
  }

  async list(
    type: ResourceType,
    scope: ResourceScope,
    options: { readonly signal: AbortSignal },
  ): Promise<readonly KubernetesObject[]> {
    return (await listObjects(this.#client, type, scope, options.signal)).objects;
  }

  async *watch(
    type: ResourceType,
    scope: ResourceScope,
    options: { readonly signal: AbortSignal },
  ): AsyncIterable<WatchEvent> {
    const { clock, log, random, silenceMaxMs } = this.#options;
    // Without what the fields are in, only the server can tell whether they match.
    const feed = new WatchFeed(scope.only === undefined ? scope : { ...scope, fields: {} });
    const stop = new AbortController();
    const onAbort = () => stop.abort(options.signal.reason);
    options.signal.throwIfAborted();
    options.signal.addEventListener("abort", onAbort);
    const limits = silenceMaxMs === undefined ? {} : { silenceMaxMs };
    const filling = listAndWatch(
      {
        ...{ client: this.#client, type, scope, feed, clock, random, log, ...limits },
        onRestart: (reason) => this.#options.onWatchRestarted?.(type.kind, reason),
      },
      stop.signal,
    ).catch((error: unknown) => stop.abort(error)); // A bug; the consumer below throws it.
    try {
      yield* feed.events(stop.signal);
    } finally {
      options.signal.removeEventListener("abort", onAbort);
      stop.abort();
      await filling;
    }
  }

  async patch(
    type: ResourceType,
    name: ObjectName,
    patch: JsonObject,
    options: { readonly resourceVersion: string; readonly signal: AbortSignal },
  ): Promise<KubernetesObject> {
    const path = objectPath(type, name);
    if (path === undefined) throw new ResourceError("RESOURCE_NOT_FOUND", `there is no ${type.kind} ${keyOf(name)}`);
    const purpose = { verb: "patch", type, namespace: name.namespace, name: name.name } as const;
    const metadata = isJsonObject(patch.metadata) ? (patch.metadata as JsonObject) : {};
    const body = { ...patch, metadata: { ...metadata, resourceVersion: options.resourceVersion } };
    return parseApiObject(await this.#client.call({ purpose, method: "PATCH", path, body }, options.signal), type);
  }

  /**
   * The kind's OpenAPI schema; undefined where the server does not know the kind. Every user who is logged in may read it.
   * Source: Kubernetes API concepts, "OpenAPI V3".
   */
  async schema(type: ResourceType, options: { readonly signal: AbortSignal }): Promise<unknown> {
    const [group = "", version = ""] = type.apiVersion.includes("/")
      ? type.apiVersion.split("/")
      : ["", type.apiVersion];
    const path = `/openapi/v3/${group === "" ? "api" : `apis/${group}`}/${version}`;
    const document: ResourceType = { apiVersion: "v1", kind: "OpenAPI", plural: path, namespaced: false };
    const purpose = { verb: "get", type: document, namespace: undefined } as const;
    try {
      const answer = await this.#client.call({ purpose, method: "GET", path }, options.signal);
      const schemas = fieldAt(answer, "components", "schemas");
      return Object.values(isJsonObject(schemas) ? schemas : {}).find((schema) =>
        itemsAt(schema, "x-kubernetes-group-version-kind").some(
          (of) =>
            textAt(of, "kind") === type.kind && textAt(of, "group") === group && textAt(of, "version") === version,
        ),
      );
    } catch (error) {
      if (hasCode(error, "RESOURCE_KIND_UNKNOWN") || hasCode(error, "RESOURCE_NOT_FOUND")) return undefined;
      throw error;
    }
  }

  async recordEvent(
    about: KubernetesObject,
    event: ResourceEvent,
    options: { readonly signal: AbortSignal },
  ): Promise<void> {
    const { clock, component, host, log } = this.#options;
    try {
      await recordApiEvent({ client: this.#client, clock, component, host }, about, event, options.signal);
    } catch (error) {
      options.signal.throwIfAborted();
      log.error("Failed to record event", error, { kind: about.kind, name: about.metadata.name, reason: event.reason });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client[Symbol.dispose]();
  }
}
