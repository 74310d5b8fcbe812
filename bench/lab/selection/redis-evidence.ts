/** What the lab says of limiters in one Redis, whichever they are: what keys take, grow to and give back; calls; clocks. */
import type { Finding } from "../experiment.ts";
import { worked } from "./evidence.ts";
import type { Known } from "./known.ts";
import {
  bytes,
  count,
  duration,
  percentage,
  perSecond,
  say,
  seconds,
  type Figure,
  type Unit,
} from "./statement.ts";

/** Of all but the log: two numbers or three in one value, and around it what Redis keeps for any key. */
const FLAT = [
  "gcra",
  "leaky-queue",
  "fixed-window",
  "token-bucket",
  "leaky-bucket",
  "sliding-window",
  "conservative-window",
] as const;

export function stateOfKeys(known: Known) {
  const { evidence } = known;
  const all = FLAT.map((algorithm) => known.keyBytes(algorithm, "redis"));
  const [least, most] = [Math.min(...all), Math.max(...all)];
  evidence.claim("in Redis all but the log cost the same", most < 1.12 * least);
  evidence.claim("in Redis no name is shorter than GCRA's", known.keyBytes("gcra", "redis") === least);
  evidence.claim(
    "in Redis the log pays by the unit",
    known.keyBytes("sliding-log", "redis", true) > 1.5 * most,
  );
  const bare = known.racer(
    "rate-limiter-flexible",
    "window from the first request",
    "redis",
    "bytes_per_key",
  );
  const ours = known.racer("PARL", "fixed-window", "redis", "bytes_per_key");
  evidence.claim("a bare counter under a short name is smaller", bare < 0.8 * ours);
  return say`State does not decide between them. All but the log keep two numbers or three in one value, the conservative window some more: ${worked("bytes-per-key", least, bytes)} to ${worked("bytes-per-key", most, bytes)} a key that was charged once, nearly all of it name, entry and lifetime. GCRA has the least because its name, which is part of the key's, is the shortest. Bytes are saved in names: a bare counter under a short one takes ${worked("peers", bare, bytes)} where our fixed window takes ${worked("peers", ours, bytes)} in the same count.`;
}

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
  const inCalls = (servers: number) =>
    evidence.value("several-redis", { way: "64 in a call", servers }, "decisions_per_s");
  const servers = (number: number) => worked("several-redis", inCalls(number), perSecond);
  const client = evidence.figure(
    "several-redis",
    { way: "64 in a call", servers: 1 },
    "client_cpu_pct",
    percentage,
  );
  const size = evidence.figure("batching", { way: "GCRA, pipelined", batch: 64 }, "batch", count);
  const alone = evidence.figure("batching", { way: "GCRA, pipelined", batch: 1 }, "p50_us", duration);
  evidence.claim("one client process gets no more from more servers", inCalls(3) < 1.25 * inCalls(1));
  return say`One at a time a decision takes ${alone} there and back and one connection makes ${speed("GCRA, pipelined", 1)}; ${size} in a pipeline ${speed("GCRA, pipelined", 64)}, ${size} in one call ${speed("GCRA, one call", 64)}. More servers need more client processes: with calls of that size one process gets ${servers(1)} from one Redis, ${servers(2)} from two and ${servers(3)} from three, for its own thread is busy to ${client} with the first.`;
}

const asked = (way: string, clock: string): Finding => ({ algorithm: "gcra", way, clock });

export function clocks({ evidence }: Known) {
  const scene = "the fast one comes and goes";
  const skewed = (clock: string) =>
    evidence.figure("clock-skew", { scene, clock, algorithm: "gcra" }, "over_admit_pct", percentage);
  const speed = (clock: string) =>
    evidence.value("server-clock", asked("pipelined", clock), "decisions_per_s");
  const full = (clock: string) => worked("server-clock", speed(clock), perSecond);
  const alone = (clock: string) =>
    evidence.figure("server-clock", asked("one at a time", clock), "p50_us", duration);
  const price = evidence.figure("server-clock", asked("pipelined", "server"), "redis_us_more", duration);
  evidence.claim("the server's clock costs little", speed("server") > 0.75 * speed("app"));
  return say`Let the script read the server's clock: with two callers whose clocks differ, one ahead and one behind, GCRA admits ${skewed("two clocks, Redis scripts")} of its burst too much by the callers' clocks, ${skewed("… that keep keys for 10 s")} if keys are kept for longer than the skew, and ${skewed("one clock, the server's")} by the server's clock. The price is ${price} of Redis a decision: ${full("server")} instead of ${full("app")} where Redis is the limit, and nothing to notice one at a time (${alone("server")} and ${alone("app")} there and back).`;
}
