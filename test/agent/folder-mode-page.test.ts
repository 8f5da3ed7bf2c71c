import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { it } from "node:test";
import { decideBackup } from "../../src/agent/jobs/decide-backup.ts";
import { decideRestore } from "../../src/agent/jobs/decide-restore.ts";
import {
  agentResourceTypes,
  parsePod,
  parsePodVolumeBackup,
  parsePodVolumeRestore,
} from "../../src/agent/velero/velero-resources.ts";
import { parseResourceFile } from "../../src/kubernetes/resource-file.ts";

it("the examples of docs/operations/folder-mode.md are started", async () => {
  const page = await readFile(new URL("../../docs/operations/folder-mode.md", import.meta.url), "utf8");
  const examples = [...page.matchAll(/```yaml\n(apiVersion[\s\S]*?)```/g)].map((match) => match[1] ?? "");
  const parsed = examples.map(parseResourceFile);
  assert.deepEqual(
    parsed.flatMap(({ problems }) => problems),
    [],
  );
  const objects = parsed.flatMap((file) => file.objects.map(({ object }) => object));
  const known = { thisNode: "node-1", jobUid: undefined, canceledForMs: 0, knownForMs: 5000 };
  const of = (kind: string) => {
    const object = objects.find((candidate) => candidate.kind === kind);
    assert.ok(object, kind);
    return object;
  };
  const pod = parsePod(of("Pod"));
  const owner = { owner: "absent", isWithoutServer: true } as const;
  assert.deepEqual(decideBackup(parsePodVolumeBackup(of("PodVolumeBackup")), { ...known, ...owner }), { do: "start" });
  assert.deepEqual(decideRestore(parsePodVolumeRestore(of("PodVolumeRestore")), { ...known, pod }), { do: "start" });
  const kinds = new Set(agentResourceTypes.map((type) => type.kind));
  for (const object of objects) assert.ok(kinds.has(object.kind), object.kind);
});
