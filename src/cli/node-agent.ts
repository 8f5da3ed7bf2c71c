/**
 * `fsb node-agent server`: the stock agent's own command line, in the forms of all versions, so that a DaemonSet made for
 * it works with the image alone changed.
 *
 * Go's flags are taken as pflag takes them: `--flag=value` and `--flag value`, `-n=value`; a name of several letters has
 * two dashes. A flag that is known but means nothing here is named in the log. So is one that is not known, which a later
 * version may have: ending would be a crash loop, during which a Velero server waits for hours for an agent that is there.
 *
 * Source: Velero pkg/cmd/cli/nodeagent/server.go and pkg/cmd/velero/velero.go, 1.14 to 1.18; klog v2.
 */

import { type Command, Option } from "commander";
import { type AgentCommandOptions, addAgentOptions, serveAsAgent } from "./agent.ts";
import type { Invocation } from "./invocation.ts";

const ignoredFlags: readonly Option[] = [
  new Option("--features <list>", "features of Velero; none is of this agent"),
  new Option("--colorized [bool]", "the log has no colours"),
  new Option("--data-mover-prepare-timeout <duration>", "of pods that the stock agent starts"),
  new Option("--backup-repository-configmap <name>", "of caches that the stock agent mounts"),
  new Option("-v, --v <level>", "the level of klog; --log-level is that of this agent"),
  new Option("--vmodule <list>", "of klog"),
  new Option("--logtostderr [bool]", "of klog"),
  new Option("--alsologtostderr [bool]", "of klog"),
  new Option("--stderrthreshold <severity>", "of klog"),
  new Option("--log_dir <folder>", "of klog"),
  new Option("--log_file <file>", "of klog"),
  new Option("--log_file_max_size <megabytes>", "of klog"),
  new Option("--log_backtrace_at <place>", "of klog"),
  new Option("--add_dir_header [bool]", "of klog"),
  new Option("--skip_headers [bool]", "of klog"),
  new Option("--skip_log_headers [bool]", "of klog"),
  new Option("--one_output [bool]", "of klog"),
];

export function addNodeAgentCommand(program: Command, invocation: Invocation): void {
  const server = program
    .command("node-agent")
    .description("the command line of Velero's own node agent")
    .command("server")
    .description("as `fsb agent`, with the flags and defaults of Velero's own node agent");
  addAgentOptions(server, { podsRoot: "/host_pods", metricsAddress: ":8085", healthAddress: ":8086" });
  for (const option of ignoredFlags) server.addOption(option);
  server
    .allowUnknownOption()
    .allowExcessArguments()
    .action((options: AgentCommandOptions) => {
      const given = ignoredFlags.filter((flag) => server.getOptionValueSource(flag.attributeName()) === "cli");
      // By name alone: what a flag that is not known has for a value may be a secret.
      const unknown = server.args.filter((arg) => arg.startsWith("-")).map((arg) => arg.replace(/=.*$/s, ""));
      return serveAsAgent(invocation, options, [...given.map((flag) => flag.long ?? flag.flags), ...unknown]);
    });
}

/** With what stands before the command behind it: cobra takes the flags of all commands anywhere. */
export function withCommandFirst(args: readonly string[]): readonly string[] {
  const server = args.indexOf("server");
  const nodeAgent = args.lastIndexOf("node-agent", server);
  if (nodeAgent < 0 || server < nodeAgent) return args;
  return ["node-agent", "server", ...args.filter((_, index) => index !== nodeAgent && index !== server)];
}
