/**
 * Checks and reports decided by the policies in force with their state in one Redis.
 *
 *      tenant, user, key ─▶ the policies that match ─▶ one script call: all of them or none ─▶ the tightest answers
 *                                                          │ anything goes wrong
 *                                                          └▶ counted by kind, and PARL_UNAVAILABLE or the like:
 *                                                             nobody decided, or it is unknown whether Redis has
 *
 * Whatever is wrong with a Redis, be it a password that was changed, is an outage to whoever asks here, so that
 * `onFailure` decides. Nothing waits for a connection, and what is sent has a deadline.
 */
import type { CheckResult } from "../client/check.ts";
import type { Clock } from "../core/clock.ts";
import { ParlError } from "../core/errors.ts";
import { encodeId } from "../core/id.ts";
import type { Verdict } from "../core/decision.ts";
import type { JointLimiter } from "../lua/joint-limiter.ts";
import { REDIS_FAULTS, redisFaultOf, type RedisFault } from "../lua/redis-errors.ts";
import type { Decides } from "./backend.ts";
import type { CheckFields } from "./check-fields.ts";
import type { PoliciesInForce } from "./policies-in-force.ts";
import { RedisPolicies, type RedisAsk } from "./redis-policies.ts";
import { tightestOf } from "./tightest.ts";

/** Whose microseconds decide: this process's, or Redis' own. */
export const REDIS_CLOCKS = ["app", "redis"] as const;
export type RedisClock = (typeof REDIS_CLOCKS)[number];

export interface RedisDeciderOptions {
  /** What answers call the place of decision. */
  readonly region: string;
  readonly policies: PoliciesInForce;
  readonly clock: Clock;
  readonly whose: RedisClock;
  /** @throws ParlError PARL_UNAVAILABLE while there is no connection */
  readonly limiter: () => JointLimiter;
}

export class RedisDecider implements Decides {
  readonly #options: RedisDeciderOptions;
  readonly #faults: Record<RedisFault, number>;
  #policies: RedisPolicies;
  #decisions = 0;

  constructor(options: RedisDeciderOptions) {
    this.#options = options;
    this.#faults = Object.fromEntries(REDIS_FAULTS.map((fault) => [fault, 0])) as Record<RedisFault, number>;
    this.#policies = new RedisPolicies(options.policies.set);
  }

  /** Checks and reports that came to nothing, by what was wrong. */
  get faults(): Readonly<Record<RedisFault, number>> {
    return this.#faults;
  }

  check(check: CheckFields): Promise<CheckResult> {
    return this.#decide("check", check);
  }

  report(usage: CheckFields): Promise<CheckResult> {
    return this.#decide("report", usage);
  }

  async #decide(mode: "check" | "report", fields: CheckFields): Promise<CheckResult> {
    requirePossible(fields);
    const { cost, tier } = fields;
    const { clock, whose, limiter } = this.#options;
    const tenant = encodeId(fields.tenant, "tenant");
    const [user, key, id] = [token(fields.user, "user"), token(fields.key, "key"), token(fields.id, "id")];
    const asks = this.#current().asksOf(tenant, user, key);
    const nowUs = clock.wallUs();
    const question = {
      mode,
      cost,
      nowUs: whose === "app" ? nowUs : undefined,
      id: id === "" ? undefined : { tenant, id, what: `${mode} ${user} ${key} ${cost}` },
    };
    let verdicts: readonly (Verdict | undefined)[];
    try {
      verdicts = await limiter().decide(asks, question);
    } catch (error) {
      throw this.#outage(error);
    }
    this.#decisions += 1;
    const place = tightestOf(verdicts);
    return { ...this.#answer(verdicts[place], asks[place]), tier, decidedUs: nowUs };
  }

  #answer(verdict: Verdict | undefined, ask: RedisAsk | undefined): Omit<CheckResult, "tier" | "decidedUs"> {
    return {
      allowed: (verdict?.outcome ?? "allowed") === "allowed",
      outcome: verdict?.outcome ?? "allowed",
      limit: verdict?.limit ?? null,
      remaining: verdict?.remaining ?? null,
      retryAfterUs: verdict?.retryAfterUs ?? 0,
      resetAfterUs: verdict?.resetAfterUs ?? 0,
      delayUs: verdict?.delayUs ?? 0,
      policy: ask?.name ?? null,
      dimension: ask?.dimension ?? null,
      region: this.#options.region,
      sequence: this.#decisions,
      epoch: 0,
      blind: false,
    };
  }

  #current(): RedisPolicies {
    const { set } = this.#options.policies;
    if (this.#policies.set !== set) this.#policies = new RedisPolicies(set);
    return this.#policies;
  }

  #outage(error: unknown): unknown {
    if (!(error instanceof ParlError) || error.code === "PARL_ID_REUSED") return error;
    this.#faults[redisFaultOf(error)] += 1;
    if (error.isRetryable()) return error;
    return new ParlError("PARL_UNAVAILABLE", error.message, { cause: error });
  }
}

/** @throws ParlError PARL_TIER_UNAVAILABLE */
function requirePossible({ tier }: CheckFields): void {
  if (tier === "approximate") return;
  const message = `tier ${tier} is not available with Redis behind the gateway; ask for tier approximate`;
  throw new ParlError("PARL_TIER_UNAVAILABLE", message, { field: "tier" });
}

function token(raw: string | undefined, field: string): string {
  return raw === undefined ? "" : encodeId(raw, field);
}
