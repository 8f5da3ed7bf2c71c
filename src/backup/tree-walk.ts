/**
 * What a backup asks of a walk through its volume: everything that is found is stored, folders depth first, each when all
 * below it is stored, so that memory holds one path of folders and never the tree.
 *
 * Two walks do this, and store the same bytes: `folder-walk.ts` is the reference, `native-walk.ts` hands the work to the
 * kernel where that can walk by itself.
 */

import type { Repository } from "../repository/repository.ts";
import type { RepositoryWriter } from "../repository/repository-writer.ts";
import type { DirectoryEntry } from "../snapshot/directory-entry.ts";
import type { SnapshotStats } from "../snapshot/snapshot-manifest.ts";
import type { OpenFolder } from "../volume/open-folder.ts";
import type { FileFailure, NamedFiles } from "./file-report.ts";

export interface TreeWalkOptions {
  readonly repository: Repository;
  readonly writer: RepositoryWriter;
  readonly root: OpenFolder;
  /** That the root's entry gets. */
  readonly rootName: Uint8Array;
  /** Of the root of the parent snapshot: files that are as they were in it are not read. */
  readonly parentObjectId: string | undefined;
  readonly signal: AbortSignal;
  readonly warn: (message: string) => void;
  readonly progressed: (progress: WalkProgress) => void;
  /** Called wherever the walk stands still, so that a checkpoint may be written; the walk goes on afterwards. */
  readonly atRest: () => Promise<void>;
}

export interface WalkProgress {
  /** Read, or known to be unchanged. */
  readonly bytesDone: number;
  readonly bytesListed: number;
  readonly filesDone: number;
}

/** What a person is told of a walk. */
export interface WalkFindings {
  /** Bytes of file data that were read, not known to be unchanged. */
  readonly readBytes: number;
  readonly failures: NamedFiles<FileFailure>;
  /** Changed while they were read, twice. */
  readonly changed: NamedFiles<string>;
  /** Went away, or became something else, between listing and reading. */
  readonly vanished: NamedFiles<string>;
  /** Sockets, FIFOs and devices: never stored. */
  readonly skipped: NamedFiles<string>;
}

export interface WalkOutcome extends WalkFindings {
  readonly rootEntry: DirectoryEntry;
  /** But for what was ignored, which the caller decides. */
  readonly stats: SnapshotStats;
}

export interface TreeWalk extends AsyncDisposable {
  /**
   * Stores the tree, once. What cannot be read below the root is named in the outcome.
   * Errors: VolumeError for the root, BACKUP_FOLDER_TOO_LARGE, and whatever stops the repository.
   */
  run(): Promise<WalkOutcome>;
  /**
   * While the walk is at rest: writes the folders that it is in as if they ended here, and gives the root's entry, which
   * says that it is not whole. Undefined before the walk has entered the root.
   */
  writeCheckpoint(): Promise<DirectoryEntry | undefined>;
}
