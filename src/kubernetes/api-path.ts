/** Where the API keeps a kind's objects. Source: Kubernetes API concepts, "Resource URIs". */

import type { ObjectName, ResourceType } from "./kubernetes-object.ts";
import type { ResourceScope } from "./resource-store.ts";

/** Of all objects of the kind, or of those of one namespace; encoded. */
export function collectionPath(type: ResourceType, namespace: string | undefined): string {
  const group = type.apiVersion.includes("/") ? `/apis/${type.apiVersion}` : `/api/${type.apiVersion}`;
  const below = type.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `${group}${below}/${type.plural}`;
}

/** Undefined when no object can have that name: one that comes from outside may be empty or climb out of its place. */
export function objectPath(type: ResourceType, name: ObjectName): string | undefined {
  if (!isSegment(name.name) || (type.namespaced && !isSegment(name.namespace))) return undefined;
  return `${collectionPath(type, name.namespace)}/${encodeURIComponent(name.name)}`;
}

/** Selection by the server. */
export function selectorQuery(scope: ResourceScope): URLSearchParams {
  const query = new URLSearchParams();
  const labels = Object.entries(scope.labels ?? {}).map(([key, value]) => `${key}=${value}`);
  // In a field's value these are special, and escaped by a backslash.
  const fields = Object.entries(scope.fields ?? {}).map(([path, value]) => {
    return `${path}=${value.replaceAll(/[\\,=]/g, "\\$&")}`;
  });
  if (labels.length > 0) query.set("labelSelector", labels.join(","));
  if (fields.length > 0) query.set("fieldSelector", fields.join(","));
  return query;
}

/** As the API server itself refuses names. */
function isSegment(text: string): boolean {
  return text !== "" && text !== "." && text !== ".." && !/[/%\0]/.test(text);
}
