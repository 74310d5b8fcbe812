/** Two limiters with pages going from one to the other: what the tests of state pages have in common. */
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import { KeySet } from "../../algorithms/key-set.ts";
import { highOf, lowOf } from "../../algorithms/key-table.ts";
import { KeyedLimiter } from "../../algorithms/keyed-limiter.ts";
import { createAlgorithm } from "../../algorithms/registry.ts";
import { StatePageWriter, type StatePageOptions } from "../../algorithms/state-page.ts";
import { StatePageReader } from "../../algorithms/state-page-reader.ts";
import { Verdict } from "../../core/decision.ts";
import { micros } from "../../core/units.ts";
import type { Hash } from "./hashes.ts";
import { verdictLine } from "./named-limiter.ts";

export const POLICY = "per-key";

export function newLimiter(params: AlgorithmParams): KeyedLimiter {
  return new KeyedLimiter(createAlgorithm(params));
}

export function decided(limiter: KeyedLimiter, { high, low }: Hash, cost: number, nowUs: number): string {
  const verdict = new Verdict();
  limiter.decide(high, low, cost, micros(nowUs), verdict);
  return verdictLine(verdict);
}

export function peeked(limiter: KeyedLimiter, key: Hash, nowUs: number): Verdict {
  const verdict = new Verdict();
  limiter.evaluate(key.high, key.low, 0, micros(nowUs), verdict);
  return verdict;
}

/** Keys on their way: a walk over the giver's table, and what was charged since. */
export class Journey {
  readonly pages: Uint8Array[] = [];
  readonly #giver: KeyedLimiter;
  readonly #params: AlgorithmParams;
  readonly #page: StatePageWriter;
  readonly #dirty = new KeySet();
  #place = 0;

  constructor(giver: KeyedLimiter, params: AlgorithmParams, options: StatePageOptions = {}) {
    this.#giver = giver;
    this.#params = params;
    this.#page = new StatePageWriter(options);
    giver.track((high, low) => this.#dirty.add(high, low));
  }

  /** Writes one page, of the walk while it lasts and of dirty keys afterwards; false when all is written. */
  write(): boolean {
    const giver = this.#giver;
    if (this.#place < 0 && this.#dirty.size === 0) return false;
    giver.beginPage(this.#page, POLICY, this.#params);
    if (this.#place >= 0) {
      this.#place = giver.writePage(this.#place, this.#page);
    } else {
      for (let place = this.#dirty.nextFrom(0); place >= 0; place = this.#dirty.nextFrom(place)) {
        if (!giver.writeKey(highOf(place), lowOf(place), this.#page)) break;
        this.#dirty.delete(highOf(place), lowOf(place));
      }
    }
    this.pages.push(this.#page.finish());
    return true;
  }

  end(): void {
    while (this.write());
    this.#giver.track(undefined);
  }
}

/** All pages of a limiter at rest. */
export function pagesOf(
  limiter: KeyedLimiter,
  params: AlgorithmParams,
  options?: StatePageOptions,
): Uint8Array[] {
  const journey = new Journey(limiter, params, options);
  journey.end();
  return journey.pages;
}

export function adoptAll(taker: KeyedLimiter, pages: readonly Uint8Array[], nowUs: number): void {
  const reader = new StatePageReader();
  for (const page of pages) {
    reader.open(page);
    taker.adoptPage(reader, micros(nowUs));
  }
}
