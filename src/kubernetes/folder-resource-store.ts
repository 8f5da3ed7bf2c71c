/**
 * Kubernetes objects as files in one folder, the way the kubelet reads static pods: *.yaml, *.yml and *.json, not in
 * folders below, names that begin with a dot left out.
 *
 * Guarantees, beyond those of ResourceStore:
 * - A file is taken in once it has been the same for `settleMs`, and counts as removed once it has been missing as
 *   long, so that what an editor leaves in the middle of saving is not seen.
 * - A malformed document is logged once, with file and line. The others of its file still count, and what the file
 *   held before stays known until it is well-formed again or removed.
 * - A patch replaces the file as a whole (temporary name, fsync, rename) with owner and mode kept, and is given up for
 *   RESOURCE_CONFLICT when the file was changed since it was read.
 * - No symbolic link is followed.
 *
 * Two files with the same object: the first in the order of names counts, the other is logged. An object without
 * namespace is in `defaultNamespace`, as with `kubectl -n`. Events become log lines of level debug.
 */

import { type BigIntStats, constants, lstatSync, renameSync } from "node:fs";
import { lstat, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type FSWatcher, watch } from "chokidar";
import { fromUtf8 } from "../base/bytes.ts";
import type { Clock } from "../base/clock.ts";
import { errnoOf, hasCode } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { JsonObject } from "./json.ts";
import { type KubernetesObject, keyOf, type ObjectName, type ResourceType } from "./kubernetes-object.ts";
import { ResourceError } from "./resource-error.ts";
import {
  type FileObject,
  type ParsedResourceFile,
  parseResourceFile,
  patchResourceFile,
  type ResourceFileFormat,
  resourceFileFormat,
} from "./resource-file.ts";
import {
  matchesScope,
  type ResourceEvent,
  type ResourceScope,
  type ResourceStore,
  type WatchEvent,
} from "./resource-store.ts";
import { WatchFeed } from "./watch-feed.ts";

/** More is no resource file. */
const fileBytesMax = 16 * 1024 * 1024;
/** How often a patch starts over because its file is changing under it. */
const patchAttempts = 5;
/** How long `get`, `list` and `patch` wait for files that are being edited, in units of settleMs. */
const settleRounds = 4;

export interface FolderResourceStoreOptions {
  readonly folder: string;
  /** The kinds that count; objects of others are left alone. */
  readonly types: readonly ResourceType[];
  readonly defaultNamespace: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly settleMs?: number;
  /** The folder is read anew this often even if nothing tells of a change (network file systems do not). */
  readonly rescanMs?: number;
}

/** One file as it was taken in. */
interface KnownFile {
  readonly format: ResourceFileFormat;
  readonly signature: string;
  readonly text: string;
  readonly parsed: ParsedResourceFile;
  /** Objects of an earlier state, which a malformed document may hide now. They cannot be patched. */
  readonly kept: readonly KubernetesObject[];
}

interface KnownObject {
  readonly object: KubernetesObject;
  readonly fileName: string;
  /** Undefined for a kept one. */
  readonly place: FileObject | undefined;
}

/** Throws RESOURCE_STORE_INVALID when there is no such folder. */
export async function openFolderResourceStore(
  options: FolderResourceStoreOptions,
  signal: AbortSignal,
): Promise<FolderResourceStore> {
  const stats = await lstat(options.folder).catch((cause: unknown) => {
    if (errnoOf(cause) === "ENOENT") return undefined;
    throw translated(cause, "read", options.folder);
  });
  if (stats === undefined || !stats.isDirectory()) {
    throw new ResourceError("RESOURCE_STORE_INVALID", `${options.folder} is not a folder`, {
      hint: "give the folder with the resource files itself, not a link to it",
    });
  }
  const store = new FolderResourceStore(options);
  try {
    await store.refresh(signal);
    return store;
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

export class FolderResourceStore implements ResourceStore {
  readonly displayName: string;
  readonly #folder: string;
  readonly #types: ReadonlyMap<string, ResourceType>;
  readonly #defaultNamespace: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #settleMs: number;
  readonly #closing = new AbortController();
  readonly #watcher: FSWatcher;
  readonly #rescanning: Promise<void>;
  readonly #files = new Map<string, KnownFile>();
  /** Changed or missing files that have not settled: what they looked like, and since when. */
  readonly #unsettled = new Map<string, { readonly signature: string; readonly sinceMs: number }>();
  /** What was logged last about something, so that it is logged once. */
  readonly #logged = new Map<string, string>();
  readonly #feeds = new Map<WatchFeed, ResourceType>();
  #objects: ReadonlyMap<string, ReadonlyMap<string, KnownObject>> = new Map();
  #lane: Promise<unknown> = Promise.resolve();
  #isScanPlanned = false;
  #planned: Promise<void> = Promise.resolve();

  constructor(options: FolderResourceStoreOptions) {
    this.displayName = options.folder;
    this.#folder = options.folder;
    this.#types = new Map(options.types.map((type) => [typeKey(type), type]));
    this.#defaultNamespace = options.defaultNamespace;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#settleMs = options.settleMs ?? 200;
    this.#watcher = watch(options.folder, { depth: 0, followSymlinks: false, ignoreInitial: true });
    this.#watcher.on("all", () => this.#planScan(0));
    this.#watcher.on("error", (error) => this.#log.error("Failed to watch the resource folder", error));
    this.#rescanning = this.#scanNowAndThen(options.rescanMs ?? 10_000);
  }

  async get(
    type: ResourceType,
    name: ObjectName,
    options: { readonly signal: AbortSignal },
  ): Promise<KubernetesObject | undefined> {
    await this.refresh(options.signal);
    return this.#find(type, name)?.object;
  }

  async list(
    type: ResourceType,
    scope: ResourceScope,
    options: { readonly signal: AbortSignal },
  ): Promise<readonly KubernetesObject[]> {
    await this.refresh(options.signal);
    return [...this.#objectsOf(type)].filter((object) => matchesScope(object, scope));
  }

  async *watch(
    type: ResourceType,
    scope: ResourceScope,
    options: { readonly signal: AbortSignal },
  ): AsyncIterable<WatchEvent> {
    await this.refresh(options.signal).catch((error: unknown) => {
      if (!(error instanceof ResourceError)) throw error;
      this.#log.error("Failed to read the resource folder", error, { folder: this.#folder });
    });
    const feed = new WatchFeed(scope);
    this.#feeds.set(feed, type);
    try {
      feed.show(this.#objectsOf(type));
      yield* feed.events(options.signal);
    } finally {
      this.#feeds.delete(feed);
    }
  }

  async patch(
    type: ResourceType,
    name: ObjectName,
    patch: JsonObject,
    options: { readonly resourceVersion: string; readonly signal: AbortSignal },
  ): Promise<KubernetesObject> {
    const called = `${type.kind} ${keyOf(name)}`;
    for (let attempt = 0; attempt < patchAttempts; attempt++) {
      await this.refresh(options.signal);
      const known = this.#find(type, name);
      if (known === undefined)
        throw new ResourceError("RESOURCE_NOT_FOUND", `there is no ${called} in ${this.#folder}`);
      if (known.object.metadata.resourceVersion !== options.resourceVersion) break;
      const { place, fileName } = known;
      if (place === undefined) {
        throw new ResourceError("RESOURCE_STORE_UNAVAILABLE", `${fileName}, which holds ${called}, is malformed`, {
          hint: "mend the file",
        });
      }
      const isWritten = await this.#exclusively(() => this.#patchFile(fileName, place, patch));
      if (isWritten) {
        const patched = this.#find(type, name);
        if (patched !== undefined) return patched.object;
      }
      options.signal.throwIfAborted();
    }
    throw new ResourceError("RESOURCE_CONFLICT", `${called} was changed meanwhile`);
  }

  async recordEvent(about: KubernetesObject, event: ResourceEvent): Promise<void> {
    const fields = {
      kind: about.kind,
      namespace: about.metadata.namespace,
      name: about.metadata.name,
      type: event.type,
      reason: event.reason,
      note: event.message,
    };
    this.#log.debug("Recorded event", fields);
  }

  /** Takes in what changed, waiting a bounded while for files that are being edited. */
  async refresh(signal: AbortSignal): Promise<void> {
    for (let round = 0; round < settleRounds; round++) {
      signal.throwIfAborted();
      await this.#exclusively(() => this.#scan());
      if (this.#unsettled.size === 0) return;
      await this.#clock.sleep(this.#settleMs, signal);
    }
    this.#planScan(this.#settleMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#watcher.close();
    await this.#rescanning;
    await this.#planned;
    await this.#exclusively(async () => undefined);
  }

  #find(type: ResourceType, name: ObjectName): KnownObject | undefined {
    return this.#objects.get(typeKey(type))?.get(keyOf(name));
  }

  *#objectsOf(type: ResourceType): Iterable<KubernetesObject> {
    for (const known of this.#objects.get(typeKey(type))?.values() ?? []) yield known.object;
  }

  /** One at a time: whatever reads the folder into memory, or writes to it. */
  async #exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    const before = this.#lane;
    const run = (async () => {
      await before;
      return await work();
    })();
    this.#lane = run.catch(() => undefined); // Its caller hears of the error.
    return await run;
  }

  /** Scans soon, and again for as long as something has not settled. */
  #planScan(afterMs: number): void {
    if (this.#isScanPlanned) return;
    this.#isScanPlanned = true;
    this.#planned = this.#scanAfter(afterMs);
  }

  async #scanAfter(afterMs: number): Promise<void> {
    const { signal } = this.#closing;
    if (afterMs > 0) await this.#clock.sleep(afterMs, signal).catch(() => undefined); // Closing; seen below.
    await this.#exclusively(async () => {
      this.#isScanPlanned = false;
      if (!signal.aborted) await this.#scanAndLog();
    });
    if (this.#unsettled.size > 0 && !signal.aborted) this.#planScan(this.#settleMs);
  }

  async #scanNowAndThen(everyMs: number): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await this.#clock.sleep(everyMs, signal).catch(() => undefined); // Closing; seen by the loop.
      if (!signal.aborted) this.#planScan(0);
    }
  }

  async #scanAndLog(): Promise<void> {
    try {
      await this.#scan();
      this.#logged.delete("");
    } catch (error) {
      if (this.#logged.has("")) return;
      this.#logged.set("", "");
      this.#log.error("Failed to read the resource folder", error, { folder: this.#folder });
    }
  }

  async #scan(): Promise<void> {
    const names = await readdir(this.#folder).catch((cause: unknown) => {
      throw translated(cause, "list", this.#folder);
    });
    let isChanged = false;
    try {
      const seen = new Set<string>();
      for (const name of names) {
        const format = resourceFileFormat(name);
        const signature = format === undefined ? undefined : await this.#signatureOf(name);
        if (format === undefined || signature === undefined) continue;
        seen.add(name);
        if (this.#files.get(name)?.signature === signature) this.#unsettled.delete(name);
        else if (this.#isSettled(name, signature))
          isChanged = (await this.#takeIn(name, format, signature)) || isChanged;
      }
      for (const name of [...this.#files.keys(), ...this.#unsettled.keys()]) {
        if (seen.has(name)) continue;
        if (!this.#files.has(name)) this.#unsettled.delete(name);
        else if (this.#isSettled(name, "")) isChanged = this.#forget(name) || isChanged;
      }
    } finally {
      if (isChanged) this.#publish();
    }
  }

  /** Changes whenever the file does. Undefined when it is gone or no regular file, which is logged once. */
  async #signatureOf(name: string): Promise<string | undefined> {
    try {
      const stats = await lstat(join(this.#folder, name), { bigint: true });
      if (stats.isFile()) return signatureOf(stats);
      this.#logOnce(`${name}:kind`, "not a file", () =>
        this.#log.warn("Ignored resource file, which is no regular file", { file: join(this.#folder, name) }),
      );
      return undefined;
    } catch (cause) {
      if (errnoOf(cause) === "ENOENT") return undefined;
      throw translated(cause, "look at", join(this.#folder, name));
    }
  }

  /** True when it has looked like this for long enough; its own clock starts at the first look. */
  #isSettled(name: string, signature: string): boolean {
    const nowMs = this.#clock.nowMs();
    const unsettled = this.#unsettled.get(name);
    if (unsettled?.signature === signature && nowMs - unsettled.sinceMs >= this.#settleMs) return true;
    if (unsettled?.signature !== signature) this.#unsettled.set(name, { signature, sinceMs: nowMs });
    return false;
  }

  async #takeIn(name: string, format: ResourceFileFormat, signature: string): Promise<boolean> {
    const path = join(this.#folder, name);
    let read: { readonly text: string; readonly signature: string };
    try {
      read = await readWhole(path);
    } catch (error) {
      if (hasCode(error, "RESOURCE_STORE_UNAVAILABLE")) return false;
      this.#log.error("Failed to read resource file", error, { file: path });
      const kept = this.#files.get(name);
      const parsed = { objects: [], problems: [] };
      this.#files.set(name, {
        format,
        signature,
        text: "",
        parsed,
        kept: kept === undefined ? [] : hiddenObjects(kept, parsed),
      });
      this.#unsettled.delete(name);
      return true;
    }
    if (read.signature !== signature) return false; // It changes just now; the next scan looks again.
    this.#know(name, format, read.signature, read.text);
    return true;
  }

  #know(name: string, format: ResourceFileFormat, signature: string, text: string): void {
    const parsed = parseResourceFile(text);
    const before = this.#files.get(name);
    const kept = parsed.problems.length === 0 || before === undefined ? [] : hiddenObjects(before, parsed);
    this.#files.set(name, { format, signature, text, parsed, kept });
    this.#unsettled.delete(name);
    for (const { line, message } of parsed.problems) {
      if (before?.parsed.problems.some((known) => known.line === line && known.message === message)) continue;
      const file = `${join(this.#folder, name)}:${line}`;
      const error = new ResourceError("RESOURCE_FILE_MALFORMED", `${file} is malformed: ${message}`, {
        detail: { line },
      });
      this.#log.error("Ignored malformed resource document", error, { file });
    }
  }

  #forget(name: string): boolean {
    this.#files.delete(name);
    this.#unsettled.delete(name);
    for (const about of this.#logged.keys()) if (about.startsWith(`${name}:`)) this.#logged.delete(about);
    return true;
  }

  /** Makes the objects out of the files, and tells the watchers. */
  #publish(): void {
    const objects = new Map<string, Map<string, KnownObject>>();
    const add = (fileName: string, object: KubernetesObject, place: FileObject | undefined) => {
      const type = this.#types.get(typeKey(object));
      if (type === undefined) return;
      const namespace = type.namespaced ? object.metadata.namespace || this.#defaultNamespace : "";
      const named = { ...object, metadata: { ...object.metadata, namespace } };
      const ofType = getOrMake(objects, typeKey(type));
      const key = keyOf(named.metadata);
      const other = ofType.get(key);
      if (other === undefined) {
        ofType.set(key, { object: named, fileName, place });
      } else if (place !== undefined) {
        this.#logOnce(`${fileName}:${typeKey(type)} ${key}`, other.fileName, () =>
          this.#log.warn("Ignored resource, which another file or document holds as well", {
            kind: type.kind,
            name: key,
            file: fileName,
            first: other.fileName,
          }),
        );
      }
    };
    for (const [name, file] of [...this.#files].sort(([a], [b]) => (a < b ? -1 : 1))) {
      for (const place of file.parsed.objects) add(name, place.object, place);
      for (const object of file.kept) add(name, object, undefined);
    }
    this.#objects = objects;
    for (const [feed, type] of this.#feeds) feed.show(this.#objectsOf(type));
  }

  /** False when the file is not what was taken in, so that the caller looks again. */
  async #patchFile(name: string, place: FileObject, patch: JsonObject): Promise<boolean> {
    const path = join(this.#folder, name);
    const known = this.#files.get(name);
    if (known === undefined || !known.parsed.objects.includes(place)) return false;
    const text = patchResourceFile(known.text, known.format, place.position, patch);
    const temporary = join(this.#folder, `.${name}.fsb-new`);
    try {
      const stats = await lstat(path, { bigint: true });
      if (signatureOf(stats) !== known.signature) return false;
      await writeDurably(temporary, text, stats);
      const signature = replaceIf(path, known.signature, temporary);
      if (signature === undefined) {
        await rm(temporary, { force: true });
        return false;
      }
      await syncFolder(this.#folder);
      this.#know(name, known.format, signature, text);
    } catch (cause) {
      await rm(temporary, { force: true });
      if (errnoOf(cause) === "ENOENT") return false;
      throw translated(cause, "write", path);
    }
    this.#publish();
    return true;
  }

  #logOnce(about: string, state: string, log: () => void): void {
    if (this.#logged.get(about) === state) return;
    this.#logged.set(about, state);
    log();
  }
}

/** What the file held before and does not hold now. */
function hiddenObjects(before: KnownFile, now: ParsedResourceFile): readonly KubernetesObject[] {
  const visible = new Set(now.objects.map(({ object }) => `${typeKey(object)} ${keyOf(object.metadata)}`));
  return [...before.parsed.objects.map(({ object }) => object), ...before.kept].filter(
    (object) => !visible.has(`${typeKey(object)} ${keyOf(object.metadata)}`),
  );
}

function typeKey(type: { readonly apiVersion: string; readonly kind: string }): string {
  return `${type.apiVersion} ${type.kind}`;
}

function getOrMake<Value>(maps: Map<string, Map<string, Value>>, key: string): Map<string, Value> {
  const found = maps.get(key) ?? new Map<string, Value>();
  maps.set(key, found);
  return found;
}

function signatureOf(stats: BigIntStats): string {
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join(" ");
}

async function readWhole(path: string): Promise<{ readonly text: string; readonly signature: string }> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (cause: unknown) => {
      throw translated(cause, "open", path);
    },
  );
  try {
    const stats = await file.stat({ bigint: true });
    if (!stats.isFile() || stats.size > BigInt(fileBytesMax)) {
      throw new ResourceError("RESOURCE_STORE_INVALID", `${path} is longer than ${fileBytesMax} bytes, or no file`);
    }
    const bytes = new Uint8Array(Number(stats.size));
    let length = 0;
    while (length < bytes.byteLength) {
      const { bytesRead } = await file.read(bytes, length, bytes.byteLength - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return { text: fromUtf8(bytes.subarray(0, length)), signature: signatureOf(await file.stat({ bigint: true })) };
  } catch (cause) {
    throw translated(cause, "read", path);
  } finally {
    await file.close();
  }
}

/** A new file with owner and mode of another; on return its bytes are on storage. */
async function writeDurably(path: string, text: string, like: BigIntStats): Promise<void> {
  await rm(path, { force: true });
  const file = await open(path, "wx", 0o600);
  try {
    const own = await file.stat({ bigint: true });
    if (own.uid !== like.uid || own.gid !== like.gid) await file.chown(Number(like.uid), Number(like.gid));
    await file.chmod(Number(like.mode & 0o7777n));
    await file.writeFile(text, "utf8");
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Puts the new file into the place of the old one if that is still what it was, and gives its signature. The calls go
 * in one, since an edit that comes between the first two would be lost, and one before the third not be noticed.
 */
function replaceIf(path: string, signature: string, temporary: string): string | undefined {
  if (signatureOf(lstatSync(path, { bigint: true })) !== signature) return undefined;
  renameSync(temporary, path);
  return signatureOf(lstatSync(path, { bigint: true }));
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function translated(cause: unknown, operation: string, path: string): unknown {
  const errno = errnoOf(cause);
  if (errno === undefined) return cause;
  const isDenied = errno === "EACCES" || errno === "EPERM" || errno === "EROFS";
  return new ResourceError(
    isDenied ? "RESOURCE_STORE_DENIED" : "RESOURCE_STORE_UNAVAILABLE",
    `could not ${operation} ${path}: ${errno}`,
    { cause, detail: { operation, errno } },
  );
}
