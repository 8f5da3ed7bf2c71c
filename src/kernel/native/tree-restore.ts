/** The restore of a tree over the addon. See kernel.ts for the contract, native/kernel/src/restore/ for the work. */

import { getSystemErrorName } from "node:util";
import type { ContentTable } from "../content-table.ts";
import type {
  EntryDifference,
  FoundAttributes,
  LeftEntry,
  StoredEntry,
  TreeRestore,
  TreeRestoreBatch,
  TreeRestoreOptions,
  WantedObject,
  WantedRange,
} from "../kernel.ts";
import type {
  NativeAddon,
  NativeConditions,
  NativeFoundAttributes,
  NativePlacedTable,
  NativeRestoreBatch,
  NativeTreeEntry,
  NativeTreeRestore,
} from "./addon.ts";

const seedBytes = 32;
/** Asked for and not yet written; a range has up to 10 MiB and one content, so there are mostly three of them. */
const fetchedBytesMax = 28 << 20;
/** With the one that goes beyond. */
const fetchedBytesCharged = 40 << 20;
/** What compressed contents become; a range has up to 32 MiB of it. Less where less is free. */
const expandedBytesMax = 64 << 20;
const nsPerSecond = 1_000_000_000n;
const entryKinds = ["file", "folder", "symlink", "error"] as const;
const leftKinds = ["entry", "below", "finish"] as const;

export class NativeKernelTreeRestore implements TreeRestore {
  readonly #native: NativeTreeRestore;
  readonly #charges: DisposableStack;
  #tables: readonly ContentTable[];

  constructor(addon: NativeAddon, conditions: NativeConditions, options: TreeRestoreOptions) {
    const { format, tables, targetFd, entry, zeros, share, random } = options;
    this.#tables = tables;
    using charges = new DisposableStack();
    const expanded = charges.use(share.takeFree(expandedBytesMax));
    charges.use(share.takeOwn(fetchedBytesCharged));
    this.#native = new addon.TreeRestore(conditions, {
      hashSecret: format.hashSecret,
      contentSecret: format.contentSecret,
      tables: tables.map(nativeTable),
      targetFd,
      entry: nativeEntry(entry),
      leavesHoles: zeros === "holes",
      seed: random(seedBytes),
      fetchedBytesMax,
      expandedBytesMax: expanded.bytes,
    });
    this.#charges = charges.move();
  }

  async next(signal: AbortSignal): Promise<TreeRestoreBatch> {
    signal.throwIfAborted();
    const cancel = (): void => this.#native.cancel();
    signal.addEventListener("abort", cancel);
    try {
      return this.#read(await this.#native.next());
    } catch (error) {
      signal.throwIfAborted(); // Then that is why it failed.
      throw error;
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  }

  supply(range: WantedRange, bytes: Uint8Array | undefined): void {
    this.#native.supply(range.number, bytes);
  }

  supplyObject(object: WantedObject, bytes: Uint8Array | undefined): void {
    this.#native.supplyObject(object.number, bytes);
  }

  settle(left: LeftEntry): void {
    this.#native.settle(left.number);
  }

  replaceTables(tables: readonly ContentTable[]): void {
    // Those of before stay in the list, for ranges that are asked for by their numbers.
    const added = tables.filter((table) => !this.#tables.includes(table));
    this.#tables = [...this.#tables, ...added];
    this.#native.replaceTables(this.#tables.map(nativeTable));
  }

  async sync(): Promise<void> {
    const errno = await this.#native.sync();
    if (errno === 0) return;
    const code = getSystemErrorName(-errno);
    throw Object.assign(new Error(`${code}: syncfs`), { code, errno: -errno, syscall: "syncfs" });
  }

  cancel(): void {
    this.#native.cancel();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#native.close();
    this.#charges.dispose();
  }

  #read({ ranges, objects, left, differences, released, isLast, ...counts }: NativeRestoreBatch): TreeRestoreBatch {
    const { files, folders, symlinks, bytes } = counts;
    return {
      ranges: ranges.map(({ number, table, pack, offset, length }) => {
        return { number, packId: this.#tables[table]?.packs[pack] as string, offset, length };
      }),
      objects,
      left: left.map(({ number, kind, after, folderFd, folderPath, entry }) => ({
        number,
        kind: leftKinds[kind] as LeftEntry["kind"],
        after,
        folderFd,
        folderPath: namesOf(folderPath),
        entry: storedEntry(entry),
      })),
      differences: differences.map(entryDifference),
      released,
      counts: { files, folders, symlinks, bytes },
      isLast,
    };
  }
}

function nativeTable({ keyBytes, bytes, forms }: ContentTable): NativePlacedTable {
  const ids = forms.flatMap(({ compressionId, encryptionKeyId }) => [compressionId, encryptionKeyId]);
  return { keyBytes, bytes, forms: Uint32Array.from(ids) };
}

function nativeEntry({ nameBytes, kind, mode, uid, gid, size, mtimeNs, objectId }: StoredEntry): NativeTreeEntry {
  // The nanoseconds count upwards, before the epoch too: -1 ns is second -1 and 999,999,999.
  const ns = ((mtimeNs % nsPerSecond) + nsPerSecond) % nsPerSecond;
  const mtimeSeconds = Number((mtimeNs - ns) / nsPerSecond);
  const mtimeNanoseconds = Number(ns);
  const number = entryKinds.indexOf(kind);
  return { name: nameBytes, kind: number, mode, uid, gid, size, mtimeSeconds, mtimeNanoseconds, objectId };
}

function storedEntry({ name, kind, mode, uid, gid, size, objectId, ...times }: NativeTreeEntry): StoredEntry {
  const kindName = entryKinds[kind] as StoredEntry["kind"];
  return { nameBytes: name, kind: kindName, mode, uid, gid, size, mtimeNs: nsOf(times), objectId };
}

function entryDifference(native: NativeRestoreBatch["differences"][number]): EntryDifference {
  const { path, isLink, wanted, found, refusedOwner, refusedMode, refusedMtime } = native;
  const { mode, size, ...others } = foundAttributes(wanted);
  return {
    path: path && namesOf(path),
    wanted: {
      ...others,
      ...(!isLink && { mode }), // Linux has none for a link.
      ...(wanted.size !== undefined && { size }),
    },
    found: foundAttributes(found),
    refused: {
      ...(refusedOwner !== 0 && { owner: getSystemErrorName(-refusedOwner) }),
      ...(refusedMode !== 0 && { mode: getSystemErrorName(-refusedMode) }),
      ...(refusedMtime !== 0 && { mtime: getSystemErrorName(-refusedMtime) }),
    },
  };
}

function foundAttributes({ mode, uid, gid, size = 0, ...times }: NativeFoundAttributes): FoundAttributes {
  return { mode, uid, gid, size, mtimeNs: nsOf(times) };
}

function nsOf(times: { readonly mtimeSeconds: number; readonly mtimeNanoseconds: number }): bigint {
  return BigInt(times.mtimeSeconds) * nsPerSecond + BigInt(times.mtimeNanoseconds);
}

/** Each ends with a zero byte. */
function namesOf(path: Uint8Array): Uint8Array[] {
  const names: Uint8Array[] = [];
  for (let start = 0; start < path.byteLength; ) {
    const end = path.indexOf(0, start);
    names.push(path.subarray(start, end));
    start = end + 1;
  }
  return names;
}
