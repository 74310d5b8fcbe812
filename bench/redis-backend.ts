/**
 * The Redis scripts, called over a socket: one limiter a server, keys spread over the servers by hash.
 *
 *      due events ──▶ by server ──▶ at most `batch` together ──▶ one pipeline, or one call of the script
 *
 * Events of a key travel in their order. Nothing waits for a batch to fill: what is due is sent. When a server owes
 * many answers the driver has to wait, and what becomes due meanwhile is late, as the driver counts it.
 *
 * On the trace's clock keys are kept for at least an hour: time passes faster or slower in a trace than in Redis, and
 * a debt must not be forgotten because the machine was slow. On Redis' own clock they are kept as long as they owe.
 */
import { setImmediate } from "node:timers/promises";
import type { AlgorithmParams } from "../algorithms/algorithm.ts";
import type { Verdict } from "../core/decision.ts";
import { ParlError } from "../core/errors.ts";
import { micros } from "../core/units.ts";
import type { RedisLimiter } from "../lua/redis-limiter.ts";
import type { Ask } from "../lua/script-protocol.ts";
import type { Backend, Footprint, NamedEvents, VerdictSink } from "./backend.ts";
import { holdInRedis, KEPT_MS } from "./held-keys.ts";
import { capacityOf } from "./oracle.ts";
import type { RedisNodes } from "./redis-nodes.ts";

export const CLOCKS = ["app", "redis"] as const;
export const BATCHINGS = ["pipeline", "call"] as const;

export interface RedisUse {
  /** `app`: the trace's time; `redis`: the server's. */
  readonly clock: (typeof CLOCKS)[number];
  /** Decisions that travel together at most. */
  readonly batch: number;
  /** Each in a call of its own, all sent at once; or all in one call of the script. */
  readonly batching: (typeof BATCHINGS)[number];
}

/** Decisions that may be without an answer before the driver waits, and then until half are left. */
const UNANSWERED_MAX = 4_000;

type Answers = readonly (Verdict | ParlError)[];

export class RedisBackend implements Backend {
  readonly name = "redis";
  roundTrips = 0;
  readonly #nodes: RedisNodes;
  readonly #use: RedisUse;
  readonly #trace: NamedEvents;
  readonly #params: AlgorithmParams;
  readonly #limiters: readonly RedisLimiter[];
  /** By key. */
  readonly #nodeOf: Uint8Array;
  /** By server: events that travel next. */
  readonly #next: number[][];
  #unanswered = 0;
  #failure: unknown;
  #emptyBytes = 0;

  private constructor(nodes: RedisNodes, trace: NamedEvents, params: AlgorithmParams, use: RedisUse) {
    this.#nodes = nodes;
    this.#trace = trace;
    this.#params = params;
    this.#use = use;
    this.#limiters = nodes.limiters(params, use.clock === "app" ? KEPT_MS : 1);
    this.#nodeOf = Uint8Array.from(trace.names, (name) => nodes.nodeOf(name));
    this.#next = nodes.connections.map(() => []);
  }

  /** @throws ParlError when Redis is not there, or cannot be exact with these numbers */
  static async open(
    nodes: RedisNodes,
    trace: NamedEvents,
    params: AlgorithmParams,
    use: RedisUse,
  ): Promise<RedisBackend> {
    const backend = new RedisBackend(nodes, trace, params, use);
    await Promise.all(backend.#limiters.map(async (limiter) => limiter.load()));
    backend.#emptyBytes = (await nodes.memory()).keptBytes;
    return backend;
  }

  async hold(count: number, nowUs: number, onProgress: (share: number) => void): Promise<void> {
    await holdInRedis(this.#nodes, this.#params, {
      count,
      cost: capacityOf(this.#params),
      nowUs: this.#use.clock === "app" ? nowUs : undefined,
      onProgress,
    });
  }

  submit(from: number, to: number, sink: VerdictSink): void {
    const { key } = this.#trace.events;
    for (let index = from; index < to; index += 1) {
      const node = this.#nodeOf[key[index]!]!;
      const next = this.#next[node]!;
      next.push(index);
      if (next.length === this.#use.batch) this.#send(node, sink);
    }
    for (const [node, next] of this.#next.entries()) if (next.length > 0) this.#send(node, sink);
  }

  async turn(): Promise<void> {
    const enough = this.#unanswered > UNANSWERED_MAX ? UNANSWERED_MAX / 2 : Infinity;
    do {
      await setImmediate();
      if (this.#failure !== undefined) throw this.#failure;
    } while (this.#unanswered > enough);
  }

  async footprint(): Promise<Footprint> {
    const [liveKeys, { usedBytes, keptBytes }] = await Promise.all([
      this.#nodes.keys(),
      this.#nodes.memory(),
    ]);
    const bytes = Math.max(0, keptBytes - this.#emptyBytes);
    return { liveKeys, bytesPerKey: liveKeys === 0 ? 0 : bytes / liveKeys, redisUsedMem: usedBytes };
  }

  #send(node: number, sink: VerdictSink): void {
    const indices = this.#next[node]!;
    this.#next[node] = [];
    this.#unanswered += indices.length;
    this.roundTrips += 1;
    void this.#settle(this.#limiters[node]!, indices, sink);
  }

  async #settle(limiter: RedisLimiter, indices: readonly number[], sink: VerdictSink): Promise<void> {
    try {
      const answers = await this.#answers(limiter, indices);
      this.#unanswered -= indices.length;
      for (const [place, answer] of answers.entries()) {
        if (answer instanceof ParlError) throw answer;
        sink.decided(indices[place]!, answer.outcome === "allowed");
      }
    } catch (failure) {
      this.#failure ??= failure;
    }
  }

  async #answers(limiter: RedisLimiter, indices: readonly number[]): Promise<Answers> {
    const asks = indices.map((index) => this.#ask(index));
    const [first] = asks;
    if (asks.length === 1) return [await limiter.check(first!.key, first!.cost, first!.nowUs)];
    return this.#use.batching === "call" ? limiter.checkBatch(asks) : limiter.checkPipelined(asks);
  }

  #ask(index: number): Ask {
    const { key, cost, atUs } = this.#trace.events;
    return {
      key: this.#trace.names[key[index]!]!,
      cost: cost[index]!,
      nowUs: this.#use.clock === "app" ? micros(atUs[index]!) : undefined,
    };
  }
}
