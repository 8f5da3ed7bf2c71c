import assert from "node:assert/strict";
import { renameSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { stringify } from "yaml";
import { systemClock } from "../../src/base/clock.ts";
import { explainInOneLine, hasCode } from "../../src/base/errors.ts";
import { type Log, silentLog } from "../../src/base/log.ts";
import { openFolderResourceStore } from "../../src/kubernetes/folder-resource-store.ts";
import { fieldAt } from "../../src/kubernetes/json.ts";
import { box, boxes, resourceStoreContract, shelves } from "../contracts/resource-store.contract.ts";

const signal = AbortSignal.timeout(120_000);
const one = { namespace: "shop", name: "one" };

async function freshFolder() {
  const folder = await mkdtemp(join(tmpdir(), "fsb-resources-"));
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

function open(folder: string, log: Log = silentLog) {
  return openFolderResourceStore(
    { folder, types: [boxes, shelves], defaultNamespace: "velero", clock: systemClock, log, settleMs: 20 },
    signal,
  );
}

/** Keeps warnings and errors as text. */
function keepingLog(): Log & { readonly lines: string[] } {
  const lines: string[] = [];
  const log = {
    ...silentLog,
    lines,
    warn: (message: string) => void lines.push(message),
    error: (message: string, error: unknown) => void lines.push(`${message}: ${explainInOneLine(error)}`),
    with: () => log,
  };
  return log;
}

resourceStoreContract("a folder", async () => {
  const place = await freshFolder();
  const store = await open(place.folder);
  const fileOf = (kind: string, name: string) => join(place.folder, `${kind}-${name}.yaml`);
  return {
    store,
    put: async (object) => {
      const file = fileOf(String(object.kind), String(fieldAt(object, "metadata", "name")));
      await writeFile(`${file}.new`, stringify(object));
      renameSync(`${file}.new`, file);
    },
    remove: (type, name) => rm(fileOf(type.kind, name.name)),
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      await place[Symbol.asyncDispose]();
    },
  };
});

describe("a folder of resource files", () => {
  it("keeps comments, order, the other documents and the mode when it patches", async () => {
    await using place = await freshFolder();
    const file = join(place.folder, "all.yaml");
    const text = `# by hand
apiVersion: test.io/v1
kind: Box # a box
metadata:
  name: one
  namespace: shop
spec:
  list:
  - a
  - b # bee
# how it goes
status:
  phase: New # for now
---
# the other
apiVersion: test.io/v1
kind: Box
metadata: {name: two,   namespace: "shop"}
`;
    await writeFile(file, text, { mode: 0o640 });
    await using store = await open(place.folder);
    const object = await store.get(boxes, one, { signal });
    await store.patch(
      boxes,
      one,
      { status: { phase: "Done", at: "2024-05-01T10:00:00Z" } },
      { resourceVersion: object?.metadata.resourceVersion ?? "", signal },
    );
    assert.equal(
      await readFile(file, "utf8"),
      text.replace("phase: New # for now", "phase: Done # for now\n  at: 2024-05-01T10:00:00Z"),
    );
    assert.equal((await stat(file)).mode & 0o777, 0o640);
    assert.deepEqual(await readdir(place.folder), ["all.yaml"]);
  });

  it("patches JSON files and items of lists", async () => {
    await using place = await freshFolder();
    await writeFile(join(place.folder, "one.json"), JSON.stringify(box("one"), null, 4));
    await writeFile(
      join(place.folder, "list.yaml"),
      stringify({ apiVersion: "v1", kind: "List", items: [box("two"), box("three")] }),
    );
    await using store = await open(place.folder);
    for (const name of ["one", "two", "three"]) {
      const object = await store.get(boxes, { namespace: "shop", name }, { signal });
      const resourceVersion = object?.metadata.resourceVersion ?? "";
      await store.patch(boxes, { namespace: "shop", name }, { status: { of: name } }, { resourceVersion, signal });
    }
    const again = await store.list(boxes, {}, { signal });
    assert.deepEqual(again.map((object) => fieldAt(object.content, "status", "of")).sort(), ["one", "three", "two"]);
    const text = await readFile(join(place.folder, "one.json"), "utf8");
    assert.equal(text, `${JSON.stringify({ ...box("one"), status: { of: "one" } }, null, 4)}\n`);
  });

  it("logs a malformed document once with file and line, and serves the others", async () => {
    await using place = await freshFolder();
    const good = stringify(box("one"));
    await writeFile(join(place.folder, "bad.yaml"), `${good}---\nkind: [1, 2\nfoo: }\n`);
    await writeFile(join(place.folder, "good.yml"), stringify(box("two")));
    await writeFile(join(place.folder, "note.txt"), "not a resource");
    const log = keepingLog();
    await using store = await open(place.folder, log);
    const names = (await store.list(boxes, {}, { signal })).map((object) => object.metadata.name);
    assert.deepEqual(names.sort(), ["one", "two"]);
    await store.list(boxes, {}, { signal });
    assert.equal(log.lines.length, 1);
    assert.match(log.lines[0] ?? "", /bad\.yaml:\d+ is malformed: .*\[RESOURCE_FILE_MALFORMED\]/);
  });

  it("keeps what a file held while it is malformed, and forgets it when the file goes", async () => {
    await using place = await freshFolder();
    const file = join(place.folder, "one.yaml");
    await writeFile(file, stringify(box("one")));
    await using store = await open(place.folder);
    const before = await store.get(boxes, one, { signal });
    await writeFile(file, "apiVersion: test.io/v1\nkind: [");
    assert.equal((await store.get(boxes, one, { signal }))?.metadata.resourceVersion, before?.metadata.resourceVersion);
    await assert.rejects(
      store.patch(boxes, one, { status: {} }, { resourceVersion: before?.metadata.resourceVersion ?? "", signal }),
      (error) => hasCode(error, "RESOURCE_STORE_UNAVAILABLE"),
    );
    await rm(file);
    assert.equal(await store.get(boxes, one, { signal }), undefined);
  });

  it("does not take an object for gone while an editor saves its file", async () => {
    await using place = await freshFolder();
    const file = join(place.folder, "one.yaml");
    await writeFile(file, stringify(box("one", { spec: { size: 1 } })));
    await using store = await open(place.folder);
    const events: string[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const event of store.watch(boxes, {}, { signal: stop.signal })) {
        events.push(
          event.kind === "synced" ? event.kind : `${event.kind} ${fieldAt(event.object.content, "spec", "size")}`,
        );
        if (events.at(-1) === "present 3") stop.abort();
      }
    })().catch(() => undefined); // Ends by the abort.
    await writeFile(file, "");
    await writeFile(file, stringify(box("one", { spec: { size: 2 } })));
    await rename(file, `${file}~`);
    await writeFile(file, stringify(box("one", { spec: { size: 3 } })));
    await watching;
    assert.ok(!events.some((event) => event.startsWith("gone")), events.join());
  });

  it("follows no symbolic link, neither to read nor to write", async () => {
    await using place = await freshFolder();
    await using elsewhere = await freshFolder();
    const outside = join(elsewhere.folder, "outside.yaml");
    await writeFile(outside, stringify(box("one")));
    await symlink(outside, join(place.folder, "link.yaml"));
    await writeFile(join(place.folder, "two.yaml"), stringify(box("two")));
    await symlink(outside, join(place.folder, ".two.yaml.fsb-new"));
    const log = keepingLog();
    await using store = await open(place.folder, log);
    assert.equal(await store.get(boxes, one, { signal }), undefined);
    assert.equal(log.lines.length, 1);
    const two = await store.get(boxes, { namespace: "shop", name: "two" }, { signal });
    const resourceVersion = two?.metadata.resourceVersion ?? "";
    await store.patch(boxes, { namespace: "shop", name: "two" }, { status: { a: 1 } }, { resourceVersion, signal });
    assert.equal(await readFile(outside, "utf8"), stringify(box("one")));
    await assert.rejects(open(join(place.folder, "link.yaml")), (error) => hasCode(error, "RESOURCE_STORE_INVALID"));
  });

  it("puts objects without a namespace into the default one, unless their kind has none", async () => {
    await using place = await freshFolder();
    await writeFile(
      join(place.folder, "a.yaml"),
      "apiVersion: test.io/v1\nkind: Box\nmetadata: {name: one}\n---\napiVersion: test.io/v1\nkind: Shelf\nmetadata: {name: low}\n",
    );
    await using store = await open(place.folder);
    assert.ok(await store.get(boxes, { namespace: "velero", name: "one" }, { signal }));
    assert.ok(await store.get(shelves, { namespace: "", name: "low" }, { signal }));
  });

  it("takes the first of two files with the same object and logs the other", async () => {
    await using place = await freshFolder();
    await writeFile(join(place.folder, "b.yaml"), stringify(box("one", { spec: { from: "b" } })));
    await writeFile(join(place.folder, "a.yaml"), stringify(box("one", { spec: { from: "a" } })));
    const log = keepingLog();
    await using store = await open(place.folder, log);
    assert.equal(fieldAt((await store.get(boxes, one, { signal }))?.content, "spec", "from"), "a");
    assert.deepEqual(log.lines, ["Ignored resource, which another file or document holds as well"]);
  });

  it("leaves alone what is no file with a fitting name", async () => {
    await using place = await freshFolder();
    await mkdir(join(place.folder, "folder.yaml"));
    await mkdir(join(place.folder, "below"));
    await writeFile(join(place.folder, "below", "one.yaml"), stringify(box("one")));
    await writeFile(join(place.folder, ".hidden.yaml"), stringify(box("two")));
    await using store = await open(place.folder);
    assert.deepEqual(await store.list(boxes, {}, { signal }), []);
  });

  it("does not resolve aliases without bound", async () => {
    await using place = await freshFolder();
    const levels = Array.from({ length: 12 }, (_, level) => {
      const inner = level === 0 ? '"x"' : `*a${level - 1}`;
      return `a${level}: &a${level} [${Array(9).fill(inner).join(", ")}]`;
    });
    await writeFile(join(place.folder, "bomb.yaml"), levels.join("\n"));
    await writeFile(join(place.folder, "one.yaml"), stringify(box("one")));
    const log = keepingLog();
    await using store = await open(place.folder, log);
    assert.ok(await store.get(boxes, one, { signal }));
    assert.match(log.lines[0] ?? "", /alias/);
  });
});
