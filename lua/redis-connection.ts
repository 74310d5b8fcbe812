/**
 * Connections for limiters: a decision is made now or not at all. Nothing waits for a connection to come, nothing is
 * sent a second time after one broke (it may have been charged), and a server that says nothing is given up.
 */
import { Cluster, Redis, type RedisOptions } from "ioredis";
import { invalidArgument, ParlError } from "../core/errors.ts";
import { parlErrorOf } from "./redis-errors.ts";

/** Scripts, TIME in them and what they may write are as here since then. */
export const REDIS_VERSION_MIN = 7;
const DATABASE = /^\/?(?<number>\d{0,5})$/;
const CONNECT_TIMEOUT_MS = 2_000;
/** With commands in flight and not a byte for so long the connection is broken off and made again. */
const SILENCE_MAX_MS = 2_000;
const RETRY_MAX_MS = 1_000;

const retryAfterMs = (attempts: number): number => Math.min(RETRY_MAX_MS, 50 * 2 ** Math.min(attempts, 10));

const OPTIONS = {
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  connectTimeout: CONNECT_TIMEOUT_MS,
  socketTimeout: SILENCE_MAX_MS,
  // After a failover the address may lead elsewhere.
  reconnectOnError: (error: Error) => error.message.startsWith("READONLY"),
} as const satisfies RedisOptions;

/** @param url redis://[user:password@]host:port[/database], or rediss:// @throws ParlError within seconds */
export async function connectRedis(url: string): Promise<Redis> {
  const host = redisHost(url);
  const redis = new Redis(url, {
    ...OPTIONS,
    enableOfflineQueue: false,
    retryStrategy: retryAfterMs,
    lazyConnect: true,
  });
  return opened(redis, host, async () => {
    const database = DATABASE.exec(new URL(url).pathname)?.groups?.["number"];
    // The client selects it too, but goes on in database 0 when there is no such one.
    if (database) await redis.select(database);
    return redis.info("server");
  });
}

/** @param nodes some of the Cluster's, as host and port @throws ParlError within seconds */
export async function connectRedisCluster(
  nodes: readonly { readonly host: string; readonly port: number }[],
): Promise<Cluster> {
  const cluster = new Cluster([...nodes], {
    redisOptions: OPTIONS,
    enableOfflineQueue: false,
    clusterRetryStrategy: retryAfterMs,
    retryDelayOnFailover: 0,
    lazyConnect: true,
  });
  const name = nodes.map(({ host, port }) => `${host}:${port}`).join(", ");
  return opened(cluster, name, async () => (cluster.nodes("master")[0] as Redis).info("server"));
}

/** Where a URL leads, without the password: for messages. @throws ParlError PARL_INVALID_ARGUMENT */
export function redisHost(url: string): string {
  const parsed = URL.parse(url);
  // The client would take another path for database 0, or end the process over it; and a query for its options.
  const isGood =
    parsed !== null &&
    /^rediss?:$/.test(parsed.protocol) &&
    parsed.host !== "" &&
    DATABASE.test(parsed.pathname) &&
    parsed.search === "";
  if (isGood) return parsed.host;
  throw invalidArgument(
    "redis",
    "a URL such as redis://127.0.0.1:6379 or redis://user:password@host:6379/1",
    url.replace(/^.*@/s, "…@"),
  );
}

async function opened<Client extends Redis | Cluster>(
  client: Client,
  name: string,
  info: () => Promise<string>,
): Promise<Client> {
  // Without a listener the client writes to the console. What fails is told to whoever asked for it.
  let last: unknown;
  client.on("error", (error) => (last = error));
  try {
    await client.connect();
    const version = /^redis_version:(\S+)/m.exec(await info())?.[1] ?? "unknown";
    if (!(Number.parseInt(version, 10) >= REDIS_VERSION_MIN)) {
      const message = `Redis at ${name} is ${version}; ${REDIS_VERSION_MIN} or newer is needed`;
      throw new ParlError("PARL_UNSUPPORTED_VERSION", message);
    }
    return client;
  } catch (error) {
    client.disconnect();
    if (error instanceof ParlError) throw error;
    const { message, code } = parlErrorOf(last ?? error);
    throw new ParlError(code, `${message}: is a Redis at ${name}?`, { cause: last ?? error });
  }
}
