/**
 * Who is limited now: the keys refused most often of late, out of any number of keys, in K rows.
 *
 *      refused ──▶ tracked?  yes ─▶ count + 1
 *                     │ no
 *                     ▼
 *      the row with the least count goes; the newcomer starts at what an untracked key may have had, + 1
 *
 * Every 30 s of wall time all counts halve, everywhere at the same moment, so that a count is about the
 * refusals of the last minute and counts of several processes add up.
 *
 * Bound, N = all refusals and c = those of one key, both halved like the counts, e = max(N / K, 1/64):
 *
 *      c ≤ count ≤ c + errorMax,   errorMax ≤ e,   every key with c > e has a row
 *
 * to within 2^-15 of a refusal, which the rounding of halves costs. Counts are whole numbers of 2^-16; below
 * 1/64, six half-lives after a lone refusal, a row is given up.
 *
 * Cost: a refusal of a tracked key is one look-up and no allocation; another one at worst a walk over K
 * numbers, and the caller has to `name` it. Allowed checks cost nothing. Memory: about 40 bytes a row, and the names.
 *
 * Source: Metwally, Agrawal and El Abbadi, "Efficient computation of frequent and top-k elements in data
 * streams" (ICDT 2005), Space-Saving; merging as in Agarwal et al., "Mergeable summaries" (PODS 2012).
 */
import type { Dimension } from "../core/decision.ts";
import { US_PER_S, type Micros } from "../core/units.ts";

export const HITTERS_TRACKED = 256;
export const HITTER_HALF_LIFE_US = 30 * US_PER_S;
/** One refusal, in the units that are counted. */
const REFUSAL = 2 ** 16;
/** A row below this is given up. */
const FADED = REFUSAL / 64;
/** After so many half-lives nothing is left of any count. */
const HALVINGS_MAX = 52;

/** A key under the policy that refuses it; ids as tokens. */
export interface LimitedKey {
  readonly tenant: string;
  readonly dimension: Dimension;
  /** The token of the dimension: a user, an API key; `_org` or `_global` for the coarse ones. */
  readonly key: string;
  readonly policy: string;
}

export interface HeavyHitter extends LimitedKey {
  /** Refusals, halved every 30 s; at most `errorMax` too many, and not too few. */
  readonly count: number;
  readonly errorMax: number;
  /** When it was last refused, and until when that refusal told it to wait. Wall time. */
  readonly lastUs: number;
  readonly untilUs: number;
}

export interface HeavyHittersReport {
  /** All refusals, halved like the counts. */
  readonly total: number;
  /** Most that a key can have that is not among `hitters`. */
  readonly unseenMax: number;
  /** Most refused first. */
  readonly hitters: readonly HeavyHitter[];
}

export class HeavyHitters {
  readonly #rowsMax: number;
  readonly #mask: number;
  /** Row by hash, −1 where free: open addressing, at most half full. */
  readonly #buckets: Int16Array;

  // Rows 0 … #rows − 1 are in use.
  #rows = 0;
  readonly #high: Int32Array;
  readonly #low: Int32Array;
  readonly #policy: Int32Array;
  readonly #count: Float64Array;
  readonly #error: Float64Array;
  readonly #lastUs: Float64Array;
  readonly #untilUs: Float64Array;
  readonly #names: (LimitedKey | undefined)[];

  #total = 0;
  /** Most that a key without a row can have. */
  #unseenMax = 0;
  /** Wall time up to which all halving is done, a multiple of the half-life. */
  #halvedUs = 0;
  #newest = -1;
  /** Not above any count; rows before `#leastAt` have been looked through for it. */
  #least = 0;
  #leastAt = 0;

  /** @param rowsMax K, at most 16,384 */
  constructor(rowsMax: number = HITTERS_TRACKED) {
    const buckets = 2 ** Math.ceil(Math.log2(2 * rowsMax));
    this.#rowsMax = rowsMax;
    this.#mask = buckets - 1;
    this.#buckets = new Int16Array(buckets).fill(-1);
    this.#high = new Int32Array(rowsMax);
    this.#low = new Int32Array(rowsMax);
    this.#policy = new Int32Array(rowsMax);
    this.#count = new Float64Array(rowsMax);
    this.#error = new Float64Array(rowsMax);
    this.#lastUs = new Float64Array(rowsMax);
    this.#untilUs = new Float64Array(rowsMax);
    this.#names = Array.from({ length: rowsMax }, () => undefined);
  }

  /**
   * Counts one refusal of a key by a policy.
   *
   * @param high, low the key's identity, 32 bits each, of either sign
   * @returns false when its row is new: whoever calls then says whose it is (`name`), or it is not reported
   */
  refused(high: number, low: number, policyIndex: number, nowUs: Micros, retryAfterUs: number): boolean {
    this.#halve(nowUs);
    this.#total += REFUSAL;
    let row = this.#find(high, low, policyIndex);
    const isKnown = row >= 0;
    if (!isKnown) row = this.#admit(high, low, policyIndex);
    this.#count[row] = (this.#count[row] as number) + REFUSAL;
    this.#lastUs[row] = nowUs;
    this.#untilUs[row] = nowUs + retryAfterUs;
    if (!isKnown) this.#newest = row;
    return isKnown;
  }

  /** Says whose the row is that the last `refused` made. */
  name(who: LimitedKey): void {
    if (this.#newest >= 0) this.#names[this.#newest] = who;
    this.#newest = -1;
  }

  /** A key is not limited any more: its refusals are forgotten. */
  forget(high: number, low: number, policyIndex: number): void {
    const row = this.#find(high, low, policyIndex);
    if (row >= 0) this.#drop(row);
  }

  /** Other policies are in force: rows follow theirs by name, or go with it. */
  adopt(policies: readonly { readonly name: string }[]): void {
    const indices = new Map(policies.map(({ name }, index) => [name, index]));
    for (let row = this.#rows - 1; row >= 0; row -= 1) {
      const index = indices.get(this.#names[row]?.policy ?? "");
      if (index === undefined) this.#drop(row);
      else this.#policy[row] = index;
    }
    this.#buckets.fill(-1);
    for (let row = 0; row < this.#rows; row += 1) this.#place(row);
  }

  report(nowUs: Micros): HeavyHittersReport {
    this.#halve(nowUs);
    const hitters: HeavyHitter[] = [];
    for (let row = 0; row < this.#rows; row += 1) {
      const who = this.#names[row];
      if (who === undefined) continue;
      hitters.push({
        ...who,
        count: (this.#count[row] as number) / REFUSAL,
        errorMax: (this.#error[row] as number) / REFUSAL,
        lastUs: this.#lastUs[row] as number,
        untilUs: this.#untilUs[row] as number,
      });
    }
    return {
      total: this.#total / REFUSAL,
      unseenMax: this.#unseenMax / REFUSAL,
      hitters: hitters.toSorted(byCount),
    };
  }

  /** A row for a newcomer, that of the least refused key when all are taken. */
  #admit(high: number, low: number, policyIndex: number): number {
    let row = this.#rows;
    if (row < this.#rowsMax) {
      this.#rows += 1;
    } else {
      row = this.#leastRow();
      this.#unseenMax = Math.max(this.#unseenMax, this.#count[row] as number);
      this.#unplace(row);
    }
    this.#high[row] = high;
    this.#low[row] = low;
    this.#policy[row] = policyIndex;
    this.#count[row] = this.#unseenMax;
    this.#error[row] = this.#unseenMax;
    this.#names[row] = undefined;
    this.#place(row);
    return row;
  }

  /** Counts only grow between halvings and newcomers start above the least, so one walk finds all its rows. */
  #leastRow(): number {
    const count = this.#count;
    for (; this.#leastAt < this.#rows; this.#leastAt += 1) {
      if ((count[this.#leastAt] as number) <= this.#least) return this.#leastAt;
    }
    this.#leastAt = 0;
    for (let row = 1; row < this.#rows; row += 1) {
      if ((count[row] as number) < (count[this.#leastAt] as number)) this.#leastAt = row;
    }
    this.#least = count[this.#leastAt] as number;
    return this.#leastAt;
  }

  /** Frees the row of a key that may come back: it may have had as much as the row says. */
  #giveUp(row: number): void {
    this.#unseenMax = Math.max(this.#unseenMax, this.#count[row] as number);
    this.#drop(row);
  }

  /** Frees a row; the last one takes its place. */
  #drop(row: number): void {
    this.#unplace(row);
    const last = this.#rows - 1;
    this.#rows = last;
    this.#newest = -1;
    if (row !== last) {
      this.#unplace(last);
      for (const column of [this.#high, this.#low, this.#policy]) column.copyWithin(row, last, last + 1);
      for (const column of [this.#count, this.#error, this.#lastUs, this.#untilUs]) {
        column.copyWithin(row, last, last + 1);
      }
      this.#names[row] = this.#names[last];
      this.#place(row);
    }
    this.#names[last] = undefined;
  }

  /** Halves all counts once for every half-life that has begun. */
  #halve(nowUs: Micros): void {
    const sinceUs = nowUs - this.#halvedUs;
    if (sinceUs >= 0 && sinceUs < HITTER_HALF_LIFE_US) return;
    this.#halvedUs = nowUs - (nowUs % HITTER_HALF_LIFE_US);
    // A clock that was set back: what is counted fades from there on.
    if (sinceUs < 0) return;
    const divisor = 2 ** Math.min(Math.floor(sinceUs / HITTER_HALF_LIFE_US), HALVINGS_MAX);
    this.#total = Math.floor(this.#total / divisor);
    this.#unseenMax = Math.floor(this.#unseenMax / divisor);
    this.#least = 0;
    for (let row = this.#rows - 1; row >= 0; row -= 1) {
      this.#count[row] = Math.ceil((this.#count[row] as number) / divisor);
      this.#error[row] = Math.ceil((this.#error[row] as number) / divisor);
      if ((this.#count[row] as number) < FADED) this.#giveUp(row);
    }
  }

  #find(high: number, low: number, policyIndex: number): number {
    for (let at = this.#bucketOf(high, policyIndex); ; at = (at + 1) & this.#mask) {
      const row = this.#buckets[at] as number;
      if (row < 0) return -1;
      if (this.#high[row] === high && this.#low[row] === low && this.#policy[row] === policyIndex) return row;
    }
  }

  /** The hash is keyed and uniform already; policies of one key are neighbours. */
  #bucketOf(high: number, policyIndex: number): number {
    return (high + policyIndex) & this.#mask;
  }

  #home(row: number): number {
    return this.#bucketOf(this.#high[row] as number, this.#policy[row] as number);
  }

  #place(row: number): void {
    let at = this.#home(row);
    while ((this.#buckets[at] as number) >= 0) at = (at + 1) & this.#mask;
    this.#buckets[at] = row;
  }

  /** Takes a row out of the buckets; those behind it close the gap, so that no search ends early. */
  #unplace(row: number): void {
    let gap = this.#home(row);
    while (this.#buckets[gap] !== row) gap = (gap + 1) & this.#mask;
    for (let at = (gap + 1) & this.#mask; (this.#buckets[at] as number) >= 0; at = (at + 1) & this.#mask) {
      const home = this.#home(this.#buckets[at] as number);
      if (((at - home) & this.#mask) < ((at - gap) & this.#mask)) continue;
      this.#buckets[gap] = this.#buckets[at] as number;
      gap = at;
    }
    this.#buckets[gap] = -1;
  }
}

/**
 * Sums up what several processes say. The bounds add up too: a process that does not name a key may have
 * refused it `unseenMax` times.
 */
export function mergeHitters(reports: readonly HeavyHittersReport[]): HeavyHittersReport {
  const unseenMax = reports.reduce((sum, report) => sum + report.unseenMax, 0);
  const merged = new Map<string, HeavyHitter>();
  for (const report of reports) {
    for (const hitter of report.hitters) {
      const name = JSON.stringify([hitter.tenant, hitter.dimension, hitter.key, hitter.policy]);
      const sum = merged.get(name) ?? { ...hitter, count: unseenMax, errorMax: unseenMax };
      merged.set(name, {
        ...hitter,
        count: sum.count + hitter.count - report.unseenMax,
        errorMax: sum.errorMax + hitter.errorMax - report.unseenMax,
        lastUs: Math.max(sum.lastUs, hitter.lastUs),
        untilUs: Math.max(sum.untilUs, hitter.untilUs),
      });
    }
  }
  return {
    total: reports.reduce((sum, report) => sum + report.total, 0),
    unseenMax,
    hitters: [...merged.values()].toSorted(byCount),
  };
}

/** Equals in the order of their names, so that two lists of the same things look the same. */
function byCount(a: HeavyHitter, b: HeavyHitter): number {
  if (a.count !== b.count) return b.count - a.count;
  return `${a.tenant} ${a.key} ${a.policy}` < `${b.tenant} ${b.key} ${b.policy}` ? -1 : 1;
}
