/**
 * The Redis servers that a measurement uses, keys spread over them by hash: its own, started for it, or somebody
 * else's. Either way they begin empty, since keys of another run would be taken for this one's, and are left empty.
 */
import type { Redis } from "ioredis";
import type { AlgorithmParams } from "../algorithms/algorithm.ts";
import { invalidArgument } from "../core/errors.ts";
import { homeShard } from "../core/key.ts";
import { US_PER_S } from "../core/units.ts";
import { connectRedis } from "../lua/redis-connection.ts";
import { RedisLimiter } from "../lua/redis-limiter.ts";
import { coresApart } from "./cores.ts";
import { startRedis, type RedisProcess } from "./redis-process.ts";

const NODES_MAX = 64;
const POLICY = "bench";
/** A measurement has failed when an answer takes as long as that. */
const DEADLINE_MS = 30_000;

export interface NodeMemory {
  /** What Redis has allocated (`used_memory`), all servers together. */
  readonly usedBytes: number;
  /** The same without what it keeps for its clients, which comes and goes with the traffic. */
  readonly keptBytes: number;
  /** What the operating system has given it. */
  readonly residentBytes: number;
}

/** Time that servers have spent since they started or were told to forget it, all together. */
export interface NodeEffort {
  /** In commands, as Redis times them: scripts include what they call. */
  readonly commandUs: number;
  readonly cpuUs: number;
}

export class RedisNodes implements AsyncDisposable {
  readonly connections: readonly Redis[];
  readonly version: string;
  readonly #owned: AsyncDisposableStack;
  /** Of the servers that were started for this. */
  readonly #pids: readonly number[];

  private constructor(
    connections: readonly Redis[],
    version: string,
    owned: AsyncDisposableStack,
    pids: readonly number[] = [],
  ) {
    this.connections = connections;
    this.version = version;
    this.#owned = owned;
    this.#pids = pids;
  }

  /** Starts so many, with a module if there is one. @throws ParlError PARL_UNAVAILABLE when there is no Redis to start */
  static async start(count = 1, module?: string): Promise<RedisNodes> {
    await using owned = new AsyncDisposableStack();
    const servers: RedisProcess[] = [];
    for (let node = 0; node < count; node += 1) servers.push(owned.use(await startRedis(module)));
    const urls = servers.map(({ url }) => url);
    const connections = await connected(urls, owned);
    const pids = servers.map(({ pid }) => pid);
    return new RedisNodes(connections, await versionOf(connections), owned.move(), pids);
  }

  /** @throws ParlError when one is not there, or not empty */
  static async connect(urls: readonly string[]): Promise<RedisNodes> {
    await using owned = new AsyncDisposableStack();
    const connections = await connected(urls, owned);
    for (const [node, redis] of connections.entries()) {
      if ((await redis.dbsize()) > 0) throw invalidArgument("--redis", "an empty database", urls[node]);
      // In the background: ten million keys take longer than a connection may be silent.
      owned.defer(async () => void (await redis.flushdb("ASYNC").catch(() => undefined)));
    }
    return new RedisNodes(connections, await versionOf(connections), owned.move());
  }

  /** As `--redis` has it: a number of servers to start, or the URLs of some. */
  static async open(text: string): Promise<RedisNodes> {
    if (text.includes(":")) return RedisNodes.connect(text.split(","));
    const count = Number(text);
    if (Number.isInteger(count) && count >= 1 && count <= NODES_MAX) return RedisNodes.start(count);
    const rule = `a number of servers to start (1 to ${NODES_MAX}), or URLs such as redis://127.0.0.1:6379`;
    throw invalidArgument("--redis", rule, text);
  }

  /** A single server that was started for this gets a core of its own, and this process the others. */
  keepApart(): void {
    const [pid, another] = this.#pids;
    if (pid !== undefined && another === undefined) this.#owned.use(coresApart(pid));
  }

  /** Which server a key lives on. */
  nodeOf(name: string): number {
    return this.connections.length === 1 ? 0 : homeShard("", name, this.connections.length);
  }

  /** One for each server. @throws ParlError when the scripts cannot be exact with these numbers */
  limiters(params: AlgorithmParams, ttlMinMs: number): RedisLimiter[] {
    const options = { policy: POLICY, params, deadlineMs: DEADLINE_MS, inFlightMax: Infinity, ttlMinMs };
    return this.connections.map((redis) => new RedisLimiter({ redis, ...options }));
  }

  async keys(): Promise<number> {
    return sum(await Promise.all(this.connections.map(async (redis) => redis.dbsize())));
  }

  async memory(): Promise<NodeMemory> {
    const infos = await this.#infos("memory");
    const total = (field: string): number => sum(infos.map((info) => numberIn(info, field)));
    const usedBytes = total("used_memory");
    return {
      usedBytes,
      keptBytes: usedBytes - total("mem_clients_normal"),
      residentBytes: total("used_memory_rss"),
    };
  }

  /** @param command in lower case, such as evalsha */
  async effort(command: string): Promise<NodeEffort> {
    const infos = await this.#infos("commandstats", "cpu");
    const cpuUs = (field: string): number => US_PER_S * sum(infos.map((info) => numberIn(info, field)));
    return {
      commandUs: sum(infos.map((info) => numberIn(info, `cmdstat_${command}:calls=\\d+,usec`, "="))),
      cpuUs: cpuUs("used_cpu_user") + cpuUs("used_cpu_sys"),
    };
  }

  /** Forgets all keys, and returns when their memory is free. */
  async clear(): Promise<void> {
    await Promise.all(this.connections.map(async (redis) => redis.flushdb("SYNC")));
  }

  #infos(...sections: string[]): Promise<string[]> {
    return Promise.all(this.connections.map(async (redis) => redis.info(...sections)));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#owned.disposeAsync();
  }
}

async function connected(urls: readonly string[], owner: AsyncDisposableStack): Promise<Redis[]> {
  const connections: Redis[] = [];
  for (const url of urls) {
    const redis = await connectRedis(url);
    owner.defer(() => redis.disconnect());
    connections.push(redis);
  }
  return connections;
}

async function versionOf([redis]: readonly Redis[]): Promise<string> {
  return /^redis_version:(\S+)/m.exec((await redis?.info("server")) ?? "")?.[1] ?? "unknown";
}

/** A field of INFO, a pattern; 0 when this server has none of it. */
function numberIn(info: string, field: string, separator = ":"): number {
  return Number(new RegExp(`^${field}${separator}([\\d.]+)`, "m").exec(info)?.[1] ?? 0);
}

function sum(values: readonly number[]): number {
  return values.reduce((left, right) => left + right, 0);
}
