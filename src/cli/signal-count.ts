/** How often somebody asked for an end, where each asking may arrive twice. */

/**
 * Ctrl-C on a terminal goes to the whole process group: to this process, and to the launcher that passes it on. A signal
 * to one of them alone comes once. So the ways are counted apart, and the larger count is that of the askings.
 */
export class SignalCount {
  readonly #counts = { direct: 0, "passed on": 0 };

  /** The number of askings so far. */
  add(way: "direct" | "passed on"): number {
    this.#counts[way]++;
    return Math.max(...Object.values(this.#counts));
  }
}
