import { setTimeout as sleepFor } from "node:timers/promises";

const patienceMs = 300_000;

/** Looks until there is something, and gives that. Fails after five minutes with what `explain` tells. */
export async function until<Found>(look: () => Promise<Found | undefined>, explain: () => string): Promise<Found> {
  for (const giveUpAt = performance.now() + patienceMs; ; await sleepFor(100)) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > giveUpAt) throw new Error(explain());
  }
}
