/** A cluster, by a person's own kubeconfig and as far as that person may look. */

import { hostname } from "node:os";
import { systemClock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { ApiConnection } from "../kubernetes/api-connection.ts";
import { ApiResourceStore } from "../kubernetes/api-resource-store.ts";
import { openApiConnection } from "../kubernetes/open-connection.ts";

export interface Cluster extends AsyncDisposable {
  readonly connection: ApiConnection;
  readonly store: ApiResourceStore;
}

/** Asks nothing of the server yet. Errors: RESOURCE_STORE_INVALID. */
export async function openCluster(
  named: { readonly kubeconfig?: string | undefined; readonly context?: string | undefined },
  { env, log }: { readonly env: NodeJS.ProcessEnv; readonly log: Log },
): Promise<Cluster> {
  const { kubeconfig, context } = named;
  const connection = await openApiConnection({
    env,
    clock: systemClock,
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(context === undefined ? {} : { context }),
  });
  const by = { component: "fsb", host: hostname(), clock: systemClock, log, random: Math.random };
  const store = new ApiResourceStore({ connection, ...by });
  return { connection, store, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}
