/**
 * Where a server listens, as Go writes it: `:8085`, `127.0.0.1:0`, `[::]:8085`, `localhost:8085`.
 *
 * Source: Go net.Listen, without the names of services.
 */

export interface ListenAddress {
  /** Not given for all addresses of the machine. */
  readonly host?: string;
  /** 0 for one that is free. */
  readonly port: number;
}

/** Undefined for what is no address. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) return undefined;
  const host = match[1] ?? match[2] ?? "";
  return host === "" ? { port } : { host, port };
}

/** The other way round. */
export function formatListenAddress({ host = "", port }: ListenAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
