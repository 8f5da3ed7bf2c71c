/** Objects of an installed Velero server, in what counts here. */

import type { JsonObject } from "../../src/kubernetes/json.ts";

export function veleroSecret(name: string, stringData: JsonObject): JsonObject {
  return { apiVersion: "v1", kind: "Secret", metadata: { namespace: "velero", name }, stringData };
}

/** As `velero install --secret-file` makes it, in what counts here. */
export function serverDeployment(version: string, args: readonly string[] = []): JsonObject {
  const labels = { deploy: "velero" };
  const container = { name: "velero", image: `velero/velero:${version}`, args: ["server", ...args] };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { namespace: "velero", name: "velero" },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          containers: [container],
          volumes: [{ name: "cloud-credentials", secret: { secretName: "cloud-credentials" } }],
        },
      },
    },
  };
}
