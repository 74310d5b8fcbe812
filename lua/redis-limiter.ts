/**
 * One policy's limiter with its state in Redis: the same semantics as the key table, decision for decision, from
 * a second implementation (the scripts in this folder).
 *
 *      check("alice", 1) ──▶ EVALSHA gcra 1 parl:{alice}:per-key:gcra:… check 100 600000 1 1 0 1
 *                                 │ read, decide, write, expire: in one step, on one key
 *      Verdict           ◀── "0 99 0 600000"
 *
 * Time: `nowUs` is the caller's clock; absent, the script reads Redis' own, once a call. A key decides at the
 * running maximum of the moments it was charged at, so that a clock that steps back mints nothing. Neither a peek
 * nor a denial writes anything.
 *
 * A decision whose answer was lost (PARL_DEADLINE_EXCEEDED, PARL_UNAVAILABLE) may have been made or not.
 */
import type { Cluster, Redis } from "ioredis";
import type { Verdict } from "../core/decision.ts";
import { ParlError } from "../core/errors.ts";
import type { Micros } from "../core/units.ts";
import { scriptNumbers, type RedisLimiterParams } from "./limiter-params.ts";
import { RedisKeys } from "./redis-keys.ts";
import { RedisScript } from "./redis-script.ts";
import { loadScript } from "./script-loader.ts";
import { ScriptProtocol, type Ask, type Mode } from "./script-protocol.ts";

export interface RedisLimiterOptions {
  /** Made by connectRedis or connectRedisCluster, which see to it that nothing is queued, resent or waited for. */
  readonly redis: Redis | Cluster;
  readonly policy: string;
  readonly params: RedisLimiterParams;
  readonly deadlineMs?: number;
  readonly inFlightMax?: number;
  /**
   * Keys live as long as they owe something, by Redis' clock, and at least this long. Raise it where `nowUs` is not
   * this moment (a trace that is replayed slowly, callers whose clocks differ), or debts are forgotten early.
   */
  readonly ttlMinMs?: number;
}

const DEADLINE_MS = 100;
const IN_FLIGHT_MAX = 10_000;

export class RedisLimiter {
  readonly #script: RedisScript;
  readonly #protocol: ScriptProtocol;

  /** @throws ParlError PARL_INVALID_ARGUMENT when the numbers are out of range, or too large to be exact */
  constructor(options: RedisLimiterOptions) {
    const { redis, policy, params, ttlMinMs = 1 } = options;
    const { deadlineMs = DEADLINE_MS, inFlightMax = IN_FLIGHT_MAX } = options;
    const numbers = { ...scriptNumbers(params), ttl_min_ms: ttlMinMs };
    const keys = new RedisKeys(policy, params);
    const script = loadScript(params.algorithm);
    this.#script = new RedisScript(redis, script, { deadlineMs, inFlightMax });
    this.#protocol = new ScriptProtocol(script.contract, { keys, numbers, limit: params.limit });
  }

  /** Puts the script into Redis. Calls work without, the first ones carrying its text. */
  async load(): Promise<void> {
    await this.#script.load();
  }

  /** Asks for `cost`, and charges it if allowed; cost 0 peeks. */
  check(key: string, cost: number, nowUs?: Micros): Promise<Verdict> {
    return this.#one("check", { key, cost, nowUs });
  }

  /** Charges usage that already happened, over the limit as debt. @returns what a peek answers then */
  report(key: string, cost: number, nowUs?: Micros): Promise<Verdict> {
    return this.#one("report", { key, cost, nowUs });
  }

  /** Takes the newest units back that were charged, or all that still count. @returns what a peek answers then */
  refund(key: string, cost: number, nowUs?: Micros): Promise<Verdict> {
    return this.#one("refund", { key, cost, nowUs });
  }

  /** Decides all in one call of the script, in order. On a Cluster the keys must share a slot. */
  async checkBatch(asks: readonly Ask[]): Promise<Verdict[]> {
    if (asks.length === 0) return [];
    const lines = await this.#script.run(this.#protocol.pack("check", asks));
    return lines.split("\n").map((line) => this.#protocol.read(line));
  }

  /** Decides each in a call of its own, in order, all sent at once. */
  async checkPipelined(asks: readonly Ask[]): Promise<(Verdict | ParlError)[]> {
    const lines = await this.#script.runAll(asks.map((ask) => this.#protocol.pack("check", [ask])));
    return lines.map((line) => (line instanceof ParlError ? line : this.#protocol.read(line)));
  }

  async #one(mode: Mode, ask: Ask): Promise<Verdict> {
    return this.#protocol.read(await this.#script.run(this.#protocol.pack(mode, [ask])));
  }
}
