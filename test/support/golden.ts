/**
 * The golden data: trees, repositories and a bucket made by the real programs (its README.md tells how). It lies in
 * ../shared/golden beside this repository, or where FSB_GOLDEN points, and is never written to.
 */

import assert from "node:assert/strict";
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { gunzipSync } from "node:zlib";
import type { KopiaSnapshot } from "./kopia.ts";
import { describeRun, runProgram } from "./program.ts";
import { lacking, requireRoot } from "./required.ts";
import { temporaryFolder } from "./temporary-folder.ts";
import { assertSameTree, type Manifest, parseManifest } from "./tree-manifest.ts";

export type TreeName = "small-1" | "small-2" | "large-1" | "large-2";

/** Where the golden repositories say that their trees came from. */
export const goldenSource =
  "default@default:/host_pods/3f6f1c1e-8f2f-4a52-9a53-0d3c3b1b0a01/volumes/kubernetes.io~empty-dir/data";

/** Undefined when the test was skipped because the golden data is not here. */
export function requireGolden(t: TestContext): Golden | undefined {
  const folder = process.env.FSB_GOLDEN ?? join(import.meta.dirname, "..", "..", "..", "shared", "golden");
  return existsSync(join(folder, "make-tree"))
    ? new Golden(folder)
    : lacking(t, `no golden data in ${folder}; FSB_GOLDEN says where it is`);
}

/** One snapshot of a repository of its own. */
export interface GoldenCopy {
  readonly golden: Golden;
  /** The test's folder. */
  readonly work: string;
  readonly repository: string;
  /** Its id. */
  readonly snapshot: string;
}

/** A copy of a golden repository, and its first snapshot. Undefined when the test was skipped; what is restored wants root. */
export function requireGoldenCopy(t: TestContext, name: string): GoldenCopy | undefined {
  const golden = requireGolden(t);
  if (golden === undefined || !requireRoot(t)) return undefined;
  const work = temporaryFolder(t);
  const [snapshot] = golden.snapshots(name);
  assert.ok(snapshot);
  return { golden, work, repository: golden.copyRepository(name, work), snapshot: snapshot.id };
}

export interface VeleroSnapshot {
  readonly backup: string;
  readonly volume: string;
  readonly snapshotId: string;
  readonly tree: TreeName;
}

export interface SplitterVectors {
  readonly noise: readonly number[];
  readonly zeros: readonly number[];
}

export interface GoldenStatus {
  readonly contentFormat: {
    readonly hash: string;
    readonly encryption: string;
    readonly version: number;
    readonly maxPackSize: number;
    readonly indexVersion: number;
    readonly ecc?: string;
  };
  readonly objectFormat: { readonly splitter: string };
  readonly uniqueIDHex: string;
}

export class Golden {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  manifest(tree: TreeName): Manifest {
    return parseManifest(this.#read("trees", `${tree}.json`));
  }

  /** The names of all golden repositories. */
  repositories(): readonly string[] {
    const folder = join(this.folder, "repositories");
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  }

  /** The repository itself, to open read-only. */
  repositoryFolder(name: string): string {
    return join(this.folder, "repositories", name);
  }

  /** What `kopia snapshot list --all --json` said of the repository. */
  snapshots(repository: string): readonly KopiaSnapshot[] {
    return JSON.parse(this.#read("repositories", `${repository}.snapshots.json`)) as KopiaSnapshot[];
  }

  /** What `kopia repository status --json` said of its format. */
  status(repository: string): GoldenStatus {
    return JSON.parse(this.#read("repositories", `${repository}.status.json`)) as GoldenStatus;
  }

  /** The names of the algorithms of its format. */
  formatChoices(repository: string): readonly string[] {
    const { contentFormat, objectFormat } = this.status(repository);
    const { hash, encryption, ecc } = contentFormat;
    return [hash, encryption, objectFormat.splitter, ...(ecc === undefined ? [] : [ecc])];
  }

  /** The object id of the root folder of each tree that the repository holds. */
  rootObjects(repository: string): ReadonlyMap<TreeName, string> {
    return new Map(this.snapshots(repository).map((snapshot) => [treeOf(snapshot), snapshot.rootEntry.obj]));
  }

  /** Chunk lengths of one of kopia's splitters over the golden inputs. */
  splitterVectors(splitter: string): SplitterVectors {
    const vectors = JSON.parse(this.#read("splitter-vectors.json")) as Readonly<Record<string, SplitterVectors>>;
    const found = vectors[splitter];
    assert.ok(found !== undefined, splitter);
    return found;
  }

  /** Writes the tree into a new folder `parent`/`name`, checks it against its manifest, and gives the folder. */
  async makeTree(name: TreeName, parent: string): Promise<string> {
    const folder = join(parent, name);
    const manifest = join(parent, `${name}.json`);
    const args = [join(this.folder, "make-tree"), name, folder, manifest];
    const run = await runProgram("python3", args, { env: process.env });
    assert.equal(run.exitCode, 0, describeRun(run));
    assertSameTree(this.manifest(name), parseManifest(readFileSync(manifest, "utf8")));
    return folder;
  }

  /** A writable copy in a new folder below `parent`, which it gives. */
  copyRepository(name: string, parent: string): string {
    const copy = join(parent, `repository-${name}`);
    cpSync(join(this.folder, "repositories", name), copy, { recursive: true, errorOnExist: true, force: false });
    makeWritable(copy);
    return copy;
  }

  /**
   * The repository that Velero 1.15 left in its bucket, as a filesystem repository: a bucket's keys are bare blob ids,
   * a folder's files are too but end in `.f`, and `.shards` says that they lie side by side.
   */
  copyVeleroRepository(parent: string): string {
    const objects = join(this.folder, "velero-1.15-bucket", "kopia", "shop");
    const copy = join(parent, "repository-velero-1.15");
    mkdirSync(copy);
    for (const key of readdirSync(objects)) cpSync(join(objects, key), join(copy, `${key}.f`));
    cpSync(join(this.folder, "repositories", "flat", ".shards"), join(copy, ".shards"));
    makeWritable(copy);
    return copy;
  }

  /** What the two backups in the bucket stored. Every volume held `small-1`. */
  veleroSnapshots(): readonly VeleroSnapshot[] {
    const backups = join(this.folder, "velero-1.15-bucket", "backups");
    return readdirSync(backups).flatMap((backup) => {
      const list = readFileSync(join(backups, backup, `${backup}-podvolumebackups.json.gz`));
      const volumes = JSON.parse(gunzipSync(list).toString("utf8")) as readonly StoredPodVolumeBackup[];
      return volumes.map(({ spec, status }) => {
        return { backup, volume: spec.volume, snapshotId: status.snapshotID, tree: "small-1" as const };
      });
    });
  }

  #read(...path: readonly string[]): string {
    return readFileSync(join(this.folder, ...path), "utf8");
  }
}

/** The tree that the snapshot of a golden repository holds: its tag `tree` says so. */
export function treeOf(snapshot: { readonly tags?: Readonly<Record<string, string>> }): TreeName {
  const tree = snapshot.tags?.["tag:tree"];
  assert.ok(tree === "small-1" || tree === "small-2" || tree === "large-1" || tree === "large-2", `tree ${tree}`);
  return tree;
}

interface StoredPodVolumeBackup {
  readonly spec: { readonly volume: string };
  readonly status: { readonly snapshotID: string };
}

/** The golden data lies there without write bits, and a copy takes those over. */
function makeWritable(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644);
  }
}
