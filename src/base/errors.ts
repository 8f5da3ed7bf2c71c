/**
 * Errors with a name.
 *
 * Trouble in the world is a CodedError: a stable code, a lower-case message that names the thing and reads well after
 * "because:", the cause, and where there is one a hint that says what to do. Each layer has one subclass with a union of
 * its codes and translates once, at its edge. Expected absence is `undefined`; our own bug is `assert`. An abort travels
 * as itself. docs/errors.md has a heading for every code.
 */

export interface ErrorOptionsWithDetail {
  readonly cause?: unknown;
  /** Plain values for programs: ids, paths, counts, errno names. Never secrets, never file contents. */
  readonly detail?: Readonly<Record<string, string | number | boolean>>;
  /** What the person who reads this can do about it; a sentence without a full stop. */
  readonly hint?: string;
}

export class CodedError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly detail: Readonly<Record<string, string | number | boolean>>;
  readonly hint: string | undefined;

  constructor(code: Code, message: string, options: ErrorOptionsWithDetail = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.detail = options.detail ?? {};
    this.hint = options.hint;
  }
}

/** The errno name ("ENOENT") of a failed system call, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("syscall" in error)) return undefined;
  const code = (error as NodeJS.ErrnoException).code;
  return typeof code === "string" ? code : undefined;
}

/** Whether it is the errno name of a lookup that found no address. Source: getaddrinfo(3). */
export function isNameUnknown(errno: string | undefined): boolean {
  return errno === "ENOTFOUND" || errno === "EAI_AGAIN" || errno === "EAI_NODATA";
}

export function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === "AbortError" || error.name === "TimeoutError");
}

/** True when the error, or anything it was caused by, carries the code. */
export function hasCode(error: unknown, code: string): boolean {
  return chainOf(error).some((link) => link instanceof CodedError && link.code === code);
}

/** The code nearest to the trouble; undefined where nothing of the chain has one. */
export function innermostCode(error: unknown): string | undefined {
  return chainOf(error).reduce<string | undefined>(
    (found, link) => (link instanceof CodedError ? link.code : found),
    undefined,
  );
}

/** The error and its causes, outermost first; at most 16, so that a cycle ends. */
export function chainOf(error: unknown): unknown[] {
  const chain: unknown[] = [];
  for (let link = error; link !== undefined && chain.length < 16; ) {
    chain.push(link);
    link = link instanceof Error ? link.cause : undefined;
  }
  return chain;
}

/**
 * The whole story for a person, one line a cause:
 *
 *     could not back up volume data of pod shop/db-0 [BACKUP_FAILED]
 *       because: blob store denied access to bucket backups [BLOB_STORE_DENIED]
 *     hint: check the credentials of BackupStorageLocation default
 */
export function explain(error: unknown): string {
  const chain = chainOf(error);
  const lines = chain.map((link, index) => `${index === 0 ? "" : "  because: "}${oneLine(link)}`);
  const hint = hintOf(error);
  if (hint !== undefined) lines.push(`hint: ${hint}`);
  return lines.join("\n");
}

/** The same on one line, for a status message: "a [A]: b [B]: c". */
export function explainInOneLine(error: unknown): string {
  const hint = hintOf(error);
  return explainWithoutHint(error) + (hint === undefined ? "" : ` (hint: ${hint})`);
}

/** The same without a hint, for one of many entries: "a [A]: b [B]: c". */
export function explainWithoutHint(error: unknown): string {
  return chainOf(error).map(oneLine).join(": ");
}

/** The innermost hint of the chain: it is nearest to the trouble. */
export function hintOf(error: unknown): string | undefined {
  return chainOf(error).reduce<string | undefined>(
    (found, link) => (link instanceof CodedError ? (link.hint ?? found) : found),
    undefined,
  );
}

function oneLine(link: unknown): string {
  const text = link instanceof Error ? link.message : String(link);
  const flat = text.replaceAll(/\s*\n\s*/g, "; ");
  return link instanceof CodedError ? `${flat} [${link.code}]` : flat;
}
