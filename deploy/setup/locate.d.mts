export interface LocatedServer {
  readonly path: string;
  readonly version: string;
  /** How it came to be here: `PARL_…_SERVER`, `PATH`, `.parl/bin` or the way set-up obtained it. */
  readonly source: string;
}

export interface ServerSearch {
  readonly root: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export function locateNatsServer(search: ServerSearch): LocatedServer;
export function locateRedisServer(search: ServerSearch): LocatedServer;
export function locateNatsCli(search: ServerSearch): LocatedServer;
