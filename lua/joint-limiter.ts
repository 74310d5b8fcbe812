/**
 * Several policies decide a check together, with their state in one Redis: all are charged, or none.
 *
 *      check([per-key of alice, per-org of acme], 1) ──▶ EVALSHA joint 2 parl:{acme.key.alice}:… parl:{acme._org}:…
 *                                                              │ look, ask, charge: one step
 *      [Verdict, Verdict]                            ◀── "0 99 0 600000\n0 99999 0 19000000"
 *
 * If one refuses, its verdict says how long, and those of the others say what is left and was not charged. On a
 * Cluster all keys of a call would have to be in one slot, and keys of different owners are not.
 */
import type { Redis } from "ioredis";
import type { Verdict } from "../core/decision.ts";
import type { Micros } from "../core/units.ts";
import { loadJointScript } from "./joint-script.ts";
import { scriptNumbers, type RedisLimiterParams } from "./limiter-params.ts";
import { RedisKeys } from "./redis-keys.ts";
import { RedisScript, type RedisScriptOptions } from "./redis-script.ts";
import { argumentText, type ScriptField } from "./script-contract.ts";
import { loadScript } from "./script-loader.ts";
import { ScriptProtocol, type Mode } from "./script-protocol.ts";

/** A policy worked out once: what it says as arguments, and how its answers are read. */
export class JointPolicy {
  readonly keys: RedisKeys;
  /** Its algorithm, then its numbers. */
  readonly words: readonly string[];
  readonly #protocol: ScriptProtocol;

  /** @throws ParlError PARL_INVALID_ARGUMENT when the numbers are out of range, or too large to be exact */
  constructor(policy: string, params: RedisLimiterParams) {
    const numbers = { ...scriptNumbers(params), ttl_min_ms: 1 };
    this.keys = new RedisKeys(policy, params);
    this.#protocol = new ScriptProtocol(loadScript(params.algorithm).contract, {
      keys: this.keys,
      numbers,
      limit: params.limit,
    });
    this.words = [params.algorithm, ...this.#protocol.numbers];
  }

  read(line: string): Verdict {
    return this.#protocol.read(line);
  }
}

export interface JointAsk {
  readonly policy: JointPolicy;
  /** Whose key it is, as RedisKeys.ofOwner takes it. */
  readonly owner: string;
}

// What all scripts take alike, so that any of them may say in which range.
const [NOW_US, COST] = ["now_us", "cost"].map((name) =>
  loadScript("gcra").contract.perKey.find((field) => field.name === name),
) as [ScriptField, ScriptField];
const SERVER_CLOCK = 0;

export class JointLimiter {
  readonly script: RedisScript;

  /** @param redis made by connectRedis, which sees to it that nothing is queued, resent or waited for */
  constructor(redis: Redis, options: RedisScriptOptions) {
    this.script = new RedisScript(redis, loadJointScript(), options);
  }

  /** Asks for `cost` under all of them, and charges all if all allow it; cost 0 peeks. */
  check(asks: readonly JointAsk[], cost: number, nowUs?: Micros): Promise<Verdict[]> {
    return this.#decide("check", asks, cost, nowUs);
  }

  /** Charges usage that already happened, over the limits as debt. @returns what peeks answer then */
  report(asks: readonly JointAsk[], cost: number, nowUs?: Micros): Promise<Verdict[]> {
    return this.#decide("report", asks, cost, nowUs);
  }

  async #decide(
    mode: Mode,
    asks: readonly JointAsk[],
    cost: number,
    nowUs: number = SERVER_CLOCK,
  ): Promise<Verdict[]> {
    if (asks.length === 0) return [];
    const call: [number, ...string[]] = [asks.length];
    for (const { policy, owner } of asks) call.push(policy.keys.ofOwner(owner));
    call.push(mode, argumentText(NOW_US, nowUs), argumentText(COST, cost));
    for (const { policy } of asks) call.push(...policy.words);
    const lines = (await this.script.run(call)).split("\n");
    return asks.map(({ policy }, i) => policy.read(lines[i] as string));
  }
}
