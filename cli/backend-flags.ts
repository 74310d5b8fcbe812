/**
 * What decides behind a gateway, as flags that every command spells alike.
 *
 *      --redis redis://…   alone says --backend redis; in the environment it only says where
 */
import { ParlError, shown } from "../core/errors.ts";
import { BACKENDS, type BackendName } from "../gateway/backend.ts";
import { redisHost } from "../lua/redis-connection.ts";
import { UsageError, type FlagTable } from "./flags.ts";

const REDIS_ENV = "PARL_REDIS";
const REDIS_DEFAULT = "redis://127.0.0.1:6379";

export const BACKEND_FLAGS = {
  backend: {
    type: "string",
    value: "nats|redis",
    env: "PARL_BACKEND",
    about: "What decides: a region's shards (nats, the default), or one Redis.",
  },
  redis: {
    type: "string",
    value: "<url>",
    env: REDIS_ENV,
    about: `The Redis, redis://[user:password@]host:port[/database] or rediss://; ${REDIS_DEFAULT} when absent.`,
  },
} as const satisfies FlagTable;

export interface ChosenBackend {
  readonly backend: BackendName;
  /** Of a Redis, also where there is none. */
  readonly redisUrl: string;
}

/** @throws UsageError */
export function chosenBackend(
  flags: { readonly backend: string | undefined; readonly redis: string | undefined },
  env: Readonly<Record<string, string | undefined>>,
): ChosenBackend {
  const isRedisNamed = flags.redis !== undefined && flags.redis !== env[REDIS_ENV];
  const wanted = flags.backend ?? (isRedisNamed ? "redis" : "nats");
  const backend = BACKENDS.find((known) => known === wanted);
  if (backend === undefined) {
    throw new UsageError(`--backend must be one of ${BACKENDS.join(", ")}, got ${shown(wanted)}`, "backend");
  }
  if (backend === "nats" && isRedisNamed) {
    throw new UsageError("--redis is for --backend redis; leave one of them out", "redis");
  }
  const redisUrl = flags.redis ?? REDIS_DEFAULT;
  if (backend === "redis") requireUrl(redisUrl);
  return { backend, redisUrl };
}

function requireUrl(url: string): void {
  try {
    redisHost(url);
  } catch (error) {
    if (error instanceof ParlError) throw new UsageError(`--${error.message}`, "redis", { cause: error });
    throw error;
  }
}
