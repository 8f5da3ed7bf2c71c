/** What all objects of the Kubernetes API have in common, parsed once from data that nobody has checked. */

import { fieldAt, isJsonObject, itemsAt, textAt, textsAt } from "./json.ts";
import { ResourceError } from "./resource-error.ts";

/** A kind of object and where the API keeps it. */
export interface ResourceType {
  /** "v1", "velero.io/v1" */
  readonly apiVersion: string;
  readonly kind: string;
  /** As in an API path: "podvolumebackups". */
  readonly plural: string;
  readonly namespaced: boolean;
}

export interface ObjectName {
  /** Empty for kinds that live in no namespace. */
  readonly namespace: string;
  readonly name: string;
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller: boolean;
}

export interface ObjectMetadata extends ObjectName {
  /** Always there in a cluster; empty where an object comes from a file that gives none. */
  readonly uid: string;
  /** Opaque; differs between any two states of an object. */
  readonly resourceVersion: string;
  /** RFC 3339, whole seconds; always there in a cluster. */
  readonly creationTimestamp: string | undefined;
  readonly deletionTimestamp: string | undefined;
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
  readonly finalizers: readonly string[];
  readonly ownerReferences: readonly OwnerReference[];
}

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMetadata;
  /** The whole object as it came, metadata too; whoever knows the kind parses the rest. */
  readonly content: Readonly<Record<string, unknown>>;
}

/** Throws RESOURCE_INVALID when the value is no object with apiVersion, kind and metadata.name. */
export function parseKubernetesObject(value: unknown): KubernetesObject {
  if (!isJsonObject(value)) throw new ResourceError("RESOURCE_INVALID", "it is not an object");
  const apiVersion = required(value, "apiVersion");
  const kind = required(value, "kind");
  const name = required(value, "metadata", "name");
  return {
    apiVersion,
    kind,
    metadata: {
      namespace: textAt(value, "metadata", "namespace") ?? "",
      name,
      uid: textAt(value, "metadata", "uid") ?? "",
      resourceVersion: textAt(value, "metadata", "resourceVersion") ?? "",
      creationTimestamp: textAt(value, "metadata", "creationTimestamp"),
      deletionTimestamp: textAt(value, "metadata", "deletionTimestamp"),
      labels: textsAt(value, "metadata", "labels"),
      annotations: textsAt(value, "metadata", "annotations"),
      finalizers: itemsAt(value, "metadata", "finalizers").filter((item) => typeof item === "string"),
      ownerReferences: itemsAt(value, "metadata", "ownerReferences").map(parseOwnerReference),
    },
    content: value,
  };
}

/** Stable text of a name, for maps and queues: "shop/db-0", or "pv-1" where there is no namespace. */
export function keyOf(name: ObjectName): string {
  return name.namespace === "" ? name.name : `${name.namespace}/${name.name}`;
}

/** The other way round. */
export function nameOf(key: string): ObjectName {
  const slash = key.indexOf("/");
  return { namespace: key.slice(0, Math.max(0, slash)), name: key.slice(slash + 1) };
}

function parseOwnerReference(value: unknown): OwnerReference {
  return {
    apiVersion: textAt(value, "apiVersion") ?? "",
    kind: textAt(value, "kind") ?? "",
    name: textAt(value, "name") ?? "",
    uid: textAt(value, "uid") ?? "",
    controller: fieldAt(value, "controller") === true,
  };
}

function required(value: unknown, ...path: readonly string[]): string {
  const text = textAt(value, ...path);
  if (text === undefined || text === "") throw new ResourceError("RESOURCE_INVALID", `it has no ${path.join(".")}`);
  return text;
}
