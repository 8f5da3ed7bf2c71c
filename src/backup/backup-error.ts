import { CodedError } from "../base/errors.ts";

export type BackupErrorCode = "BACKUP_FILES_UNREADABLE" | "BACKUP_FOLDER_TOO_LARGE" | "BACKUP_VOLUME_VANISHED";

export class BackupError extends CodedError<BackupErrorCode> {}
