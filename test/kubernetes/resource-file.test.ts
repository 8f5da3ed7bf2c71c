import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Document, parseAllDocuments } from "yaml";
import type { JsonObject } from "../../src/kubernetes/json.ts";
import { applyMergePatch } from "../../src/kubernetes/merge-patch.ts";
import { parseResourceFile, patchResourceFile } from "../../src/kubernetes/resource-file.ts";

const key = fc.stringMatching(/^[a-z]{1,4}$/);
const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.array(fc.string(), { maxLength: 3 }));
const { tree } = fc.letrec((tie) => ({
  tree: fc.dictionary(key, fc.oneof({ depthSize: "small" }, leaf, tie("tree")), { maxKeys: 4, noNullPrototype: true }),
}));
const { patch } = fc.letrec((tie) => ({
  patch: fc.dictionary(key, fc.oneof({ depthSize: "small" }, leaf, fc.constant(null), tie("patch")), {
    maxKeys: 4,
    noNullPrototype: true,
  }),
}));

const named = (name: string, rest: unknown) => ({ apiVersion: "v1", kind: "K", metadata: { name }, spec: rest });
const contentsOf = (text: string) => parseAllDocuments(text).map((document) => document.toJS() as unknown);

describe("a resource file", () => {
  it("holds the merge patch's result in one document and the same as before in the others", () => {
    fc.assert(
      fc.property(fc.array(tree, { minLength: 1, maxLength: 3 }), patch, fc.nat(), (trees, change, pick) => {
        const objects = trees.map((rest, index) => named(`n${index}`, rest));
        const text = objects.map((object) => new Document(object).toString({ directives: true })).join("");
        const at = pick % objects.length;
        const position = parseResourceFile(text).objects[at]?.position;
        assert.ok(position);
        const patched = patchResourceFile(text, "yaml", position, { spec: change as JsonObject });
        const expected = objects.map((object, i) =>
          i === at ? applyMergePatch(object, { spec: change as JsonObject }) : object,
        );
        assert.deepEqual(contentsOf(patched), expected);
      }),
    );
  });

  it("gives objects or problems for any text, and nothing else", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void parseResourceFile(text)));
  });

  it("changes an object's resource version with its content, not with its comments", () => {
    const versionOf = (text: string) => parseResourceFile(text).objects[0]?.object.metadata.resourceVersion;
    const text = "apiVersion: v1\nkind: K\nmetadata: {name: a}\nspec: {b: 1}\n";
    assert.equal(versionOf(text), versionOf(`# new\n${text}`));
    assert.notEqual(versionOf(text), versionOf(text.replace("b: 1", "b: 2")));
  });

  it("keeps comments above the first and between the documents", () => {
    const text = "# top\n---\n# one\napiVersion: v1\nkind: K\nmetadata: {name: a}\n...\n# middle\n---\nother: 1 # o\n";
    const position = parseResourceFile(text).objects[0]?.position;
    assert.ok(position);
    const patched = patchResourceFile(text, "yaml", position, { status: { a: 1 } });
    for (const comment of ["# top", "# one", "# middle", "# o"]) assert.ok(patched.includes(comment), patched);
    assert.equal(parseResourceFile(patched).objects.length, 1);
  });
});
