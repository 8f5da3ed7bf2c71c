/**
 * Events beside an object, for `kubectl describe`: one for each thing that happened to it, however often it is told.
 *
 * An Event is named by a digest of what it says of whom, so that telling it again finds it, also after a restart, and
 * needs no right but to create and to patch. The server forgets it an hour after it was last told.
 * Source: Kubernetes API reference, Event v1 core.
 */

import { createHash } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { hasCode } from "../base/errors.ts";
import type { ApiClient } from "./api-client.ts";
import { collectionPath, objectPath } from "./api-path.ts";
import type { JsonObject } from "./json.ts";
import type { KubernetesObject, ResourceType } from "./kubernetes-object.ts";
import type { ResourceEvent } from "./resource-store.ts";

const events: ResourceType = { apiVersion: "v1", kind: "Event", plural: "events", namespaced: true };
/** The server takes no longer ones. */
const messageLengthMax = 1024;
const nameLengthMax = 253;

export interface EventRecorderOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  /** Who tells, and on which node. */
  readonly component: string;
  readonly host: string;
}

/** Throws ResourceError. */
export async function recordApiEvent(
  options: EventRecorderOptions,
  about: KubernetesObject,
  event: ResourceEvent,
  signal: AbortSignal,
): Promise<void> {
  const { client, clock } = options;
  const value = apiEvent(options, about, event, clock.nowMs());
  const { namespace, name } = value.metadata;
  const purpose = { type: events, namespace } as const;
  try {
    const path = collectionPath(events, namespace);
    await client.call({ purpose: { ...purpose, verb: "create" }, method: "POST", path, body: value }, signal);
  } catch (error) {
    if (!hasCode(error, "RESOURCE_CONFLICT")) throw error;
    const path = objectPath(events, { namespace, name }) as string; // Made of checked parts.
    const body = { lastTimestamp: value.lastTimestamp };
    await client.call({ purpose: { ...purpose, verb: "patch", name }, method: "PATCH", path, body }, signal);
  }
}

/** Cluster-wide objects have their events in namespace "default". */
export function apiEvent(
  options: Pick<EventRecorderOptions, "component" | "host">,
  about: KubernetesObject,
  event: ResourceEvent,
  nowMs: number,
) {
  const { namespace, name, uid, resourceVersion } = about.metadata;
  const message = shortened(event.message);
  const digest = createHash("sha256")
    .update(JSON.stringify([about.kind, namespace, name, uid, event.type, event.reason, message, options.host]))
    .digest("hex")
    .slice(0, 16);
  const now = new Date(nowMs).toISOString().replace(/\.\d+Z$/, "Z");
  return {
    apiVersion: events.apiVersion,
    kind: events.kind,
    metadata: { namespace: namespace || "default", name: `${beginning(name, nameLengthMax - 17)}.${digest}` },
    involvedObject: { apiVersion: about.apiVersion, kind: about.kind, namespace, name, uid, resourceVersion },
    type: event.type,
    reason: event.reason,
    message,
    source: { component: options.component, host: options.host },
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
  } satisfies JsonObject;
}

/** What to do comes last, so it is the middle that goes. */
function shortened(message: string): string {
  if (message.length <= messageLengthMax) return message;
  const endLength = messageLengthMax / 2;
  return `${message.slice(0, messageLengthMax - endLength - 1)}…${message.slice(-endLength)}`;
}

/** Names are made of parts that end in a letter or digit. */
function beginning(name: string, lengthMax: number): string {
  return name.slice(0, lengthMax).replace(/[^a-z0-9]+$/, "");
}
