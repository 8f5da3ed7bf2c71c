/** Whether the stores of repositories answer at present: why a job does not get on. */

import type { StoreRequest } from "../engine/volume-work.ts";

export class StoreTrouble {
  #failures = 0;
  #last: StoreRequest | undefined;

  /** Also what a store answers in good order, as that a blob is not there, is an answer. */
  note(batch: readonly StoreRequest[]): void {
    for (const request of batch) {
      if (request.result === "aborted") continue;
      const isFailure = request.result.startsWith("BLOB_STORE_") || request.result === "failed";
      this.#failures = isFailure ? this.#failures + 1 : 0;
      this.#last = request;
    }
  }

  /** As "the last 3 requests to object stores failed, put with BLOB_STORE_UNAVAILABLE"; undefined while they answer. */
  get description(): string | undefined {
    if (this.#failures === 0 || this.#last === undefined) return undefined;
    const requests = this.#failures === 1 ? "request" : `${this.#failures} requests`;
    return `the last ${requests} to object stores failed, ${this.#last.operation} with ${this.#last.result}`;
  }
}
