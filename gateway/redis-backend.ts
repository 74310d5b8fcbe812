/**
 * One Redis behind the gateway: its connection, what it says about itself, what went wrong with it.
 *
 *      check, report ──▶ RedisDecider ──▶ one script call (lua/joint-limiter.ts)
 *      /readyz, /metrics ──▶ INFO, within the deadline; /readyz also peeks by the script
 *
 * The first connection is tried until it works, and after that it makes itself anew; meanwhile checks are refused at
 * once. A Redis that says nothing costs each check its deadline until the connection is given up, after two seconds.
 */
import type { Redis } from "ioredis";
import type { CheckResult } from "../client/check.ts";
import type { Clock } from "../core/clock.ts";
import { ParlError } from "../core/errors.ts";
import { CallDeadline } from "../lua/call-deadline.ts";
import { JointLimiter } from "../lua/joint-limiter.ts";
import { connectRedis, redisHost } from "../lua/redis-connection.ts";
import { parlErrorOf } from "../lua/redis-errors.ts";
import { redisFacts, redisTroubles, type RedisFacts, type RedisTrouble } from "../lua/redis-facts.ts";
import type { MetricFamily } from "../telemetry/metric.ts";
import type { Backend } from "./backend.ts";
import type { CheckFields } from "./check-fields.ts";
import { LateConnection } from "./late-connection.ts";
import type { PoliciesInForce } from "./policies-in-force.ts";
import type { ReadinessFacts } from "./readiness.ts";
import { RedisDecider, type RedisClock } from "./redis-decider.ts";
import { redisFamilies } from "./redis-metrics.ts";
import { redisReadiness, type RedisReport } from "./redis-readiness.ts";

/** Checks that Redis owes an answer; more are decided by `onFailure` at once. */
const IN_FLIGHT_MAX = 10_000;

export interface RedisBackendOptions {
  readonly name: "redis";
  /** redis://[user:password@]host:port[/database], or rediss:// */
  readonly url: string;
  /** Whose clock decides. */
  readonly clock: RedisClock;
  /** What answers call the place of decision. */
  readonly region: string;
}

export interface RedisBackendParts {
  readonly policies: PoliciesInForce;
  readonly clock: Clock;
  readonly deadlineMs: number;
}

interface Line {
  readonly redis: Redis;
  readonly limiter: JointLimiter;
  /** Why there is no connection at the moment, as far as the client has heard. */
  readonly lost: () => unknown;
  close(): Promise<void>;
}

export class RedisBackend implements Backend {
  readonly name = "redis";
  readonly regions: readonly [string];
  readonly #host: string;
  readonly #line: LateConnection<Line>;
  readonly #deadline: CallDeadline;
  readonly #decider: RedisDecider;
  /** The look under way, shared by everybody who asks meanwhile. */
  #looking: Promise<RedisFacts> | undefined;

  /** @throws ParlError PARL_INVALID_ARGUMENT for a URL that is none, or policies that are not for Redis */
  constructor({ url, clock: whose, region }: RedisBackendOptions, parts: RedisBackendParts) {
    const { policies, clock, deadlineMs } = parts;
    this.regions = [region];
    this.#host = redisHost(url);
    this.#deadline = new CallDeadline(deadlineMs);
    this.#decider = new RedisDecider({
      region,
      policies,
      clock,
      whose,
      limiter: () => this.#current().limiter,
    });
    this.#line = new LateConnection(() => connect(url, deadlineMs));
  }

  get tried(): Promise<void> {
    return this.#line.tried;
  }

  check(check: CheckFields): Promise<CheckResult> {
    return this.#decider.check(check);
  }

  report(usage: CheckFields): Promise<CheckResult> {
    return this.#decider.report(usage);
  }

  async families(): Promise<MetricFamily[]> {
    const script = this.#line.current?.limiter.script;
    const facts = await this.#look().catch(() => undefined);
    return redisFamilies({
      faults: this.#decider.faults,
      heals: script?.heals ?? 0,
      inFlight: script?.inFlight ?? 0,
      facts,
    });
  }

  async readiness({ policyError, isDraining }: ReadinessFacts): Promise<RedisReport> {
    const [region] = this.regions;
    const troubles = await this.#troubles().catch((error: ParlError) => [
      { isStopped: true, message: error.message },
    ]);
    return redisReadiness({ region, host: this.#host, troubles, policyError, isDraining });
  }

  close(): Promise<void> {
    return this.#line.close();
  }

  #current(): Line {
    const line = this.#line.current;
    if (line !== undefined) return line;
    const { error } = this.#line;
    if (error instanceof ParlError) throw error;
    throw new ParlError("PARL_UNAVAILABLE", `no Redis has answered yet at ${this.#host}`, { cause: error });
  }

  /** What Redis says of itself, and else whether the script can be called. @throws ParlError */
  async #troubles(): Promise<readonly RedisTrouble[]> {
    const troubles = redisTroubles(await this.#look());
    if (!troubles.some(({ isStopped }) => isStopped)) await this.#current().limiter.probe();
    return troubles;
  }

  /** Settles within the deadline. @throws ParlError */
  #look(): Promise<RedisFacts> {
    this.#looking ??= this.#lookAgain().finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  async #lookAgain(): Promise<RedisFacts> {
    const { redis, lost } = this.#current();
    try {
      return redisFacts(await this.#deadline.over(redis.info()));
    } catch (error) {
      throw parlErrorOf(lost() ?? error);
    }
  }
}

async function connect(url: string, deadlineMs: number): Promise<Line> {
  const redis = await connectRedis(url);
  let lost: unknown;
  redis.on("error", (error) => (lost = error));
  redis.on("ready", () => (lost = undefined));
  return {
    redis,
    lost: () => lost,
    limiter: new JointLimiter(redis, { deadlineMs, inFlightMax: IN_FLIGHT_MAX }),
    close: async () => redis.disconnect(),
  };
}
