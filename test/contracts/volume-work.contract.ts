/** What everything promises that does the work of a node (src/agent/engine/volume-work.ts). */

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, type TestContext, test } from "node:test";
import type {
  BackupRequest,
  BackupWorkRun,
  FolderLocation,
  RepositoryAccess,
  RestoreRequest,
  StoreRequest,
  VolumeWork,
  WorkProgress,
} from "../../src/agent/engine/volume-work.ts";
import { explain, hasCode } from "../../src/base/errors.ts";
import type { Log, LogFields } from "../../src/base/log.ts";
import { noise } from "../kernel/byte-sources.ts";
import { requireRoot } from "../support/required.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { writeTree } from "../support/tree.ts";
import { assertSameTree, type Manifest, readManifest } from "../support/tree-manifest.ts";

export interface WorkUnderTest extends AsyncDisposable {
  readonly work: VolumeWork;
}

/** What the work under test is to tell. */
export interface WorkSink {
  readonly log: Log;
  onStoreRequests(batch: readonly StoreRequest[]): void;
}

const password = "of the repository";

export function volumeWorkContract(name: string, open: (sink: WorkSink) => WorkUnderTest): void {
  describe(`${name} as the work of a node`, () => {
    test("a volume that was backed up comes back, and the done marker with it", async (t) => {
      if (!requireRoot(t)) return;
      const node = new Node(t);
      await using place = open(node);
      writeTree(node.volume, { "a.txt": "hello", dir: { "b.txt": "there" } });
      const seen: WorkProgress[] = [];
      const run = { ...running(), onProgress: (progress: WorkProgress) => void seen.push(progress) };
      const backup = await place.work.backUp(node.backup(), run);
      assert.equal(backup.totalBytes, 10);
      assert.equal(backup.incrementalBytes, 10);
      assert.equal(backup.parentSnapshotId, undefined);
      assert.deepEqual(backup.unreadable, { count: 0, first: [] });
      assert.equal(seen.at(-1)?.bytesDone, 10, "the last that is told of a job is all of it");
      const restore = await place.work.restore(node.restore(backup.snapshotId), running());
      const { markerFolders, ...rest } = restore;
      assert.deepEqual(rest, { totalBytes: 10, fileCount: 2, problems: { count: 0, first: [] } });
      const { mode, uid: userId, gid: groupId } = statSync(node.target);
      assert.deepEqual(markerFolders, [
        { name: "the volume's root", mode: mode & 0o7777, userId, groupId },
        { name: ".velero", mode: 0o755, userId: 0, groupId: 0 },
      ]);
      assert.deepEqual(readdirSync(join(node.target, ".velero")), ["done"]);
      // The marker is put into the root when that has its times.
      const treeOf = (folder: string): Manifest =>
        new Map([...readManifest(folder)].filter(([path]) => path !== "." && !path.startsWith(".velero")));
      assertSameTree(treeOf(node.volume), treeOf(node.target));
    });

    test("a second backup reads what is new alone, and names its parent", async (t) => {
      const node = new Node(t);
      await using place = open(node);
      writeTree(node.volume, { old: "hello" });
      const first = await place.work.backUp(node.backup(), running());
      writeFileSync(join(node.volume, "new"), "you");
      const second = await place.work.backUp(node.backup(), running());
      assert.equal(second.parentSnapshotId, first.snapshotId);
      assert.deepEqual([second.totalBytes, second.incrementalBytes], [8, 3]);
    });

    test("a volume of more than a pack comes back", async (t) => {
      const node = new Node(t);
      await using place = open(node);
      const bytes = noise(24 << 20);
      writeFileSync(join(node.volume, "large"), bytes);
      const { snapshotId, totalBytes } = await place.work.backUp(node.backup(), running());
      assert.equal(totalBytes, bytes.byteLength);
      await place.work.restore(node.restore(snapshotId), running());
      assert.ok(readFileSync(join(node.target, "large")).equals(bytes), "the same bytes");
    });

    test("new data is compressed where that was asked for, and comes back", async (t) => {
      const node = new Node(t);
      await using place = open(node);
      writeTree(node.volume, { text: "hello ".repeat(200_000) });
      const { snapshotId, totalBytes } = await place.work.backUp(
        node.backup({ compression: "zstd-fastest" }),
        running(),
      );
      assert.equal(totalBytes, 1_200_000);
      assert.ok(node.storedBytes() < 100_000, `${node.storedBytes()} bytes stored`);
      await place.work.restore(node.restore(snapshotId), running());
      assert.equal(readFileSync(join(node.target, "text"), "utf8"), "hello ".repeat(200_000));
    });

    test("several run at once, and each gets its own", async (t) => {
      const node = new Node(t);
      await using place = open(node);
      writeTree(node.volume, { a: "hello" });
      const { snapshotId } = await place.work.backUp(node.backup(), running());
      const backups = [0, 1, 2].map((index) => {
        const request = node.backup({ source: { userName: "u", host: "h", path: `/${index}` } });
        return place.work.backUp(request, running());
      });
      const [restored, ...outcomes] = await Promise.all([
        place.work.restore(node.restore(snapshotId), running()),
        ...backups,
      ]);
      assert.equal(restored.fileCount, 1);
      assert.equal(new Set(outcomes.map((outcome) => outcome.snapshotId)).size, 3);
      assert.equal(readFileSync(join(node.target, "a"), "utf8"), "hello");
    });

    test("an abort travels as itself, and leaves no snapshot", async (t) => {
      const node = new Node(t);
      await using place = open(node);
      writeTree(node.volume, { a: "hello" });
      await place.work.backUp(node.backup(), running());
      truncateSync(join(node.volume, "a"), 64 * 2 ** 30); // Would take minutes, for zeroes are read as others are.
      const stopping = new AbortController();
      const reason = new DOMException("enough", "AbortError");
      const run = { ...running(), signal: stopping.signal, onProgress: () => stopping.abort(reason) };
      await assert.rejects(
        place.work.backUp(node.backup({ description: "aborted" }), run),
        (error) => error === reason,
      );
      await assert.rejects(place.work.backUp(node.backup(), run), (error) => error === reason, "also beforehand");
      truncateSync(join(node.volume, "a"), 1);
      const next = await place.work.backUp(node.backup(), running());
      assert.equal(next.incrementalBytes, 1);
    });

    test("what goes wrong has its code, its hint and no password", async (t) => {
      const node = new Node(t);
      await using place = open(node);
      const absent = node.backup({ repository: { ...node.repository, create: false } });
      await assert.rejects(place.work.backUp(absent, running()), (error) => {
        assert.ok(hasCode(error, "BLOB_STORE_NOT_FOUND") || hasCode(error, "REPOSITORY_NOT_FOUND"), explain(error));
        return true;
      });
      await place.work.backUp(node.backup(), running());
      const wrong = node.backup({ repository: { ...node.repository, password: "another" } });
      await assert.rejects(place.work.backUp(wrong, running()), (error) => {
        assert.ok(hasCode(error, "REPOSITORY_PASSWORD_WRONG"), explain(error));
        assert.match(explain(error), /\nhint: /);
        assert.doesNotMatch(explain(error), /another/);
        return true;
      });
      await assert.rejects(place.work.restore(node.restore("0".repeat(32)), running()), (error) => {
        assert.ok(hasCode(error, "SNAPSHOT_NOT_FOUND"), explain(error));
        return true;
      });
    });

    test("requests to the store are told before the job ends, those that fail too", async (t) => {
      const node = new Node(t);
      await using place = open(node);
      writeTree(node.volume, { a: "hello" });
      const { snapshotId } = await place.work.backUp(node.backup(), running());
      const puts = node.requests.filter(({ operation }) => operation === "put");
      assert.ok(puts.length >= 3, "a format blob, a pack and an index at least");
      assert.ok(puts.every(({ result, bytes, durationMs }) => result === "ok" && bytes > 0 && durationMs >= 0));
      assert.ok(node.requests.some(({ operation, result }) => operation === "list" && result === "ok"));
      node.loseBlobs("p");
      await assert.rejects(place.work.restore(node.restore(snapshotId), running()));
      assert.ok(node.requests.some(({ operation, result }) => operation === "get" && result === "BLOB_NOT_FOUND"));
    });

    test("log lines come with their fields", async (t) => {
      const node = new Node(t);
      await using place = open(node);
      writeTree(node.volume, { a: "hello" });
      const { snapshotId } = await place.work.backUp(node.backup(), running());
      const line = node.lines.find(({ message }) => message === "Created snapshot");
      assert.equal(line?.level, "info");
      assert.equal(line?.fields.id, snapshotId);
    });
  });
}

interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields;
}

/** A volume, a folder to restore into, and a place for a repository; and what was told. */
class Node implements WorkSink {
  readonly volume: string;
  readonly target: string;
  readonly repository: RepositoryAccess;
  readonly #location: FolderLocation;
  readonly lines: Line[] = [];
  readonly requests: StoreRequest[] = [];
  readonly log: Log = {
    debug: (message, fields = {}) => void this.lines.push({ level: "debug", message, fields }),
    info: (message, fields = {}) => void this.lines.push({ level: "info", message, fields }),
    warn: (message, fields = {}) => void this.lines.push({ level: "warn", message, fields }),
    error: (message, _error, fields = {}) => void this.lines.push({ level: "error", message, fields }),
    with: () => this.log,
  };

  constructor(t: TestContext) {
    const folder = temporaryFolder(t);
    this.volume = join(folder, "volume");
    this.target = join(folder, "target");
    const base = join(folder, "store");
    for (const path of [this.volume, this.target, base]) mkdirSync(path);
    this.#location = { kind: "fs", base, folder: join(base, "kopia", "shop") };
    this.repository = { location: this.#location, password, create: true };
  }

  onStoreRequests(batch: readonly StoreRequest[]): void {
    this.requests.push(...batch);
  }

  storedBytes(): number {
    const entries = readdirSync(this.#location.folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    return files.reduce((sum, path) => sum + statSync(path).size, 0);
  }

  /** Those whose names begin so are gone from the repository. */
  loseBlobs(prefix: string): void {
    const { folder } = this.#location;
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      const isBlob = entry.isFile() && relative(folder, path).replaceAll("/", "").startsWith(prefix);
      if (isBlob) rmSync(path);
    }
  }

  backup(request: Partial<BackupRequest> = {}): BackupRequest {
    return {
      repository: this.repository,
      volumePath: this.volume,
      source: { userName: "agent", host: "node", path: "/shop/db-0/data" },
      tags: {},
      description: "",
      pins: [],
      policy: {},
      parent: { tags: {} },
      parallelFiles: 2,
      onFileError: "fail",
      ...request,
    };
  }

  restore(snapshotId: string): RestoreRequest {
    const { repository, target: targetPath } = this;
    return { repository, snapshotId, targetPath, isSparse: false, parallelFiles: 2, doneMarker: "done" };
  }
}

function running(): BackupWorkRun {
  return {
    signal: new AbortController().signal,
    onProgress: () => undefined,
    readCredentials: async () => undefined,
    assertVolumeInUse: async () => undefined,
  };
}
