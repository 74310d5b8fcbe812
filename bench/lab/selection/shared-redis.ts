/** The row of the matrix that asks for as little of a shared Redis as can be. */
import { worked } from "./evidence.ts";
import type { Choice } from "./choice.ts";
import type { Known } from "./known.ts";
import { batches, clocks, expiry, growingKey, hottestKey, neighbours, relief } from "./redis-evidence.ts";
import { count, duration, percentage, perSecond, say, times } from "./statement.ts";

export function sharedRedis(known: Known): Choice {
  const { evidence } = known;
  const redis = (algorithm: Parameters<Known["key"]>[0], isBusy = false): number =>
    known.keyBytes(algorithm, "redis", isBusy);
  evidence.claim("in Redis one number costs no more than two", redis("gcra") <= 1.03 * redis("token-bucket"));
  evidence.claim("in Redis only the log is much dearer", redis("conservative-window") < 1.3 * redis("gcra"));
  evidence.claim("in Redis the log pays by the unit", redis("sliding-log", true) > 1.5 * redis("gcra"));
  return {
    need: "Minimal state on a shared Redis",
    take: "GCRA",
    policy: "{ algorithm: gcra, limit: N, window: W }",
    because: say`one number in one value, ${known.key("gcra", "redis")} a key with name, entry and lifetime; the log takes ${known.key("sliding-log", "redis", true)} with ${known.busyHits()} units`,
    evidence: [
      say`A live key costs ${known.key("gcra", "redis")} with GCRA, ${known.key("fixed-window", "redis")} with a fixed window, ${known.key("token-bucket", "redis")} with a token bucket, ${known.key("sliding-window", "redis")} with the sliding counter. Name, entry and lifetime are most of it: keep names short, and keys few.`,
      growingKey(known),
      expiry(known),
      say`Redis spends ${known.redisTime("gcra")} on a decision with GCRA, ${known.redisTime("fixed-window")} with a fixed window, ${known.redisTime("token-bucket")} with a token bucket, ${known.redisTime("sliding-log")} with the log.`,
      batches(known),
      hottestKey(known),
      relief(known),
      neighbours(known),
      clocks(known),
    ],
    whyNot: againstGcraInRedis(known),
  };
}

function againstGcraInRedis(known: Known): Choice["whyNot"] {
  const { evidence } = known;
  const saved = { demand: "80 % of the rate", clients: 4, batch: 10 };
  const burst = { demand: "30 %, in bursts 5–10 times that", clients: 4, batch: 10 };
  const lighter = worked(
    "bytes-per-key",
    known.keyBytes("gcra", "redis") / known.keyBytes("gcra", "local"),
    times,
  );
  return [
    [
      "a token bucket",
      say`The same decisions for ${known.key("token-bucket", "redis")} a key beside ${known.key("gcra", "redis")}: no reason against it, but two numbers to keep together instead of one.`,
    ],
    [
      "a fixed window (INCR)",
      say`${known.key("fixed-window", "redis")} a key beside ${known.key("gcra", "redis")}: nothing to gain, and it lets ${known.beyond("over_admit_pct", { algorithm: "fixed-window" })} beyond the limit through at the seam.`,
    ],
    [
      "the sliding counter",
      say`Two counts cost ${known.key("sliding-window", "redis")} a key. Packed into one value, as GCRA's is, they decide alike (${evidence.figure("one-key-counter", { traffic: "steady", limit: 1_000, value_bits: 32 }, "unlike_two_windows_pct", percentage)} differ); what that takes in Redis the lab has not measured. Take it if "N per window" is what you owe.`,
    ],
    [
      "the sliding log",
      say`${known.key("sliding-log", "redis")} for a key with one unit, ${known.key("sliding-log", "redis", true)} with ${known.busyHits()}, and no end to it but the limit.`,
    ],
    [
      "the conservative window",
      say`It is strict for ${known.key("conservative-window", "redis")} a key that has been charged once, and more with every sub-window in use. Minimal it is not.`,
    ],
    [
      "memory of the process instead of Redis",
      say`If the keys can have an owner, do: ${known.key("gcra", "local")} a key here, ${lighter} less, and ${known.speed("gcra", "local")} instead of ${known.speed("gcra", "redis")}.`,
    ],
    [
      "tokens fetched ahead in batches",
      say`Below the limit four clients with batches of ten save ${evidence.figure("pre-allocated-bucket", saved, "round_trips_saved_pct", percentage)} of the round trips and admit ${evidence.figure("pre-allocated-bucket", saved, "over_admit_pct", percentage)} too much; in bursts they save ${evidence.figure("pre-allocated-bucket", burst, "round_trips_saved_pct", percentage)} and admit ${evidence.figure("pre-allocated-bucket", burst, "over_admit_pct", percentage)} of the burst too much, at most ${evidence.figure("pre-allocated-bucket", burst, "over_admit_bound_pct", percentage)}. It saves trips, not state.`,
    ],
    ["the native module redis-cell", nativeModule(known)],
    ["a published library", published(known)],
  ];
}

function nativeModule({ evidence }: Known) {
  const rows = evidence.results.get("redis-cell")?.rows ?? [];
  if (rows[0]?.["state"] !== "measured") {
    return say`It is GCRA too, in native code. It is not measured here, because it was not built.`;
  }
  const way = "as fast as the server can";
  const speed = (limiter: string) => evidence.value("redis-cell", { limiter, way }, "decisions_per_s");
  const spent = (limiter: string) =>
    evidence.figure("redis-cell", { limiter, way }, "redis_us_per_decision", duration);
  const alone = (limiter: string) =>
    evidence.figure("redis-cell", { limiter, way: "one at a time" }, "p50_us", duration);
  const [script, cell] = ["our script", "redis-cell"] as const;
  const compared = rows.filter(({ unlike }) => unlike !== null);
  const sum = (column: string) =>
    worked(
      "redis-cell",
      compared.reduce((total, row) => total + (row[column] as number), 0),
      count,
    );
  evidence.claim("redis-cell decides as the script does", sum("unlike").text === "0");
  evidence.claim("native code is faster", speed(cell) > speed(script));
  return say`Where you may load a module and GCRA by the server's clock is all you need, do: the same decisions (${sum("unlike")} of ${sum("decisions")} differ beyond the moment between the two) for ${spent(cell)} of Redis instead of ${spent(script)}, so ${worked("redis-cell", speed(cell), perSecond)} instead of ${worked("redis-cell", speed(script), perSecond)} out of one. One at a time it is ${alone(cell)} beside ${alone(script)}: the way there is nearly all. A script needs nobody's leave, knows seven more algorithms, and can take the caller's clock.`;
}

function published(known: Known) {
  const speed = (name: string, variant: string) =>
    worked("peers", known.racer(name, variant, "redis", "decisions_per_s"), perSecond);
  const spent = (name: string, variant: string) =>
    worked("peers", known.racer(name, variant, "redis", "redis_us_per_decision"), duration);
  const beyond = (name: string, variant: string) =>
    worked("peers", known.racer(name, variant, "redis", "over_admit_pct"), percentage);
  const [flexible, upstash] = ["rate-limiter-flexible", "@upstash/ratelimit"] as const;
  const [ours, first, fixed] = ["fixed-window", "window from the first request", "fixed window"] as const;
  return say`Nothing is wrong with one whose promise is enough. In one race, a call a decision, our fixed window made ${speed("PARL", ours)}, rate-limiter-flexible ${speed(flexible, first)}, @upstash/ratelimit ${speed(upstash, fixed)}: the way there is nearly all, though Redis spends ${spent("PARL", ours)} on ours, which takes its time from either clock and leaves no key without a lifetime, and ${spent(flexible, first)} and ${spent(upstash, fixed)} on theirs. What they promise differs: a window that begins with the first request lets ${beyond(flexible, first)} beyond the limit through, a sliding window of two counts ${beyond(upstash, "sliding window")}, a bucket refilled limit by limit ${beyond(upstash, "bucket, limit by limit")}.`;
}
