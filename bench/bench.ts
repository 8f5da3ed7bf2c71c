/**
 * Measures this program beside others: seconds, processor time and peak resident memory of backups and restores.
 *
 *     npm run bench -- [SET…] [PROGRAM…] [--rounds COUNT]
 *
 * SET is `large`, `medium`, `tiny` (those three unless one is named), `huge`, `million` or `s3`: sets.ts. PROGRAM is `fsb`,
 * `fsb-typescript`, `kopia`, `restic` or `rustic`, all unless one is named: contenders.ts; one that is not here is named.
 *
 *     npm run bench -- scale files|bytes|snapshots [PROGRAM…]
 *
 * How time and memory of `fsb`, unless others are named, grow with the work: scale.ts.
 *
 *     npm run bench -- splitter [SPLITTER…]
 *
 * How fast data is split, and how well what was edited is found again: splitter.ts.
 *
 * For all of these:
 *     --scale FACTOR    of the whole size; 1
 *     --rounds COUNT    how often each is run
 *     --folder FOLDER   where to work: memory (/dev/shm) where that has room, else the system's temporary folder
 *     --json FILE       all runs and results as JSON
 *     --markdown FILE   puts the tables between their markers, as they are in docs/performance.md
 *
 * Progress goes to standard error, tables to standard output. Nothing is told before the digests of all that was
 * restored are those of what was stored.
 */

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type ContenderName, contenderNames } from "./contenders.ts";
import { replaceSection } from "./report.ts";
import { formatScale, measureScale, scaleKinds } from "./scale.ts";
import { formatSet, measureSet, type SetName, setNames } from "./sets.ts";
import { formatSplitters, measureSplitters, splitterNames } from "./splitter.ts";

interface Section {
  /** Between whose markers it goes. */
  readonly name: string;
  readonly markdown: string;
  readonly result: unknown;
}

interface Settings {
  readonly scale: number;
  /** Undefined where it was not given. */
  readonly rounds: number | undefined;
  readonly folder: string | undefined;
  readonly command: string;
  readonly progress: (line: string) => void;
}

const roundsOfSets = 5;
const roundsOfScale = 3;

async function run(words: readonly string[], settings: Settings): Promise<readonly Section[]> {
  const [first, ...others] = words;
  if (first === "scale") return await runScale(others, settings);
  if (first === "splitter") return runSplitters(others, settings);
  return await runSets(words, settings);
}

async function runScale([word, ...others]: readonly string[], settings: Settings): Promise<readonly Section[]> {
  const kind = scaleKinds.find((one) => one === word);
  if (kind === undefined) throw new Error(`scale wants one of ${scaleKinds.join(", ")}`);
  const contenders = others.length === 0 ? (["fsb"] as const) : contendersOf(others);
  const { scale, rounds = roundsOfScale, folder, progress, command } = settings;
  const result = await measureScale(kind, { contenders, scale, rounds, folder, progress });
  return [{ name: `scale ${kind}`, markdown: formatScale(result, command), result }];
}

function runSplitters(words: readonly string[], settings: Settings): readonly Section[] {
  const splitters = splitterNames.filter((name) => words.length === 0 || words.includes(name));
  const wrong = words.find((word) => !splitterNames.some((name) => name === word));
  if (wrong !== undefined) throw new Error(`${wrong} is none of the splitters ${splitterNames.join(", ")}`);
  const { scale, rounds = roundsOfSets, folder, progress, command } = settings;
  const result = measureSplitters({ splitters, scale, rounds, places: 16, folder, progress });
  return [{ name: "splitter", markdown: formatSplitters(result, command), result }];
}

async function runSets(words: readonly string[], settings: Settings): Promise<readonly Section[]> {
  const isSet = (word: string): word is SetName => setNames.some((name) => name === word);
  const chosen = words.filter(isSet);
  const contenders = contendersOf(words.filter((word) => !isSet(word)));
  const sections: Section[] = [];
  for (const set of chosen.length === 0 ? (["large", "medium", "tiny"] as const) : chosen) {
    const { scale, rounds = roundsOfSets, folder, progress, command } = settings;
    const result = await measureSet(set, { contenders, scale, rounds, folder, progress });
    sections.push({ name: set, markdown: formatSet(result, command), result });
  }
  return sections;
}

function contendersOf(words: readonly string[]): readonly ContenderName[] {
  if (words.length === 0) return contenderNames;
  return words.map((word) => {
    const found = contenderNames.find((name) => name === word);
    if (found === undefined) {
      throw new Error(`${word} is none of the sets ${setNames.join(", ")} or programs ${contenderNames.join(", ")}`);
    }
    return found;
  });
}

function positive(text: string, flag: string): number {
  const number = Number(text);
  if (!(number > 0)) throw new Error(`${flag} is a number above zero, not ${text}`);
  return number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    scale: { type: "string", default: "1" },
    rounds: { type: "string" },
    folder: { type: "string" },
    json: { type: "string" },
    markdown: { type: "string" },
  },
});
const flags = [
  ...(values.scale === "1" ? [] : ["--scale", values.scale]),
  ...(values.rounds === undefined ? [] : ["--rounds", values.rounds]),
];
const sections = await run(positionals, {
  scale: positive(values.scale, "--scale"),
  rounds: values.rounds === undefined ? undefined : positive(values.rounds, "--rounds"),
  folder: values.folder,
  command: ["npm run bench --", ...positionals, ...flags].join(" "),
  progress: (line) => void process.stderr.write(`${line}\n`),
});
for (const { name, markdown } of sections) {
  process.stdout.write(`${markdown}\n\n`);
  if (values.markdown !== undefined) replaceSection(values.markdown, name, markdown);
}
if (values.json !== undefined)
  writeFileSync(
    values.json,
    `${JSON.stringify(
      sections.map(({ result }) => result),
      null,
      1,
    )}\n`,
  );
