/** Random policies and random request histories that like to land on the edges. */
import * as fc from "fast-check";
import { ALGORITHMS, type AlgorithmName } from "../../algorithms/algorithm.ts";
import type { EventColumns } from "../../bench/events.ts";
import { micros, type Micros } from "../../core/units.ts";
import { columns } from "./small-trace.ts";

export interface Params {
  readonly algorithm: AlgorithmName;
  readonly limit: number;
  readonly windowUs: Micros;
  readonly burst: number;
  readonly subWindows: number;
}

export interface Ask {
  /** After the start of the history; never decreasing. */
  readonly atUs: number;
  readonly key: number;
  readonly cost: number;
}

/** Short windows, so that a history crosses many; divisible by the limit and not. */
export function anyParams(algorithms: readonly AlgorithmName[] = ALGORITHMS): fc.Arbitrary<Params> {
  return fc.record({
    algorithm: fc.constantFrom(...algorithms),
    limit: fc.integer({ min: 1, max: 12 }),
    windowUs: fc.constantFrom(1_000, 1_009, 7_000, 60_000, 1_000_003).map(micros),
    burst: fc.integer({ min: 1, max: 15 }),
    subWindows: fc.integer({ min: 1, max: 12 }),
  });
}

export function anyHistory(keys: number, lengthMax: number): fc.Arbitrary<Ask[]> {
  const gapUs = fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    { weight: 4, arbitrary: fc.integer({ min: 1, max: 400 }) },
    { weight: 2, arbitrary: fc.constantFrom(499, 500, 999, 1_000, 1_001, 7_000, 59_999, 60_000) },
    { weight: 1, arbitrary: fc.integer({ min: 1_000, max: 2_000_000 }) },
  );
  const step = fc.record({
    gapUs,
    key: fc.nat({ max: keys - 1 }),
    cost: fc.oneof(
      { weight: 4, arbitrary: fc.constant(1) },
      { weight: 2, arbitrary: fc.integer({ min: 1, max: 8 }) },
    ),
  });
  return fc.array(step, { maxLength: lengthMax, size: "max" }).map((steps) => {
    let atUs = 0;
    return steps.map(({ gapUs: gap, key, cost }) => ({ atUs: (atUs += gap), key, cost }));
  });
}

export function asEvents(history: readonly Ask[]): EventColumns {
  return columns(history.map(({ atUs, key, cost }) => [atUs, key, cost] as const));
}
