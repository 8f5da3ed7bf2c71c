/**
 * Memory that jobs share, by account: what takes much is charged before it is taken, and what cannot be charged waits.
 *
 * Each job opens a share with a minimum that is its own for as long as the share is open, so that it goes on whatever the
 * others do. What it takes beyond comes out of what nobody's minimum covers, to whoever has least of that first. A job that
 * waits for its minimum stops the others from taking beyond theirs as soon as there would be room for it that way. A sixteenth
 * of the limit is left for minimums and for what is held, which grows while jobs run; and as long as there are fewer jobs than
 * there may be, the minimum of those to come, so that none waits for what others are free to have.
 *
 * Guarantees: what is charged and held stays within the limit, but for what would else never come: what is held, which asks
 * nobody; the minimum of the only job; and the one thing that a job has taken, where it is larger than its minimum leaves
 * room for. Nothing that waits is passed over for good.
 */

/** Give it back by disposing; a second time does nothing. */
export interface MemoryCharge extends Disposable {
  readonly bytes: number;
}

/** One job's part. Disposing gives everything back that it still has. */
export interface MemoryShare extends Disposable {
  /** Waits until so much may be used. Rejects with the signal's reason when it aborts first. */
  take(bytes: number, signal: AbortSignal): Promise<MemoryCharge>;
  /** For what a job has all along, out of its minimum: charged at once. */
  takeOwn(bytes: number): MemoryCharge;
  /** As much as nobody's minimum covers and nobody waits for, up to `bytesMax`; it may be nothing. Does not wait. */
  takeFree(bytesMax: number): MemoryCharge;
  /** As the budget's. */
  hold(bytes: number): void;
}

/** For who is bounded by nothing else. */
export const unboundedMemory: MemoryShare = {
  take: async (bytes) => ({ bytes, [Symbol.dispose]: () => undefined }),
  takeOwn: (bytes) => ({ bytes, [Symbol.dispose]: () => undefined }),
  takeFree: (bytes) => ({ bytes, [Symbol.dispose]: () => undefined }),
  hold: () => undefined,
  [Symbol.dispose]: () => undefined,
};

interface Waiting {
  /** Undefined for a job that waits for its share. */
  readonly share: Share | undefined;
  readonly bytes: number;
  grant(): void;
}

export class MemoryBudget {
  readonly limitBytes: number;
  readonly #jobsAtOnce: number;
  readonly #shares = new Set<Share>();
  #waiting: readonly Waiting[] = [];
  #heldBytes = 0;
  #peakBytes = 0;

  /** `jobsAtOnce`: how many shares there may be at the same time, as far as their minimums fit. */
  constructor(limitBytes: number, jobsAtOnce = 1) {
    this.limitBytes = limitBytes;
    this.#jobsAtOnce = jobsAtOnce;
  }

  /** What is in no minimum, charged or held. */
  get freeBytes(): number {
    return this.limitBytes - this.#sumOf((share) => Math.max(share.minBytes, share.usedBytes));
  }

  /** What of it jobs may have beyond their minimum. */
  get extraBytes(): number {
    return this.freeBytes - Math.max(this.limitBytes / 16, this.#bytesOfJobsToCome());
  }

  get isWaitedFor(): boolean {
    return this.#waiting.length > 0;
  }

  /** What is charged and held now. */
  get usedBytes(): number {
    return this.#sumOf((share) => share.usedBytes);
  }

  get peakBytes(): number {
    return this.#peakBytes;
  }

  /** For what there is no doing without, such as an index: counted at once. Negative to give it back. */
  hold(bytes: number): void {
    this.#heldBytes += bytes;
    this.changed();
  }

  /** Waits until there is room for the minimum; for the only job there always is. */
  async openShare(minBytes: number, signal: AbortSignal): Promise<MemoryShare> {
    const close = (share: Share): void => {
      if (this.#shares.delete(share)) this.changed();
    };
    const share = new Share(minBytes, this, close);
    await this.waitFor({ share: undefined, bytes: minBytes, grant: () => void this.#shares.add(share) }, signal);
    return share;
  }

  /** For shares: resolves when it was granted. */
  async waitFor(wanted: Waiting, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = {
      ...wanted,
      grant: () => {
        wanted.grant();
        resolve();
      },
    };
    const onAbort = (): void => {
      if (!this.#waiting.includes(waiting)) return; // It was granted, which whoever waits is about to hear.
      this.#waiting = this.#waiting.filter((other) => other !== waiting);
      reject(signal.reason);
      this.changed();
    };
    signal.addEventListener("abort", onAbort);
    this.#waiting = [...this.#waiting, waiting];
    this.changed();
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** For shares: grants whatever can be granted now. */
  changed(): void {
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const granted = next;
      this.#waiting = this.#waiting.filter((waiting) => waiting !== granted);
      granted.grant();
    }
    this.#peakBytes = Math.max(this.#peakBytes, this.usedBytes);
  }

  #next(): Waiting | undefined {
    const ofOwn = this.#waiting.find(({ share, bytes }) => share?.isOwn(bytes));
    if (ofOwn !== undefined) return ofOwn;
    const job = this.#waiting.find(({ share }) => share === undefined);
    if (job !== undefined) {
      if (this.#shares.size === 0 || job.bytes <= this.freeBytes) return job;
      if (job.bytes <= this.limitBytes - this.#sumOf((share) => share.minBytes)) return undefined;
    }
    const [first] = this.#waiting
      .filter(({ share }) => share !== undefined)
      .toSorted((a, b) => (a.share as Share).extraBytes - (b.share as Share).extraBytes);
    return first !== undefined && (first.share as Share).extraFor(first.bytes) <= this.extraBytes ? first : undefined;
  }

  /** Of those that still fit beside the minimums of now, as if each were as large as the largest of these. */
  #bytesOfJobsToCome(): number {
    const each = Math.max(0, ...[...this.#shares].map(({ openedBytes }) => openedBytes));
    if (each === 0) return 0;
    const fitting = Math.floor((this.limitBytes - this.#sumOf(({ openedBytes }) => openedBytes)) / each);
    return each * Math.max(0, Math.min(this.#jobsAtOnce - this.#shares.size, fitting));
  }

  #sumOf(bytesOf: (share: Share) => number): number {
    return [...this.#shares].reduce((sum, share) => sum + bytesOf(share), this.#heldBytes);
  }
}

class Share implements MemoryShare {
  /** The minimum that it was opened with; what was free and is its own by now is beside it. */
  readonly openedBytes: number;
  minBytes: number;
  /** By `takeOwn` and `takeFree`, and by `take`. */
  #fixedBytes = 0;
  #takenBytes = 0;
  readonly #budget: MemoryBudget;
  readonly #close: (share: Share) => void;

  constructor(minBytes: number, budget: MemoryBudget, close: (share: Share) => void) {
    this.openedBytes = minBytes;
    this.minBytes = minBytes;
    this.#budget = budget;
    this.#close = close;
  }

  get usedBytes(): number {
    return this.#fixedBytes + this.#takenBytes;
  }

  /** Used beyond the minimum. */
  get extraBytes(): number {
    return Math.max(0, this.usedBytes - this.minBytes);
  }

  /** How much more than now it would have of what is nobody's minimum. */
  extraFor(bytes: number): number {
    return Math.max(0, this.usedBytes + bytes - this.minBytes) - this.extraBytes;
  }

  isOwn(bytes: number): boolean {
    return this.#takenBytes === 0 || this.usedBytes + bytes <= this.minBytes;
  }

  async take(bytes: number, signal: AbortSignal): Promise<MemoryCharge> {
    const change = (by: number): void => {
      this.#takenBytes += by;
    };
    await this.#budget.waitFor({ share: this, bytes, grant: () => change(bytes) }, signal);
    return this.#charge(bytes, () => change(-bytes));
  }

  takeOwn(bytes: number): MemoryCharge {
    this.#fixedBytes += bytes;
    this.#budget.changed();
    return this.#charge(bytes, () => {
      this.#fixedBytes -= bytes;
    });
  }

  takeFree(bytesMax: number): MemoryCharge {
    const bytes = this.#budget.isWaitedFor ? 0 : Math.max(0, Math.min(bytesMax, Math.floor(this.#budget.extraBytes)));
    // Beside what is its own already, which stays whole.
    this.minBytes += bytes;
    const charge = this.takeOwn(bytes);
    return this.#charge(bytes, () => {
      this.minBytes -= bytes;
      charge[Symbol.dispose]();
    });
  }

  hold(bytes: number): void {
    this.#budget.hold(bytes);
  }

  [Symbol.dispose](): void {
    this.#close(this);
  }

  #charge(bytes: number, giveBack: () => void): MemoryCharge {
    let isGiven = false;
    return {
      bytes,
      [Symbol.dispose]: () => {
        if (isGiven) return;
        isGiven = true;
        giveBack();
        this.#budget.changed();
      },
    };
  }
}
