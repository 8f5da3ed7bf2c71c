/** What the daemon and the thread that does its work say to each other. Nothing but plain data crosses. */

import type { LogFields } from "../base/log.ts";
import type { SentError } from "./sent-error.ts";
import type {
  BackupOutcome,
  BackupRequest,
  RestoreOutcome,
  RestoreRequest,
  StoreRequest,
  WorkProgress,
} from "./volume-work.ts";

export type JobRequest =
  | { readonly do: "back up"; readonly request: BackupRequest }
  | { readonly do: "restore"; readonly request: RestoreRequest };

/** To the thread. Jobs and questions are numbers that are used once. */
export type ThreadCommand =
  | (JobRequest & { readonly job: number })
  | { readonly do: "abort"; readonly job: number }
  /** Whether the volume is in use: where it is not, the error that says so. */
  | { readonly do: "answer"; readonly question: number; readonly error: SentError | undefined };

/** From the thread about a job, which ends with "done" or "failed"; nothing is said of it afterwards. */
export type JobReport =
  | { readonly say: "progress"; readonly job: number; readonly progress: WorkProgress }
  | { readonly say: "is volume in use?"; readonly job: number; readonly question: number }
  | { readonly say: "done"; readonly job: number; readonly outcome: BackupOutcome | RestoreOutcome }
  | { readonly say: "failed"; readonly job: number; readonly error: SentError };

/** From the thread. */
export type ThreadReport =
  | JobReport
  | { readonly say: "store requests"; readonly batch: readonly StoreRequest[] }
  | {
      readonly say: "log";
      readonly level: "debug" | "info" | "warn";
      readonly message: string;
      readonly fields: LogFields;
    }
  | { readonly say: "log error"; readonly message: string; readonly error: SentError; readonly fields: LogFields };
