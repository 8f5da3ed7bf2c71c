/**
 * Things that tests need and a machine may lack: a peer, the golden data, root.
 *
 * Where one is missing the test is skipped with the reason printed. With FSB_REQUIRE_PEERS=1, which .ci/run sets, it
 * fails instead, so that a machine that lacks something cannot pass for one where everything works.
 */

import type { TestContext } from "node:test";

/** Skips or fails the test. Always gives undefined: `return lacking(t, …)`. */
export function lacking(t: TestContext, reason: string): undefined {
  if (process.env.FSB_REQUIRE_PEERS === "1") throw new Error(`${reason} (FSB_REQUIRE_PEERS=1)`);
  t.skip(reason);
  return undefined;
}

/** False when the test was skipped because this is not root. */
export function requireRoot(t: TestContext): boolean {
  if (process.getuid?.() === 0) return true;
  lacking(t, "needs root, for owners and modes of files");
  return false;
}
