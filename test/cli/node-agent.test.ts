/** The stock agent's command line: what its versions take is taken. None of these find the cluster they are sent to. */

import assert from "node:assert/strict";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { exitCodes, tryFsb } from "../support/fsb.ts";
import { describeRun, runProgram } from "../support/program.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const launcher = join(import.meta.dirname, "..", "..", "src", "launch.mjs");
const nowhere = ["--kubeconfig", "nowhere/config"];
const env = { NODE_NAME: "node-a", VELERO_NAMESPACE: "velero" };

describe("node-agent server", () => {
  it("takes the flags of all versions in all forms, and names once what means nothing here", async () => {
    const args = [
      ...[
        "--log-level",
        "debug",
        "--log-format=text",
        "--resource-timeout=10m0s",
        "--data-mover-prepare-timeout",
        "30m0s",
      ],
      ...["--metrics-address", "127.0.0.1:0", "--node-agent-configmap=agent", "--backup-repository-configmap=repo"],
      ...["-n", "velero", "-n=velero", "--namespace=velero", "--kubecontext", "c", "--colorized=false"],
      ...[
        "--features=EnableCSI",
        "--features",
        "A,B",
        "--colorized",
        "-v",
        "4",
        "-v=4",
        "-v4",
        "--v=4",
        "--vmodule=a=1",
      ],
      ...["--logtostderr", "--alsologtostderr=true", "--stderrthreshold=2", "--log_dir=logs", "--log_file=f"],
      ...["--log_file_max_size=1", "--log_backtrace_at=a:1", "--add_dir_header", "--skip_headers"],
      ...["--skip_log_headers", "--one_output=false"],
      // Of a version to come, and a word that the stock agent does not look at.
      ...["--new-flag", "value", "--another=x", "--log-level=info", "more"],
    ];
    const run = await tryFsb(["node-agent", "server", ...args, ...nowhere], { env });
    assert.equal(run.exitCode, exitCodes.failed, describeRun(run));
    assert.match(run.stderr, /^fsb: could not read nowhere\/config as kubeconfig \[RESOURCE_STORE_INVALID\]$/m);
    const lines = run.stdout.toString().trimEnd().split("\n");
    assert.equal(lines.length, 1, describeRun(run));
    const named = /msg="Ignored flags, .*" flags="(.*)"$/.exec(lines[0] ?? "")?.[1]?.split(" ") ?? [];
    for (const flag of ["--features", "--v", "--vmodule", "--one_output", "--new-flag", "--another"]) {
      assert.equal(named.filter((name) => name === flag).length, 1, flag);
    }
    for (const flag of ["--log-level", "--resource-timeout", "--namespace", "value", "more"])
      assert.ok(!named.includes(flag), flag);
  });

  it("refuses values that its flags do not have, as the stock agent does", async () => {
    for (const args of [["--log-level=loud"], ["--resource-timeout=soon"], ["--log-format", "xml"]]) {
      const run = await tryFsb(["node-agent", "server", ...args, ...nowhere], { env });
      assert.equal(run.exitCode, exitCodes.failed);
      assert.match(run.stderr, /\[CLI_USAGE\]$/m, args.join(" "));
    }
  });
});

describe("a link called velero", () => {
  const call = async (link: string, args: readonly string[]) =>
    await runProgram(link, args, { env: { ...process.env, ...env } });

  it("is the stock agent, with its flags before or after the command", async (t) => {
    const link = join(temporaryFolder(t), "velero");
    symlinkSync(launcher, link);
    for (const args of [
      ["node-agent", "server", "--features=EnableCSI", ...nowhere],
      ["--features", "EnableCSI", "node-agent", "-n", "velero", "server", ...nowhere],
    ]) {
      const run = await call(link, args);
      assert.match(run.stderr, /^fsb: could not read nowhere\/config as kubeconfig \[RESOURCE_STORE_INVALID\]$/m);
    }
  });

  it("has no other command", async (t) => {
    const link = join(temporaryFolder(t), "velero");
    symlinkSync(launcher, link);
    const run = await call(link, ["repo", "status"]);
    assert.equal(run.exitCode, exitCodes.failed);
    assert.match(run.stderr, /unknown command 'repo' \[CLI_USAGE\]\nhint: see `velero --help`/);
  });
});
