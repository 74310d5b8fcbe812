/** The rows of the matrix that ask for a rate: with a burst, without one, and in as little of a shared Redis as can be. */
import type { Finding } from "../experiment.ts";
import { worked } from "./evidence.ts";
import type { Choice } from "./choice.ts";
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

/** Rows of burst-shaping. */
export const BUCKET = "token bucket, B = 100";
const METER = "leaky meter, B = 100";
export const GCRA = "GCRA, τ = 99·T";
export const QUEUE = "leaky queue of 100";
export const TIGHT_GCRA = "GCRA, τ = 9·T";
export const STRICT_GCRA = "GCRA, τ = 0";

export function rateWithBurst(known: Known): Choice {
  const { evidence } = known;
  evidence.claim(
    "token bucket, leaky meter and GCRA let the same through",
    known.passAlike([BUCKET, METER, GCRA]),
  );
  evidence.claim(
    "GCRA is smaller than a token bucket here",
    known.keyBytes("gcra", "local") < known.keyBytes("token-bucket", "local"),
  );
  return {
    need: "A steady rate with a burst of N",
    take: "GCRA",
    policy: "{ algorithm: gcra, limit: R, window: 1s, burst: N }",
    because: say`decides as a token bucket does, to the request, in one number: ${known.key("gcra", "local")} a key beside ${known.key("token-bucket", "local")}`,
    evidence: [
      say`Asked for ${known.peak(GCRA, "offered_per_s")} at the peak of a burst, GCRA, token bucket and leaky meter let exactly the same through in every interval: ${known.passed(GCRA, "before the burst")} of what came before the burst, ${known.passed(GCRA, "in all")} of everything.`,
      say`What a client can get in one window is B + L and no more: with the limit as burst a search finds ${known.beyond("worst_found_pct", { algorithm: "gcra" })} beyond L of at most ${known.beyond("worst_proven_pct", { algorithm: "gcra" })}; with a tenth of it ${known.beyond("worst_found_pct", { algorithm: "gcra", burst: 10 })} of at most ${known.beyond("worst_proven_pct", { algorithm: "gcra", burst: 10 })}.`,
      say`${known.speed("gcra", "local")} here, ${known.speed("gcra", "redis")} in Redis with a call each; ${known.key("gcra", "local")} and ${known.key("gcra", "redis")} a key.`,
    ],
    whyNot: [
      [
        "a token bucket",
        say`Nothing is wrong with it: the same decisions for ${known.key("token-bucket", "local")} a key instead of ${known.key("gcra", "local")}. Take it when people want to see tokens in a dump.`,
      ],
      [
        "a leaky bucket (meter)",
        say`The same thing seen from the other side, for ${known.key("leaky-bucket", "local")} a key.`,
      ],
      [
        "a leaky queue",
        say`It admits the same share (${known.passed(QUEUE, "in all")}) but makes it wait: nothing leaves it faster than ${known.peak(QUEUE)}, where the bucket lets ${known.peak(BUCKET)} through. A burst that has to queue is no burst.`,
      ],
      [
        "a sliding counter or log",
        say`They know one number, N per window, and no burst apart from it: rate and burst cannot be set on their own. The log also pays by the unit, ${known.held("sliding log", 100)} for ${known.units(100)}.`,
      ],
      [
        "a fixed window",
        say`After its whole limit has passed at once it refuses until the seam, and there passes the next one: ${known.beyond("over_admit_pct", { algorithm: "fixed-window" })} beyond the limit.`,
      ],
    ],
  };
}

export function smooth(known: Known): Choice {
  const { evidence } = known;
  evidence.claim("the queue admits as much as the token bucket", known.passAlike([BUCKET, QUEUE]));
  const most = (limiter: string): number =>
    Math.max(...evidence.column("burst-shaping", { limiter }, "released_per_s"));
  evidence.claim("the queue is smoother than the token bucket", most(QUEUE) < most(BUCKET));
  return {
    need: "Smooth, to a fragile downstream",
    take: "the leaky queue",
    policy: "{ algorithm: leaky-queue, limit: R, window: 1s, burst: N }",
    because: say`nothing leaves faster than ${known.peak(QUEUE)} while ${known.peak(QUEUE, "offered_per_s")} come; a token bucket passes ${known.peak(BUCKET)}`,
    evidence: [
      say`Asked for up to ${known.peak(QUEUE, "offered_per_s")}, it releases at most ${known.peak(QUEUE)}, its rate; token bucket and GCRA with the same burst release ${known.peak(BUCKET)}.`,
      say`It refuses no more than they do (${known.passed(QUEUE, "in all")} of everything is admitted by either) and nothing of what comes before the burst: ${known.passed(QUEUE, "before the burst")} passes.`,
      say`The wait is told, not served: an allowed request carries the delay after which it may leave, at most B emission intervals. Whoever asks does the waiting.`,
    ],
    whyNot: againstQueue(known),
  };
}

export function againstQueue(known: Known): Choice["whyNot"] {
  return [
    [
      "a token bucket or GCRA with a burst",
      say`The burst is what they let through: ${known.peak(GCRA)} at its peak.`,
    ],
    [
      "GCRA without a burst (τ = 0)",
      say`It is as smooth (${known.peak(STRICT_GCRA)} at most) and refuses whatever comes closer together than the rate allows, which ordinary traffic does by chance: only ${known.passed(STRICT_GCRA, "before the burst")} of the requests before the burst pass, with a rate that is higher than theirs.`,
    ],
    [
      "GCRA with a small burst",
      say`The way when the caller cannot wait: with ten units of burst ${known.passed(TIGHT_GCRA, "before the burst")} of the ordinary traffic passes, and at most ${known.peak(TIGHT_GCRA)} get through at the peak. The downstream has to bear that.`,
    ],
    [
      "a leaky bucket (meter)",
      say`In spite of its name it smooths nothing: it lets ${known.peak(METER)} through, as the token bucket does. Only the queue holds back.`,
    ],
    [
      "any window",
      say`A window says how many, not how close together: its whole limit may pass in one instant, and at the seam of a fixed one twice that (${known.beyond("over_admit_pct", { algorithm: "fixed-window" })} beyond).`,
    ],
  ];
}

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
      hotKey(known),
      expiry(known),
      say`Redis spends ${known.redisTime("gcra")} on a decision with GCRA, ${known.redisTime("fixed-window")} with a fixed window, ${known.redisTime("token-bucket")} with a token bucket, ${known.redisTime("sliding-log")} with the log.`,
      batches(known),
      clocks(known),
    ],
    whyNot: againstGcraInRedis(known),
  };
}

function hotKey({ evidence }: Known) {
  const most = Math.max(...evidence.column("hot-log", { backend: "redis", algorithm: "gcra" }, "admitted"));
  const at = (algorithm: string, admitted: number) =>
    evidence.value("hot-log", { backend: "redis", algorithm, admitted }, "bytes");
  evidence.claim("GCRA needs the same for one unit and for many", at("gcra", most) < 1.2 * at("gcra", 1));
  const from = "hot-log" as const;
  return say`A single key that admits ${worked(from, most, count)} units in its window grows to ${worked(from, at("sliding-log", most), bytes)} as a log; GCRA keeps ${worked(from, at("gcra", most), bytes)}, as for the first unit. (What Redis says of the key itself, without its places in the tables.)`;
}

function expiry({ evidence }: Known) {
  const living = evidence.rows("expiry", { lifetime: "lifetime of its debt" });
  const gone = living.at(-1)!;
  const stayed = evidence.rows("expiry", { lifetime: "none to speak of" }).at(-1)!;
  evidence.claim("lifetimes give all keys back", gone["keys"] === 0);
  return say`Every key carries the lifetime of its debt: of ${mostOf(living, "keys", count)} keys that nobody asks for again ${mostOf([gone], "keys", count)} are left ${mostOf([gone], "at_s", seconds)} after the first was charged, and ${mostOf([gone], "used_bytes", bytes)} of ${mostOf(living, "used_bytes", bytes)}. Without lifetimes ${mostOf([stayed], "keys", count)} keys and ${mostOf([stayed], "used_bytes", bytes)} stay.`;
}

function mostOf(rows: readonly Finding[], column: string, unit: Unit): Figure {
  return worked("expiry", Math.max(...rows.map((row) => row[column] as number)), unit);
}

function batches({ evidence }: Known) {
  const speed = (way: string, batch: number) =>
    evidence.figure("batching", { way, batch }, "decisions_per_s", perSecond);
  const servers = (number: number) =>
    evidence.figure("several-redis", { way: "64 in a call", servers: number }, "decisions_per_s", perSecond);
  const size = evidence.figure("batching", { way: "GCRA, pipelined", batch: 64 }, "batch", count);
  const alone = evidence.figure("batching", { way: "GCRA, pipelined", batch: 1 }, "p50_us", duration);
  return say`One at a time a decision takes ${alone} there and back and one connection makes ${speed("GCRA, pipelined", 1)}; ${size} in a pipeline ${speed("GCRA, pipelined", 64)}, ${size} in one call ${speed("GCRA, one call", 64)}. A second and a third Redis with calls of that size: ${servers(1)}, ${servers(2)}, ${servers(3)} from one client process.`;
}

function clocks({ evidence }: Known) {
  const scene = "the fast one comes and goes";
  const skewed = (clock: string) =>
    evidence.figure("clock-skew", { scene, clock, algorithm: "gcra" }, "over_admit_pct", percentage);
  return say`Let the script read the server's clock: with two callers whose clocks differ, one ahead and one behind, GCRA admits ${skewed("two clocks, Redis scripts")} of its burst too much by the callers' clocks, ${skewed("… that keep keys for 10 s")} if keys are kept for longer than the skew, and ${skewed("one clock, the server's")} by the server's clock.`;
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
  ];
}
