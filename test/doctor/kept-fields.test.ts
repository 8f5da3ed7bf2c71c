import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { keepFields, keptFields } from "../../src/doctor/kept-fields.ts";
import { shippedObject } from "../support/installed-velero.ts";

describe("fields that are kept", () => {
  it("are those that are named, through lists, and nothing beside them", () => {
    const value = { a: { b: 1, c: 2 }, list: [{ name: "x", value: "secret" }, { name: "y" }, "text"], "d.e": 3, f: 4 };
    assert.deepEqual(keepFields(value, ["a.b", "list.name", "d\\.e", "g.h"]), {
      a: { b: 1 },
      list: [{ name: "x" }, { name: "y" }, undefined],
      "d.e": 3,
    });
  });

  it("keep of an environment the names alone, and no annotation", () => {
    const shipped = JSON.parse(
      JSON.stringify(shippedObject("daemon-set.yaml")).replaceAll(`"value":"/scratch"`, `"value":"a secret"`),
    ) as { metadata: Record<string, unknown> };
    shipped.metadata.annotations = { "kubectl.kubernetes.io/last-applied-configuration": "a secret" };
    const text = JSON.stringify(keepFields(shipped, keptFields.DaemonSet ?? []));
    assert.ok(text.includes("TMPDIR") && text.includes("HostToContainer"), text);
    assert.ok(!text.includes("a secret"), text);
  });

  it("name no kind whose objects are secrets or settings", () => {
    for (const kind of ["Secret", "ConfigMap"]) assert.ok(!Object.hasOwn(keptFields, kind));
  });

  it("keep nothing of a hostile name", () => {
    assert.deepEqual(keepFields(JSON.parse('{"__proto__":{"a":1}}'), ["constructor.name", "toString"]), {});
  });
});
