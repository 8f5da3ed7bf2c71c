/**
 * At most one agent works for a folder and node: two would fail each other's jobs as leftovers.
 *
 * The hold is a socket in Linux' abstract namespace, named by a digest of both. It needs no file, nobody connects to it,
 * and it is gone with the process however that ends.
 */

import { createHash } from "node:crypto";
import { once } from "node:events";
import { realpath } from "node:fs/promises";
import { createServer } from "node:net";
import { AgentError } from "./agent-error.ts";

/** Errors: AGENT_ALREADY_RUNNING. Disposing gives the hold up. */
export async function holdAsOnlyAgent(resourcesFolder: string, node: string): Promise<AsyncDisposable> {
  const folder = await realpath(resourcesFolder).catch(() => resourcesFolder); // Opening the folder says what is wrong.
  const digest = createHash("sha256")
    .update(JSON.stringify([folder, node]))
    .digest("hex")
    .slice(0, 32);
  const hold = createServer((connection) => connection.destroy());
  hold.unref();
  hold.listen(`\0fsb-agent-${digest}`);
  try {
    await once(hold, "listening");
  } catch (cause) {
    throw new AgentError("AGENT_ALREADY_RUNNING", `another agent works for node ${node} with ${resourcesFolder}`, {
      cause,
      hint: "stop it first, or give this one another folder or node name",
    });
  }
  return {
    [Symbol.asyncDispose]: () => new Promise((resolve) => hold.close(() => resolve())),
  };
}
