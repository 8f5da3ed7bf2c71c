import type { Clock } from "../base/clock.ts";
import type { ResourceStore } from "../kubernetes/resource-store.ts";
import type { OnFileError, VolumeWork } from "./engine/volume-work.ts";
import type { StoreTrouble } from "./jobs/store-trouble.ts";
import type { AgentObserver } from "./observability/agent-observer.ts";
import type { SourceStyle } from "./velero/backup-source.ts";
import type { KnownGeneration } from "./velero/velero-generation.ts";

/** What holds for the whole run of an agent. */
export interface AgentSettings {
  /** This node's name: what `spec.node` is compared with. */
  readonly node: string;
  /** The kubelet's folder of pods, as this process sees it; absolute. */
  readonly podsRoot: string;
  readonly veleroNamespace: string;
  /** How long to wait for a BackupRepository. */
  readonly resourceTimeoutMs: number;
  readonly progressIntervalMs: number;
  /** How long a job may move no byte before that is told; 0 for as long as it likes. */
  readonly stallMs: number;
  /** Undefined for that of the stock agent of this generation of Velero. */
  readonly sourceStyle: SourceStyle | undefined;
  readonly onFileError: OnFileError;
  /** Of new data, by kopia's name for it; not given for none. */
  readonly compression?: string;
  /** Files read or written at once where the object does not say. */
  readonly processors: number;
  /**
   * No Velero server stands behind the objects: absent Backups hold nothing back, absent BackupRepositories are fine,
   * and a repository that is missing is made.
   */
  readonly isWithoutServer: boolean;
}

/** What the parts of an agent work with. */
export interface AgentContext {
  readonly settings: AgentSettings;
  readonly store: ResourceStore;
  readonly work: VolumeWork;
  readonly clock: Clock;
  readonly generation: KnownGeneration;
  readonly observer: AgentObserver;
  readonly storeTrouble: StoreTrouble;
}
