/** Parallel work with a bound; nothing started is left behind. */

/**
 * Works on items with at most `limit` at a time and gives results in the items' order.
 *
 * Guarantees: pulls an item only when there is room for it; when one fails or the signal aborts, no further item is
 * started, those that run are awaited, and the first error is thrown.
 */
export async function mapBounded<Item, Result>(
  items: Iterable<Item> | AsyncIterable<Item>,
  limit: number,
  signal: AbortSignal,
  work: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const lane = new BoundedLane(limit);
  let index = 0;
  try {
    for await (const item of items) {
      signal.throwIfAborted();
      const at = index++;
      await lane.start(async () => {
        results[at] = await work(item, at);
      });
    }
  } catch (error) {
    await lane.settle();
    throw lane.firstError ?? error;
  }
  await lane.drain();
  return results;
}

/**
 * A lane that runs at most `limit` tasks at once.
 *
 * `start` waits for room, then starts the task and returns while it runs. An error shows at the next `start` or at
 * `drain`; after one, nothing more is started.
 */
export class BoundedLane {
  readonly #limit: number;
  readonly #running = new Set<Promise<void>>();
  #failed = false;
  #error: unknown;

  constructor(limit: number) {
    this.#limit = Math.max(1, limit);
  }

  get firstError(): unknown {
    return this.#error;
  }

  async start(task: () => Promise<void>): Promise<void> {
    while (this.#running.size >= this.#limit && !this.#failed) await Promise.race(this.#running);
    if (this.#failed) throw this.#error;
    const run: Promise<void> = task().then(
      () => void this.#running.delete(run),
      (error: unknown) => {
        this.#running.delete(run);
        if (!this.#failed) this.#error = error;
        this.#failed = true;
      },
    );
    this.#running.add(run);
  }

  /** Waits for everything that runs; throws the first error. */
  async drain(): Promise<void> {
    await this.settle();
    if (this.#failed) throw this.#error;
  }

  /** Waits for everything that runs; never throws. */
  async settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
