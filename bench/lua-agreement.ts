/**
 * One history, decided twice: by algorithms/ in this process and by the scripts of lua/ in a Redis. They share a
 * specification and no code, so a difference in any number is a bug in one of them.
 *
 * Two things are not compared, because the implementations differ in them on purpose:
 *
 *   A moment seen without being charged. The key table's clock is a running maximum over all it was asked; Redis
 *   writes nothing for a denial, a peek or a report of which nothing is charged, and remembers when a key was last
 *   *charged*, and not even that once it is given back. So the clock steps back here only where the last moment seen
 *   is one that was charged and stayed so. Either way nothing is minted.
 *
 *   Debt beyond what 48-bit moments hold, which the key table forgives. Such a report is made a check.
 */
import { reportedUnits } from "../admission/reported-usage.ts";
import type { Algorithm, AlgorithmParams } from "../algorithms/algorithm.ts";
import { KeyedLimiter } from "../algorithms/keyed-limiter.ts";
import { createAlgorithm, UNITS_MAX } from "../algorithms/registry.ts";
import { Verdict } from "../core/decision.ts";
import { ParlError } from "../core/errors.ts";
import { micros } from "../core/units.ts";
import type { RedisLimiter } from "../lua/redis-limiter.ts";
import { BUCKETS, LATEST_US, type Draft, type Question } from "./twin-history.ts";

/** A question, and what the key table says. */
export interface Decided {
  readonly question: Question;
  readonly verdict: Verdict;
}

export interface Difference {
  readonly params: AlgorithmParams;
  /** All of the history that concerns the key, the question at fault last. */
  readonly questions: readonly Question[];
  readonly local: Verdict;
  readonly redis: Verdict | string;
}

/** The history as the key table decides it. */
export function decideLocally(params: AlgorithmParams, history: readonly Draft[]): Decided[] {
  const keys = new Map<number, LocalKey>();
  return history.map((draft) => {
    const key = keys.get(draft.key) ?? new LocalKey(params);
    keys.set(draft.key, key);
    return key.decide(draft);
  });
}

/** A limiter of its own for each key: Redis knows no clock that several keys share. */
class LocalKey {
  readonly #params: AlgorithmParams;
  readonly #algorithm: Algorithm;
  readonly #limiter: KeyedLimiter;
  #seenUs = -Infinity;
  #chargedUs = -Infinity;
  /** What the last question was answered. */
  #verdict = new Verdict();

  constructor(params: AlgorithmParams) {
    this.#params = params;
    this.#algorithm = createAlgorithm(params);
    this.#limiter = new KeyedLimiter(this.#algorithm);
  }

  decide({ comesBackUs, ...draft }: Draft): Decided {
    const { outcome, retryAfterUs } = this.#verdict;
    const isReturning = comesBackUs !== undefined && outcome === "denied";
    const returnsUs = Math.min(LATEST_US, this.#seenUs + retryAfterUs + (comesBackUs ?? 0));
    const drawnUs = isReturning ? returnsUs : draft.nowUs;
    const nowUs = this.#seenUs === this.#chargedUs ? drawnUs : Math.max(drawnUs, this.#seenUs);
    const mode = draft.mode === "report" && !this.#canOwe(draft.cost, nowUs) ? "check" : draft.mode;
    const verdict = new Verdict();
    this.#verdict = verdict;
    let charged = draft.cost;
    if (mode === "refund") {
      this.#limiter.refund(1, 1, draft.cost, micros(nowUs));
      this.#limiter.evaluate(1, 1, 0, micros(nowUs), verdict);
      this.#chargedUs = -Infinity;
      charged = 0;
    } else if (mode === "report") {
      this.#limiter.evaluate(1, 1, 0, micros(nowUs), verdict);
      charged = reportedUnits(this.#limiter, draft.cost, micros(nowUs), verdict);
      this.#limiter.commit(charged);
      this.#limiter.evaluate(1, 1, 0, micros(nowUs), verdict);
    } else {
      this.#limiter.decide(1, 1, draft.cost, micros(nowUs), verdict);
    }
    this.#seenUs = Math.max(this.#seenUs, nowUs);
    if (charged > 0 && verdict.outcome === "allowed") this.#chargedUs = this.#seenUs;
    return { question: { ...draft, mode, nowUs }, verdict };
  }

  #canOwe(cost: number, nowUs: number): boolean {
    const { limit, windowUs } = this.#params;
    const verdict = new Verdict();
    this.#limiter.evaluate(1, 1, 0, micros(Math.max(nowUs, this.#seenUs)), verdict);
    const intervalUs = limit === 0 ? 1 : windowUs / limit;
    const debt = verdict.resetAfterUs / intervalUs + cost + 1;
    const { capacity, name, staleAfterUs } = this.#algorithm;
    const isBucket = BUCKETS.has(name);
    // Reports let a bucket owe twice what it holds and no more.
    const owed = isBucket ? Math.min(debt, 2 * capacity) : debt;
    return (isBucket || owed < UNITS_MAX) && owed * intervalUs < staleAfterUs / 2;
  }
}

/** How questions travel: each in a call of its own, in pipelines, or many in one call. */
export const WAYS = ["calls", "pipelines", "batches"] as const;
export type Way = (typeof WAYS)[number];

/** Asks Redis the same, all at once and in order. Reports and refunds always travel alone. */
export async function decideInRedis(
  limiter: RedisLimiter,
  questions: readonly Question[],
  way: Way,
): Promise<(Verdict | ParlError)[]> {
  const answers: Promise<readonly (Verdict | ParlError)[]>[] = [];
  let together: { key: string; cost: number; nowUs: ReturnType<typeof micros> }[] = [];
  const send = (): void => {
    const asks = together;
    together = [];
    if (asks.length === 0) return;
    answers.push(way === "batches" ? limiter.checkBatch(asks) : limiter.checkPipelined(asks));
  };
  for (const { mode, key: number, cost, nowUs } of questions) {
    const ask = { key: `k${number}`, cost, nowUs: micros(nowUs) };
    if (mode !== "check" || way === "calls") {
      send();
      answers.push(limiter[mode](ask.key, cost, ask.nowUs).then((verdict) => [verdict]));
    } else {
      together.push(ask);
    }
  }
  send();
  return (await Promise.all(answers)).flat();
}

export function differences(
  params: AlgorithmParams,
  decided: readonly Decided[],
  answers: readonly (Verdict | ParlError)[],
): Difference[] {
  return decided.flatMap(({ question, verdict }, i) => {
    const answer = answers[i] as Verdict | ParlError;
    if (answer instanceof Verdict && isSame(verdict, answer)) return [];
    const questions = decided.slice(0, i + 1).map((earlier) => earlier.question);
    return [
      {
        params,
        questions: questions.filter(({ key }) => key === question.key),
        local: verdict,
        redis: answer instanceof ParlError ? answer.message : answer,
      },
    ];
  });
}

function isSame(left: Verdict, right: Verdict): boolean {
  return (
    left.outcome === right.outcome &&
    left.limit === right.limit &&
    left.remaining === right.remaining &&
    left.retryAfterUs === right.retryAfterUs &&
    left.resetAfterUs === right.resetAfterUs &&
    left.delayUs === right.delayUs
  );
}
