/**
 * HalfSipHash-1-3 with 64-bit output: the secret hash that tells keys apart.
 *
 * The key table stores a hash instead of the key. Were it unkeyed, a tenant could look for two names that
 * collide and make them share a limit, or flood one bucket; with a secret seed neither can be provoked.
 *
 *   seed ──▶ v0 v1 v2 v3 ──(1 round per 4 bytes)──▶ (3 rounds) high ──▶ (3 rounds) low
 *
 * A prefix (tenant and dimension) is absorbed once and kept as a starting state, so that a decision hashes
 * only its key. The prefix is padded to whole words and carries its length, so no two (prefix, key) pairs
 * feed the same words.
 *
 * Cost: one round of 14 integer operations per 4 bytes plus seven to close; no allocation.
 * Source: Aumasson and Bernstein, github.com/veorq/SipHash (halfsiphash.c); 1-3 rounds as in the Linux
 * kernel's hsiphash. Twin: the BigInt version in test/core/half-sip-hash.test.ts.
 */
const ROUNDS_CLOSING = 7;

/** Longest text `ofString` takes. */
const TEXT_LENGTH_MAX = 1_024;
/** Where a string's bytes are laid out; shared, because hashing never interleaves. */
const scratch = new Uint8Array(TEXT_LENGTH_MAX);

export class IdentityHash {
  /** The two halves of the last hash, as signed 32-bit integers: those are passed on without allocating. */
  high = 0;
  low = 0;

  #v0: number;
  #v1: number;
  #v2: number;
  #v3: number;

  /** @param seedHigh, seedLow the cluster's secret, two unsigned 32-bit integers */
  constructor(seedHigh: number, seedLow: number) {
    this.#v0 = seedLow;
    this.#v1 = seedHigh ^ 0xee;
    this.#v2 = seedLow ^ 0x6c796765;
    this.#v3 = seedHigh ^ 0x74656462;
  }

  /** A hash that has already absorbed an ASCII `prefix`. */
  withPrefix(prefix: string): IdentityHash {
    const fork = new IdentityHash(0, 0);
    const padded = `${prefix.length}:${prefix}`.padEnd(4 * Math.ceil((prefix.length + 8) / 4), "\0");
    fork.#v0 = this.#v0;
    fork.#v1 = this.#v1;
    fork.#v2 = this.#v2;
    fork.#v3 = this.#v3;
    fork.#absorb(scratch, 0, encode(padded), false);
    return fork;
  }

  /** Hashes an ASCII string of up to 1,024 characters into `high` and `low`. */
  ofString(text: string): void {
    this.#absorb(scratch, 0, encode(text), true);
  }

  /** Hashes bytes[start … end) into `high` and `low`; equal to `ofString` of the same ASCII text. */
  ofBytes(bytes: Uint8Array, start: number, end: number): void {
    this.#absorb(bytes, start, end, true);
  }

  /**
   * The round stands twice, over the words and over the closing steps: merged into one loop it ran at half
   * the speed. `| 0` keeps the state in integer registers, because fields of 32 bits are stored as doubles.
   */
  #absorb(bytes: Uint8Array, start: number, end: number, isClosing: boolean): void {
    let v0 = this.#v0 | 0;
    let v1 = this.#v1 | 0;
    let v2 = this.#v2 | 0;
    let v3 = this.#v3 | 0;
    let at = start;
    for (const last = end - 3; at < last; at += 4) {
      const m =
        (bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24);
      v3 ^= m;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= m;
    }
    if (isClosing) {
      let tail = (end - start) << 24;
      for (let shift = 0; at < end; at += 1, shift += 8) tail |= (bytes[at] as number) << shift;
      this.#close(v0, v1, v2, v3, tail);
      return;
    }
    this.#v0 = v0;
    this.#v1 = v1;
    this.#v2 = v2;
    this.#v3 = v3;
  }

  #close(a: number, b: number, c: number, d: number, tail: number): void {
    let v0 = a | 0;
    let v1 = b | 0;
    let v2 = c | 0;
    let v3 = d ^ tail;
    for (let step = 0; step < ROUNDS_CLOSING; step += 1) {
      if (step === 1) {
        v0 ^= tail;
        v2 ^= 0xee;
      } else if (step === 4) {
        this.high = v1 ^ v3;
        v1 ^= 0xdd;
      }
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
    }
    this.low = v1 ^ v3;
  }
}

/** Lays out ASCII text in the scratch bytes; its length. */
function encode(text: string): number {
  const length = text.length;
  if (length > TEXT_LENGTH_MAX) {
    throw new RangeError(`text to hash is ${length} characters long, at most ${TEXT_LENGTH_MAX}`);
  }
  for (let i = 0; i < length; i += 1) scratch[i] = text.charCodeAt(i);
  return length;
}
