/**
 * Stretch: the sliding counter as a one-key trick (packed-counter.ts), against two-window arithmetic. How few bits
 * will do, and what does the rounding cost?
 */
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { Prng } from "../../core/prng.ts";
import { AccuracyMeter } from "../accuracy.ts";
import { Arrivals } from "../arrivals.ts";
import { EventColumns } from "../events.ts";
import type { Experiment, Finding } from "./experiment.ts";
import { PackedCounter } from "./packed-counter.ts";
import { percent, toThousandths } from "./percent.ts";
import { SingleKey } from "./single-key.ts";

const WINDOW_US = micros(10 * US_PER_S);
const LIMITS = [10, 100, 1_000, 10_000];
const BITS = [8, 12, 16, 24, 32, 53];
/** Asked for, in limits; of a spiky demand its baseline. */
const DEMAND = { steady: 0.75, spiky: 0.6 };
const EVENTS_MIN = 20_000;
/** Enough of a large limit to see several windows. */
const LIMITS_MIN = 8;

export const oneKeyCounter: Experiment = {
  name: "one-key-counter",
  title: "The sliding counter in one value: bits against what the rounding refuses",
  hypothesis:
    "With L below 2^⌊bits/2⌋ both counts fit and every decision is that of two-window arithmetic: 26 bits each in a " +
    "double, 16 each in 32. With fewer bits the last window is rounded up to quanta: on the same history no unit passes " +
    "that two windows would refuse, and less than a quantum is refused that they would let pass. That costs traffic " +
    "well below its limit a few percent at worst, where a single bit is left and the last window counts in full or " +
    "not at all; traffic above its limit gets what is left over anyway.",
  isExact: true,
  run({ seed, progress }) {
    return LIMITS.flatMap((limit, i) => {
      progress((i + 1) / LIMITS.length);
      return (["steady", "spiky"] as const).flatMap((traffic) => rowsOf(limit, traffic, seed));
    });
  },
  chart: (rows) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: oneKeyCounter.title,
    data: { values: rows.filter(({ value_bits }) => value_bits !== null) as object[] },
    facet: { column: { field: "traffic", sort: null, title: null } },
    spec: {
      width: 300,
      height: 180,
      mark: { type: "line", point: true },
      encoding: {
        x: { field: "value_bits", type: "ordinal", title: "bits of the value", axis: { labelAngle: 0 } },
        y: {
          field: "fewer_admitted_pct",
          type: "quantitative",
          title: "admitted less than by two windows, %",
        },
        color: { field: "limit", type: "nominal", title: "limit" },
      },
    },
  }),
};

/** The decisions of one way to count, and how they compare with the envelope. */
interface Counted {
  readonly decisions: readonly boolean[];
  readonly admitted: number;
  readonly overAdmitPct: number;
}

function rowsOf(limit: number, traffic: "steady" | "spiky", seed: number): Finding[] {
  const params: AlgorithmParams = { algorithm: "sliding-window", limit, windowUs: WINDOW_US };
  const events = eventsOf(limit, traffic, seed);
  const key = new SingleKey(params);
  const twoWindows = counted(events, params, (nowUs) => key.ask(nowUs).outcome === "allowed");
  const finding = (
    bits: number | null,
    quantum: number | null,
    { decisions, admitted, overAdmitPct }: Counted,
  ) => ({
    traffic,
    limit,
    value_bits: bits,
    quantum,
    admitted,
    unlike_two_windows_pct: percent(
      decisions.filter((isAllowed, index) => isAllowed !== twoWindows.decisions[index]).length,
      decisions.length,
    ),
    fewer_admitted_pct: percent(twoWindows.admitted - admitted, twoWindows.admitted),
    over_admit_pct: toThousandths(overAdmitPct),
  });
  const packed = BITS.filter((bits) => PackedCounter.fits(limit, bits)).map((bits) => {
    const counter = new PackedCounter(params, bits);
    return finding(
      bits,
      counter.quantum,
      counted(events, params, (nowUs) => counter.ask(nowUs)),
    );
  });
  return [finding(null, null, twoWindows), ...packed];
}

function counted(
  events: EventColumns,
  params: AlgorithmParams,
  isAllowed: (nowUs: number) => boolean,
): Counted {
  const accuracy = new AccuracyMeter(events, 1, params);
  const decisions = Array.from(events.atUs.subarray(0, events.count), isAllowed);
  for (const [index, isAdmitted] of decisions.entries()) accuracy.observe(index, isAdmitted);
  const { overAdmitPct } = accuracy.result();
  return { decisions, admitted: decisions.filter(Boolean).length, overAdmitPct };
}

function eventsOf(limit: number, traffic: "steady" | "spiky", seed: number): EventColumns {
  const rate = (DEMAND[traffic] * limit * US_PER_S) / WINDOW_US;
  const events = Math.max(EVENTS_MIN, LIMITS_MIN * limit);
  const durationUs = Math.ceil((events / rate) * US_PER_S);
  const gaps = new Prng(seed);
  const arrivals =
    traffic === "spiky"
      ? new Arrivals(rate, durationUs, gaps, new Prng(seed + 1))
      : new Arrivals(rate, durationUs, gaps);
  const columns = new EventColumns(events);
  for (let us = arrivals.next(); us !== undefined; us = arrivals.next()) columns.push(us, 0, 1);
  return columns;
}
