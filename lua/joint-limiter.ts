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
import { ParlError } from "../core/errors.ts";
import { micros, US_PER_S, type Micros } from "../core/units.ts";
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

export interface JointQuestion {
  readonly mode: Mode;
  readonly cost: number;
  /** The caller's clock; absent: Redis' own. */
  readonly nowUs?: Micros | undefined;
  /** What was charged under an id once is not charged again within a minute, but answered as it was then. */
  readonly id?: JointId | undefined;
}

interface JointId {
  /** As a token. */
  readonly tenant: string;
  readonly id: string;
  /** What is asked under it, on one line. */
  readonly what: string;
}

// What all scripts take alike, so that any of them may say in which range.
const [NOW_US, COST] = ["now_us", "cost"].map((name) =>
  loadScript("gcra").contract.perKey.find((field) => field.name === name),
) as [ScriptField, ScriptField];
const SERVER_CLOCK = 0;
const PROBE = {
  policy: new JointPolicy("probe", { algorithm: "gcra", limit: 1, windowUs: micros(US_PER_S) }),
  owner: "_probe",
};
const AGAIN = "again ";

export class JointLimiter {
  readonly script: RedisScript;

  /** @param redis made by connectRedis, which sees to it that nothing is queued, resent or waited for */
  constructor(redis: Redis, options: RedisScriptOptions) {
    this.script = new RedisScript(redis, loadJointScript(), options);
  }

  /** Peeks where nobody's key is: whether the script can be called. Writes nothing. @throws ParlError */
  async probe(): Promise<void> {
    await this.decide([PROBE], { mode: "check", cost: 0 });
  }

  /**
   * A check asks for the cost under all policies, and charges it if all allow it; cost 0 peeks. A report charges usage
   * that already happened, over the limits as debt, and is answered with what peeks answer then.
   *
   * @returns in the order of `asks`; undefined for a policy under which nothing was charged when the id was new
   * @throws ParlError PARL_ID_REUSED when something else was charged under the id
   */
  async decide(asks: readonly JointAsk[], question: JointQuestion): Promise<(Verdict | undefined)[]> {
    if (asks.length === 0) return [];
    const { mode, cost, nowUs = SERVER_CLOCK, id } = question;
    const names = asks.map(({ policy, owner }) => policy.keys.ofOwner(owner));
    const call: [number, ...string[]] = [names.length, ...names];
    if (id !== undefined) {
      call[0] += 1;
      call.push(RedisKeys.ofAnswer(id.tenant, id.id));
    }
    call.push(mode, argumentText(NOW_US, nowUs), argumentText(COST, cost), id?.what ?? "");
    for (const { policy } of asks) call.push(...policy.words);
    const reply = await this.script.run(call);
    const lines = reply.startsWith(AGAIN)
      ? linesKept(reply.slice(AGAIN.length), names, id as JointId)
      : reply.split("\n");
    return asks.map(({ policy }, i) => (lines[i] === undefined ? undefined : policy.read(lines[i])));
  }
}

/** The answer to what was charged before, by the names of its keys. */
function linesKept(kept: string, names: readonly string[], { id, what }: JointId): (string | undefined)[] {
  const [whatThen, ...rows] = kept.split("\n");
  if (whatThen !== what) {
    const message = `id ${id} was used for another request (${whatThen}); take a new id for each request`;
    throw new ParlError("PARL_ID_REUSED", message, { field: "id" });
  }
  const byName = new Map(
    rows.map((row) => [row.slice(0, row.indexOf(" ")), row.slice(row.indexOf(" ") + 1)]),
  );
  return names.map((name) => byName.get(name));
}
