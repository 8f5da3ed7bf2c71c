import assert from "node:assert/strict";
import { test } from "node:test";
import { apiEvent } from "../../src/kubernetes/event-recorder.ts";
import { parseKubernetesObject } from "../../src/kubernetes/kubernetes-object.ts";

test("a message that is too long for an event loses its middle, and keeps what to do at its end", () => {
  const about = parseKubernetesObject({
    apiVersion: "velero.io/v1",
    kind: "PodVolumeBackup",
    metadata: { namespace: "velero", name: "one", uid: "u" },
  });
  const message = `it failed: ${"x".repeat(5000)} (hint: mend it)`;
  const by = { component: "node-agent", host: "node-1" };
  const event = apiEvent(by, about, { type: "Warning", reason: "Failed", message }, 0);
  assert.equal(event.message.length, 1024);
  assert.match(event.message, /^it failed: x+…x+ \(hint: mend it\)$/);
  const whole = apiEvent(by, about, { type: "Normal", reason: "Done", message: "x".repeat(1024) }, 0);
  assert.equal(whole.message, "x".repeat(1024));
});
