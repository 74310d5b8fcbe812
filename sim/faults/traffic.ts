/**
 * Load by the clock, whatever has been answered (open loop), through the SDK: every limited caller about three
 * times over its limit, and a probe for every shard several times a second. Each call goes into the ledger.
 */
import { connectParl, type ParlClient } from "../../client/parl-client.ts";
import { ParlError } from "../../core/errors.ts";
import { homeShard, SHARDS_DEFAULT } from "../../core/key.ts";
import { Prng } from "../../core/prng.ts";
import { outcomeOf, type Call } from "./ledger.ts";
import { LIMITS, probeKeys, PROBE, subjectOf, type Caller } from "./limits.ts";
import { spendOf, type Peek } from "./spend-check.ts";

export interface TrafficOptions {
  readonly region: string;
  readonly url: string;
  readonly seed: number;
  readonly callers: readonly Caller[];
  /** Of all callers together. */
  readonly callsPerS: number;
  readonly probesPerShardPerS: number;
}

interface Asked {
  readonly tenant: string;
  readonly key?: string;
  readonly user?: string;
  readonly cost: number;
}

const TICK_MS = 10;
/** What a stalled process may catch up in one tick. */
const CALLS_PER_TICK_MAX = 256;
/** Long, so that an answer that is late on a busy machine is not taken for a lost one. */
const DEADLINE_MS = 2_500;
/** One call in so many asks for two units. */
const DOUBLE_EVERY = 16;
const PEEK_ATTEMPTS = 5;

export class Traffic implements AsyncDisposable {
  readonly calls: Call[] = [];
  /** How late this process itself came to its own clock at worst: what it measures is no finer. */
  lagMaxMs = 0;
  readonly #options: TrafficOptions;
  readonly #parl: ParlClient;
  readonly #random: Prng;
  readonly #probes = probeKeys();
  /** Running sums of the callers' weights. */
  readonly #sums: readonly number[];
  readonly #underWay = new Set<Promise<void>>();
  #ticks: NodeJS.Timeout | undefined;
  #asked = 0;
  #probed = 0;
  #lastMs = 0;
  #owed = 0;
  #probesOwed = 0;

  private constructor(options: TrafficOptions, parl: ParlClient) {
    this.#options = options;
    this.#parl = parl;
    this.#random = new Prng(options.seed);
    let sum = 0;
    this.#sums = options.callers.map(({ weight }) => (sum += weight));
  }

  static async connect(options: TrafficOptions): Promise<Traffic> {
    const regions = [{ name: options.region, servers: [options.url] }];
    return new Traffic(options, await connectParl({ regions, deadlineMs: DEADLINE_MS }));
  }

  start(): void {
    this.#lastMs = performance.now();
    this.#ticks = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Resolves when every call has come to an end. */
  async stop(): Promise<void> {
    clearInterval(this.#ticks);
    await Promise.all(this.#underWay);
  }

  /** How many times over its limit the least asked-for binding limit was offered so far. */
  offeredMin(): number {
    let least = Infinity;
    for (const limit of LIMITS) {
      if (!limit.isBinding || !this.#options.callers.some(({ tenant }) => limit.tenants.includes(tenant)))
        continue;
      // Never meant to run out.
      if (limit.name.startsWith("crowd")) continue;
      for (const { demand } of spendOf(limit, this.calls).values())
        least = Math.min(least, demand / limit.limit);
    }
    return least;
  }

  /** Asks, without charging anything, what everybody has left. */
  async peeks(): Promise<Peek[]> {
    const found: Peek[] = [];
    for (const limit of LIMITS) {
      if (!limit.isBinding || limit.dimension === "org" || limit.dimension === "global") continue;
      for (const caller of this.#options.callers) {
        const asked = askedOf(caller, 0);
        const subject = subjectOf(limit, asked);
        if (subject === undefined) continue;
        const { remaining, decidedUs } = await this.#peek(asked);
        if (remaining !== null) found.push({ limit: limit.name, subject, remaining, decidedUs });
      }
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#ticks);
    await this.#parl.close();
  }

  async #peek(asked: Asked): Promise<{ remaining: number | null; decidedUs: number }> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#parl.check(asked);
      } catch (error) {
        if (attempt === PEEK_ATTEMPTS) throw error;
      }
    }
  }

  #tick(): void {
    const { callsPerS, probesPerShardPerS } = this.#options;
    const nowMs = performance.now();
    const passedS = (nowMs - this.#lastMs) / 1_000;
    this.lagMaxMs = Math.max(this.lagMaxMs, Math.round(nowMs - this.#lastMs) - TICK_MS);
    this.#lastMs = nowMs;
    this.#owed = Math.min(CALLS_PER_TICK_MAX, this.#owed + passedS * callsPerS);
    this.#probesOwed = Math.min(
      CALLS_PER_TICK_MAX,
      this.#probesOwed + passedS * probesPerShardPerS * this.#probes.length,
    );
    for (; this.#owed >= 1; this.#owed -= 1) this.#ask(this.#draw());
    for (; this.#probesOwed >= 1; this.#probesOwed -= 1) {
      this.#ask({ tenant: PROBE, key: this.#probes[this.#probed % this.#probes.length] as string, cost: 1 });
      this.#probed += 1;
    }
  }

  #draw(): Asked {
    const at = this.#random.below(this.#sums.at(-1) as number);
    const caller = this.#options.callers[this.#sums.findIndex((sum) => at < sum)] as Caller;
    return askedOf(caller, this.#random.below(DOUBLE_EVERY) === 0 ? 2 : 1);
  }

  #ask(asked: Asked): void {
    const call = this.#call(asked);
    this.#underWay.add(call);
    void call.finally(() => this.#underWay.delete(call));
  }

  async #call(asked: Asked): Promise<void> {
    this.#asked += 1;
    const { region } = this.#options;
    const shard = homeShard(asked.tenant, asked.user ?? asked.key ?? "", SHARDS_DEFAULT);
    const about = { number: this.#asked, region, ...asked, shard, invokedUs: monotonicUs() };
    try {
      const { allowed, policy, decidedUs, retryAfterUs, epoch, sequence } = await this.#parl.check(asked);
      this.calls.push({
        ...about,
        returnedUs: monotonicUs(),
        outcome: allowed ? "admitted" : "denied",
        policy: policy ?? "",
        decidedUs,
        retryAfterUs,
        epoch,
        sequence,
      });
    } catch (error) {
      if (!(error instanceof ParlError)) throw error;
      const { code, message } = error;
      this.calls.push({ ...about, returnedUs: monotonicUs(), outcome: outcomeOf(code), code, message });
    }
  }
}

function askedOf({ tenant, dimension, id }: Caller, cost: number): Asked {
  return dimension === "user" ? { tenant, user: id, cost } : { tenant, key: id, cost };
}

function monotonicUs(): number {
  return Math.floor(performance.now() * 1_000);
}
