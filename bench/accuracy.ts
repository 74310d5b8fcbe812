/**
 * How wrong a limiter was on a trace, in two numbers. One formula each, read against the envelope that the
 * algorithm's users expect of it:
 *
 *   algorithm                                  envelope  span of time     may hold at most   denominator
 *   fixed-window, sliding-log,                 window    any (t − W, t]   L                  L
 *   sliding-window, conservative-window
 *   token-bucket, leaky-bucket, leaky-queue,   bucket    any [s, t]       B + (t − s)·L/W    B
 *   gcra
 *
 *   over_admit_pct  = 100 · max over keys and spans of (units admitted in the span − what it may hold)⁺
 *                         ÷ denominator
 *   under_admit_pct = 100 · Σ cost of the requests refused although, given everything admitted before,
 *                         admitting them would have kept the envelope  ÷  Σ cost of all requests
 *
 * The first is a worst case: 100 means that some key got twice its limit. The second is a share of the
 * traffic and judges every refusal on its own: room left open counts once for each request that could have
 * used it, so it says how often a caller was turned away without need, not how many units were lost.
 *
 * An exact log (window) and an exact bucket (bucket) have 0 in both. A fixed window is measured against *any*
 * window, not its own grid, which it keeps by construction; a leaky queue against arrivals, not departures.
 * The envelope may be chosen by hand, to hold all algorithms to one yardstick.
 *
 * Why a maximum over infinitely many spans is cheap: spent units only ever step up, at an admission, so the
 * worst span ends at one. For the window, a running sum over the last W. For the bucket,
 * maxₛ(A[s, t] − (t − s)·L/W) is the level of a bucket that is never refused anything:
 * level = max(0, level − Δt·L/W) + cost.
 *
 * Cost: amortised O(1) an event. Memory: window 4 B an event and 16 B a key; bucket 16 B a key. Exact:
 * integers below 2^53, or a typed error. Twin: the measures at the end of oracle.ts.
 */
import type { AlgorithmName, AlgorithmParams } from "../algorithms/algorithm.ts";
import { ParlError } from "../core/errors.ts";
import type { EventColumns } from "./events.ts";

export const ENVELOPES = ["window", "bucket"] as const;
export type EnvelopeKind = (typeof ENVELOPES)[number];

export const ENVELOPE_OF = {
  "fixed-window": "window",
  "sliding-log": "window",
  "sliding-window": "window",
  "conservative-window": "window",
  "token-bucket": "bucket",
  "leaky-bucket": "bucket",
  "leaky-queue": "bucket",
  gcra: "bucket",
} as const satisfies Record<AlgorithmName, EnvelopeKind>;

export interface Accuracy {
  readonly overAdmitPct: number;
  readonly underAdmitPct: number;
  /** The key and the end of its worst span; null when nothing was over-admitted. */
  readonly worst: { readonly key: number; readonly endUs: number } | null;
}

/** Watches one trace being decided, event by event in order. */
export class AccuracyMeter {
  readonly #events: EventColumns;
  readonly #envelope: Envelope;
  #offered = 0;
  #missed = 0;
  #worstExcess = 0;
  #worstKey = 0;
  #worstEndUs = 0;

  constructor(events: EventColumns, keys: number, params: AlgorithmParams, kind?: EnvelopeKind) {
    this.#events = events;
    this.#envelope =
      (kind ?? ENVELOPE_OF[params.algorithm]) === "window"
        ? new WindowEnvelope(events, keys, params)
        : new BucketEnvelope(keys, params);
  }

  /** Event `index` was admitted, or not. */
  observe(index: number, isAdmitted: boolean): void {
    const key = this.#events.key[index]!;
    const atUs = this.#events.atUs[index]!;
    const cost = this.#events.cost[index]!;
    this.#offered += cost;
    const excess = this.#envelope.excessWith(key, atUs, cost);
    if (!isAdmitted) {
      if (excess <= 0) this.#missed += cost;
      return;
    }
    this.#envelope.admit(index, key, cost);
    if (excess <= this.#worstExcess) return;
    this.#worstExcess = excess;
    this.#worstKey = key;
    this.#worstEndUs = atUs;
  }

  result(): Accuracy {
    const excess = this.#worstExcess;
    return {
      overAdmitPct: (100 * excess) / this.#envelope.denominator,
      underAdmitPct: this.#offered === 0 ? 0 : (100 * this.#missed) / this.#offered,
      worst: excess === 0 ? null : { key: this.#worstKey, endUs: this.#worstEndUs },
    };
  }
}

interface Envelope {
  /** What `excessWith` is measured against, in its own unit. */
  readonly denominator: number;
  /** By how much the worst span ending now would exceed the envelope if `cost` were admitted. */
  excessWith(key: number, atUs: number, cost: number): number;
  /** Admits the event last asked about. */
  admit(index: number, key: number, cost: number): void;
}

const NONE = 0xffff_ffff;

/**
 * At most L in any (t − W, t]. A key's admissions are a linked list threaded through the events themselves:
 *
 *     oldest[key] ──▶ event 4 ──▶ event 9 ──▶ event 31 ◀── newest[key]          sum[key] = their cost
 */
class WindowEnvelope implements Envelope {
  readonly denominator: number;
  readonly #events: EventColumns;
  readonly #windowUs: number;
  readonly #next: Uint32Array;
  readonly #oldest: Uint32Array;
  readonly #newest: Uint32Array;
  readonly #sum: Float64Array;

  constructor(events: EventColumns, keys: number, { limit, windowUs }: AlgorithmParams) {
    this.denominator = limit;
    this.#events = events;
    this.#windowUs = windowUs;
    this.#next = new Uint32Array(events.count);
    this.#oldest = new Uint32Array(keys).fill(NONE);
    this.#newest = new Uint32Array(keys);
    this.#sum = new Float64Array(keys);
  }

  excessWith(key: number, atUs: number, cost: number): number {
    const afterUs = atUs - this.#windowUs;
    let oldest = this.#oldest[key]!;
    while (oldest !== NONE && this.#events.atUs[oldest]! <= afterUs) {
      this.#sum[key]! -= this.#events.cost[oldest]!;
      oldest = oldest === this.#newest[key] ? NONE : this.#next[oldest]!;
    }
    this.#oldest[key] = oldest;
    return this.#sum[key]! + cost - this.denominator;
  }

  admit(index: number, key: number, cost: number): void {
    if (this.#oldest[key] === NONE) this.#oldest[key] = index;
    else this.#next[this.#newest[key]!] = index;
    this.#newest[key] = index;
    this.#sum[key]! += cost;
  }
}

/** At most B + r·span in any span, as a level counted in the largest fraction of a unit that keeps it whole. */
class BucketEnvelope implements Envelope {
  readonly denominator: number;
  /** Level per unit of cost, and lost per µs: windowUs and limit in lowest terms. */
  readonly #perUnit: number;
  readonly #perUs: number;
  readonly #level: Float64Array;
  readonly #lastUs: Float64Array;

  constructor(keys: number, { limit, windowUs, burst }: AlgorithmParams) {
    const divisor = greatestCommonDivisor(windowUs, limit);
    this.#perUnit = windowUs / divisor;
    this.#perUs = limit / divisor;
    this.denominator = exact((burst ?? limit) * this.#perUnit);
    this.#level = new Float64Array(keys);
    this.#lastUs = new Float64Array(keys);
  }

  excessWith(key: number, atUs: number, cost: number): number {
    // A product beyond 2^53 is rounded, but still more than any level, so the level is 0 either way.
    const leaked = (atUs - this.#lastUs[key]!) * this.#perUs;
    const level = Math.max(0, this.#level[key]! - leaked);
    this.#level[key] = level;
    this.#lastUs[key] = atUs;
    return level + cost * this.#perUnit - this.denominator;
  }

  admit(_index: number, key: number, cost: number): void {
    this.#level[key] = exact(this.#level[key]! + cost * this.#perUnit);
  }
}

function exact(level: number): number {
  if (level <= Number.MAX_SAFE_INTEGER) return level;
  const message =
    "the policy cannot be measured exactly (burst × window beyond 2^53); choose a window the limit divides";
  throw new ParlError("PARL_INVALID_ARGUMENT", message, { field: "window" });
}

function greatestCommonDivisor(left: number, right: number): number {
  return right === 0 ? left : greatestCommonDivisor(right, left % right);
}
