/**
 * Each algorithm as one formula over a key's whole history, in exact integers: slow, obvious, and without
 * state that could be stored, swept or rounded. The twin that the real ones are compared with.
 */
import type { AlgorithmName, AlgorithmParams } from "../../algorithms/algorithm.ts";
import type { Verdict } from "../../core/decision.ts";

interface Event {
  readonly atUs: number;
  readonly cost: number;
}

/**
 * The part of a verdict that the formulas speak about, as a line of text (lines are compared many times faster
 * than objects). `retryAfterUs` is not in it, because it follows from when they allow.
 */
export function answerLine({
  outcome,
  remaining,
  resetAfterUs,
  delayUs,
}: Pick<Verdict, "outcome" | "remaining" | "resetAfterUs" | "delayUs">): string {
  return `${outcome}, ${remaining} left, reset after ${resetAfterUs} µs, delay ${delayUs} µs`;
}

/** What all formulas have in common: units in use, as a multiple of 1 / `scale`, and when none will be. */
interface Formula {
  readonly scale: bigint;
  readonly used: (events: readonly Event[], nowUs: number) => bigint;
  readonly resetAfterUs: (events: readonly Event[], nowUs: number) => number;
}

/** One key under one policy; time must not step back. */
export class FormulaKey {
  readonly #params: AlgorithmParams;
  readonly #formula: Formula;
  readonly #events: Event[] = [];

  constructor(params: AlgorithmParams) {
    this.#params = params;
    this.#formula = FORMULAS[params.algorithm](params);
  }

  decide(cost: number, nowUs: number): string {
    const { used, resetAfterUs, scale } = this.#formula;
    const capacity = capacityOf(this.#params);
    const before = used(this.#events, nowUs);
    const isAllowed = cost === 0 || before + BigInt(cost) * scale <= BigInt(capacity) * scale;
    if (isAllowed) this.charge(cost, nowUs);
    const left = BigInt(capacity) * scale - used(this.#events, nowUs);
    return answerLine({
      outcome: isAllowed ? "allowed" : cost <= capacity ? "denied" : "unsatisfiable",
      remaining: left > 0n ? Number(left / scale) : 0,
      resetAfterUs: resetAfterUs(this.#events, nowUs),
      delayUs:
        isAllowed && this.#params.algorithm === "leaky-queue" ? ceilDiv(before, this.#params.limit) : 0,
    });
  }

  charge(cost: number, nowUs: number): void {
    if (cost > 0) this.#events.push({ atUs: nowUs, cost });
  }

  refund(cost: number, _nowUs: number): void {
    strikeNewest(this.#events, cost);
  }
}

/** Strikes the newest units out of a history: what giving them back means, whatever the algorithm. */
export function strikeNewest(events: Event[], units: number): void {
  for (let left = units; left > 0;) {
    const newest = events.pop();
    if (newest === undefined) return;
    if (newest.cost > left) events.push({ ...newest, cost: newest.cost - left });
    left -= newest.cost;
  }
}

function capacityOf({ algorithm, limit, burst }: AlgorithmParams): number {
  return FORMULAS[algorithm] === bucket ? (burst ?? limit) : limit;
}

const FORMULAS: Record<AlgorithmName, (params: AlgorithmParams) => Formula> = {
  "fixed-window": ({ windowUs }) => {
    const inside = (events: readonly Event[], nowUs: number): Event[] =>
      events.filter(({ atUs }) => Math.floor(atUs / windowUs) === Math.floor(nowUs / windowUs));
    return {
      scale: 1n,
      used: (events, nowUs) => total(inside(events, nowUs)),
      resetAfterUs: (events, nowUs) =>
        inside(events, nowUs).length === 0 ? 0 : windowUs - (nowUs % windowUs),
    };
  },

  "sliding-log": ({ windowUs }) => {
    const inside = (events: readonly Event[], nowUs: number): Event[] =>
      events.filter(({ atUs }) => atUs > nowUs - windowUs);
    return {
      scale: 1n,
      used: (events, nowUs) => total(inside(events, nowUs)),
      resetAfterUs: (events, nowUs) => {
        const last = inside(events, nowUs).at(-1);
        return last === undefined ? 0 : last.atUs + windowUs - nowUs;
      },
    };
  },

  // Units times the window, so that the share of the previous window is a whole number.
  "sliding-window": ({ windowUs }) => {
    const windowOf = (atUs: number): number => Math.floor(atUs / windowUs);
    const charged = (events: readonly Event[], id: number): bigint =>
      total(events.filter(({ atUs }) => windowOf(atUs) === id));
    return {
      scale: BigInt(windowUs),
      used: (events, nowUs) => {
        const id = windowOf(nowUs);
        const elapsedUs = nowUs - id * windowUs;
        return (
          charged(events, id) * BigInt(windowUs) + charged(events, id - 1) * BigInt(windowUs - elapsedUs)
        );
      },
      resetAfterUs: (events, nowUs) => {
        const last = events.at(-1);
        return last === undefined ? 0 : Math.max(0, (windowOf(last.atUs) + 2) * windowUs - nowUs);
      },
    };
  },

  "conservative-window": ({ windowUs, subWindows = 10 }) => {
    const subWindowUs = Math.ceil(windowUs / subWindows);
    const subOf = (atUs: number): number => Math.floor(atUs / subWindowUs);
    return {
      scale: 1n,
      used: (events, nowUs) => total(events.filter(({ atUs }) => subOf(atUs) >= subOf(nowUs) - subWindows)),
      resetAfterUs: (events, nowUs) => {
        const last = events.at(-1);
        return last === undefined
          ? 0
          : Math.max(0, (subOf(last.atUs) + subWindows + 1) * subWindowUs - nowUs);
      },
    };
  },

  gcra: bucket,
  "token-bucket": bucket,
  "leaky-bucket": bucket,
  "leaky-queue": bucket,
};

/** Debt times the window: a unit adds W, a microsecond drains L. */
function bucket({ limit, windowUs }: AlgorithmParams): Formula {
  const used = (events: readonly Event[], nowUs: number): bigint => {
    let debt = 0n;
    let lastUs = 0;
    for (const { atUs, cost } of [...events, { atUs: nowUs, cost: 0 }]) {
      const drained = BigInt(atUs - lastUs) * BigInt(limit);
      debt = (debt > drained ? debt - drained : 0n) + BigInt(cost) * BigInt(windowUs);
      lastUs = atUs;
    }
    return debt;
  };
  return {
    scale: BigInt(windowUs),
    used,
    resetAfterUs: (events, nowUs) => ceilDiv(used(events, nowUs), limit),
  };
}

function total(events: readonly Event[]): bigint {
  return events.reduce((sum, { cost }) => sum + BigInt(cost), 0n);
}

function ceilDiv(numerator: bigint, denominator: number): number {
  return Number((numerator + BigInt(denominator) - 1n) / BigInt(denominator));
}
