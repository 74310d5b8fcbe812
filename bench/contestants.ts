/**
 * What bench:decision and bench:memory compare: our keyed limiter with every algorithm, the published memory
 * stores of two packages as they come, and the few lines with a `Map` that everybody writes first.
 *
 * Ours and the Map take the time from their caller, once a batch, and it moves one microsecond a batch: no
 * key ever becomes idle, so all stay live. The packages read their own clock, as their interface has it.
 */
import { ALGORITHMS, type AlgorithmName } from "../algorithms/algorithm.ts";
import { KeyCensus, KeyQuota, markedLow } from "../algorithms/key-census.ts";
import { KeyedLimiter } from "../algorithms/keyed-limiter.ts";
import { createAlgorithm } from "../algorithms/registry.ts";
import { Verdict } from "../core/decision.ts";
import { IdentityHash } from "../core/half-sip-hash.ts";
import { homeShard } from "../core/key.ts";
import { micros, US_PER_MS, US_PER_S, type Micros } from "../core/units.ts";
import { START_US } from "./trace.ts";

export const PEERS = ["rate-limiter-flexible", "express-rate-limit", "map"] as const;
type PeerName = (typeof PEERS)[number];
export type ContestantName = AlgorithmName | PeerName;

export interface ContestantOptions {
  readonly limit: number;
  readonly windowUs: number;
  /** Our table only: shards it is split over. */
  readonly shards: number;
}

export interface Contestant {
  /** Asks for one unit of every key in order; how many were denied. */
  decide(keys: readonly string[]): number | Promise<number>;
  /** What it says of itself, where it does. */
  bytes(): number | null;
}

export async function newContestant(name: ContestantName, options: ContestantOptions): Promise<Contestant> {
  return isOurs(name) ? new Ours(name, options) : await NEW_PEER[name](options);
}

export function isOurs(name: ContestantName): name is AlgorithmName {
  return ALGORITHMS.some((algorithm) => algorithm === name);
}

/** One tenant's keys, counted as in a process: with the room that a tenant has by default. */
const QUOTA = KeyQuota.of(0x5eed5eed, 2 ** 26, 1);

class Ours implements Contestant {
  readonly #shards: readonly KeyedLimiter[];
  readonly #hash = new IdentityHash(0x5eed, 0x5eed);
  readonly #verdict = new Verdict();
  /** Null first, as the limiter's own (keyed-limiter.ts): a sum that is passed on is boxed anew in every call. */
  #nowUs: Micros = null as unknown as Micros;

  constructor(algorithm: AlgorithmName, { limit, windowUs, shards }: ContestantOptions) {
    this.#nowUs = micros(START_US);
    const params = { algorithm, limit, windowUs: micros(windowUs) };
    const census = new KeyCensus();
    this.#shards = Array.from(
      { length: shards },
      (_, shard) => new KeyedLimiter(createAlgorithm(params), { stagger: shard / shards, census }),
    );
  }

  decide(keys: readonly string[]): number {
    this.#nowUs = micros(this.#nowUs + 1);
    const shards = this.#shards;
    const hash = this.#hash;
    const verdict = this.#verdict;
    let denied = 0;
    for (const key of keys) {
      const limiter = shards.length === 1 ? shards[0]! : shards[homeShard("acme", key, shards.length)]!;
      hash.ofString(key);
      limiter.quota = QUOTA;
      limiter.decide(hash.high, markedLow(hash.high, hash.low, QUOTA.tenant), 1, this.#nowUs, verdict);
      if (verdict.outcome !== "allowed") denied += 1;
    }
    return denied;
  }

  bytes(): number {
    return this.#shards.reduce((sum, limiter) => sum + limiter.bytes(), 0);
  }
}

/** A fixed window per key, the plain way. */
class MapWindow implements Contestant {
  readonly #windows = new Map<string, { count: number; resetUs: number }>();
  readonly #limit: number;
  readonly #windowUs: number;
  #nowUs = START_US;

  constructor({ limit, windowUs }: ContestantOptions) {
    this.#limit = limit;
    this.#windowUs = windowUs;
  }

  decide(keys: readonly string[]): number {
    const nowUs = (this.#nowUs += 1);
    let denied = 0;
    for (const key of keys) {
      const window = this.#windows.get(key);
      if (window === undefined || window.resetUs <= nowUs) {
        this.#windows.set(key, { count: 1, resetUs: nowUs + this.#windowUs });
      } else if (window.count < this.#limit) {
        window.count += 1;
      } else {
        denied += 1;
      }
    }
    return denied;
  }

  bytes(): null {
    return null;
  }
}

async function flexible({ limit, windowUs }: ContestantOptions): Promise<Contestant> {
  const { RateLimiterMemory } = await import("rate-limiter-flexible");
  const limiter = new RateLimiterMemory({ points: limit, duration: windowUs / US_PER_S });
  return {
    async decide(keys) {
      let denied = 0;
      for (const key of keys) {
        try {
          await limiter.consume(key);
        } catch {
          denied += 1;
        }
      }
      return denied;
    },
    bytes: () => null,
  };
}

async function express({ limit, windowUs }: ContestantOptions): Promise<Contestant> {
  const { MemoryStore } = await import("express-rate-limit");
  const store = new MemoryStore();
  const windowMs = windowUs / US_PER_MS;
  // The store reads nothing but the window from the middleware's options.
  store.init({ windowMs } as Parameters<typeof store.init>[0]);
  return {
    async decide(keys) {
      let denied = 0;
      for (const key of keys) {
        const { totalHits } = await store.increment(key);
        if (totalHits > limit) denied += 1;
      }
      return denied;
    },
    bytes: () => null,
  };
}

const NEW_PEER: Readonly<Record<PeerName, (options: ContestantOptions) => Contestant | Promise<Contestant>>> =
  {
    "rate-limiter-flexible": flexible,
    "express-rate-limit": express,
    map: (options) => new MapWindow(options),
  };
