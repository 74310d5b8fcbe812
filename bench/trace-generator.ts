/**
 * Makes a trace from its header: the same header gives the same events on every machine, because the draws
 * are integer-only (core/prng.ts), logarithms are our own (portable-math.ts) and everything else is + − × ÷.
 *
 * Arrivals, bursts, keys and costs each have their own stream forked from the seed: changing the key
 * distribution leaves every arrival where it was.
 */
import { Prng } from "../core/prng.ts";
import { Arrivals } from "./arrivals.ts";
import { EventColumns } from "./events.ts";
import type { GeneratedHeader } from "./trace.ts";
import { Zipf } from "./zipf.ts";

const BATCH = 16_384;

/** Yields one batch over and over, refilled: copy what is to be kept. */
export function* generateEvents(header: GeneratedHeader): Generator<EventColumns, void> {
  const root = new Prng(header.seed);
  const arrivals = arrivalsOf(header, fork(root), fork(root));
  const drawKey = keyDraw(header, fork(root));
  const costs = fork(root);

  const batch = new EventColumns(BATCH);
  for (let atUs = arrivals.next(); atUs !== undefined; atUs = arrivals.next()) {
    const cost = header.costMin + costs.below(header.costMax - header.costMin + 1);
    batch.push(header.startUs + atUs, drawKey(), cost);
    if (batch.count === BATCH) {
      yield batch;
      batch.clear();
    }
  }
  if (batch.count > 0) yield batch;
}

function arrivalsOf(header: GeneratedHeader, gaps: Prng, bursts: Prng): Arrivals {
  const { rate, durationUs } = header;
  return header.shape === "spiky"
    ? new Arrivals(rate, durationUs, gaps, bursts)
    : new Arrivals(rate, durationUs, gaps);
}

function keyDraw(header: GeneratedHeader, prng: Prng): () => number {
  if (header.dist === "uniform") return () => prng.below(header.keys);
  const zipf = new Zipf(header.keys, header.zipfS);
  return () => zipf.draw(prng);
}

function fork(root: Prng): Prng {
  return new Prng(root.u32() + root.below(2 ** 21) * 2 ** 32);
}
