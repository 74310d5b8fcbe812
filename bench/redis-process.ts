/** A Redis of one's own for a measurement: a child on a free port of loopback, nothing persisted. */
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { ParlError } from "../core/errors.ts";
import { locateRedisServer } from "../deploy/setup/locate.mjs";
import { freePort, startChild } from "./child.ts";

export interface RedisProcess extends AsyncDisposable {
  readonly url: string;
  readonly version: string;
  readonly pid: number;
}

/**
 * @param module a file that Redis loads
 * @throws ParlError PARL_UNAVAILABLE when there is none to start, or it does not start
 */
export async function startRedis(module?: string): Promise<RedisProcess> {
  await using started = new AsyncDisposableStack();
  const { path, version } = located();
  const port = String(await freePort());
  const settings = {
    port,
    bind: "127.0.0.1",
    dir: tmpdir(),
    save: "",
    appendonly: "no",
    ...(module !== undefined && { loadmodule: module }),
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const child = await startChild(started, { path, args, ready: /Ready to accept connections/ });
  const running = started.move();
  return {
    url: `redis://127.0.0.1:${port}`,
    version,
    pid: child.pid as number,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Of the Redis that would be started. */
export function redisVersion(): string {
  return located().version;
}

function located(): { path: string; version: string } {
  const root = fileURLToPath(new URL("..", import.meta.url));
  try {
    return locateRedisServer({ root, env: process.env });
  } catch (cause) {
    throw new ParlError("PARL_UNAVAILABLE", (cause as Error).message, { cause });
  }
}
