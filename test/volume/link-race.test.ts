/** A pod swaps a folder for a link while it is read and written: nothing outside is ever reached. */

import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { fromUtf8, toUtf8 } from "../../src/base/bytes.ts";
import { setFolderAttributes } from "../../src/volume/attributes.ts";
import { makeFolder } from "../../src/volume/make-folder.ts";
import { makeSymlink } from "../../src/volume/make-symlink.ts";
import { createFile } from "../../src/volume/new-file.ts";
import { type OpenFolder, openVolume } from "../../src/volume/open-folder.ts";
import { removeTree } from "../../src/volume/remove-tree.ts";
import { VolumeError } from "../../src/volume/volume-error.ts";
import { type LinkSwapper, startLinkSwapper } from "../support/link-swapper.ts";
import { listEntries } from "../support/list-entries.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const signal = new AbortController().signal;
const name = toUtf8("target");
const secret = "outside";
const swapsMin = 1000;
const roundsMin = 1500;
const roundsMax = 30_000;
const attributes = { mode: 0o600, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, mtimeNs: 1n };

interface Scene extends AsyncDisposable {
  readonly volume: OpenFolder;
  readonly swapper: LinkSwapper;
  readonly outside: string;
}

async function setScene(t: TestContext): Promise<Scene> {
  const root = temporaryFolder(t);
  const outside = join(root, "outside");
  fs.mkdirSync(join(root, "volume", "target", "inner"), { recursive: true });
  fs.writeFileSync(join(root, "volume", "target", "data"), "inside");
  fs.mkdirSync(join(outside, "inner"), { recursive: true });
  fs.writeFileSync(join(outside, "data"), secret);
  fs.writeFileSync(join(outside, "inner", "canary"), secret);
  const volume = await openVolume(join(root, "volume"), { signal });
  const swapper = await startLinkSwapper({ folder: join(root, "volume"), name: "target", outside });
  return {
    volume,
    swapper,
    outside,
    [Symbol.asyncDispose]: async () => {
      await swapper[Symbol.asyncDispose]();
      volume[Symbol.dispose]();
    },
  };
}

/** All that can be told of a tree without changing it: names, contents, modes, owners, times of contents and inodes. */
function picture(folder: string): string[] {
  return [".", ...fs.readdirSync(folder, { recursive: true, encoding: "utf8" })].sort().map((path) => {
    const stats = fs.lstatSync(join(folder, path), { bigint: true });
    const content = stats.isFile() ? fs.readFileSync(join(folder, path), "utf8") : "";
    return `${path} ${stats.mode} ${stats.uid} ${stats.gid} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs} ${content}`;
  });
}

/** Until the race has really run; what the race makes impossible is a VolumeError, nothing else. */
async function race(scene: Scene, round: () => Promise<void>): Promise<{ done: number; refused: number }> {
  const before = picture(scene.outside);
  const swapsBefore = scene.swapper.rounds();
  let done = 0;
  let refused = 0;
  while (done + refused < roundsMin || scene.swapper.rounds() - swapsBefore < swapsMin) {
    assert.ok(done + refused < roundsMax, `only ${scene.swapper.rounds()} swaps`);
    try {
      await round();
      done++;
    } catch (error) {
      if (!(error instanceof VolumeError)) throw error;
      refused++;
    }
  }
  assert.deepEqual(picture(scene.outside), before);
  return { done, refused };
}

describe("while a folder is swapped for a link to the outside and back", () => {
  it("reading gets what is inside or a refusal", async (t) => {
    await using scene = await setScene(t);
    const { volume } = scene;
    const { done, refused } = await race(scene, async () => {
      using folder = await volume.openFolder(name);
      const { entries } = await listEntries(folder, signal);
      const names = entries.map((entry) => fromUtf8(entry.name)).sort();
      assert.deepEqual(names, ["data", "inner"]);
      using inner = await folder.openFolder(toUtf8("inner"));
      assert.deepEqual(await inner.listNames(), []);
      using file = await folder.openFile(toUtf8("data"));
      assert.equal(fs.readFileSync(file.fd, "utf8"), "inside");
    });
    assert.ok(done > 0 && refused > 0, `${done} done, ${refused} refused`);
  });

  it("writing stays inside", async (t) => {
    await using scene = await setScene(t);
    const { volume } = scene;
    const { done } = await race(scene, async () => {
      using folder = await makeFolder(volume, name);
      await using file = await createFile(folder, { zeros: "holes" });
      await file.write(toUtf8("restored"), 0);
      await file.commit(toUtf8("data"), attributes);
      await makeSymlink(folder, toUtf8("link"), { target: toUtf8("/"), attributes });
      using inner = await makeFolder(folder, toUtf8("inner"));
      await setFolderAttributes(inner, { ...attributes, mode: 0o700 });
      await setFolderAttributes(folder, { ...attributes, mode: 0o700 });
    });
    assert.ok(done > 0, `${done} done`);
  });

  it("removing stays inside", async (t) => {
    await using scene = await setScene(t);
    const { volume } = scene;
    const { done } = await race(scene, async () => {
      await removeTree(volume, name, { signal });
      using folder = await makeFolder(volume, name);
      using inner = await makeFolder(folder, toUtf8("inner"));
      await makeSymlink(inner, toUtf8("canary"), { target: toUtf8("/"), attributes });
    });
    assert.ok(done > 0, `${done} done`);
  });
});
