/**
 * How many keys each tenant holds in this process, over all its tables, at no memory for a key.
 *
 * Tables know keys by 32 + 16 bits of a secret hash and nothing of tenants. One key in 64 carries a mark of its
 * tenant in place of the low 16, so that the tables themselves say how many there are, whatever has happened to
 * them: counted when a key comes, counted off when it is swept, evicted, forgotten or goes with its shard.
 *
 *      high … 0 000000   low = first mark       one key in 128
 *      high … 1 000000   low = second mark      one key in 128
 *      high … anything   low = hash             not counted
 *
 * A tenant with n keys has about n / 128 of each mark. It is full when it has too many of both: one mark it may
 * share with somebody (1 in 2¹⁶), both with the same tenant is 1 in 2³². Nobody without the seed can say which
 * names are marked, so the sample is fair whatever keys a tenant invents.
 *
 * Error. With K = keysMax, P policies that look at the same key, μ = K / 128 and t = P · ln(10⁹) / 2, full means
 *
 *      both marks ≥ μ + t/3 + √(t²/9 + 2tμ)
 *
 * and it is over when either is below 7/8 of that: were it over with the next key to go, a tenant could watch its own
 * new keys, learn from each that made it full that it is marked, and keep the others.
 *
 * By Bernstein's inequality (a key comes in P entries, so the count moves in steps of P) a tenant with at most K
 * keys passes either mark with probability ≤ 10^−4.5, both ≤ 10⁻⁹. How far beyond K one can get that invents
 * keys is in docs/adr/0011. Marked keys have less hash: two of n keys in one table share a limit with
 * probability n² / 2⁴⁹ as before, + n² / 2³⁹ for two marked ones of one tenant.
 *
 * Cost: nothing for a key that is there; two look-ups in a Map for a new one.
 * Twin: a Map of Sets, in test/algorithms/key-census.prop.test.ts.
 */

/** Low bits of a marked key's high half that are 0. */
const MARKED = 63;
/** Which mark it carries. */
const SECOND = 64;
/** Keys to one of a mark. */
const KEYS_PER_MARK = 128;
const TAGS = 2 ** 16;
/** A tenant with fewer keys than it may have passes one mark by chance with probability e to the −this. */
const CHANCE = Math.log(1e9) / 2;
/** Nearly full: then new keys have idle ones swept out of their way. A full tenant is full until it is below. */
const NEAR = 7 / 8;
const U32_MAX = 2 ** 32 - 1;
/** Not 0: no tenant's bucket is the one that everybody shares (key-room.ts). */
const BUCKET_LOW = 1;

/** The low half of a key's identity: hash, or for one key in 64 its tenant's mark. */
export function markedLow(high: number, low: number, tenant: number): number {
  if ((high & MARKED) !== 0) return low;
  return (high & SECOND) === 0 ? tenant >>> 16 : tenant & 0xffff;
}

/** How much room for keys a tenant has, and the bucket that its new keys share when it has none. */
export class KeyQuota {
  /** 32 bits that stand for the tenant, of either sign and not 0. */
  readonly tenant: number;
  /** Of each mark: the tenant is full with so many. Infinity when it never is. */
  readonly markedMax: number;
  /** Of each mark: the tenant is nearly full with so many. */
  readonly markedNear: number;
  /** Identity of the tenant's overflow bucket, in whatever table. */
  readonly high: number;
  readonly low: number;

  constructor(tenant: number, markedMax: number) {
    this.tenant = tenant;
    this.markedMax = markedMax >= U32_MAX ? Infinity : markedMax;
    this.markedNear = Math.floor(NEAR * this.markedMax);
    this.high = tenant;
    this.low = markedLow(tenant, BUCKET_LOW, tenant);
  }

  /**
   * @param keysMax that the tenant is never refused; Infinity for no bound
   * @param policies that look at one key, each in a table of its own
   */
  static of(tenant: number, keysMax: number, policies: number): KeyQuota {
    const mean = keysMax / KEYS_PER_MARK;
    const chance = CHANCE * Math.max(1, policies);
    return new KeyQuota(
      tenant,
      Math.ceil(mean + chance / 3 + Math.sqrt((chance / 3) ** 2 + 2 * chance * mean)),
    );
  }
}

/** Whether a table has to tell of a key. @param high as stored */
export function isMarked(high: number): boolean {
  return (high & MARKED) === 0;
}

export class KeyCensus {
  /** Marked keys by which mark and its 16 bits; no entry is 0. */
  readonly #marked = new Map<number, number>();
  /** Tenants that were full and have been nearly full ever since. */
  readonly #full = new Set<number>();

  /** A table has one marked key more, or less. @param high, low as stored */
  count(high: number, low: number, change: 1 | -1): void {
    const mark = (high & SECOND) * (TAGS / SECOND) + low;
    const keys = (this.#marked.get(mark) ?? 0) + change;
    if (keys === 0) this.#marked.delete(mark);
    else this.#marked.set(mark, keys);
  }

  /** Whether new keys of the tenant must do with its overflow bucket. To be asked before each of them. */
  isFull(quota: KeyQuota): boolean {
    const { tenant, markedMax } = quota;
    if (!this.isNearlyFull(quota)) return false;
    if (this.#hasMarks(tenant, markedMax)) this.#full.add(tenant);
    return this.#full.has(tenant);
  }

  /** The same, and ends that the tenant is full. */
  isNearlyFull({ tenant, markedNear }: KeyQuota): boolean {
    const isNear = this.#hasMarks(tenant, markedNear);
    if (!isNear && this.#full.size > 0) this.#full.delete(tenant);
    return isNear;
  }

  /** Tenants may hold other numbers of keys from now on. */
  reconsider(): void {
    this.#full.clear();
  }

  /** About how many keys a tenant holds. */
  keysOf(tenant: number): number {
    return KEYS_PER_MARK * Math.min(this.#first(tenant), this.#second(tenant));
  }

  /** Whether no table has a marked key. */
  get isEmpty(): boolean {
    return this.#marked.size === 0;
  }

  #hasMarks(tenant: number, count: number): boolean {
    return this.#first(tenant) >= count && this.#second(tenant) >= count;
  }

  #first(tenant: number): number {
    return this.#marked.get(tenant >>> 16) ?? 0;
  }

  #second(tenant: number): number {
    return this.#marked.get(TAGS + (tenant & 0xffff)) ?? 0;
  }
}
