/** What the lab says of limiters in one Redis, whichever they are: keys that grow, expire, run hot; servers; clocks. */
import type { Finding } from "../experiment.ts";
import { worked, type Evidence } from "./evidence.ts";
import type { Known } from "./known.ts";
import {
  bytes,
  count,
  duration,
  percentage,
  perSecond,
  say,
  seconds,
  times,
  type Figure,
  type Unit,
} from "./statement.ts";

export function growingKey({ evidence }: Known) {
  const most = Math.max(...evidence.column("hot-log", { backend: "redis", algorithm: "gcra" }, "admitted"));
  const at = (algorithm: string, admitted: number) =>
    evidence.value("hot-log", { backend: "redis", algorithm, admitted }, "bytes");
  evidence.claim("GCRA needs the same for one unit and for many", at("gcra", most) < 1.2 * at("gcra", 1));
  const from = "hot-log" as const;
  return say`A single key that admits ${worked(from, most, count)} units in its window grows to ${worked(from, at("sliding-log", most), bytes)} as a log; GCRA keeps ${worked(from, at("gcra", most), bytes)}, as for the first unit. (What Redis says of the key itself, without its places in the tables.)`;
}

export function expiry({ evidence }: Known) {
  const living = evidence.rows("expiry", { lifetime: "lifetime of its debt" });
  const gone = living.at(-1)!;
  const stayed = evidence.rows("expiry", { lifetime: "none to speak of" }).at(-1)!;
  evidence.claim("lifetimes give all keys back", gone["keys"] === 0);
  return say`Every key carries the lifetime of its debt: of ${mostOf(living, "keys", count)} keys that nobody asks for again ${mostOf([gone], "keys", count)} are left ${mostOf([gone], "at_s", seconds)} after the first was charged, and ${mostOf([gone], "used_bytes", bytes)} of ${mostOf(living, "used_bytes", bytes)}. Without lifetimes ${mostOf([stayed], "keys", count)} keys and ${mostOf([stayed], "used_bytes", bytes)} stay.`;
}

function mostOf(rows: readonly Finding[], column: string, unit: Unit): Figure {
  return worked("expiry", Math.max(...rows.map((row) => row[column] as number)), unit);
}

export function batches({ evidence }: Known) {
  const speed = (way: string, batch: number) =>
    evidence.figure("batching", { way, batch }, "decisions_per_s", perSecond);
  const servers = (number: number) =>
    evidence.figure("several-redis", { way: "64 in a call", servers: number }, "decisions_per_s", perSecond);
  const size = evidence.figure("batching", { way: "GCRA, pipelined", batch: 64 }, "batch", count);
  const alone = evidence.figure("batching", { way: "GCRA, pipelined", batch: 1 }, "p50_us", duration);
  return say`One at a time a decision takes ${alone} there and back and one connection makes ${speed("GCRA, pipelined", 1)}; ${size} in a pipeline ${speed("GCRA, pipelined", 64)}, ${size} in one call ${speed("GCRA, one call", 64)}. A second and a third Redis with calls of that size: ${servers(1)}, ${servers(2)}, ${servers(3)} from one client process.`;
}

export function clocks({ evidence }: Known) {
  const scene = "the fast one comes and goes";
  const skewed = (clock: string) =>
    evidence.figure("clock-skew", { scene, clock, algorithm: "gcra" }, "over_admit_pct", percentage);
  const asked = { algorithm: "gcra", way: "pipelined", clock: "server" };
  const price = evidence.figure("server-clock", asked, "redis_us_more", duration);
  return say`Let the script read the server's clock: with two callers whose clocks differ, one ahead and one behind, GCRA admits ${skewed("two clocks, Redis scripts")} of its burst too much by the callers' clocks, ${skewed("… that keep keys for 10 s")} if keys are kept for longer than the skew, and ${skewed("one clock, the server's")} by the server's clock. Asking for it costs Redis ${price} more a decision.`;
}

/** How many times as much two servers make as one. */
function secondServer(evidence: Evidence, traffic: string): number {
  const [one, two] = ["1 Redis", "2 Redis"].map((place) =>
    evidence.value("hot-keys", { traffic, place }, "decisions_per_s"),
  );
  return two! / one!;
}

export function hottestKey({ evidence }: Known) {
  const [flat, steep, single] = ["Zipf 0.8", "Zipf 1.4", "one key"] as const;
  const gain = (traffic: string) => worked("hot-keys", secondServer(evidence, traffic), times);
  const at = (traffic: string, place: string, column: string, unit: Unit) =>
    evidence.figure("hot-keys", { traffic, place }, column, unit);
  evidence.claim("a second Redis does nothing for one key", secondServer(evidence, single) < 1.15);
  evidence.claim(
    "a second Redis does less for steep traffic",
    secondServer(evidence, steep) < secondServer(evidence, flat),
  );
  return say`A key has one place, where its decisions are made one after the other: ${at(single, "1 Redis", "decisions_per_s", perSecond)} in a Redis, ${at(single, "1 shard here", "decisions_per_s", perSecond)} in a shard here, and a second server makes ${gain(single)} as many. With ${at(flat, "1 Redis", "hottest_pct", percentage)} of the asks on the hottest key it makes ${gain(flat)}, with ${at(steep, "1 Redis", "hottest_pct", percentage)} ${gain(steep)}: the server that has that key does ${at(steep, "2 Redis", "busiest_place_pct", percentage)} of the work.`;
}

const BELOW = "90 % of the limit";
const IN_BURSTS = "30 %, in bursts 5–10 times that";
const ratio: Unit = (value) => value.toPrecision(2);

export function relief({ evidence }: Known) {
  const told = (demand: string, way: string, column: string, unit: Unit) =>
    evidence.figure("hot-key-relief", { demand, relief: way }, column, unit);
  const value = (way: string, column: string) =>
    evidence.value("hot-key-relief", { demand: BELOW, relief: way }, column);
  const [ahead, split, uneven] = ["10 fetched ahead", "8 sub-keys", "4 sub-keys, by uneven client"] as const;
  evidence.claim(
    "units fetched ahead save round trips",
    value(ahead, "round_trips_per_decision") < 0.5 * value("one key", "round_trips_per_decision"),
  );
  evidence.claim("sub-keys refuse uneven clients without need", value(uneven, "under_admit_pct") > 1);
  return say`Two things relieve a hot key. Units fetched ahead, ten at a time: ${told(BELOW, ahead, "round_trips_per_decision", ratio)} round trips a decision, ${told(BELOW, ahead, "decisions_per_s", perSecond)} instead of ${told(BELOW, "one key", "decisions_per_s", perSecond)}, and ${told(BELOW, ahead, "over_admit_pct", percentage)} too much below the limit, ${told(IN_BURSTS, ahead, "over_admit_pct", percentage)} in bursts. Or sub-keys, eight on two servers: ${told(BELOW, split, "decisions_per_s", perSecond)}, never too much, but who is refused by an empty one although others are full is refused without need, ${told(BELOW, uneven, "under_admit_pct", percentage)} of the requests where four clients of unequal size have one each.`;
}

export function neighbours({ evidence }: Known) {
  const p99 = (place: string, flood: string) => evidence.value("fairness", { place, flood }, "cold_p99_us");
  const told = (place: string, flood: string) => worked("fairness", p99(place, flood), duration);
  const crowd = "16 connections, pipelined";
  evidence.claim(
    "a cold key waits for a hot one in its Redis",
    p99("redis", crowd) > 3 * p99("redis", "none"),
  );
  return say`Whoever shares a Redis with a hot key waits for it: the p99 of a cold key is ${told("redis", "none")} alone, ${told("redis", "1 connection, pipelined")} beside one connection that floods, ${told("redis", crowd)} beside sixteen, ${told("redis", "4 connections, to another Redis")} with the hot key on another Redis. A shard here serves ${evidence.figure("fairness", { place: "here", flood: "1,000 between two turns" }, "hot_per_s", perSecond)} of a hot key, and a cold one has its answer in ${told("here", "1,000 between two turns")}.`;
}
