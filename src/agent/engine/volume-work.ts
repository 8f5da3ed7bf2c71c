/**
 * The seam below the daemon: back up this folder, restore into that one. Requests and outcomes are plain data, so that
 * the work can be done in another thread; only the signal and the progress calls are not.
 */

import type { MemoryUse, ProfileReport } from "../../base/profile.ts";
import type { JsonObject } from "../../kubernetes/json.ts";

/** Where a repository's blobs are. */
export type RepositoryLocation = FolderLocation | BucketLocation;

export interface FolderLocation {
  readonly kind: "fs";
  /** Absolute; never made: where it is missing, a disk is not mounted. */
  readonly base: string;
  /** Below `base`; the blobs are directly in it. */
  readonly folder: string;
}

/** Of S3, or of a server that speaks as it does. */
export interface BucketLocation {
  readonly kind: "s3";
  readonly bucket: string;
  /** In front of each blob's name; ends in a slash. */
  readonly prefix: string;
  /** Scheme, host and port; not given for AWS's own. */
  readonly endpoint?: string;
  readonly region?: string;
  /** A PEM bundle, instead of the authorities that the system trusts. */
  readonly authorities?: NamedText;
  readonly isCertificateUnchecked: boolean;
  /** A credentials file; not given for what the process's environment says. */
  readonly credentials?: NamedText;
  readonly profile?: string;
}

/** A file of this machine, or what would be in one, and what a person calls that. */
export type NamedText = { readonly path: string } | { readonly text: string; readonly name: string };

export interface RepositoryAccess {
  readonly location: RepositoryLocation;
  readonly password: string;
  /** Make the repository when there is none. Otherwise its absence is an error. */
  readonly create: boolean;
}

/** Whom a snapshot is filed under. */
export interface SnapshotOwner {
  readonly userName: string;
  readonly host: string;
  /** The path on record, which need not be the one that is read. */
  readonly path: string;
}

export type OnFileError = "fail" | "continue";

export interface BackupRequest {
  readonly repository: RepositoryAccess;
  /** The folder that is read; absolute, free of symbolic links when it was looked up. */
  readonly volumePath: string;
  readonly source: SnapshotOwner;
  /** In the snapshot's body, and as labels. */
  readonly tags: Readonly<Record<string, string>>;
  readonly description: string;
  readonly pins: readonly string[];
  /** Stored for the source before the backup, in place of what is there: kopia's policy JSON, keys in kopia's order. */
  readonly policy: JsonObject;
  readonly parent: {
    /** Asked for by name; when it cannot be used, or is not given, the newest complete one of the source is. */
    readonly snapshotId?: string;
    /** What a parent found by source must have among its tags. */
    readonly tags: Readonly<Record<string, string>>;
  };
  /** How many files are read at once. */
  readonly parallelFiles: number;
  readonly onFileError: OnFileError;
  /** Of new data, by kopia's name for it; not given for none. */
  readonly compression?: string;
}

/** Things of which there may be many: how many there were, and some of them in words. */
export interface Examples {
  readonly count: number;
  /** At most as many as fit into a status message; each one line, without secrets. */
  readonly first: readonly string[];
}

export interface BackupOutcome {
  /** The manifest id; the snapshot is durable and can be found by others. */
  readonly snapshotId: string;
  /** Sum of the sizes of all files in the snapshot. */
  readonly totalBytes: number;
  readonly fileCount: number;
  /** Of which had to be read, since the parent did not have them unchanged. */
  readonly incrementalBytes: number;
  /** The parent that was used. */
  readonly parentSnapshotId: string | undefined;
  /** Left out of the snapshot, since they could not be read. Always none when onFileError is "fail". */
  readonly unreadable: Examples;
  /** Stored, but changed while they were read. */
  readonly changed: Examples;
  /** Listed, and gone or something else when they were to be read. */
  readonly vanished: Examples;
}

export interface RestoreRequest {
  readonly repository: RepositoryAccess;
  readonly snapshotId: string;
  /** The folder that is written into; absolute, free of symbolic links when it was looked up. */
  readonly targetPath: string;
  /** Leave holes where the stored files have long runs of zeroes. */
  readonly isSparse: boolean;
  readonly parallelFiles: number;
  /** Name of the file below `.velero` that tells the waiting pod; one path component. */
  readonly doneMarker: string;
}

export interface RestoreOutcome {
  /** Sum of the sizes of all files restored. */
  readonly totalBytes: number;
  readonly fileCount: number;
  /** What the file system did not take, such as owners. */
  readonly problems: Examples;
  /** Those that lead to the done marker, from the volume's root down, as they are now that all is written. */
  readonly markerFolders: readonly MarkerFolder[];
}

/** What decides who may look for an entry in a folder. */
export interface MarkerFolder {
  /** As a message names it: "the volume's root", ".velero". */
  readonly name: string;
  /** The twelve permission bits. */
  readonly mode: number;
  readonly userId: number;
  readonly groupId: number;
}

export interface WorkProgress {
  readonly bytesDone: number;
  /** 0 until it is known. */
  readonly totalBytes: number;
}

export interface WorkRun {
  readonly signal: AbortSignal;
  /** May be called as often as one likes; cheap, never throws. */
  onProgress(progress: WorkProgress): void;
}

export interface RestoreWorkRun extends WorkRun {
  /**
   * What the repository's credentials are by now; asked when its store rejects those of the request, which may have been
   * replaced since. Undefined where the location names none.
   */
  readCredentials(): Promise<NamedText | undefined>;
}

export interface BackupWorkRun extends RestoreWorkRun {
  /**
   * Asked before a snapshot is saved of a volume from which files vanished: throws when the volume is being taken away,
   * for then the snapshot would be of what was left.
   */
  assertVolumeInUse(): Promise<void>;
}

/** A request to a repository's store that has ended; one that is tried again is one each time. */
export interface StoreRequest {
  readonly operation: "get" | "put" | "delete" | "list" | "metadata";
  /** "ok", "aborted", the store's error code, or "failed" where it is none. */
  readonly result: string;
  readonly durationMs: number;
  /** What `get` gave and `put` was given; 0 for the others, and for what failed. */
  readonly bytes: number;
}

/**
 * Guarantees: `backUp` resolves when the snapshot is durable and can be found, and leaves none that can be when it
 * rejects. `restore` resolves when everything, and after it the done marker, is durable; whether the waiting pod can see
 * the marker is for its caller to judge. Several may run at once.
 *
 * Errors: any coded error. An abort travels as itself, and nothing is left running when it does.
 */
export interface VolumeWork {
  backUp(request: BackupRequest, run: BackupWorkRun): Promise<BackupOutcome>;
  restore(request: RestoreRequest, run: RestoreWorkRun): Promise<RestoreOutcome>;
}

/** Work that tells what it takes. */
export interface ReportingWork extends VolumeWork {
  /** Where the time went since the first job, how long queues were, and the memory; undefined before. */
  profile(): ProfileReport | undefined;
  /** The memory alone. */
  memoryUse(): MemoryUse | undefined;
}
