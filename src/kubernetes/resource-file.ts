/**
 * The text of a file with Kubernetes objects: several YAML documents, or one JSON value; each an object or a list of
 * them (`kind: List` with `items`, as `kubectl get -o yaml` prints it).
 *
 * Pure: text in, objects out; text and patch in, text out. A patch keeps comments, the order of keys and all other
 * documents of the file.
 */

import { createHash } from "node:crypto";
import { type Document, isMap, isScalar, LineCounter, parseAllDocuments, YAMLMap } from "yaml";
import { isJsonObject, itemsAt, type JsonObject, textAt } from "./json.ts";
import { type KubernetesObject, parseKubernetesObject } from "./kubernetes-object.ts";
import { applyMergePatch } from "./merge-patch.ts";
import { ResourceError } from "./resource-error.ts";

export type ResourceFileFormat = "yaml" | "json";

/** Where an object stands in its file. */
export interface ObjectPosition {
  /** Index of the document. */
  readonly document: number;
  /** Index in the list's `items`; undefined where the document is the object itself. */
  readonly item: number | undefined;
  /** Counted from 1. */
  readonly line: number;
}

export interface FileObject {
  readonly object: KubernetesObject;
  readonly position: ObjectPosition;
}

export interface FileProblem {
  /** Counted from 1. */
  readonly line: number;
  /** One line. */
  readonly message: string;
}

export interface ParsedResourceFile {
  readonly objects: readonly FileObject[];
  /** Documents, or items of lists, that could not be used; the others are in `objects` all the same. */
  readonly problems: readonly FileProblem[];
}

/** Undefined for names that hold no objects: other endings, and those that begin with a dot. */
export function resourceFileFormat(fileName: string): ResourceFileFormat | undefined {
  if (fileName.startsWith(".")) return undefined;
  if (/\.ya?ml$/.test(fileName)) return "yaml";
  return fileName.endsWith(".json") ? "json" : undefined;
}

/**
 * Each object's resourceVersion is a digest of its content, whatever the file says, so that an edit of comments or of
 * its neighbours is no conflict.
 */
export function parseResourceFile(text: string): ParsedResourceFile {
  const objects: FileObject[] = [];
  const problems: FileProblem[] = [];
  const lines = new LineCounter();
  for (const [index, document] of documentsOf(text, lines).entries()) {
    const line = lines.linePos(Math.max(0, document.range[0])).line;
    const error = document.errors[0];
    if (error !== undefined) {
      const [message = ""] = error.message.split(/ at line |\n/);
      problems.push({ line: error.linePos?.[0].line ?? line, message });
      continue;
    }
    let content: unknown;
    try {
      content = document.toJS({ maxAliasCount: 100 });
    } catch (cause) {
      problems.push({ line, message: cause instanceof Error ? cause.message : "its aliases cannot be resolved" });
      continue;
    }
    if (content === null || content === undefined) continue;
    const isList = textAt(content, "kind")?.endsWith("List") === true && isJsonObject(content) && "items" in content;
    const items = isList
      ? itemsAt(content, "items").map((item, at) => ({ item, at }))
      : [{ item: content, at: undefined }];
    for (const { item, at } of items) {
      try {
        objects.push({ object: withDigest(item), position: { document: index, item: at, line } });
      } catch (cause) {
        if (!(cause instanceof ResourceError)) throw cause;
        problems.push({ line, message: at === undefined ? cause.message : `item ${at}: ${cause.message}` });
      }
    }
  }
  return { objects, problems };
}

/** The file's text with the object there changed by a merge patch. Throws RESOURCE_FILE_MALFORMED when it is not there. */
export function patchResourceFile(
  text: string,
  format: ResourceFileFormat,
  position: ObjectPosition,
  patch: JsonObject,
): string {
  const documents = documentsOf(text, new LineCounter());
  const document = documents[position.document];
  const path = position.item === undefined ? [] : ["items", position.item];
  const target = document?.errors.length === 0 ? document.getIn(path, true) : undefined;
  if (document === undefined || !isMap(target)) {
    throw new ResourceError("RESOURCE_FILE_MALFORMED", `there is no object in document ${position.document}`);
  }
  mergeIntoMap(document, target, patch);
  if (format === "json") return `${JSON.stringify(document.toJS(), null, indentOf(text))}\n`;
  const [start, end] = rangeOf(documents, position.document);
  const changed = document.toString({ lineWidth: 0, indentSeq: !/^( *)[^\s#-][^\n]*:[^\S\n]*\n\1- /m.test(text) });
  return text.slice(0, start) + changed + text.slice(end);
}

/** The object with its resourceVersion set to the digest of the rest. */
function withDigest(value: unknown): KubernetesObject {
  const { metadata } = parseKubernetesObject(value);
  const resourceVersion = createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 16);
  return parseKubernetesObject(applyMergePatch(value, { metadata: { name: metadata.name, resourceVersion } }));
}

function documentsOf(text: string, lineCounter: LineCounter): Document.Parsed[] {
  const documents = parseAllDocuments(text, { lineCounter, version: "1.2", schema: "core", prettyErrors: true });
  return Array.isArray(documents) ? [...documents] : [];
}

/**
 * From the end of the document before, so that comments and directives above `---` are part of it; but from its own
 * start where that one is malformed and its end not known.
 */
function rangeOf(documents: readonly Document.Parsed[], index: number): readonly [start: number, end: number] {
  const own = (documents[index] as Document.Parsed).range;
  const before = documents[index - 1];
  if (before === undefined) return [0, own[2]];
  return [before.errors.length === 0 ? before.range[2] : own[0], own[2]];
}

/** RFC 7396 on nodes: what is not named stays as it is, with its comments; a scalar keeps its place and comment. */
function mergeIntoMap(document: Document.Parsed, map: YAMLMap, patch: JsonObject): void {
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) {
      map.delete(key);
      continue;
    }
    if (!isJsonObject(value)) {
      const old = map.get(key, true);
      if (isScalar(old) && !Array.isArray(value)) old.value = value;
      else map.set(key, document.createNode(value));
      continue;
    }
    const old: unknown = map.get(key, true);
    const inner = isMap(old) ? old : new YAMLMap(document.schema);
    if (inner !== old) map.set(key, inner);
    if (inner.items.length === 0) inner.flow = false;
    mergeIntoMap(document, inner, value as JsonObject);
    if (inner.items.length === 0) inner.flow = true;
  }
}

/** As wide as the first indented line is, at least 1. */
function indentOf(text: string): number {
  return /\n( +)\S/.exec(text)?.[1]?.length ?? 2;
}
