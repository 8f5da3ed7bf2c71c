/**
 * A pod swaps a folder of its volume for a link to a folder outside, in a loop, while the volume is backed up and
 * restored: nothing outside is read or written.
 */

import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { CodedError, errnoOf } from "../../src/base/errors.ts";
import { keyOf } from "../../src/repository/content/content-id.ts";
import type { DirectoryEntry } from "../../src/snapshot/directory-entry.ts";
import { idOfText, type MemoryRepository, openMemoryRepository } from "../repository/memory-repository.ts";
import { backUpFolder, restoreEntry, storedEntries } from "../support/engine.ts";
import { type LinkSwapper, startLinkSwapper } from "../support/link-swapper.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { writeTree } from "../support/tree.ts";

/** FSB_RACE_ROUNDS is how many times a volume is backed up or restored, each with several swaps; ten thousand take minutes. */
const runsMin = Number(process.env.FSB_RACE_ROUNDS ?? 500);
const swapsMin = 4 * runsMin;
const runsMax = 40 * runsMin;
const secret = "what only another pod may read";

interface Scene extends AsyncDisposable {
  readonly volume: string;
  readonly outside: string;
  readonly swapper: LinkSwapper;
}

/** Outside, the names are those of the volume, and one more. */
async function setScene(t: TestContext): Promise<Scene> {
  const work = temporaryFolder(t);
  const volume = join(work, "volume");
  const outside = join(work, "outside");
  writeTree(volume, { target: { data: "inside", inner: { data: "inside" } }, "z.txt": "beside" });
  writeTree(outside, { data: secret, canary: secret, inner: { data: secret, canary: secret } });
  const swapper = await startLinkSwapper({ folder: volume, name: "target", outside });
  return { volume, outside, swapper, [Symbol.asyncDispose]: () => swapper[Symbol.asyncDispose]() };
}

/** All that can be told of a tree without changing it: names, contents, modes, owners, times of contents and inodes. */
function picture(folder: string): string[] {
  return [".", ...fs.readdirSync(folder, { recursive: true, encoding: "utf8" })].sort().map((path) => {
    const stats = fs.lstatSync(join(folder, path), { bigint: true });
    const content = stats.isFile() ? fs.readFileSync(join(folder, path), "utf8") : "";
    return `${path} ${stats.mode} ${stats.uid} ${stats.gid} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs} ${content}`;
  });
}

/** Runs until the race has really been run; what the race makes impossible is an error with a name, nothing else. */
async function race(scene: Scene, run: (number: number) => Promise<void>): Promise<{ done: number; refused: number }> {
  const before = picture(scene.outside);
  const swapsBefore = scene.swapper.rounds();
  let done = 0;
  let refused = 0;
  while (done + refused < runsMin || scene.swapper.rounds() - swapsBefore < swapsMin) {
    assert.ok(done + refused < runsMax, `only ${scene.swapper.rounds()} swaps in ${runsMax} runs`);
    try {
      await run(done + refused);
      done++;
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      refused++;
    }
  }
  assert.deepEqual(picture(scene.outside), before);
  return { done, refused };
}

test("a backup during the swaps stores nothing from outside", async (t) => {
  await using scene = await setScene(t);
  const seen = new Set<string>();
  const { done } = await race(scene, async (number) => {
    const memory = await openMemoryRepository({ seed: `${number}` });
    const { snapshot } = await backUpFolder(memory, scene.volume);
    for (const [path, { kind }] of await storedEntries(memory, snapshot.rootEntry)) seen.add(`${path} ${kind}`);
    assert.ok(hasText(memory, "beside"), "what lies in the volume is stored");
    assert.ok(!hasText(memory, secret), "and nothing else");
  });
  assert.ok(done > 0);
  // The link itself may well be stored, as a link; what lies behind it never is.
  const possible = [
    "target folder",
    "target symlink",
    "target/data file",
    "target/inner folder",
    "target/inner/data file",
  ];
  for (const entry of seen) assert.ok([...possible, "z.txt file"].includes(entry), entry);
});

function hasText({ repository, format }: MemoryRepository, text: string): boolean {
  return repository.index.find(keyOf(idOfText(format, text))) !== undefined;
}

test("a restore during the swaps writes nothing outside", async (t) => {
  await using scene = await setScene(t);
  const { volume } = scene;
  const memory = await openMemoryRepository();
  const entries: DirectoryEntry[] = [];
  for (const text of ["first", "second"]) {
    const stored = join(volume, "..", text);
    writeTree(stored, {
      target: { data: text, canary: text, inner: { data: text, canary: text, new: { data: text } } },
      "z.txt": text,
    });
    fs.chmodSync(join(stored, "target", "inner"), 0o700);
    entries.push((await backUpFolder(memory, stored)).snapshot.rootEntry);
  }
  let whole = 0;
  const { done } = await race(scene, async (number) => {
    await restoreEntry(memory, entries[number % 2] as DirectoryEntry, volume);
    if (readIfThere(join(volume, "target", "canary")) !== undefined) whole++;
  });
  assert.ok(done > 0 && whole > 0, `${done} done, ${whole} seen in the volume`);
});

function readIfThere(path: string): string | undefined {
  try {
    return fs.readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined; // Swapped away at this moment.
  }
}
