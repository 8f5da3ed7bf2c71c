/** What a shell offers, by the script that is made for it. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import { fsb } from "../support/fsb.ts";

describe("the completion script for bash", () => {
  it("offers commands, the commands below one, flags, and what a flag chooses from", async () => {
    const script = await fsb(["completion", "bash"]);
    const offered = (...words: readonly string[]): readonly string[] => {
      const ask = `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _fsb; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { status, stdout, stderr } = spawnSync("bash", ["-c", ask, "bash", ...words], { encoding: "utf8" });
      assert.equal(status, 0, stderr);
      return stdout.split("\n").filter((word) => word !== "");
    };
    assert.deepEqual(offered("fsb", "snap"), ["snapshot"]);
    assert.deepEqual(offered("fsb", "snapshot", "l"), ["list", "ls"]);
    assert.deepEqual(offered("fsb", "snapshot", "list", "--lim"), ["--limit"]);
    assert.deepEqual(offered("fsb", "snapshot", "list", "--repo", "x", "-o", ""), ["table", "wide", "json", "yaml"]);
    assert.deepEqual(offered("fsb", "completion", "f"), ["fish"]);
    assert.deepEqual(offered("fsb", "snapshot", "list", "--repo", ""), []);
    assert.deepEqual(offered("fsb", "snapshot", "list", "--sn"), []);
  });

  it("is what the one for zsh uses", async () => {
    const [first, ...rest] = (await fsb(["completion", "zsh"])).split("\n");
    assert.equal(first, "autoload -U +X bashcompinit && bashcompinit");
    assert.equal(rest.join("\n"), await fsb(["completion", "bash"]));
  });
});

describe("the completion script for fish", () => {
  it("has a line for the commands of each place, and one for each flag", async () => {
    const lines = (await fsb(["completion", "fish"])).split("\n");
    assert.ok(lines.some((line) => /^complete -c fsb -n '__fsb_at "fsb repo"' -a '(\S+ )*status( \S+)*'$/.test(line)));
    assert.ok(lines.includes(`complete -c fsb -n '__fsb_at "fsb repo status"' -l output -x -a 'table wide json yaml'`));
    assert.ok(lines.includes(`complete -c fsb -n '__fsb_at "fsb repo status"' -l repo -r`));
  });
});
