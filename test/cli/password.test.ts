/** Where the password comes from, and how it is asked for. */

import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { describe, it } from "node:test";
import { readPassword } from "../../src/cli/password.ts";
import { run } from "../../src/cli/program.ts";
import type { Terminal } from "../../src/cli/terminal.ts";
import { exitCodes } from "../support/fsb.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const { signal } = new AbortController();
const existing = { file: undefined, isNew: false };
const fresh = { file: undefined, isNew: true };

describe("the password", () => {
  it("is looked for in KOPIA_PASSWORD where FSB_PASSWORD is empty", async () => {
    const { terminal } = typing("", { FSB_PASSWORD: "", KOPIA_PASSWORD: "of kopia" });
    assert.equal(await readPassword(terminal, existing, signal), "of kopia");
  });

  it("is asked for once, unseen, and trimmed as one from a file is", async () => {
    const { terminal, said } = typing("  secret \r");
    assert.equal(await readPassword(terminal, existing, signal), "secret");
    assert.equal(said(), "repository password: \n");
  });

  it("is asked for twice where it is new", async () => {
    const { terminal, said } = typing("secret\rsecret \r");
    assert.equal(await readPassword(terminal, fresh, signal), "secret");
    assert.equal(said(), "new repository password: \nthe same again: \n");
  });

  it("is missing when what was typed differs, is empty, or was cut off", async () => {
    for (const [keys, wanted] of [
      ["secret\rsecrets\r", fresh],
      ["\r", fresh],
      ["  \r", existing],
      ["\u0004", existing],
      ["secret\r\u0004", fresh],
    ] as const) {
      const { terminal } = typing(keys);
      await assert.rejects(readPassword(terminal, wanted, signal), { code: "CLI_PASSWORD_MISSING" }, keys);
    }
  });

  it("that is answered with Ctrl-C is an interrupt", async (t) => {
    const { terminal, said } = typing("sec\u0003");
    const exitCode = await run("fsb", ["repo", "status", "--repo", temporaryFolder(t)], terminal, signal);
    assert.equal(exitCode, exitCodes.interrupted);
    assert.match(said(), /^fsb: interrupted; /m);
  });
});

/** A terminal at which somebody types these keys. */
function typing(keys: string, env: Terminal["env"] = {}): { terminal: Terminal; said: () => string } {
  const stdin = Object.assign(new PassThrough(), { isTTY: true });
  const stderr = new PassThrough();
  stdin.write(keys);
  return {
    terminal: { env, stdin: stdin as unknown as NodeJS.ReadStream, stdout: new PassThrough(), stderr },
    said: () => String(stderr.read() ?? ""),
  };
}
