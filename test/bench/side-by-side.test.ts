import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { Contender, ContenderName } from "../../bench/contenders.ts";
import { type Command, runMeasured } from "../../bench/measured-command.ts";
import { compare, replaceSection, summarize } from "../../bench/report.ts";
import { sets } from "../../bench/sets.ts";
import { measureSideBySide } from "../../bench/side-by-side.ts";
import { digestOf } from "../../bench/tree-digest.ts";
import { largeFiles, manyFiles, together } from "../../bench/volumes.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const env = { PATH: process.env.PATH };
const shell = (script: string, ...args: readonly string[]): Command => {
  return { name: "sh", program: "sh", args: ["-c", script, "sh", ...args], env };
};

/** Its repository is a copy of the volume. `spoil` is done to what it restored, in the folder of it. */
function copier(name: ContenderName, spoil = ":"): Contender {
  return {
    name,
    isPeer: name !== "fsb",
    inBuckets: false,
    restoresRoot: true,
    version: name,
    newRepository(place) {
      assert.ok(place.kind === "folder");
      return {
        create: () => [shell(`mkdir "$1"`, place.path)],
        backUp: (volume) => shell(`rm -rf "$2/copy" && cp -a "$1" "$2/copy"`, volume, place.path),
        async restore(_, target, path = "") {
          const script = `cp -a "$1" "$2" && cd "$2" && ${spoil}`;
          return { command: shell(script, join(place.path, "copy", path), target), restored: target };
        },
      };
    },
  };
}

describe("programs side by side", () => {
  const volume = together({ few: largeFiles(2, 3000), more: manyFiles(5, 100) });
  const newPlace = (folder: string) => ({ kind: "folder", path: join(folder, "repository") }) as const;
  const common = { volume, scale: 1, newPlace, settle: () => undefined };

  it("take turns, round by round, and leave nothing behind", async (t) => {
    const folder = temporaryFolder(t);
    const lines: string[] = [];
    const progress = (line: string): void => void lines.push(line.slice(0, line.indexOf(":")));
    const options = { ...common, part: "more", rounds: 2, folder, progress };
    const { samples } = await measureSideBySide([copier("fsb"), copier("kopia")], options);
    assert.deepEqual(lines, ["round 1 of 2, fsb", "round 1 of 2, kopia", "round 2 of 2, kopia", "round 2 of 2, fsb"]);
    assert.deepEqual(
      samples.slice(0, 4).map(({ work }) => work),
      ["first backup", "again, nothing changed", "restore", "restore of a part"],
    );
    assert.equal(samples.length, 16);
    assert.deepEqual(readdirSync(folder), []);
  });

  for (const [what, spoil] of Object.entries({
    "a byte":
      "printf x | dd of=more/file-3 bs=1 seek=50 conv=notrunc status=none && touch -d @1600000000.1875 more/file-3",
    "a name": "touch -r more time && mv more/file-3 more/file-x && touch -r time more && touch -r more . && rm time",
    "a mode": "chmod 640 few/file-1",
    "a time": "touch -d @1600000001 few/file-1",
    "the volume's own mode": "chmod 711 .",
  })) {
    it(`tell nothing where a restore changed ${what}`, async (t) => {
      const folder = temporaryFolder(t);
      const options = { ...common, rounds: 1, folder, progress: assert.fail };
      const measured = measureSideBySide([copier("fsb", spoil)], options);
      await assert.rejects(measured, /fsb: what was restored is not what was stored/);
    });
  }

  it("back up the same volume every time", (t) => {
    const folder = temporaryFolder(t);
    for (const name of ["large", "medium", "tiny", "huge"] as const) {
      const [one, other] = [join(folder, `${name}-1`), join(folder, `${name}-2`)];
      for (const path of [one, other]) sets[name].volume.fill(path, 1 / 100_000);
      assert.equal(digestOf(one), digestOf(other), name);
    }
  });
});

describe("a measured command", () => {
  const allocate = (bytes: number): Command => {
    return { name: "node", program: process.execPath, args: ["-e", `Buffer.alloc(${bytes}, 1)`], env };
  };

  it("takes the memory of its largest process, and the time of all", async () => {
    const [plain, large] = [await runMeasured(allocate(0)), await runMeasured(allocate(200e6))];
    const growth = large.peakResidentBytes - plain.peakResidentBytes;
    assert.ok(growth > 190e6 && growth < 260e6, `${growth} bytes more`);
    const { program, args } = allocate(200e6);
    const twice = await runMeasured(shell(`"$@" && "$@" && echo told`, program, ...args));
    assert.ok(Math.abs(twice.peakResidentBytes - large.peakResidentBytes) < 30e6, `${twice.peakResidentBytes} bytes`);
    assert.ok(twice.cpuSeconds > large.cpuSeconds, `${twice.cpuSeconds} seconds`);
    assert.equal(twice.stdout, "told\n");
  });

  it("begins to count below two MiB", async () => {
    const run = await runMeasured({ name: "true", program: "true", args: [], env });
    assert.ok(run.peakResidentBytes < 2 ** 21 + 2 ** 20, `${run.peakResidentBytes} bytes`);
  });

  it("that fails is told by its name, its code and what it said, without its environment", async () => {
    const command = { ...shell("echo sorry >&2; exit 7"), name: "fails", env: { ...env, SECRET: "hidden" } };
    await assert.rejects(runMeasured(command), (error: Error) => {
      return /^fails failed: 7\nsorry/.test(error.message) && !error.message.includes("hidden");
    });
  });
});

describe("a comparison", () => {
  const usage = (seconds: number, cpuSeconds = seconds, peakResidentBytes = 1) => {
    return { seconds, cpuSeconds, peakResidentBytes };
  };

  it("takes medians of times and the highest peak", () => {
    const summary = summarize([usage(3, 1, 5), usage(1, 9, 7), usage(2, 2, 6), usage(10, 2, 1)]);
    assert.deepEqual(summary, {
      runs: 4,
      seconds: 2.5,
      cpuSeconds: 2,
      secondsMin: 1,
      secondsMax: 10,
      peakResidentBytes: 7,
    });
  });

  it("is with the best peer of the work, never with another of ours", () => {
    const contenders = [copier("fsb"), copier("kopia"), copier("restic")];
    const samples = [
      { work: "restore", contender: "fsb", ...usage(1, 4) },
      { work: "restore", contender: "kopia", ...usage(3, 8) },
      { work: "restore", contender: "restic", ...usage(2, 16) },
    ] as const;
    assert.deepEqual(
      compare(contenders, samples).map(({ contender, timesAsFast, timesLessCpu }) => [
        contender,
        timesAsFast,
        timesLessCpu,
      ]),
      [
        ["fsb", 2, 2],
        ["kopia", 2 / 3, 1],
        ["restic", 1, 0.5],
      ],
    );
  });
});

describe("a section of a page", () => {
  it("is replaced between its markers, and a page without them is refused and stays as it is", (t) => {
    const page = join(temporaryFolder(t), "page.md");
    const text = (inner: string): string => `before\n<!-- measured: tiny -->${inner}<!-- end: tiny -->\nafter\n`;
    writeFileSync(page, text("\nold\n"));
    replaceSection(page, "tiny", "new\n");
    assert.equal(readFileSync(page, "utf8"), text("\n\nnew\n\n"));
    assert.throws(() => replaceSection(page, "large", "lost"), /has no section between <!-- measured: large -->/);
    assert.equal(readFileSync(page, "utf8"), text("\n\nnew\n\n"));
  });
});
