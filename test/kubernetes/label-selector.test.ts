import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { matchesLabels, parseLabelSelector } from "../../src/kubernetes/label-selector.ts";

const labels = new Map([
  ["zone", "a"],
  ["disk", ""],
]);

function selects(selector: unknown): boolean | "invalid" {
  const parsed = parseLabelSelector(selector);
  return parsed === undefined ? "invalid" : matchesLabels(parsed, labels);
}

const expression = (key: string, operator: string, values?: unknown) => ({
  matchExpressions: [{ key, operator, ...(values === undefined ? {} : { values }) }],
});

describe("a label selector", () => {
  it("selects everything when it is empty", () => {
    assert.equal(selects({}), true);
    assert.equal(selects({ matchLabels: {}, matchExpressions: [] }), true);
  });

  it("selects by labels that must be equal", () => {
    assert.equal(selects({ matchLabels: { zone: "a" } }), true);
    assert.equal(selects({ matchLabels: { zone: "a", disk: "" } }), true);
    assert.equal(selects({ matchLabels: { zone: "a", other: "" } }), false);
    assert.equal(selects({ matchLabels: { zone: "b" } }), false);
  });

  it("selects by expressions, all of which must hold", () => {
    assert.equal(selects(expression("zone", "In", ["b", "a"])), true);
    assert.equal(selects(expression("other", "In", ["a"])), false);
    assert.equal(selects(expression("zone", "NotIn", ["a"])), false);
    assert.equal(selects(expression("other", "NotIn", ["a"])), true);
    assert.equal(selects(expression("disk", "Exists")), true);
    assert.equal(selects(expression("other", "Exists")), false);
    assert.equal(selects(expression("other", "DoesNotExist", [])), true);
    assert.equal(selects(expression("zone", "DoesNotExist")), false);
    assert.equal(selects({ matchLabels: { zone: "a" }, ...expression("disk", "DoesNotExist") }), false);
  });

  it("is none where an API server would not take it", () => {
    for (const selector of [
      null,
      "zone=a",
      [],
      { matchLabels: { zone: 1 } },
      { matchLabels: ["zone"] },
      { matchLabels: 1 },
      { matchExpressions: "zone" },
      { matchExpressions: ["zone"] },
      expression("zone", "in", ["a"]),
      expression("zone", "In", []),
      expression("zone", "In", [1]),
      expression("zone", "Exists", ["a"]),
      expression("", "Exists"),
    ]) {
      assert.equal(selects(selector), "invalid", JSON.stringify(selector));
    }
  });
});
