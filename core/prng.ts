/**
 * Seeded randomness, as a value passed in. Integer-only, so a seed gives the same run on every machine.
 *
 * sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state, period about 2^127, one multiplication-free
 * round per number. Fit for simulation and traces; not for secrets.
 */
export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #counter: number;

  constructor(seed: number) {
    this.#a = 0x9e3779b9;
    this.#b = seed | 0;
    this.#c = Math.floor(seed / 2 ** 32) | 0;
    this.#counter = 1;
    // The reference warm-up: neighbouring seeds must not give neighbouring streams.
    for (let round = 0; round < 15; round += 1) this.u32();
  }

  /** Uniform over 0 … 2^32 − 1. */
  u32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }

  /** Uniform over 0 … bound − 1, for 1 ≤ bound ≤ 2^32, without bias (rejection). */
  below(bound: number): number {
    const unbiased = 2 ** 32 - (2 ** 32 % bound);
    for (;;) {
      const draw = this.u32();
      if (draw < unbiased) return draw % bound;
    }
  }

  /** True with probability numerator / denominator. */
  ratio(numerator: number, denominator: number): boolean {
    return this.below(denominator) < numerator;
  }

  /** Uniform over [0, 1) with 53 bits. */
  fraction(): number {
    return ((this.u32() >>> 5) * 2 ** 26 + (this.u32() >>> 6)) / 2 ** 53;
  }
}
