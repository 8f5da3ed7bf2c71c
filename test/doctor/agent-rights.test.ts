import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { agentRights } from "../../src/doctor/agent-rights.ts";
import { itemsAt } from "../../src/kubernetes/json.ts";
import { shippedObject } from "../support/installed-velero.ts";

describe("the rights that an agent needs", () => {
  for (const [file, isOfVelero] of [
    ["role.yaml", true],
    ["cluster-role.yaml", false],
  ] as const) {
    it(`are those that ${file} gives`, () => {
      const given = itemsAt(shippedObject(file), "rules").flatMap((rule) =>
        itemsAt(rule, "apiGroups").flatMap((group) =>
          itemsAt(rule, "resources").flatMap((resource) =>
            itemsAt(rule, "verbs").map((verb) => `${verb} ${resource} ${group}`),
          ),
        ),
      );
      const needed = agentRights.filter((right) => right.isOfVelero === isOfVelero);
      assert.deepEqual(needed.map(({ verb, resource, group }) => `${verb} ${resource} ${group}`).sort(), given.sort());
    });
  }
});
