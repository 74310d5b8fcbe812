/**
 * What an experiment of the lab is: one question with its hypothesis, answered by rows of numbers and one plot.
 *
 *      run(scale) ──▶ rows ──┬──▶ docs/lab/<name>.json   with hypothesis, seed, machine, commit
 *                            ├──▶ docs/lab/<name>.csv
 *                            └──▶ chart(rows) ──▶ docs/lab/<name>.svg, .png
 *
 * An experiment that measures decisions, not time, is `exact`: the same seed gives the same rows on every machine,
 * and the test suite runs it again and compares. All others are measured: their results say on what machine, at which
 * commit and when, and the test suite looks at the shape of a quick run.
 */
import type { TopLevelSpec } from "vega-lite";

export type Cell = string | number | null;

/** One line of a result; every row of an experiment has the same columns in the same order. */
export type Finding = Readonly<Record<string, Cell>>;

export interface Scale {
  /** Smaller, to be done in a minute; the hypothesis is tested all the same. */
  readonly isQuick: boolean;
  readonly seed: number;
  /** Share of the work done, 0 … 1. */
  readonly progress: (share: number) => void;
}

export interface Experiment {
  /** Names its files. */
  readonly name: string;
  readonly title: string;
  /** What we expect and why, before looking. */
  readonly hypothesis: string;
  /** Whether rows depend on nothing but seed and scale. */
  readonly isExact: boolean;
  /** Whether it starts a Redis of its own. */
  readonly needsRedis?: boolean;
  run(scale: Scale): Finding[] | Promise<Finding[]>;
  /** What the rows look like. */
  chart(rows: readonly Finding[]): TopLevelSpec;
}
