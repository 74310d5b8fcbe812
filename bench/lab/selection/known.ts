/**
 * Numbers that several rows of the matrix rest on, looked up in one place: what a key costs, how far a limiter can be
 * driven beyond its limit, how wrong it was on real logs, how a burst looks behind it.
 */
import type { AlgorithmName } from "../../../algorithms/algorithm.ts";
import { US_PER_S } from "../../../core/units.ts";
import { BURST_FROM_US } from "../burst-shaping.ts";
import type { Finding } from "../experiment.ts";
import { worked, type Evidence } from "./evidence.ts";
import {
  bytes,
  count,
  decisionsPerS,
  duration,
  percentage,
  percentagePoints,
  perSecond,
  type Figure,
} from "./statement.ts";

export type Backend = "local" | "redis";

const REAL = ["web site", "scanner"];

export class Known {
  readonly evidence: Evidence;

  constructor(evidence: Evidence) {
    this.evidence = evidence;
  }

  /** What a live key costs, charged once; the log also charged several times. */
  keyBytes(algorithm: AlgorithmName, backend: Backend, isBusy = false): number {
    return this.#filled(algorithm, backend, isBusy)["bytes_per_key"] as number;
  }

  key(algorithm: AlgorithmName, backend: Backend, isBusy = false): Figure {
    return worked("bytes-per-key", this.keyBytes(algorithm, backend, isBusy), bytes);
  }

  /** All the keys that were filled in, together. */
  allKeys(algorithm: AlgorithmName, backend: Backend): { keys: Figure; bytes: Figure } {
    const { keys, bytes_per_key } = this.#filled(algorithm, backend, false);
    return {
      keys: worked("bytes-per-key", keys as number, count),
      bytes: worked("bytes-per-key", (keys as number) * (bytes_per_key as number), bytes),
    };
  }

  /** How often the busy keys were charged. */
  busyHits(): Figure {
    return worked("bytes-per-key", this.#filled("sliding-log", "local", true)["hits"] as number, count);
  }

  #filled(algorithm: AlgorithmName, backend: Backend, isBusy: boolean): Finding {
    const rows = this.evidence.rows("bytes-per-key", { algorithm, backend });
    return rows
      .toSorted((left, right) => (left["hits"] as number) - (right["hits"] as number))
      .at(isBusy ? -1 : 0)!;
  }

  /** Bytes of a key that holds so many units in its window. */
  held(limiter: string, units: number): Figure {
    return this.evidence.figure("log-break-even", { limiter, units_held: units }, "bytes_per_key", bytes);
  }

  perGib(limiter: string, units: number): Figure {
    return this.evidence.figure("log-break-even", { limiter, units_held: units }, "keys_per_gib", count);
  }

  units(units: number): Figure {
    const [row] = this.evidence.rows("log-break-even", { units_held: units });
    return worked("log-break-even", row!["units_held"] as number, count);
  }

  /** The most above the limit in any window: on the seam, by search, by proof. */
  beyond(column: "over_admit_pct" | "worst_found_pct" | "worst_proven_pct", where: Finding): Figure {
    return this.evidence.figure("boundary-burst", this.#seam(where), column, percentage);
  }

  /** Of two limits' worth around a seam. */
  atSeam(where: Finding): Figure {
    return this.evidence.figure("boundary-burst", this.#seam(where), "admitted_of_200", count);
  }

  /** With the whole limit as burst, if not said otherwise. */
  #seam(where: Finding): Finding {
    const bursts = this.evidence.column("boundary-burst", where, "burst");
    return { burst: Math.max(...bursts), ...where };
  }

  /** The greatest on any traffic of one kind, or of all. */
  worst(column: "over_admit_pct" | "under_admit_pct", limiter: string, traffic?: "real" | "steady"): number {
    const rows = this.evidence.rows("accuracy-memory", { limiter });
    const isMeant = ({ traffic: name }: Finding): boolean =>
      traffic === undefined || (traffic === "real" ? REAL.includes(name as string) : name === traffic);
    return Math.max(...rows.filter(isMeant).map((row) => row[column] as number));
  }

  /** … as a figure. */
  atWorst(...about: Parameters<Known["worst"]>): Figure {
    return worked("accuracy-memory", this.worst(...about), percentage);
  }

  /** How much more of the requests it refused than the log did, at worst: what refusals without need come to. */
  refusedMore(limiter: string): Figure {
    const [own, exact] = [limiter, "sliding log"].map((name) =>
      this.evidence.column("accuracy-memory", { limiter: name }, "refused_pct"),
    );
    const more = own!.map((refused, traffic) => refused - exact![traffic]!);
    return worked("accuracy-memory", Math.max(...more), percentagePoints);
  }

  /** On steady traffic with that limit. */
  steady(limiter: string, limit: number, column: "over_admit_pct" | "under_admit_pct"): Figure {
    return this.evidence.figure("accuracy-memory", { traffic: "steady", limiter, limit }, column, percentage);
  }

  /** How many traffics with how many limits each limiter was asked about. */
  traffics(): Figure {
    return worked(
      "accuracy-memory",
      this.evidence.rows("accuracy-memory", { limiter: "sliding log" }).length,
      count,
    );
  }

  /** The fastest that anything left a limiter, or asked it. */
  peak(limiter: string, column: "released_per_s" | "offered_per_s" = "released_per_s"): Figure {
    return worked(
      "burst-shaping",
      Math.max(...this.evidence.column("burst-shaping", { limiter }, column)),
      perSecond,
    );
  }

  /** Share of what was asked for before the burst, or of all, that a limiter let through. */
  passed(limiter: string, when: "before the burst" | "in all"): Figure {
    const rows = this.evidence
      .rows("burst-shaping", { limiter })
      .filter(({ from_s }) => when === "in all" || (from_s as number) * US_PER_S < BURST_FROM_US);
    const sum = (column: string): number => rows.reduce((total, row) => total + (row[column] as number), 0);
    return worked("burst-shaping", (100 * sum("admitted_per_s")) / sum("offered_per_s"), percentage);
  }

  /** Whether two limiters let the same through in every interval. */
  passAlike(limiters: readonly string[]): boolean {
    const admitted = limiters.map((limiter) =>
      this.evidence.column("burst-shaping", { limiter }, "admitted_per_s").join(),
    );
    return new Set(admitted).size === 1;
  }

  /** A number of a published limiter, whatever its version, or of ours, raced one call a decision. */
  racer(name: string, variant: string, backend: Backend, column: string): number {
    const rows = this.evidence.rows("peers", { variant, backend });
    const { limiter } = rows.find((row) => String(row["limiter"]).startsWith(name)) ?? { limiter: name };
    return this.evidence.value("peers", { limiter: limiter!, variant, backend }, column);
  }

  /** At full speed. */
  speed(algorithm: AlgorithmName, backend: Backend): Figure {
    const where = { algorithm, backend, asked_per_s: null };
    return this.evidence.figure("local-and-redis", where, "decisions_per_s", decisionsPerS);
  }

  /** What Redis itself says it spent on a decision, at full speed. */
  redisTime(algorithm: AlgorithmName): Figure {
    const where = { algorithm, backend: "redis", asked_per_s: null };
    return this.evidence.figure("local-and-redis", where, "redis_us_per_decision", duration);
  }
}
