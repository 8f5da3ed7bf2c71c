import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { writeDoneMarker } from "../../src/volume/done-marker.ts";
import { type OpenFolder, openVolume } from "../../src/volume/open-folder.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const signal = new AbortController().signal;
const uid = "5c1bb2f0-5d0f-4f5b-9a54-3d0c8a1f7e21";

async function emptyVolume(t: TestContext): Promise<{ root: string; volume: OpenFolder }> {
  const root = temporaryFolder(t);
  const volume = await openVolume(root, { signal });
  t.after(() => volume[Symbol.dispose]());
  return { root, volume };
}

function assertMarked(root: string): void {
  const folder = fs.lstatSync(join(root, ".velero"));
  const marker = fs.lstatSync(join(root, ".velero", uid));
  assert.ok(folder.isDirectory() && marker.isFile());
  assert.deepEqual([folder.mode & 0o7777, marker.mode & 0o7777, marker.size], [0o755, 0o644, 0]);
  assert.deepEqual(fs.readdirSync(join(root, ".velero")), [uid]);
}

describe("the done marker", () => {
  it("is an empty file that everyone may see, whatever the umask", async (t) => {
    const before = process.umask(0o777);
    t.after(() => process.umask(before));
    const { root, volume } = await emptyVolume(t);
    assert.deepEqual((await writeDoneMarker(volume, uid, { signal })).differences, []);
    assertMarked(root);
  });

  it("leaves the volume's root as it is, and tells what both folders are", async (t) => {
    const { root, volume } = await emptyVolume(t);
    fs.chmodSync(root, 0o2710);
    const { root: ofRoot, markerFolder } = await writeDoneMarker(volume, uid, { signal });
    assert.deepEqual([ofRoot.mode, ofRoot.uid, markerFolder.mode & 0o777], [0o2710, process.getuid?.(), 0o755]);
  });

  it("may be taken away, with its folder, as soon as it is there", async (t) => {
    const { root, volume } = await emptyVolume(t);
    let isTaken = false;
    const take = (): void => {
      isTaken = fs.existsSync(join(root, ".velero", uid));
      if (isTaken) fs.rmSync(join(root, ".velero"), { recursive: true });
      else setImmediate(take);
    };
    take();
    const { markerFolder } = await writeDoneMarker(volume, uid, { signal });
    assert.ok(isTaken);
    assert.equal(markerFolder.mode & 0o777, 0o755);
  });

  it("replaces what was restored under its name, and what was there before", async (t) => {
    const { root, volume } = await emptyVolume(t);
    fs.mkdirSync(join(root, ".velero", "deep", "er"), { recursive: true });
    fs.writeFileSync(join(root, ".velero", "an-older-restore"), "");
    await writeDoneMarker(volume, uid, { signal });
    assertMarked(root);
    await writeDoneMarker(volume, uid, { signal });
    assertMarked(root);
  });

  it("is not led outside by a link in the place of its folder or of itself", async (t) => {
    const { root, volume } = await emptyVolume(t);
    const outside = temporaryFolder(t);
    fs.chmodSync(outside, 0o700);
    fs.writeFileSync(join(outside, "kept"), "kept", { mode: 0o600 });
    fs.symlinkSync(outside, join(root, ".velero"));
    await writeDoneMarker(volume, uid, { signal });
    assertMarked(root);
    fs.rmSync(join(root, ".velero", uid));
    fs.symlinkSync(join(outside, "kept"), join(root, ".velero", uid));
    await writeDoneMarker(volume, uid, { signal });
    assertMarked(root);
    assert.deepEqual(fs.readdirSync(outside), ["kept"]);
    assert.deepEqual(
      [fs.statSync(outside).mode & 0o777, fs.statSync(join(outside, "kept")).mode & 0o777],
      [0o700, 0o600],
    );
  });

  it("has no name but a UID", async (t) => {
    const { root, volume } = await emptyVolume(t);
    for (const wrong of ["", "..", "a/b", "a b", "ü", "x".repeat(256), "a\n"]) {
      await assert.rejects(writeDoneMarker(volume, wrong, { signal }), { code: "VOLUME_NAME_INVALID" }, wrong);
    }
    assert.deepEqual(fs.readdirSync(root), []);
  });
});
