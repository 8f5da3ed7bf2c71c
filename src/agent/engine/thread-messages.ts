/** What the daemon and the thread that does its work say to each other. Nothing but plain data crosses. */

import type { LogFields } from "../../base/log.ts";
import type { MemoryUse, ProfileReport } from "../../base/profile.ts";
import type { SentError } from "./sent-error.ts";
import type {
  BackupOutcome,
  BackupRequest,
  NamedText,
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
  | { readonly do: "tell profile" }
  | { readonly do: "answer"; readonly question: number; readonly answer: SentAnswer };

/** To questions about a job's volume, which has no answer but an error where it is not in use, and its credentials. */
export type SentAnswer = { readonly credentials?: NamedText } | { readonly error: SentError };

export type Question = "is volume in use?" | "what are the credentials?";

/** From the thread about a job, which ends with "done" or "failed"; nothing is said of it afterwards. */
export type JobReport =
  | { readonly say: "progress"; readonly job: number; readonly progress: WorkProgress }
  | { readonly say: Question; readonly job: number; readonly question: number }
  | { readonly say: "done"; readonly job: number; readonly outcome: BackupOutcome | RestoreOutcome }
  | { readonly say: "failed"; readonly job: number; readonly error: SentError };

/** From the thread. */
export type ThreadReport =
  | JobReport
  | { readonly say: "store requests"; readonly batch: readonly StoreRequest[]; readonly memory?: MemoryUse }
  | { readonly say: "profile"; readonly profile: ProfileReport | undefined }
  | {
      readonly say: "log";
      readonly level: "debug" | "info" | "warn";
      readonly message: string;
      readonly fields: LogFields;
    }
  | { readonly say: "log error"; readonly message: string; readonly error: SentError; readonly fields: LogFields };
