/**
 * The ConfigMap of a node agent: of what stock agents read from it, only how many volumes are worked on at once; and under
 * a key of its own, which they pass over, what this agent may take of its node.
 *
 * Nothing in it stops the agent: what cannot be used is said, with what to do, and the default counts. A stock agent of
 * 1.17 and later ends instead, and is restarted for ever, while the Velero server takes it for running.
 *
 * Source: Velero pkg/nodeagent/node_agent.go and pkg/cmd/cli/nodeagent/server.go (getDataPathConcurrentNum), 1.14 to 1.18.
 */

import {
  type EngineSettingName,
  type EngineSettings,
  type EngineSettingValue,
  engineSettingByName,
} from "../../base/engine-settings.ts";
import { CodedError, explainInOneLine } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { fieldAt, isJsonObject, itemsAt, textsAt } from "../../kubernetes/json.ts";
import { type LabelSelector, matchesLabels, parseLabelSelector } from "../../kubernetes/label-selector.ts";
import type { ResourceStore } from "../../kubernetes/resource-store.ts";
import { isReachable } from "../../kubernetes/until-reachable.ts";
import { configMaps, nodes } from "./velero-resources.ts";

/** What a stock agent of 1.14 looks for, which has no flag for it. */
export const defaultConfigMapName = "node-agent-config";
/** As Velero's. */
export const defaultConcurrency = 1;
/** Of what this agent reads and stock agents do not. */
const engineKey = "fsb";

export interface NodeAgentConfig {
  /** For nodes without a rule; undefined where it is not given or cannot be used. */
  readonly global: number | undefined;
  readonly perNode: readonly { readonly selector: LabelSelector; readonly number: number }[];
  /** What is said of memory, threads, bandwidth and priority. */
  readonly engine: EngineSettings;
  /** Keys that mean nothing to this agent. */
  readonly ignored: readonly string[];
  /** What cannot be used, as "loadConcurrency.globalConfig is no whole number above 0". */
  readonly problems: readonly string[];
}

/** From the ConfigMap's `data`. */
export function parseNodeAgentConfig(data: ReadonlyMap<string, string>): NodeAgentConfig {
  const [text, ...more] = data.values();
  if (text === undefined) return unusable("it has no key in data");
  if (more.length > 0)
    return unusable(`it has ${data.size} keys in data, ${[...data.keys()].join(", ")}; one is expected`);
  const value = parseJson(text);
  if (!isJsonObject(value)) return unusable(`its key ${[...data.keys()].join()} is no JSON object`);
  const load = value.loadConcurrency ?? {};
  const ignored = [
    ...Object.keys(value).filter((key) => key !== "loadConcurrency" && key !== engineKey),
    ...Object.keys(isJsonObject(load) ? load : {})
      .filter((key) => key !== "globalConfig" && key !== "perNodeConfig")
      .map((key) => `loadConcurrency.${key}`),
  ];
  const problems: string[] = [];
  if (!isJsonObject(load)) problems.push("loadConcurrency is no object");
  const global = fieldAt(load, "globalConfig");
  if (global !== undefined && !isCount(global))
    problems.push("loadConcurrency.globalConfig is no whole number above 0");
  const perNode = itemsAt(load, "perNodeConfig").flatMap((rule, index) => {
    const selector = parseLabelSelector(fieldAt(rule, "nodeSelector") ?? {});
    const number = fieldAt(rule, "number");
    const where = `loadConcurrency.perNodeConfig[${index}]`;
    if (selector === undefined) problems.push(`${where}.nodeSelector is no label selector`);
    if (!isCount(number)) problems.push(`${where}.number is no whole number above 0`);
    return selector === undefined || !isCount(number) ? [] : [{ selector, number }];
  });
  const { engine, unknown } = parseEngine(value[engineKey] ?? {}, problems);
  return {
    global: isCount(global) ? global : undefined,
    perNode,
    engine,
    ignored: [...ignored, ...unknown],
    problems,
  };
}

/** Of values that are texts or numbers. What cannot be used is added to the problems. */
function parseEngine(value: unknown, problems: string[]): { engine: EngineSettings; unknown: readonly string[] } {
  if (!isJsonObject(value)) {
    problems.push(`${engineKey} is no object`);
    return { engine: {}, unknown: [] };
  }
  const settings: [keyof EngineSettings, EngineSettingValue][] = [];
  const unknown: string[] = [];
  for (const [name, given] of Object.entries(value)) {
    if (!Object.hasOwn(engineSettingByName, name)) {
      unknown.push(`${engineKey}.${name}`);
      continue;
    }
    const known = engineSettingByName[name as EngineSettingName];
    const parsed = known.parse(String(given));
    if ("problem" in parsed) problems.push(`${engineKey}.${name}: ${parsed.problem}`);
    else settings.push([known.setting, parsed.value]);
  }
  return { engine: Object.fromEntries(settings), unknown };
}

/** The smallest of the rules that match, else what holds for all nodes. Undefined labels: the node could not be read. */
export function decideConcurrency(config: NodeAgentConfig, labels: ReadonlyMap<string, string> | undefined): number {
  const matching = labels === undefined ? [] : config.perNode.filter(({ selector }) => matchesLabels(selector, labels));
  return (
    matching.reduce<number | undefined>((smallest, { number }) => Math.min(smallest ?? number, number), undefined) ??
    config.global ??
    defaultConcurrency
  );
}

export interface NodeAgentSettings {
  /** How many volumes this node works on at once. */
  readonly concurrency: number;
  readonly engine: EngineSettings;
}

/** What is read once, at the start. Errors: those that say that nothing can be read now. */
export async function readNodeAgentSettings(
  store: ResourceStore,
  options: {
    readonly veleroNamespace: string;
    readonly node: string;
    /** Of the ConfigMap; not given where its absence is fine. */
    readonly configMap: string | undefined;
    readonly log: Log;
  },
  signal: AbortSignal,
): Promise<NodeAgentSettings> {
  const defaults: NodeAgentSettings = { concurrency: defaultConcurrency, engine: {} };
  const name = options.configMap ?? defaultConfigMapName;
  const log = options.log.with({ configMap: `${options.veleroNamespace}/${name}` });
  const object = await tolerated(
    () => store.get(configMaps, { namespace: options.veleroNamespace, name }, { signal }),
    (because) => log.warn("Node agent ConfigMap cannot be read, using the defaults", { because }),
  );
  if (object === "unreadable") return defaults;
  if (object === undefined) {
    const hint = "make the ConfigMap, or take --node-agent-configmap away, and restart the agent";
    if (options.configMap !== undefined) log.warn("Node agent ConfigMap does not exist, using the defaults", { hint });
    return defaults;
  }
  const config = parseNodeAgentConfig(textsAt(object.content, "data"));
  if (config.problems.length > 0) {
    const hint = "correct the ConfigMap and restart the agent";
    log.warn("Node agent ConfigMap cannot be used as it is", { because: config.problems.join("; "), hint });
  }
  if (config.ignored.length > 0) {
    log.warn("Ignored keys of the node agent ConfigMap, which mean nothing to this agent", {
      keys: config.ignored.join(", "),
    });
  }
  const node =
    config.perNode.length === 0
      ? undefined
      : await tolerated(
          () => store.get(nodes, { namespace: "", name: options.node }, { signal }),
          (because) =>
            log.warn("Node cannot be read, using the concurrency of all nodes", { node: options.node, because }),
        );
  const concurrency = decideConcurrency(config, node === "unreadable" ? undefined : node?.metadata.labels);
  const { engine } = config;
  log.info("Read node agent ConfigMap", { concurrency, ...engine });
  return { concurrency, engine };
}

/** A right that is missing is no reason to wait. */
async function tolerated<Result>(
  read: () => Promise<Result>,
  tell: (because: string) => void,
): Promise<Result | "unreadable"> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof CodedError) || !isReachable(error)) throw error;
    tell(explainInOneLine(error));
    return "unreadable";
  }
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0;
}

function unusable(problem: string): NodeAgentConfig {
  return { global: undefined, perNode: [], engine: {}, ignored: [], problems: [problem] };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // The caller says that it is none; the parser's words would quote it.
  }
}
