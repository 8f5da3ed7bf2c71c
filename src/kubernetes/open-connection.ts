/**
 * Finds the API server the way kubectl does.
 *
 * Nothing is read when this is imported, and @kubernetes/client-node is imported only for a kubeconfig: in a pod, where
 * an agent waits for work, it would be 80 MB of memory for reading two files. docs/decisions/kubernetes-client-node.md
 * has the measurement.
 */

import { existsSync } from "node:fs";
import { isIPv6 } from "node:net";
import { delimiter, join } from "node:path";
import type { Clock } from "../base/clock.ts";
import type { ApiConnection } from "./api-connection.ts";
import { ResourceError } from "./resource-error.ts";

export interface ApiConnectionOptions {
  /** A file that counts instead of everything else. */
  readonly kubeconfig?: string;
  /** Instead of the kubeconfig's current one. */
  readonly context?: string;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
}

export type ApiConfiguration =
  | { readonly from: "kubeconfig"; readonly files: readonly string[] }
  | { readonly from: "pod"; readonly server: URL };

/** Where kubelet puts a pod's credentials. */
const serviceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

/**
 * In this order: the file that was named, those of KUBECONFIG, ~/.kube/config, the service account of the pod that this
 * is. Throws RESOURCE_STORE_INVALID when there is none of them.
 */
export function findApiConfiguration(
  options: Pick<ApiConnectionOptions, "kubeconfig" | "env">,
  isFile: (path: string) => boolean = existsSync,
): ApiConfiguration {
  const { kubeconfig, env } = options;
  if (kubeconfig !== undefined) return { from: "kubeconfig", files: [kubeconfig] };
  const named = (env.KUBECONFIG ?? "").split(delimiter).filter((file) => file !== "" && isFile(file));
  if (named.length > 0) return { from: "kubeconfig", files: named };
  const own = env.HOME ? join(env.HOME, ".kube", "config") : undefined;
  if (own !== undefined && isFile(own)) return { from: "kubeconfig", files: [own] };
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = "443" } = env;
  if (host && URL.canParse(`https://${bracketed(host)}:${port}`)) {
    return { from: "pod", server: new URL(`https://${bracketed(host)}:${port}`) };
  }
  throw new ResourceError("RESOURCE_STORE_INVALID", "there is no kubeconfig, and this is no pod of a cluster", {
    hint: "set KUBECONFIG, or run it where ~/.kube/config is",
  });
}

export async function openApiConnection(options: ApiConnectionOptions): Promise<ApiConnection> {
  const configuration = findApiConfiguration(options);
  if (configuration.from === "pod") {
    const { PodConnection } = await import("./pod-connection.ts");
    return new PodConnection({ server: configuration.server, folder: serviceAccountFolder, clock: options.clock });
  }
  const { KubeconfigConnection } = await import("./kubeconfig-connection.ts");
  return new KubeconfigConnection(configuration.files, options.context);
}

function bracketed(host: string): string {
  return isIPv6(host) ? `[${host}]` : host;
}
