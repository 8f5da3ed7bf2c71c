/** Gives the kernel's restore of a tree what it wants: ranges of packs, and objects that are more than a plain content. */

import { CodedError } from "../base/errors.ts";
import type { TreeRestore, TreeRestoreBatch } from "../kernel/kernel.ts";
import { parseObjectId } from "../repository/object/object-id.ts";
import type { Repository } from "../repository/repository.ts";
import { folderBytesMax } from "../snapshot/snapshots.ts";

export interface TreeSource {
  readonly repository: Pick<Repository, "contents" | "objects">;
  readonly signal: AbortSignal;
}

/**
 * Pulls until the run is done; `take` gets each batch and is awaited, while what the batch wants is fetched. The run
 * bounds how much that is.
 *
 * Errors: of the store, of the index, and what `take` throws. Nothing is under way when it returns.
 */
export async function followTree(
  tree: TreeRestore,
  { repository, signal }: TreeSource,
  take: (batch: TreeRestoreBatch) => Promise<void>,
): Promise<void> {
  const answers = new Set<Promise<void>>();
  const buffers = new RangeBuffers();
  let trouble: { readonly error: unknown } | undefined;
  const answer = (work: () => Promise<void>): void => {
    const running = work().then(
      () => void answers.delete(running),
      (error: unknown) => {
        answers.delete(running);
        trouble ??= { error };
        tree.cancel();
      },
    );
    answers.add(running);
  };
  try {
    for (let isOver = false; !isOver; ) {
      const batch = await tree.next(signal);
      for (const range of batch.ranges) {
        const allocate = (length: number) => buffers.take(range.number, length);
        answer(async () =>
          tree.supply(range, await repository.contents.fetch(range.packId, { signal, range, allocate })),
        );
      }
      for (const object of batch.objects) {
        answer(async () => tree.supplyObject(object, await readObject(repository, object.objectId, signal)));
      }
      for (const number of batch.released) buffers.giveBack(number);
      await take(batch);
      isOver = batch.isLast;
    }
    signal.throwIfAborted(); // Also behind the last: who aborted does not want the end.
  } catch (error) {
    tree.cancel();
    throw trouble === undefined ? error : trouble.error;
  } finally {
    await Promise.all(answers);
  }
}

/** Larger ones are kept to be used again: memory that is new has to be cleared page by page. */
const keptBytesMin = 1 << 20;
/** As many as are mostly asked for at once. */
const keptMax = 3;

/** Memory for ranges, each until its number is given back. */
class RangeBuffers {
  readonly #taken = new Map<number, ArrayBuffer>();
  readonly #spare: ArrayBuffer[] = [];

  take(number: number, length: number): Uint8Array {
    if (length < keptBytesMin) return Buffer.allocUnsafeSlow(length);
    const at = this.#spare.findIndex(({ byteLength }) => byteLength >= length);
    const [found] = at < 0 ? [] : this.#spare.splice(at, 1);
    if (found === undefined) this.#spare.pop()?.transfer(0);
    const buffer = found ?? Buffer.allocUnsafeSlow(length).buffer;
    this.#taken.set(number, buffer);
    return new Uint8Array(buffer, 0, length);
  }

  giveBack(number: number): void {
    const buffer = this.#taken.get(number);
    if (buffer === undefined) return;
    this.#taken.delete(number);
    if (this.#spare.length < keptMax) this.#spare.push(buffer);
    else buffer.transfer(0);
  }
}

/** Undefined where there is trouble with the object itself: whoever asks for it next names it. */
async function readObject(
  repository: TreeSource["repository"],
  objectId: string,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  try {
    return await repository.objects.readWhole(parseObjectId(objectId), folderBytesMax, signal);
  } catch (error) {
    if (error instanceof CodedError && !/^(BLOB|INDEX)_/.test(error.code)) return undefined;
    throw error;
  }
}
