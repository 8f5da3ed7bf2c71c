/** Lists as all commands tell them: rows picked, ordered, cut off and written. */

import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { describe, it } from "node:test";
import { Command } from "commander";
import {
  addListOptions,
  asBytes,
  asTime,
  type Column,
  type ListOptions,
  type Row,
  writeList,
} from "../../src/cli/listing.ts";
import { Output, type OutputFormat } from "../../src/cli/terminal.ts";

const columns: readonly Column[] = [
  { field: "name" },
  { field: "size", ...asBytes },
  { field: "at", title: "BEGUN", ...asTime },
  { field: "tags.owner", title: "OWNER", isWide: true },
];

const rows: readonly Row[] = [
  { name: "small", size: 10, at: "2026-11-20T10:00:00Z", tags: { owner: "ada" } },
  { name: "large", size: 3 * 2 ** 30, at: "2026-11-21T10:00:00.5Z", tags: { owner: "bob" } },
  { name: "middle", size: 1.5 * 2 ** 30, at: "2026-11-21T10:00:00Z", tags: {} },
];

describe("a list", () => {
  it("is a table with sizes and times for people", async () => {
    assert.deepEqual(await listed(rows), [
      "NAME       SIZE  BEGUN",
      "small      10 B  2026-11-20T10:00:00Z",
      "large   3.0 GiB  2026-11-21T10:00:00Z",
      "middle  1.5 GiB  2026-11-21T10:00:00Z",
    ]);
  });

  it("has more columns where it is wide, and no first line where none is wanted", async () => {
    assert.deepEqual(await listed(rows, ["--no-headers", "--limit=2"], "wide"), [
      "small     10 B  2026-11-20T10:00:00Z  ada",
      "large  3.0 GiB  2026-11-21T10:00:00Z  bob",
    ]);
  });

  it("is told to programs as JSON, with bytes, whole times and all that a row has", async () => {
    const lines = await listed(rows, [], "json");
    assert.deepEqual(
      lines.map((line) => JSON.parse(line) as Row),
      rows,
    );
  });

  it("is told as YAML, a document a row", async () => {
    assert.deepEqual(await listed(rows, ["--limit=1"], "yaml"), [
      "---",
      'name: "small"',
      "size: 10",
      'at: "2026-11-20T10:00:00Z"',
      "tags:",
      '  owner: "ada"',
    ]);
  });

  it("is only the headers where nothing is in it, and nothing for programs", async () => {
    assert.deepEqual(await listed([]), ["NAME  SIZE  BEGUN"]);
    assert.deepEqual(await listed([], [], "json"), []);
  });
});

describe("--where", () => {
  const cases: readonly (readonly [conditions: readonly string[], names: readonly string[]])[] = [
    [["name=large"], ["large"]],
    [["name != large"], ["small", "middle"]],
    [["name~^(s|m)"], ["small", "middle"]],
    [["size>1.5GiB"], ["large"]],
    [["size>=1.5GiB"], ["large", "middle"]],
    [["size<20"], ["small"]],
    [["size<=10B"], ["small"]],
    [["size=1610612736"], ["middle"]],
    [["size>1MB", "size<2GiB"], ["middle"]],
    [["at>=2026-11-21"], ["large", "middle"]],
    [["at>2026-11-21T10:00:00Z"], ["large"]],
    [["tags.owner=bob"], ["large"]],
    [["tags.owner="], ["middle"]],
    [["tags~ada"], ["small"]],
  ];
  for (const [conditions, names] of cases) {
    it(`takes ${conditions.join(" and ")}`, async () => {
      const args = conditions.flatMap((condition) => ["--where", condition]);
      assert.deepEqual(await namesOf(rows, args), names);
    });
  }

  it("refuses what is no condition, no expression, no number and no count", async () => {
    for (const args of [["--where=size"], ["--where=~x"], ["--where=name~("], ["--limit=-1"], ["--limit=many"]]) {
      assert.throws(() => optionsOf(args), { code: "commander.invalidArgument" }, String(args));
    }
    await assert.rejects(listed(rows, ["--where=size>big"]), { code: "CLI_USAGE", message: /size is a number/ });
  });

  it("names the fields there are where a row has not the one that was given", async () => {
    for (const [some, args] of [
      [rows, ["--where=colour=red"]],
      [rows, ["--sort=colour"]],
      [rows.slice(0, 1), ["--sort=colour"]],
    ] as const) {
      await assert.rejects(listed(some, args), {
        code: "CLI_USAGE",
        message: 'rows have no field "colour"',
        hint: "there are at, name, size, tags, tags.owner",
      });
    }
  });
});

describe("--sort", () => {
  it("orders numbers by size, times by when and texts by their characters, either way", async () => {
    assert.deepEqual(await namesOf(rows, ["--sort=size"]), ["small", "middle", "large"]);
    assert.deepEqual(await namesOf(rows, ["--sort", "-size"]), ["large", "middle", "small"]);
    assert.deepEqual(await namesOf(rows, ["--sort=at"]), ["small", "middle", "large"]);
    assert.deepEqual(await namesOf(rows, ["--sort=name"]), ["large", "middle", "small"]);
    assert.deepEqual(await namesOf(rows, ["--sort=tags.owner"]), ["middle", "small", "large"]);
  });

  it("with a limit keeps the first of all rows", async () => {
    const count = 100_000;
    async function* many(): AsyncIterable<Row> {
      for (let i = 0; i < count; i++) {
        yield { name: `n${i}`, size: (i * 7919) % count };
      }
    }
    const [first, second, ...rest] = (await listed(many(), ["--sort=-size", "--limit=2"], "json")).map(
      (line) => (JSON.parse(line) as { size: number }).size,
    );
    assert.deepEqual([first, second, rest], [count - 1, count - 2, []]);
  });
});

describe("a long list", () => {
  it("is pulled no further ahead than is written", async () => {
    let pulled = 0;
    let written = 0;
    let aheadMax = 0;
    async function* many(): AsyncIterable<Row> {
      for (let i = 0; i < 200_000; i++) {
        aheadMax = Math.max(aheadMax, ++pulled - written);
        yield { name: "x", size: i, at: "" };
      }
    }
    await writeList(
      outputTo((bytes) => {
        written += bytes.toString().split("\n").length - 1;
      }),
      columns,
      many(),
    );
    assert.equal(written, 200_001);
    assert.ok(aheadMax < 10_000, `${aheadMax} rows pulled that were not written`);
  });

  it("ends with its limit, and with its reader", async () => {
    let pulled = 0;
    function* endless(): Iterable<Row> {
      for (;;) yield { name: "x", size: ++pulled, at: "" };
    }
    assert.equal((await listed(endless(), ["--limit=5", "--no-headers"])).length, 5);
    assert.equal(pulled, 5);
    const gone = outputTo(() => {
      throw Object.assign(new Error("gone"), { code: "EPIPE" });
    });
    await writeList(gone, columns, endless());
  });
});

describe("a hostile name", () => {
  const evil = "a\u001b[31m\u202e\nb";

  it("neither steers the terminal nor makes a line", async () => {
    const lines = await listed([{ name: evil, size: 1, at: "" }], ["--no-headers"]);
    assert.deepEqual(lines, ["a\\u001b[31m\\u202e\\u000ab  1 B"]);
  });

  it("is whole for programs", async () => {
    const [json = ""] = await listed([{ name: evil }], [], "json");
    assert.equal((JSON.parse(json) as { name: string }).name, evil);
  });

  it("is no field of a row that does not have it", async () => {
    await assert.rejects(listed(rows, ["--sort=__proto__"]), { code: "CLI_USAGE" });
    await assert.rejects(listed(rows, ["--where=constructor=x"]), { code: "CLI_USAGE" });
  });
});

function optionsOf(args: readonly string[]): ListOptions {
  const command = addListOptions(new Command())
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  return command.parse(args, { from: "user" }).opts();
}

async function listed(
  from: AsyncIterable<Row> | Iterable<Row>,
  args: readonly string[] = [],
  format: OutputFormat = "table",
): Promise<readonly string[]> {
  let text = "";
  const output = outputTo((bytes) => {
    text += bytes.toString();
  }, format);
  await writeList(output, columns, from, optionsOf(args));
  return text.split("\n").slice(0, -1);
}

async function namesOf(from: readonly Row[], args: readonly string[]): Promise<readonly unknown[]> {
  return (await listed(from, args, "json")).map((line) => (JSON.parse(line) as Row).name);
}

function outputTo(take: (bytes: Buffer) => void, format: OutputFormat = "table"): Output {
  const stdout = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      try {
        take(chunk);
        done();
      } catch (error) {
        done(error as Error);
      }
    },
  });
  stdout.on("error", () => undefined); // The write's callback has it.
  return new Output({ env: {}, stdin: process.stdin, stdout, stderr: process.stderr }, format);
}
