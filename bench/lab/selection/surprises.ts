/**
 * Where the results contradict what their experiment expected. Hypotheses are left as they were written before anybody
 * looked, so somebody has to say which of them fell; a sentence is here only as long as its numbers say so.
 */
import { worked, type Evidence } from "./evidence.ts";
import type { Known } from "./known.ts";
import { cited } from "./markdown.ts";
import { duration, percentage, perSecond, say, times, type Statement } from "./statement.ts";

/** Said when it is so. */
type Surprise = readonly [isSo: boolean, statement: Statement];

export function surprisesText(known: Known, folder: string): string {
  const { evidence } = known;
  const found = [late(evidence), server(evidence), servers(evidence), turns(evidence), rival(known)];
  const native = evidence.results.get("redis-cell")?.rows[0]?.["state"] === "measured";
  if (native) found.push(nativeCode(evidence));
  const lines = found.flatMap(([isSo, statement]) => (isSo ? [`- ${cited(statement, folder)}`] : []));
  if (lines.length === 0) return "In nothing that was looked at here.";
  return lines.join("\n");
}

function late(evidence: Evidence): Surprise {
  const rates = evidence.rows("local-and-redis").map((row) => row["asked_per_s"] ?? 0) as number[];
  const at = { algorithm: "gcra", backend: "redis", asked_per_s: Math.max(...rates) };
  const p99Us = evidence.value("local-and-redis", at, "p99_us");
  return [
    at.asked_per_s >= 100_000 && p99Us > 2_000,
    say`One Redis was to carry ${evidence.figure("local-and-redis", at, "asked_per_s", perSecond)} with a p99 below two milliseconds. It carries them, on two cores that it shares with its caller, at ${worked("local-and-redis", p99Us, duration)}.`,
  ];
}

function server(evidence: Evidence): Surprise {
  const spent = (way: string) => evidence.value("batching", { way, batch: 64 }, "redis_us_per_decision");
  const [empty, whole] = [spent("empty script, pipelined"), spent("GCRA, pipelined")];
  return [
    empty < whole / 2,
    say`Of what a Redis spends on a call, deciding was to be the smaller half. It is ${worked("batching", (100 * (whole - empty)) / whole, percentage)}: an empty script with the same arguments takes ${worked("batching", empty, duration)}, GCRA ${worked("batching", whole, duration)}.`,
  ];
}

function servers(evidence: Evidence): Surprise {
  const speed = (number: number) =>
    evidence.value("several-redis", { way: "64 in a call", servers: number }, "decisions_per_s");
  return [
    speed(2) < 1.1 * speed(1),
    say`With many keys in a call a second Redis was to help. From one client process it does not: ${worked("several-redis", speed(2), perSecond)} beside ${worked("several-redis", speed(1), perSecond)}. Where calls are encoded beforehand, so that servers are the limit, it does (see [hot keys](#when-one-key-is-hot)).`,
  ];
}

function turns(evidence: Evidence): Surprise {
  const flood = "16 connections, pipelined";
  const eachUs = evidence.value("fairness", { place: "redis", flood }, "cold_p99_us") / 16;
  return [
    eachUs > 1_000,
    say`Cold keys were to wait about half a millisecond longer for each connection that floods. It is ${worked("fairness", eachUs, duration)} for each of sixteen.`,
  ];
}

function rival(known: Known): Surprise {
  const first = "window from the first request";
  const [theirs, ours] = [
    known.racer("express-rate-limit", first, "local", "decisions_per_s"),
    known.racer("PARL", "fixed-window", "local", "decisions_per_s"),
  ];
  return [
    ours < 2 * theirs,
    say`Packages in memory were to take several times as long as a table's slot. That holds for bytes; in time a fixed window here is ${worked("peers", ours / theirs, times)} as fast as express-rate-limit's store.`,
  ];
}

function nativeCode(evidence: Evidence): Surprise {
  const speed = (limiter: string) =>
    evidence.value("redis-cell", { limiter, way: "as fast as the server can" }, "decisions_per_s");
  const gain = speed("redis-cell") / speed("our script");
  return [
    gain > 2,
    say`Native code in Redis was to get up to twice as many decisions out of a server. It gets ${worked("redis-cell", gain, times)} as many.`,
  ];
}
