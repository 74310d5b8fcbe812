/**
 * Stretch: one limit for many clients that fetch tokens in batches (local-allocation.ts). Round trips saved, against
 * what the clients together admit too much or refuse without need.
 */
import { micros, US_PER_S } from "../../core/units.ts";
import { Prng } from "../../core/prng.ts";
import { AccuracyMeter } from "../accuracy.ts";
import { Arrivals } from "../arrivals.ts";
import { EventColumns } from "../events.ts";
import type { Experiment, Finding } from "./experiment.ts";
import { LocalAllocation } from "./local-allocation.ts";
import { percent, toThousandths } from "./percent.ts";

const PARAMS = { algorithm: "token-bucket", limit: 1_000, windowUs: micros(US_PER_S), burst: 1_000 } as const;
const CLIENTS = [4, 32];
const BATCHES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];
const DURATION_US = 30 * US_PER_S;

interface Demand {
  readonly name: string;
  /** Requests a second of all clients; of a spiky demand its baseline. */
  readonly rate: number;
  readonly isSpiky: boolean;
}

const DEMANDS: readonly Demand[] = [
  { name: "80 % of the rate", rate: 800, isSpiky: false },
  { name: "150 % of the rate", rate: 1_500, isSpiky: false },
  { name: "30 %, in bursts 5–10 times that", rate: 300, isSpiky: true },
];

export const preAllocatedBucket: Experiment = {
  name: "pre-allocated-bucket",
  title: "A shared token bucket with local batches: 1,000/s, burst 1,000",
  hypothesis:
    "Below the limit round trips fall as 1/batch, until the clients' batches together are as large as the burst and " +
    "leave the bucket empty. At most clients × (batch − 1) tokens are admitted too much, and only where clients come " +
    "back to what they had put by: after a lull. Above the limit the bucket is always empty and hands out what has " +
    "just dripped in, so a larger batch hardly saves anything there, nor does it change how much is refused: of what " +
    "a client has put by, something is missing elsewhere at any moment, but it is the same something.",
  isExact: true,
  run({ seed, progress }) {
    return DEMANDS.flatMap((demand, i) => {
      progress((i + 1) / DEMANDS.length);
      const moments = momentsOf(demand, seed);
      return CLIENTS.flatMap((clients) =>
        BATCHES.map((batch) => measured(demand, moments, { clients, batch, seed })),
      );
    });
  },
  chart: (rows) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: preAllocatedBucket.title,
    data: { values: rows.flatMap(points) },
    facet: {
      row: { field: "clients", sort: CLIENTS.map((clients) => `${clients} clients`), title: null },
      column: { field: "demand", sort: DEMANDS.map(({ name }) => name), title: null },
    },
    spec: {
      width: 230,
      height: 150,
      mark: { type: "line", point: true },
      encoding: {
        x: { field: "batch", type: "quantitative", scale: { type: "log", nice: false }, title: "batch" },
        y: { field: "pct", type: "quantitative", title: "%" },
        color: { field: "what", type: "nominal", sort: null, title: null },
      },
    },
  }),
};

function momentsOf({ rate, isSpiky }: Demand, seed: number): EventColumns {
  const gaps = new Prng(seed);
  const arrivals = isSpiky
    ? new Arrivals(rate, DURATION_US, gaps, new Prng(seed + 1))
    : new Arrivals(rate, DURATION_US, gaps);
  const events = new EventColumns();
  for (let us = arrivals.next(); us !== undefined; us = arrivals.next()) events.push(us, 0, 1);
  return events;
}

interface Case {
  readonly clients: number;
  readonly batch: number;
  readonly seed: number;
}

function measured({ name }: Demand, events: EventColumns, { clients, batch, seed }: Case): Finding {
  const prng = new Prng(seed + 2);
  const accuracy = new AccuracyMeter(events, 1, PARAMS);
  const shared = new LocalAllocation(PARAMS, clients, batch);
  let refused = 0;
  let heldMost = 0;
  for (let index = 0; index < events.count; index += 1) {
    const isAdmitted = shared.ask(prng.below(clients), events.atUs[index]!);
    accuracy.observe(index, isAdmitted);
    if (!isAdmitted) refused += 1;
    heldMost = Math.max(heldMost, shared.held);
  }
  const { overAdmitPct, underAdmitPct } = accuracy.result();
  return {
    demand: name,
    clients,
    batch,
    round_trips_per_1000: toThousandths((1_000 * shared.roundTrips) / events.count),
    round_trips_saved_pct: percent(events.count - shared.roundTrips, events.count),
    refused_pct: percent(refused, events.count),
    over_admit_pct: toThousandths(overAdmitPct),
    over_admit_bound_pct: percent(clients * (batch - 1), PARAMS.burst),
    under_admit_pct: toThousandths(underAdmitPct),
    tokens_held_most: heldMost,
  };
}

function points(row: Finding): Finding[] {
  const shared = { demand: row["demand"]!, batch: row["batch"]!, clients: `${row["clients"]} clients` };
  return [
    { ...shared, what: "round trips saved", pct: row["round_trips_saved_pct"]! },
    { ...shared, what: "admitted too much, of the burst", pct: row["over_admit_pct"]! },
    { ...shared, what: "refused", pct: row["refused_pct"]! },
  ];
}
