/** What a run has to say of single files: those it could not read, that changed under it, that went away. */

/** Of each kind so many are named; the rest is counted. */
const namedMax = 100;

export interface FileFailure {
  /** Relative to the volume's root. */
  readonly path: string;
  /** `open`, `read`, `list`, `lstat`, `readlink`. */
  readonly operation: string;
  readonly errno: string;
}

export interface NamedFiles<File> {
  readonly count: number;
  readonly named: readonly File[];
}

/** Counts all, keeps the first hundred. */
export class FileList<File> implements NamedFiles<File> {
  readonly named: File[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(file: File): void {
    this.#count++;
    if (this.named.length < namedMax) this.named.push(file);
  }
}

/** `a/b: open: EACCES; c: read: EIO; and 3 more`, at most `limit` of them. */
export function describeFailures(failures: NamedFiles<FileFailure>, limit = 10): string {
  const named = failures.named.slice(0, limit).map(({ path, operation, errno }) => `${path}: ${operation}: ${errno}`);
  const rest = failures.count - named.length;
  return [...named, ...(rest > 0 ? [`and ${rest} more`] : [])].join("; ");
}
