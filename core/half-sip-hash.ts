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
 * Cost: one round of 14 integer operations per 4 bytes plus six to close; no allocation.
 * Source: Aumasson and Bernstein, github.com/veorq/SipHash (halfsiphash.c); 1-3 rounds as in the Linux
 * kernel's hsiphash. Twin: the BigInt version in test/core/half-sip-hash.test.ts.
 */
const ROUNDS_CLOSING = 6;
/** Longest text. */
const LENGTH_MAX = 1_024;
/** What is hashed, as little-endian words; shared, because hashing never interleaves. */
const words = new Int32Array(LENGTH_MAX / 4 + 1);

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
    fork.#v0 = this.#v0;
    fork.#v1 = this.#v1;
    fork.#v2 = this.#v2;
    fork.#v3 = this.#v3;
    const padded = `${prefix.length}:${prefix}`.padEnd(4 * Math.ceil((prefix.length + 8) / 4), "\0");
    // Whole words only: without the closing word, which holds the length of what comes after the prefix.
    fork.#absorb(packString(padded) - 1, false);
    return fork;
  }

  /** Hashes an ASCII string of up to 1,024 characters into `high` and `low`. */
  ofString(text: string): void {
    this.#absorb(packString(text), true);
  }

  /** Hashes bytes[start … end) into `high` and `low`; equal to `ofString` of the same ASCII text. */
  ofBytes(bytes: Uint8Array, start: number, end: number): void {
    this.#absorb(packBytes(bytes, start, end), true);
  }

  /**
   * The round stands twice, here and in `#close`: merged into one loop it ran at half the speed. `| 0` keeps
   * the state in integer registers, because fields of 32 bits are stored as doubles.
   */
  #absorb(count: number, isClosing: boolean): void {
    let v0 = this.#v0 | 0;
    let v1 = this.#v1 | 0;
    let v2 = this.#v2 | 0;
    let v3 = this.#v3 | 0;
    for (let i = 0; i < count; i += 1) {
      const m = words[i] as number;
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
      this.#close(v0, v1, v2, v3);
      return;
    }
    this.#v0 = v0;
    this.#v1 = v1;
    this.#v2 = v2;
    this.#v3 = v3;
  }

  #close(a: number, b: number, c: number, d: number): void {
    let v0 = a | 0;
    let v1 = b | 0;
    let v2 = c ^ 0xee;
    let v3 = d | 0;
    for (let round = 0; round < ROUNDS_CLOSING; round += 1) {
      if (round === ROUNDS_CLOSING / 2) {
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

/** Lays out ASCII text as words, the last of which closes it with its length; how many words that makes. */
function packString(text: string): number {
  const length = text.length;
  if (length > LENGTH_MAX) throw tooLong(length);
  let count = 0;
  let i = 0;
  for (const last = length - 3; i < last; i += 4) {
    const low = text.charCodeAt(i) | (text.charCodeAt(i + 1) << 8);
    words[count] = low | (text.charCodeAt(i + 2) << 16) | (text.charCodeAt(i + 3) << 24);
    count += 1;
  }
  let closing = length << 24;
  for (let shift = 0; i < length; i += 1, shift += 8) closing |= text.charCodeAt(i) << shift;
  words[count] = closing;
  return count + 1;
}

/** The same for bytes[start … end). */
function packBytes(bytes: Uint8Array, start: number, end: number): number {
  if (end - start > LENGTH_MAX) throw tooLong(end - start);
  let count = 0;
  let i = start;
  for (const last = end - 3; i < last; i += 4) {
    const low = (bytes[i] as number) | ((bytes[i + 1] as number) << 8);
    words[count] = low | ((bytes[i + 2] as number) << 16) | ((bytes[i + 3] as number) << 24);
    count += 1;
  }
  let closing = (end - start) << 24;
  for (let shift = 0; i < end; i += 1, shift += 8) closing |= (bytes[i] as number) << shift;
  words[count] = closing;
  return count + 1;
}

function tooLong(length: number): RangeError {
  return new RangeError(`text to hash is ${length} characters long, at most ${LENGTH_MAX}`);
}
