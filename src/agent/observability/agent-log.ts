/**
 * The agent's log, in the shape of a stock agent's, so that what collects its lines goes on working: one line an entry,
 * JSON or logrus' text.
 *
 *     time="2024-05-01T10:00:00Z" level=info msg="PodVolumeBackup starting" pod=shop/db-0 volume=data
 *
 * Source: Velero pkg/util/logging.
 */

import { type DestinationStream, destination, type Logger, pino } from "pino";
import { CodedError, explainInOneLine } from "../../base/errors.ts";
import type { Log, LogFields } from "../../base/log.ts";

export type LogFormat = "text" | "json";
/** Those of a stock agent's command line. */
export type LogLevel = "panic" | "fatal" | "error" | "warning" | "info" | "debug" | "trace";

export interface AgentLogOptions {
  readonly format: LogFormat;
  readonly level: LogLevel;
  /** Gets one line with its end at a time; without it, standard output does. */
  readonly write?: (line: string) => void;
}

const pinoLevels: Readonly<Record<LogLevel, string>> = {
  panic: "fatal",
  fatal: "fatal",
  error: "error",
  warning: "warn",
  info: "info",
  debug: "debug",
  trace: "trace",
};

export function createAgentLog(options: AgentLogOptions): Log {
  const stdout = options.write === undefined ? destination({ fd: 1, sync: true }) : undefined;
  const write = options.write ?? ((line: string) => void stdout?.write(line));
  const stream: DestinationStream = { write: options.format === "json" ? write : (line) => write(asText(line)) };
  const logger = pino(
    {
      level: pinoLevels[options.level],
      base: null,
      messageKey: "msg",
      timestamp: () => `,"time":"${new Date().toISOString().replace(/\.\d+Z$/, "Z")}"`,
      formatters: { level: (label) => ({ level: label === "warn" ? "warning" : label }) },
    },
    stream,
  );
  return new AgentLog(logger);
}

class AgentLog implements Log {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  debug(message: string, fields?: LogFields): void {
    this.#logger.debug(fields ?? {}, message);
  }

  info(message: string, fields?: LogFields): void {
    this.#logger.info(fields ?? {}, message);
  }

  warn(message: string, fields?: LogFields): void {
    this.#logger.warn(fields ?? {}, message);
  }

  error(message: string, error: unknown, fields?: LogFields): void {
    const code = error instanceof CodedError ? { errorCode: error.code } : {};
    this.#logger.error({ ...fields, "error.message": explainInOneLine(error), ...code }, message);
  }

  with(fields: LogFields): Log {
    return new AgentLog(this.#logger.child(fields));
  }
}

function asText(json: string): string {
  const { time, level, msg, ...fields } = JSON.parse(json) as Readonly<Record<string, unknown>>;
  const rest = Object.entries(fields).map(
    ([key, value]) => ` ${key === "error.message" ? "error" : key}=${quoted(value)}`,
  );
  return `time=${quoted(time)} level=${level} msg=${quoted(msg)}${rest.join("")}\n`;
}

/** Quoted, as logrus does, where a letter is none of those that it leaves as they are. */
function quoted(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return /^[a-zA-Z0-9\-._/@^+]+$/.test(text) ? text : JSON.stringify(text);
}
