/**
 * What an API server holds of a kind, and what changes: list, then watch from there, for as long as it is wanted.
 *
 * Guarantees: the feed comes to the newest state whatever happens in between: the server restarts, forgets the version
 * that was reached (410: listed anew), breaks off in the middle of a line, sends what is no JSON, accepts a connection
 * and says nothing, or is replaced behind an address that still answers to TCP. Only when the place to go on from is
 * lost or leads nowhere is listed anew; bookmarks move it along. Waits between attempts grow to half a minute, with
 * jitter, so that the agents of a thousand nodes do not come back at once.
 *
 * Source: Kubernetes API concepts, "Efficient detection of changes", and client-go's reflector.
 */

import type { Clock } from "../base/clock.ts";
import { hasCode } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { ApiClient } from "./api-client.ts";
import { type ApiPurpose, refusal } from "./api-error.ts";
import { collectionPath, selectorQuery } from "./api-path.ts";
import { fieldAt, isJsonObject, itemsAt, textAt } from "./json.ts";
import { type KubernetesObject, parseKubernetesObject, type ResourceType } from "./kubernetes-object.ts";
import { ResourceError } from "./resource-error.ts";
import { type ResourceScope, wantedOf } from "./resource-store.ts";
import type { WatchFeed } from "./watch-feed.ts";

const pageLength = 250;
/** A list whose pages the server forgets while it is read starts over so often. */
const listAttempts = 3;
/** A server sends a bookmark about every minute; after this silence the connection is taken for dead. */
const silenceMaxMs = 150_000;
/** Source: Kubernetes API concepts, "Metadata-only fetches". A server that lacks it gives whole objects. */
const metadataOnly = {
  list: "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
  watch: "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
};
/** The server ends a watch after this and as much again, by chance. */
const watchSecondsMin = 300;
/** A watch that lasted so long is not what is wrong, however it ended. */
const soundWatchMs = 10_000;
const waitMinMs = 500;
const waitMaxMs = 30_000;
/** What a server may ask for. */
const askedWaitMaxMs = 120_000;
/** A failure that lasts is logged again after this. */
const logAgainMs = 300_000;
/** A server that restarts is no trouble yet. */
const failuresBeforeTrouble = 3;
/** After so many in a row, about ten seconds, everything is listed anew. */
const failuresBeforeAnew = 5;

export interface ListWatchOptions {
  readonly client: ApiClient;
  readonly type: ResourceType;
  readonly scope: ResourceScope;
  readonly feed: WatchFeed;
  readonly clock: Clock;
  /** Between 0 and 1; for jitter. */
  readonly random: () => number;
  readonly log: Log;
  readonly silenceMaxMs?: number;
  /** Each time that the watch begins anew: "ended" by the server as it does now and then, or the error's code. */
  onRestart?(reason: string): void;
}

/** Ends only by the signal, with its reason. */
export async function listAndWatch(options: ListWatchOptions, signal: AbortSignal): Promise<never> {
  const { client, type, scope, feed, clock, random } = options;
  const trouble = new Trouble(options);
  let version: string | undefined;
  while (true) {
    let isSound = false;
    try {
      if (version === undefined) {
        const listed = await listObjects(client, type, scope, signal);
        feed.show(listed.objects);
        version = listed.version;
      }
      const startedMs = clock.nowMs();
      for await (const change of watchFrom(options, version, signal)) {
        if (!isSound) trouble.over();
        isSound = true;
        version = change.version;
        if (change.kind === "set") feed.set(change.object);
        else if (change.kind === "remove") feed.remove(change.object.metadata);
      }
      isSound ||= clock.nowMs() - startedMs >= soundWatchMs;
      if (!isSound) throw new ResourceError("RESOURCE_STORE_UNAVAILABLE", `the watch of ${type.plural} ended at once`);
      trouble.over();
      options.onRestart?.("ended");
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ResourceError)) throw error;
      options.onRestart?.(error.code);
      const failures = trouble.met(error);
      // Something is wrong with the place to go on from, or with what comes after it. A lost connection is neither, but
      // what does not pass may be: a server that was set back by a restore of etcd is behind the version it is asked for.
      if (error.code !== "RESOURCE_STORE_UNAVAILABLE" || failures >= failuresBeforeAnew) version = undefined;
      await clock.sleep(waitMs(failures, error, random()), signal);
    }
  }
}

/** All that match, page by page, and the version at which it was so. */
export async function listObjects(
  client: ApiClient,
  type: ResourceType,
  scope: ResourceScope,
  signal: AbortSignal,
): Promise<{ readonly objects: readonly KubernetesObject[]; readonly version: string }> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await listOnce(client, type, scope, signal);
    } catch (error) {
      if (!hasCode(error, "RESOURCE_VERSION_GONE") || attempt === listAttempts) throw error;
    }
  }
}

async function listOnce(client: ApiClient, type: ResourceType, scope: ResourceScope, signal: AbortSignal) {
  const purpose: ApiPurpose = { verb: "list", type, namespace: scope.namespace };
  const path = collectionPath(type, scope.namespace);
  const query = selectorQuery(scope);
  query.set("limit", String(pageLength));
  const objects: KubernetesObject[] = [];
  while (true) {
    const page = await client.call({ purpose, method: "GET", path, query, ...acceptOf(scope, "list") }, signal);
    const version = textAt(page, "metadata", "resourceVersion");
    const items = fieldAt(page, "items");
    // Of metadata alone, a server gives an empty list as null.
    if (version === undefined || version === "" || !(Array.isArray(items) || items === null)) {
      throw new ResourceError("RESOURCE_STORE_UNAVAILABLE", `the answer for ${type.plural} is no list`);
    }
    for (const item of itemsAt(page, "items")) objects.push(wantedOf(parseApiObject(item, type), scope));
    const next = textAt(page, "metadata", "continue");
    if (next === undefined || next === "") return { objects, version };
    query.set("continue", next);
  }
}

function acceptOf(scope: ResourceScope, verb: "list" | "watch"): { readonly accept?: string } {
  return scope.only?.length === 0 ? { accept: metadataOnly[verb] } : {};
}

/** An object as the API gives it: lists leave out what all have in common, or call it by another kind. Who manages which field nobody here reads. */
export function parseApiObject(value: unknown, type: ResourceType): KubernetesObject {
  if (!isJsonObject(value)) return parseKubernetesObject(value);
  const { managedFields: _, ...metadata } = isJsonObject(value.metadata) ? value.metadata : {};
  return parseKubernetesObject({ ...value, apiVersion: type.apiVersion, kind: type.kind, metadata });
}

/** `version` is where to go on from once the change is taken in. */
type Change =
  | { readonly kind: "set" | "remove"; readonly object: KubernetesObject; readonly version: string }
  | { readonly kind: "nothing"; readonly version: string };

async function* watchFrom(options: ListWatchOptions, version: string, signal: AbortSignal): AsyncGenerator<Change> {
  const { client, type, scope } = options;
  const purpose: ApiPurpose = { verb: "watch", type, namespace: scope.namespace };
  const query = selectorQuery(scope);
  query.set("watch", "true");
  query.set("allowWatchBookmarks", "true");
  query.set("resourceVersion", version);
  query.set("timeoutSeconds", String(Math.round(watchSecondsMin * (1 + options.random()))));
  const path = collectionPath(type, scope.namespace);
  const request = { purpose, method: "GET", path, query, ...acceptOf(scope, "watch") } as const;
  const limits = { stallMs: options.silenceMaxMs ?? silenceMaxMs };
  for await (const event of client.lines(request, limits, signal)) yield parseChange(event, purpose, scope);
}

function parseChange(event: unknown, purpose: ApiPurpose, scope: ResourceScope): Change {
  const kind = textAt(event, "type");
  const value = fieldAt(event, "object");
  if (kind === "ERROR") {
    const code = fieldAt(value, "code");
    throw refusal(purpose, { statusCode: typeof code === "number" ? code : 500, body: value });
  }
  const version = textAt(value, "metadata", "resourceVersion");
  if (version !== undefined && version !== "") {
    if (kind === "BOOKMARK") return { kind: "nothing", version };
    if (kind === "ADDED" || kind === "MODIFIED" || kind === "DELETED") {
      const object = wantedOf(parseApiObject(value, purpose.type), scope);
      return { kind: kind === "DELETED" ? "remove" : "set", object, version };
    }
  }
  throw new ResourceError("RESOURCE_INVALID", `an event of the watch of ${purpose.type.plural} cannot be understood`);
}

/** `failures` is at least 1; `chance` between 0 and 1. What the server asks for is waited at least. */
export function waitMs(failures: number, error: ResourceError, chance: number): number {
  const askedMs = Math.min(Number(error.detail.retryAfterSeconds ?? 0) * 1000, askedWaitMaxMs);
  const longestMs = Math.min(waitMaxMs, waitMinMs * 2 ** (failures - 1));
  return askedMs + longestMs * (0.5 + chance / 2);
}

/** Counts failures in a row, and says so once where they are more than a server that restarts. */
class Trouble {
  readonly #options: Pick<ListWatchOptions, "client" | "type" | "clock" | "log">;
  #failures = 0;
  #logged: { readonly code: string; readonly atMs: number } | undefined;

  constructor(options: ListWatchOptions) {
    this.#options = options;
  }

  /** How many it are now. */
  met(error: ResourceError): number {
    const { client, type, clock, log } = this.#options;
    this.#failures += 1;
    const { code } = error;
    const passes = code === "RESOURCE_STORE_UNAVAILABLE" || code === "RESOURCE_VERSION_GONE";
    if (passes && this.#failures < failuresBeforeTrouble) {
      log.debug("Interrupted watch", { kind: type.kind, code });
    } else if (this.#logged?.code !== code || clock.nowMs() - this.#logged.atMs >= logAgainMs) {
      this.#logged = { code, atMs: clock.nowMs() };
      log.error("Failed to watch, trying again", error, { kind: type.kind, server: client.displayName });
    }
    return this.#failures;
  }

  over(): void {
    const { client, type, log } = this.#options;
    this.#failures = 0;
    if (this.#logged === undefined) return;
    this.#logged = undefined;
    log.info("Resumed watch", { kind: type.kind, server: client.displayName });
  }
}
