/**
 * The oracle: what every algorithm should answer, worked out from the full history of one key by the
 * definition alone. It is dumb on purpose. It keeps every admission as (moment, cost), reads the whole list
 * for every question, computes in exact integers, and shares no code with algorithms/ or lua/; only the
 * names of a policy's parameters are theirs.
 *
 * Notation: admissions (tᵢ, cᵢ); cost c asked at now; limit L, window W, burst B; all times in µs.
 *
 *   fixed-window         Σ cᵢ with ⌊tᵢ/W⌋ = ⌊now/W⌋                           + c ≤ L
 *   sliding-log          Σ cᵢ with tᵢ > now − W                               + c ≤ L
 *   sliding-window       current + previous · (1 − elapsed/W)                 + c ≤ L
 *   conservative-window  Σ cᵢ in the n + 1 latest sub-windows of ⌈W/n⌉        + c ≤ L
 *   token-bucket         tokens, refilled at L/W up to B                          ≥ c
 *   leaky-bucket         for every j: Σ cᵢ from tⱼ on + c ≤ B + (now − tⱼ)·L/W
 *   leaky-queue          units that have not departed, one every W/L          + c ≤ B
 *   gcra                 max(TAT, now) + c·W/L − now                              ≤ B·W/L
 *
 * The last four say the same in four ways, which is worth a test. Fractions are avoided by multiplying out:
 * levels are counted in 1/W of a unit and moments in 1/L of a µs, so everything is a BigInt.
 *
 * Cost: one decision reads the key's history. For a million decisions use accuracy.ts, which is checked
 * against the measures at the end of this file.
 */
import type { AlgorithmName, AlgorithmParams } from "../algorithms/algorithm.ts";
import type { Outcome } from "../core/decision.ts";

export interface Admission {
  readonly atUs: number;
  readonly cost: number;
}

/** The full history of one key under one policy. */
export class Oracle {
  readonly admissions: Admission[] = [];
  readonly #params: AlgorithmParams;
  #nowUs = -Infinity;

  constructor(params: AlgorithmParams) {
    this.#params = params;
  }

  /** Answers, and remembers what it admits. A clock that steps back stands still. */
  decide(cost: number, nowUs: number): Outcome {
    this.#nowUs = Math.max(this.#nowUs, nowUs);
    const outcome = expectedOutcome(this.#params, this.admissions, cost, this.#nowUs);
    if (outcome === "allowed" && cost > 0) this.admissions.push({ atUs: this.#nowUs, cost });
    return outcome;
  }

  /** Forgets the newest units: as if they had never been admitted. */
  refund(cost: number, nowUs: number): void {
    this.#nowUs = Math.max(this.#nowUs, nowUs);
    for (let left = cost; left > 0;) {
      const newest = this.admissions.pop();
      if (newest === undefined) return;
      if (newest.cost > left) this.admissions.push({ ...newest, cost: newest.cost - left });
      left -= newest.cost;
    }
  }

  /** Remembers usage that nobody was asked about. */
  charge(cost: number, nowUs: number): void {
    this.#nowUs = Math.max(this.#nowUs, nowUs);
    if (cost > 0) this.admissions.push({ atUs: this.#nowUs, cost });
  }
}

/** What asking for `cost` at `nowUs` should answer after `admissions`, which are in order of time. */
export function expectedOutcome(
  params: AlgorithmParams,
  admissions: readonly Admission[],
  cost: number,
  nowUs: number,
): Outcome {
  if (cost === 0) return "allowed";
  if (cost > capacityOf(params)) return "unsatisfiable";
  const question = questionOf(params, admissions, cost, nowUs);
  return DEFINITIONS[params.algorithm](question) ? "allowed" : "denied";
}

/** How long a request allowed into a leaky queue waits: until all that was admitted before has departed. */
export function expectedDelayUs(
  params: AlgorithmParams,
  admissions: readonly Admission[],
  nowUs: number,
): number {
  // A unit of 1/W takes 1/L µs to serve.
  const queued = unitsQueued(questionOf(params, admissions, 0, nowUs));
  const L = BigInt(params.limit);
  return Number((queued + L - 1n) / L);
}

/** The most one request may cost: windows have no burst. */
export function capacityOf({ algorithm, limit, burst }: AlgorithmParams): number {
  const isWindow = algorithm.endsWith("-window") || algorithm === "sliding-log";
  return isWindow || limit === 0 ? limit : (burst ?? limit);
}

interface Question {
  readonly admissions: readonly Admission[];
  readonly now: bigint;
  readonly c: bigint;
  readonly L: bigint;
  readonly W: bigint;
  readonly B: bigint;
  /** Sub-windows per window. */
  readonly n: bigint;
}

function questionOf(
  params: AlgorithmParams,
  admissions: readonly Admission[],
  cost: number,
  nowUs: number,
): Question {
  return {
    admissions,
    now: BigInt(nowUs),
    c: BigInt(cost),
    L: BigInt(params.limit),
    W: BigInt(params.windowUs),
    B: BigInt(capacityOf(params)),
    n: BigInt(params.subWindows ?? 10),
  };
}

/** Whether the cost asked for conforms. */
const DEFINITIONS: Readonly<Record<AlgorithmName, (question: Question) => boolean>> = {
  "fixed-window": ({ admissions, now, c, L, W }) => spent(admissions, (at) => at / W === now / W) + c <= L,

  "sliding-log": ({ admissions, now, c, L, W }) => spent(admissions, (at) => at > now - W) + c <= L,

  "sliding-window": ({ admissions, now, c, L, W }) => {
    const current = spent(admissions, (at) => at / W === now / W);
    const previous = spent(admissions, (at) => at / W === now / W - 1n);
    return (current + c) * W + previous * (W - (now % W)) <= L * W;
  },

  "conservative-window": ({ admissions, now, c, L, W, n }) => {
    const subWindow = (W + n - 1n) / n;
    return spent(admissions, (at) => at / subWindow >= now / subWindow - n) + c <= L;
  },

  "token-bucket": (question) => tokensLeft(question) >= question.c * question.W,

  "leaky-bucket": ({ admissions, now, c, L, W, B }) => {
    let units = c;
    return admissions.toReversed().every(({ atUs, cost }) => {
      units += BigInt(cost);
      return units * W <= B * W + (now - BigInt(atUs)) * L;
    });
  },

  "leaky-queue": (question) => unitsQueued(question) + question.c * question.W <= question.B * question.W,

  gcra: ({ admissions, now, c, L, W, B }) => {
    let tat = 0n;
    for (const { atUs, cost } of admissions) tat = greatest(tat, BigInt(atUs) * L) + BigInt(cost) * W;
    return greatest(tat, now * L) + c * W - now * L <= B * W;
  },
};

/** Units admitted at the moments that count. */
function spent(admissions: readonly Admission[], counts: (at: bigint) => boolean): bigint {
  return admissions.reduce((sum, { atUs, cost }) => (counts(BigInt(atUs)) ? sum + BigInt(cost) : sum), 0n);
}

/** In 1/W of a token: starts full, gains L each µs up to B, loses W a unit. Debt goes below zero. */
function tokensLeft({ admissions, now, L, W, B }: Question): bigint {
  let tokens = B * W;
  let last = 0n;
  const refill = (until: bigint): void => {
    tokens = least(B * W, tokens + (until - last) * L);
    last = until;
  };
  for (const { atUs, cost } of admissions) {
    refill(BigInt(atUs));
    tokens -= BigInt(cost) * W;
  }
  refill(now);
  return tokens;
}

/** In 1/W of a unit: what has not left a queue that serves one unit every W/L µs, in order of arrival. */
function unitsQueued({ admissions, now, L, W }: Question): bigint {
  // Moments in 1/L of a µs, so that serving one unit takes exactly W.
  let departure = 0n;
  let queued = 0n;
  for (const { atUs, cost } of admissions) {
    for (let unit = 0; unit < cost; unit += 1) {
      departure = greatest(departure, BigInt(atUs) * L) + W;
      queued += least(W, greatest(0n, departure - now * L));
    }
  }
  return queued;
}

/** The most units in any window (t − W, t]. */
export function mostInAnyWindow(admissions: readonly Admission[], windowUs: number): number {
  return most(admissions.map(({ atUs: endUs }) => unitsIn(admissions, endUs - windowUs, endUs)));
}

/** The most units in any window of the epoch's grid. */
export function mostInAnyWindowId(admissions: readonly Admission[], windowUs: number): number {
  return most(
    admissions.map(({ atUs }) => {
      const startUs = atUs - (atUs % windowUs);
      return unitsIn(admissions, startUs - 1, startUs - 1 + windowUs);
    }),
  );
}

/** The most units by which any span [s, t] exceeds (t − s)·L/W: the least B that would have let them through. */
export function mostAboveRate(admissions: readonly Admission[], limit: number, windowUs: number): number {
  const spans = admissions.flatMap(({ atUs: startUs }) =>
    admissions.filter(({ atUs }) => atUs >= startUs).map(({ atUs: endUs }) => [startUs, endUs] as const),
  );
  return most(
    spans.map(([startUs, endUs]) => {
      const units = unitsIn(admissions, startUs - 1, endUs);
      return Number(BigInt(units) * BigInt(windowUs) - BigInt(endUs - startUs) * BigInt(limit)) / windowUs;
    }),
  );
}

/** Units admitted later than `afterUs` and not later than `untilUs`. */
function unitsIn(admissions: readonly Admission[], afterUs: number, untilUs: number): number {
  return admissions.reduce(
    (sum, { atUs, cost }) => (atUs > afterUs && atUs <= untilUs ? sum + cost : sum),
    0,
  );
}

function most(values: readonly number[]): number {
  return values.reduce((left, right) => Math.max(left, right), 0);
}

function least(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}

function greatest(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}
