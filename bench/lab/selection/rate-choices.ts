/** The rows of the matrix that ask for a rate: with a burst, and without one. */
import type { Choice } from "./choice.ts";
import type { Known } from "./known.ts";
import { say } from "./statement.ts";

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
