/**
 * A latency histogram that costs a few nanoseconds per value: counts in fixed buckets, four to the octave.
 *
 *      upper bounds   1  1.25 1.5 1.75  2  2.5  3  3.5  4  5  6  7  8 … 2^25 µs
 *
 * Quantiles read from it are at most a quarter of an octave too high, never too low. Plain numbers, so that
 * it can be sent in an observation, added to another one, and shown to Prometheus.
 */
const STEPS_PER_OCTAVE = 4;
const OCTAVES = 25;
const LATENCY_MAX_US = 2 ** OCTAVES;

/** Upper bounds in microseconds; the last bucket is everything above. */
export const LATENCY_BOUNDS_US: readonly number[] = Array.from(
  { length: OCTAVES * STEPS_PER_OCTAVE + 1 },
  (_, i) => 2 ** Math.floor(i / STEPS_PER_OCTAVE) * (1 + (i % STEPS_PER_OCTAVE) / STEPS_PER_OCTAVE),
);

export class LatencyHistogram {
  readonly counts = new Float64Array(LATENCY_BOUNDS_US.length + 1);
  sumUs = 0;

  /** Counts `times` values of `us` microseconds. */
  record(us: number, times = 1): void {
    this.counts[bucketOf(us)] = (this.counts[bucketOf(us)] as number) + times;
    this.sumUs += us * times;
  }

  get count(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }

  /** Upper bound of the bucket that holds quantile `q` (0 … 1); 0 when empty, Infinity beyond the last. */
  quantileUs(q: number): number {
    const rank = q * this.count;
    let seen = 0;
    for (const [bucket, count] of this.counts.entries()) {
      seen += count;
      if (count > 0 && seen >= rank) return LATENCY_BOUNDS_US[bucket] ?? Infinity;
    }
    return 0;
  }
}

function bucketOf(us: number): number {
  if (us <= 1) return 0;
  // Also for what is no number: it must not vanish from the count.
  if (!(us <= LATENCY_MAX_US)) return LATENCY_BOUNDS_US.length;
  if (us === LATENCY_MAX_US) return LATENCY_BOUNDS_US.length - 1;
  const octave = 31 - Math.clz32(us);
  const base = 2 ** octave;
  return octave * STEPS_PER_OCTAVE + Math.ceil(((us - base) * STEPS_PER_OCTAVE) / base);
}
