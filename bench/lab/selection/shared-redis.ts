/** The row of the matrix that asks for as little of a shared Redis as can be. */
import { worked } from "./evidence.ts";
import type { Choice } from "./choice.ts";
import type { Known } from "./known.ts";
import { batches, clocks, expiry, growingKey, stateOfKeys } from "./redis-evidence.ts";
import { bytes, count, duration, percentage, perSecond, say, times, type Unit } from "./statement.ts";

const FLEXIBLE = "rate-limiter-flexible";
const UPSTASH = "@upstash/ratelimit";
/** A window of rate-limiter-flexible's. */
const FIRST = "window from the first request";
const BURSTS = "30 %, in bursts 5–10 times that";

export function sharedRedis(known: Known): Choice {
  return {
    need: "Minimal state on a shared Redis",
    take: "GCRA",
    policy: "{ algorithm: gcra, limit: N, window: W }",
    because: say`one small value that never grows: ${known.key("gcra", "redis")} a key with name, entry and lifetime, no other takes less, and no seam; the log takes ${known.key("sliding-log", "redis", true)} with ${known.busyHits()} units`,
    evidence: [
      stateOfKeys(known),
      say`So take the one that gives most for it. GCRA has rate and burst to set, no seam, an exact time to wait, and Redis spends ${known.redisTime("gcra")} on a decision; ${known.redisTime("fixed-window")} with a fixed window, ${known.redisTime("sliding-window")} with the sliding counter, ${known.redisTime("token-bucket")} with a token bucket, ${known.redisTime("sliding-log")} with the log.`,
      growingKey(known),
      expiry(known),
      batches(known),
      clocks(known),
    ],
    whyNot: againstGcraInRedis(known),
  };
}

function againstGcraInRedis(known: Known): Choice["whyNot"] {
  const { evidence } = known;
  const lighter = worked(
    "bytes-per-key",
    known.keyBytes("gcra", "redis") / known.keyBytes("gcra", "local"),
    times,
  );
  return [
    [
      "a token bucket",
      say`The same decisions from the same three numbers; its longer name makes it ${known.key("token-bucket", "redis")} a key beside ${known.key("gcra", "redis")}. Either will do.`,
    ],
    ["a fixed window (INCR)", bareCounter(known)],
    [
      "the sliding counter",
      say`It is one value too, its two counts and their moment: ${known.key("sliding-window", "redis")} a key. Take it if "N per window" is what you owe. Both counts in a single number decide alike (${evidence.figure("one-key-counter", { traffic: "steady", limit: 1_000, value_bits: 32 }, "unlike_two_windows_pct", percentage)} differ), but the value is the small part of a key in Redis.`,
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
    ["tokens fetched ahead in batches", fetchedAhead(known)],
    ["the native module redis-cell", nativeModule(known)],
    ["a published library", published(known)],
  ];
}

function bareCounter(known: Known) {
  const bare = known.racer(FLEXIBLE, FIRST, "redis", "bytes_per_key");
  return say`If bytes are all that counts, yes: INCR under a short name is the smallest the lab has seen, ${worked("peers", bare, bytes)} a key as rate-limiter-flexible has it. Ours keeps the moment of the last charge too, so that a clock that steps back mints nothing, and takes ${known.key("fixed-window", "redis")} beside GCRA's ${known.key("gcra", "redis")}. Whoever's it is, it lets ${known.beyond("over_admit_pct", { algorithm: "fixed-window" })} beyond the limit through at the seam.`;
}

function fetchedAhead({ evidence }: Known) {
  const of = (demand: string, column: string) =>
    evidence.figure("pre-allocated-bucket", { demand, clients: 4, batch: 10 }, column, percentage);
  const [below, above, bursts] = ["80 % of the rate", "150 % of the rate", BURSTS] as const;
  return say`It saves trips, not state. Below the limit four clients with batches of ten save ${of(below, "round_trips_saved_pct")} of the round trips and admit ${of(below, "over_admit_pct")} too much; in bursts they save ${of(bursts, "round_trips_saved_pct")} and admit ${of(bursts, "over_admit_pct")} of the burst too much, at most ${of(bursts, "over_admit_bound_pct")}. Above the limit the bucket is empty and they save ${of(above, "round_trips_saved_pct")}.`;
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
  const raced = (column: string, unit: Unit) => (name: string, variant: string) =>
    worked("peers", known.racer(name, variant, "redis", column), unit);
  const speed = raced("decisions_per_s", perSecond);
  const spent = raced("redis_us_per_decision", duration);
  const kept = raced("bytes_per_key", bytes);
  const beyond = raced("over_admit_pct", percentage);
  const [ours, fixed] = ["fixed-window", "fixed window"] as const;
  known.evidence.claim(
    "published scripts take less of Redis than ours",
    known.racer(FLEXIBLE, FIRST, "redis", "redis_us_per_decision") <
      known.racer("PARL", ours, "redis", "redis_us_per_decision"),
  );
  return say`Nothing is wrong with one whose promise is enough. In one race, a call a decision, our fixed window made ${speed("PARL", ours)}, rate-limiter-flexible ${speed(FLEXIBLE, FIRST)}, @upstash/ratelimit ${speed(UPSTASH, fixed)}: client and round trip are most of it. Of Redis ours takes more, ${spent("PARL", ours)} a decision and ${kept("PARL", ours)} a key, where theirs take ${spent(FLEXIBLE, FIRST)} and ${kept(FLEXIBLE, FIRST)}, ${spent(UPSTASH, fixed)} and ${kept(UPSTASH, fixed)}. That pays for waits to the microsecond, a moment that cannot step back, and the choice of whose clock it is. What they promise differs: a window that begins with the first request lets ${beyond(FLEXIBLE, FIRST)} beyond the limit through, a sliding window of two counts ${beyond(UPSTASH, "sliding window")}, a bucket refilled limit by limit ${beyond(UPSTASH, "bucket, limit by limit")} of its burst.`;
}
