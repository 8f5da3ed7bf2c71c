/**
 * DaemonSet node-agent as `velero install --use-node-agent` of 1.18 makes it, with a secret file.
 *
 * Source: the specification of Velero's contract, 7.1 and 6.2.
 */

import type { JsonObject } from "../../src/kubernetes/json.ts";

const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
const propagation = { mountPropagation: "HostToContainer" };

export const stockDaemonSet: JsonObject = {
  apiVersion: "apps/v1",
  kind: "DaemonSet",
  metadata: { name: "node-agent", namespace: "velero", labels: { component: "velero" } },
  spec: {
    selector: { matchLabels: { name: "node-agent" } },
    template: {
      metadata: { labels: { component: "velero", name: "node-agent", role: "node-agent" } },
      spec: {
        serviceAccountName: "velero",
        securityContext: { runAsUser: 0 },
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [
                { matchExpressions: [{ key: "kubernetes.io/os", operator: "NotIn", values: ["windows"] }] },
              ],
            },
          },
        },
        containers: [
          {
            name: "node-agent",
            image: "velero/velero:v1.18.1",
            imagePullPolicy: "IfNotPresent",
            command: ["/velero"],
            args: ["node-agent", "server", "--features="],
            ports: [{ name: "metrics", containerPort: 8085 }],
            securityContext: { privileged: false },
            env: [
              field("NODE_NAME", "spec.nodeName"),
              field("VELERO_NAMESPACE", "metadata.namespace"),
              { name: "VELERO_SCRATCH_DIR", value: "/scratch" },
              { name: "AWS_SHARED_CREDENTIALS_FILE", value: "/credentials/cloud" },
            ],
            volumeMounts: [
              { name: "host-pods", mountPath: "/host_pods", ...propagation },
              { name: "host-plugins", mountPath: "/var/lib/kubelet/plugins", ...propagation },
              { name: "scratch", mountPath: "/scratch" },
              { name: "cloud-credentials", mountPath: "/credentials" },
            ],
          },
        ],
        volumes: [
          { name: "host-pods", hostPath: { path: "/var/lib/kubelet/pods" } },
          { name: "host-plugins", hostPath: { path: "/var/lib/kubelet/plugins" } },
          { name: "scratch", emptyDir: {} },
          { name: "cloud-credentials", secret: { secretName: "cloud-credentials", defaultMode: 292 } },
        ],
      },
    },
  },
};
