/**
 * Experiment 5: what a smaller state costs in accuracy. The exact log and what stands in for it decide the same
 * traces, two real logs among them (traces/README.md), each held to the envelope "at most L in any window".
 */
import { fileURLToPath } from "node:url";
import type { AlgorithmParams } from "../../algorithms/algorithm.ts";
import { micros, US_PER_S } from "../../core/units.ts";
import { AccuracyMeter } from "../accuracy.ts";
import { EventColumns } from "../events.ts";
import { generateEvents } from "../trace-generator.ts";
import { readTrace } from "../trace-reader.ts";
import { START_US, type Trace } from "../trace.ts";
import type { Experiment, Finding, Scale } from "./experiment.ts";
import { ManyKeys } from "./many-keys.ts";
import { percent, toThousandths } from "./percent.ts";
import { StateMeter } from "./state-meter.ts";

interface Limiter {
  readonly name: string;
  readonly algorithm: AlgorithmParams["algorithm"];
  readonly subWindows?: number;
}

const COUNTER = "sliding counter";

/** The log comes first: the others are compared with it. */
const LIMITERS: readonly Limiter[] = [
  { name: "sliding log", algorithm: "sliding-log" },
  { name: "conservative window, n = 50", algorithm: "conservative-window", subWindows: 50 },
  { name: "conservative window, n = 10", algorithm: "conservative-window", subWindows: 10 },
  { name: "conservative window, n = 4", algorithm: "conservative-window", subWindows: 4 },
  { name: COUNTER, algorithm: "sliding-window" },
  { name: "fixed window", algorithm: "fixed-window" },
];

interface Policy {
  readonly limit: number;
  readonly windowS: number;
}

interface Traffic {
  readonly name: string;
  readonly policies: readonly Policy[];
  trace(policy: Policy, seed: number): Trace | Promise<Trace>;
}

/** Limits that refuse some of the traffic and not most of it, over windows from a second to a day. */
const TRAFFIC: readonly Traffic[] = [
  {
    name: "web site",
    policies: [
      { limit: 10, windowS: 10 },
      { limit: 20, windowS: 60 },
      { limit: 50, windowS: 3_600 },
      { limit: 100, windowS: 86_400 },
    ],
    trace: () => recorded("site"),
  },
  {
    name: "scanner",
    policies: [
      { limit: 10, windowS: 1 },
      { limit: 50, windowS: 10 },
      { limit: 300, windowS: 60 },
      { limit: 1_500, windowS: 600 },
    ],
    trace: () => recorded("scan"),
  },
  {
    name: "steady",
    policies: [10, 100, 1_000].map((limit) => ({ limit, windowS: 10 })),
    trace: (policy, seed) => generated("steady", policy, seed),
  },
  {
    name: "spiky",
    policies: [
      { limit: 100, windowS: 1 },
      { limit: 10, windowS: 10 },
      { limit: 100, windowS: 10 },
      { limit: 1_000, windowS: 10 },
      { limit: 100, windowS: 60 },
    ],
    trace: (policy, seed) => generated("spiky", policy, seed),
  },
];

/** Generated traffic: what a key asks for, in limits; of a spiky one its baseline. */
const DEMAND = { steady: 1.25, spiky: 0.6 };
const EVENTS = 50_000;
/** Keys times limit, so that every key is watched for as many windows whatever its limit. */
const LIMITS_IN_ALL = 1_000;

export const accuracyMemory: Experiment = {
  name: "accuracy-memory",
  title: "Accuracy against memory: the log and what stands in for it, on the same traffic",
  hypothesis:
    "The log is exact and costs an event a unit. The sliding counter needs 16 bytes and assumes that the last window " +
    "was spread evenly: on steady traffic its error is the noise of a Poisson count, falling as 1/√L, so it is " +
    "harmless from L = 1,000 on; on traffic in bursts shorter than the window it admits tens of percent too much, and " +
    "refuses without need, whatever the limit. The conservative window never admits too much and pays in refusals, " +
    "the fewer the more sub-windows it has. A fixed window refuses nothing needlessly and admits up to twice the limit.",
  isExact: true,
  async run(scale) {
    const cells = TRAFFIC.flatMap((traffic) => traffic.policies.map((policy) => ({ traffic, policy })));
    const rows: Finding[][] = [];
    for (const { traffic, policy } of cells) {
      rows.push(await rowsOf(traffic, policy, scale));
      scale.progress(rows.length / cells.length);
    }
    return rows.flat();
  },
  chart: (rows) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: accuracyMemory.title,
    vconcat: [byMemory(rows), byLimit(rows)],
  }),
};

/** Every limiter on every traffic: its error above its bytes. */
function byMemory(rows: readonly Finding[]) {
  return {
    data: { values: rows.flatMap(points) },
    facet: {
      row: { field: "what", sort: null, title: null },
      column: { field: "traffic", sort: TRAFFIC.map(({ name }) => name), title: null },
    },
    resolve: { scale: { y: "independent" as const } },
    spec: {
      width: 190,
      height: 150,
      mark: { type: "point" as const, filled: true, size: 60, opacity: 0.7 },
      encoding: {
        x: {
          field: "bytes_per_key",
          type: "quantitative" as const,
          scale: { type: "log" as const },
          title: "bytes per key",
          axis: { values: [10, 100, 1_000, 10_000] },
        },
        y: { field: "pct", type: "quantitative" as const, title: "%" },
        color: { field: "limiter", type: "nominal" as const, sort: null, title: null },
      },
    },
  };
}

/** The sliding counter's error falls with the limit on steady traffic, and only there. */
function byLimit(rows: readonly Finding[]) {
  return {
    width: 420,
    height: 150,
    data: { values: rows.filter(({ limiter }) => limiter === COUNTER) as object[] },
    mark: { type: "point" as const, filled: true, size: 60 },
    encoding: {
      x: {
        field: "limit",
        type: "quantitative" as const,
        scale: { type: "log" as const, domain: [8, 2_000], nice: false },
        title: "limit",
        axis: { values: [10, 20, 50, 100, 200, 500, 1_000] },
      },
      y: {
        field: "over_admit_pct",
        type: "quantitative" as const,
        title: ["sliding counter: admitted", "too much, % of the limit"],
      },
      shape: {
        field: "traffic",
        type: "nominal" as const,
        sort: TRAFFIC.map(({ name }) => name),
        title: null,
        legend: { orient: "right" as const },
      },
    },
  };
}

async function rowsOf(traffic: Traffic, policy: Policy, { seed }: Scale): Promise<Finding[]> {
  const { header, events } = await traffic.trace(policy, seed);
  const byLog = new Uint8Array(events.count);
  return LIMITERS.map((limiter) => {
    const { name, ...algorithm } = limiter;
    const params = { ...algorithm, limit: policy.limit, windowUs: micros(policy.windowS * US_PER_S) };
    const accuracy = new AccuracyMeter(events, header.keys, params);
    const state = new StateMeter(params);
    let refused = 0;
    let unlikeLog = 0;
    const table = new ManyKeys(params, header.keys, seed);
    for (let index = 0; index < events.count; index += 1) {
      const [key, atUs] = [events.key[index]!, events.atUs[index]!];
      const isAllowed = table.ask(key, 1, atUs);
      accuracy.observe(index, isAllowed);
      if (isAllowed) state.admit(key, atUs);
      else refused += 1;
      if (limiter === LIMITERS[0]) byLog[index] = Number(isAllowed);
      else if (byLog[index] !== Number(isAllowed)) unlikeLog += 1;
    }
    const { overAdmitPct, underAdmitPct } = accuracy.result();
    const { keys, bytes } = state.fullest();
    return {
      traffic: traffic.name,
      limit: policy.limit,
      window_s: policy.windowS,
      limiter: name,
      refused_pct: percent(refused, events.count),
      over_admit_pct: toThousandths(overAdmitPct),
      under_admit_pct: toThousandths(underAdmitPct),
      unlike_log_pct: percent(unlikeLog, events.count),
      keys_at_fullest: keys,
      bytes_per_key: Math.round(bytes / keys),
    };
  });
}

function recorded(name: string): Promise<Trace> {
  return readTrace(fileURLToPath(new URL(`traces/${name}.trace`, import.meta.url)));
}

function generated(shape: "steady" | "spiky", { limit, windowS }: Policy, seed: number): Trace {
  const rate = (LIMITS_IN_ALL * DEMAND[shape]) / windowS;
  const header = {
    keys: LIMITS_IN_ALL / limit,
    startUs: START_US,
    durationUs: Math.ceil((EVENTS / rate) * US_PER_S),
    costMin: 1,
    costMax: 1,
    dist: "uniform",
    shape,
    zipfS: 0,
    seed,
    rate,
  } as const;
  const events = new EventColumns(EVENTS);
  for (const batch of generateEvents(header)) events.append(batch);
  return { header, events };
}

function points({ traffic, limiter, bytes_per_key, over_admit_pct, under_admit_pct }: Finding): Finding[] {
  const shared = { traffic: traffic!, limiter: limiter!, bytes_per_key: bytes_per_key! };
  return [
    { ...shared, what: "admitted too much, % of the limit", pct: over_admit_pct! },
    { ...shared, what: "refused without need, % of requests", pct: under_admit_pct! },
  ];
}
