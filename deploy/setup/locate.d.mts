export interface NatsServer {
  readonly path: string;
  readonly version: string;
  /** How it came to be here: `PARL_NATS_SERVER`, `PATH`, `.parl/bin` or the way set-up obtained it. */
  readonly source: string;
}

export interface NatsServerSearch {
  readonly root: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export const NATS_SERVER_MINIMUM: string;
export function locateNatsServer(search: NatsServerSearch): NatsServer;
