/** docs/operations/command-line.md tells the commands, flags, fields and exit codes that the program has. */

import assert from "node:assert/strict";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { exitCodes } from "../../src/cli/exit-code.ts";
import { blobFiles } from "../support/blob-files.ts";
import { fsb, fsbJson, fsbJsonLines, tryFsb } from "../support/fsb.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { Page } from "./page.ts";

const page = new Page("docs/operations/command-line.md");
const documented = page.headings(3);
const ofVelero = ["fsb velero backups", "fsb velero volumes", "fsb velero locate"];
const withoutRepository = ["fsb agent", "fsb node-agent server", "fsb check-node", "fsb completion", ...ofVelero];
const commonFlags = flagsIn(page.section("Where, and with which password"));
const veleroFlags = flagsIn(page.section("Of a Velero server"));
const listFlags = flagsIn(page.section("Lists"));
const choiceFlags = flagsIn(page.section("Whose snapshots"));
const engineFlags = flagsIn(page.section("What a run may take"));
const withEngineFlags = ["fsb backup", "fsb restore", "fsb agent", "fsb node-agent server"];

describe("docs/operations/command-line.md", () => {
  it("has a heading for each command, and for no other", async () => {
    assert.deepEqual(documented.toSorted(), (await commandsBelow("fsb")).toSorted());
  });

  it("has every flag of every command, and no other", async () => {
    assert.equal(commonFlags.length, 4);
    assert.equal(veleroFlags.length, 7);
    assert.equal(engineFlags.length, 7);
    assert.equal(listFlags.length, 4);
    assert.equal(choiceFlags.length, 5);
    for (const command of documented) {
      const inHelp = [...(await helpOf(command)).matchAll(/^ {2}(-.+?)(?: {2}|$)/gm)].map(
        (match) => match[1] as string,
      );
      const ofRepository = command === "fsb repo create" ? commonFlags : [...commonFlags, ...veleroFlags];
      const expected = [
        ...flagsIn(page.section(command)),
        ...(withoutRepository.includes(command) ? [] : ofRepository),
        ...(withEngineFlags.includes(command) ? engineFlags : []),
        ...(page.section(command).includes("](#lists)") ? listFlags : []),
        ...(/^fsb (snapshot|restore)\b/.test(command) ? choiceFlags : []),
      ];
      assert.deepEqual(inHelp.filter((flag) => flag !== "-h, --help").toSorted(), expected.toSorted(), command);
    }
  });

  it("names the fields of every result", async (t) => {
    const folder = temporaryFolder(t);
    const volume = join(folder, "volume");
    mkdirSync(join(volume, "sub"), { recursive: true });
    writeFileSync(join(volume, "a.txt"), "hello");
    writeFileSync(Buffer.concat([Buffer.from(`${volume}/`), Buffer.from([0x61, 0xfe])]), "a name of other bytes");
    symlinkSync("a.txt", join(volume, "link"));
    const repo = ["--repo", join(folder, "repository")];
    const ofPod = ["--source", "default@default:snapshot-pod-volume/kopia/shop/db-0/data"];
    const results: Record<string, readonly Record<string, unknown>[]> = {
      "fsb repo create": [await fsbJson(["repo", "create", ...repo])],
      "fsb backup": [await fsbJson(["backup", volume, ...ofPod, ...repo])],
      "fsb repo status": [await fsbJson(["repo", "status", ...repo])],
      "fsb restore": [await fsbJson(["restore", "latest", join(folder, "target"), ...repo])],
      "fsb snapshot list": await fsbJsonLines(["snapshot", "list", ...repo]),
      "fsb snapshot show": [await fsbJson(["snapshot", "show", "latest", ...repo])],
      "fsb snapshot ls": await fsbJsonLines(["snapshot", "ls", ...repo]),
      "fsb snapshot diff": await fsbJsonLines(["snapshot", "diff", "latest", "--folder", folder, ...repo]),
      "fsb snapshot du": await fsbJsonLines(["snapshot", "du", ...repo]),
      "fsb snapshot find": await fsbJsonLines(["snapshot", "find", "*.txt", ...repo]),
      "fsb snapshot history": await fsbJsonLines(["snapshot", "history", "a.txt", ...repo]),
      "fsb snapshot export": [await fsbJson(["snapshot", "export", "--to", join(folder, "a.tar"), ...repo])],
      "fsb doctor": await fsbJsonLines(["doctor", ...repo]),
      "fsb snapshot verify": [await fsbJson(["snapshot", "verify", ...repo])],
      "fsb repo check": await checkDamaged(join(folder, "damaged")),
      "fsb repo space": [
        ...(await fsbJsonLines(["repo", "space", ...repo])),
        ...(await fsbJsonLines(["repo", "space", "--by", "snapshot", ...repo])),
      ],
      "fsb repo epochs": await fsbJsonLines(["repo", "epochs", ...repo]),
      "fsb repo sessions": await fsbJsonLines(["repo", "sessions", "--repo", await withSessionMarker(folder)]),
      "fsb repo formats": await fsbJsonLines(["repo", "formats", ...repo]),
      "fsb blob list": await fsbJsonLines(["blob", "list", ...repo]),
      "fsb blob stats": [await fsbJson(["blob", "stats", ...repo])],
      "fsb content list": await fsbJsonLines(["content", "list", ...repo]),
      "fsb content stats": [await fsbJson(["content", "stats", ...repo])],
      "fsb index list": await fsbJsonLines(["index", "list", ...repo]),
      "fsb manifest list": await fsbJsonLines(["manifest", "list", ...repo]),
    };
    const { rootObjectId, snapshotId } = results["fsb snapshot show"]?.[0] ?? {};
    results["fsb manifest show"] = [await fsbJson(["manifest", "show", String(snapshotId), ...repo])];
    results["fsb object show"] = await fsbJsonLines(["object", "show", String(rootObjectId), ...repo]);
    for (const command of documented) {
      if (ofVelero.includes(command)) continue; // Where there is a cluster: test/cli/velero.test.ts.
      const told = new Set((results[command] ?? []).flatMap((result) => Object.keys(result)));
      assert.deepEqual([...told].sort(), fieldsOf(command).toSorted(), command);
    }
  });

  it("is right about the commands without JSON, and how snapshots are written", async (t) => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, "hosts"), "127.0.0.1\n");
    const repo = ["--repo", join(folder, "repository")];
    await fsb(["repo", "create", ...repo]);
    const { snapshotId } = await fsbJson(["backup", folder, ...repo]);
    await fsb(["backup", folder, ...repo]);
    const selectors = ["latest", "latest~1", String(snapshotId).slice(0, 8)];
    for (const selector of selectors)
      assert.equal(await fsb(["snapshot", "cat", `${selector}:hosts`, ...repo]), "127.0.0.1\n");
  });

  it("tells the exit codes", () => {
    assert.deepEqual(
      page.table("| code |").map(([code]) => Number(code)),
      Object.values(exitCodes),
    );
  });
});

/** All that a check tells of a repository which lost its files' bytes. */
async function checkDamaged(folder: string): Promise<readonly Record<string, unknown>[]> {
  const volume = join(folder, "volume");
  mkdirSync(volume, { recursive: true });
  writeFileSync(join(volume, "a.txt"), "hello");
  const repo = ["--repo", join(folder, "repository")];
  await fsb(["repo", "create", ...repo]);
  await fsb(["backup", volume, "--source", "default@default:snapshot-pod-volume/kopia/shop/db-0/data", ...repo]);
  for (const { path } of blobFiles(join(folder, "repository"), "p")) rmSync(path);
  const { stdout } = await tryFsb(["repo", "check", "--json", ...repo]);
  return stdout
    .toString()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** A repository whose writer was cut off. */
async function withSessionMarker(parent: string): Promise<string> {
  const folder = join(parent, "cut-off");
  await fsb(["repo", "create", "--repo", folder]);
  mkdirSync(join(folder, "s", "000"), { recursive: true });
  writeFileSync(join(folder, "s", "000", "00000000000000000000000000000-s00000000000000000.f"), "not a marker");
  return folder;
}

async function helpOf(command: string): Promise<string> {
  return await fsb([...command.split(" ").slice(1), "--help"]);
}

/** Commands that do something themselves, in full. */
async function commandsBelow(command: string): Promise<string[]> {
  const [, list] = (await helpOf(command)).split("\nCommands:\n");
  if (list === undefined) return [command];
  const names = [...list.matchAll(/^ {2}([a-z-]+) /gm)].map((match) => match[1]).filter((name) => name !== "help");
  return (await Promise.all(names.map((name) => commandsBelow(`${command} ${name}`)))).flat();
}

function flagsIn(section: string): string[] {
  return [...section.matchAll(/^- `(-[^`]+)`:/gm)].map((match) => match[1] as string);
}

function fieldsOf(command: string): string[] {
  const list = /^JSON: (.+?)\.$/ms.exec(page.section(command))?.[1] ?? "";
  return [...list.matchAll(/`([A-Za-z0-9]+)`/g)].map((match) => match[1] as string);
}
