/** Three teams and what they asked for, in numbers: the matrix applied. */
import type { Choice } from "./choice.ts";
import type { Known } from "./known.ts";
import { againstQueue, BUCKET, GCRA, QUEUE, STRICT_GCRA, TIGHT_GCRA } from "./rate-choices.ts";
import { say } from "./statement.ts";

const LOG = "sliding log";
const SUB_WINDOWS = "conservative window, n = 10";
const COUNTER = "sliding counter";

export function logins(known: Known): Choice {
  const beyond = (algorithm: string, more = {}) => known.beyond("worst_found_pct", { algorithm, ...more });
  return {
    need: "5 login attempts a minute",
    take: "the sliding log",
    policy: "{ algorithm: sliding-log, limit: 5, window: 60s }",
    because: say`a limit this low is all attack surface: ${beyond("sliding-log")} beyond it at worst, and ${known.held(LOG, 5)} a key is all it costs`,
    evidence: [
      say`Whoever guesses passwords looks for the seam. A search finds ${beyond("sliding-log")} beyond the limit for the log, ${beyond("fixed-window")} for a fixed window and ${beyond("sliding-window")} for the sliding counter.`,
      say`A low limit makes the log cheap, since it keeps what it admitted and not what it refused: ${known.held(LOG, 5)} for a key with ${known.units(5)} units, ${known.perGib(LOG, 5)} such keys in a GiB.`,
      say`A user who mistypes is told the truth: ${known.atWorst("under_admit_pct", LOG)} of requests are refused without need, and the time to wait is that of the oldest attempt.`,
    ],
    whyNot: [
      [
        "a fixed window",
        say`At the seam it gives twice the attempts in an instant (${known.beyond("over_admit_pct", { algorithm: "fixed-window" })} beyond), every minute, at a known moment.`,
      ],
      [
        "the sliding counter",
        say`Its error is the noise of a count, and worst where counts are small: with a limit of ten it admits ${known.steady(COUNTER, 10, "over_admit_pct")} too much on steady traffic and refuses ${known.steady(COUNTER, 10, "under_admit_pct")} without need.`,
      ],
      [
        "GCRA or a token bucket",
        say`With the limit as burst ${beyond("gcra")} beyond it in the first minute after a pause, and who guesses has time to pause. With a burst of one, ${beyond("gcra", { burst: 1 })}, and the second try of an honest user is refused.`,
      ],
      [
        "the conservative window",
        say`As strict, ${known.held(SUB_WINDOWS, 5)} a key beside ${known.held(LOG, 5)}. With a limit of ten it refuses ${known.steady(SUB_WINDOWS, 10, "under_admit_pct")} of steady requests without need. Take it if somebody who invents user names can fill the memory, or bound the keys of a tenant.`,
      ],
      [
        "a leaky queue",
        say`It admits what it delays: a guess that waits is still a guess (${beyond("leaky-queue")} beyond the limit admitted).`,
      ],
    ],
  };
}

export function burstingApi(known: Known): Choice {
  return {
    need: "100/s, bursting to 500",
    take: "GCRA",
    policy: "{ algorithm: gcra, limit: 100, window: 1s, burst: 500 }",
    because: say`rate and burst are its two settings: ${known.key("gcra", "local")} a key here where a token bucket takes ${known.key("token-bucket", "local")}, ${known.key("gcra", "redis")} in Redis`,
    evidence: [
      say`On the lab's spiky profile with the same rate, asked for ${known.peak(GCRA, "offered_per_s")} at the peak, it lets the burst through (${known.peak(GCRA)}) and then the rate, request for request what a token bucket lets through.`,
      say`The most that one second can hold is B + L. With B = L the lab finds ${known.beyond("worst_found_pct", { algorithm: "gcra" })} beyond L, with a tenth of it ${known.beyond("worst_found_pct", { algorithm: "gcra", burst: 10 })}: the bound is met, and the burst sets it. Here it is six times the rate, once, for whoever has been silent for five seconds.`,
      say`${known.speed("gcra", "local")} here, ${known.speed("gcra", "redis")} in Redis with a call each. A client that asks for more than a Redis can answer is [one hot key](#when-one-key-is-hot).`,
    ],
    whyNot: [
      [
        "a token bucket",
        say`The same decisions, ${known.key("token-bucket", "local")} a key beside ${known.key("gcra", "local")}. Either will do.`,
      ],
      [
        "a fixed window of five times the rate",
        say`It allows the burst every second, not once in a while, and twice that at the seam (${known.beyond("over_admit_pct", { algorithm: "fixed-window" })} beyond).`,
      ],
      [
        "a window of five seconds with five times the rate",
        say`Right on average; but who has used it up waits for seconds instead of one emission interval, and a sliding counter over it is off by up to ${known.atWorst("over_admit_pct", COUNTER)} on the lab's traffic, on top.`,
      ],
      [
        "the sliding log",
        say`It has no burst of its own, and costs ${known.held(LOG, 200)} for a key with ${known.units(200)} units.`,
      ],
      [
        "a leaky queue",
        say`It would hold the burst back to ${known.peak(QUEUE)} where ${known.peak(BUCKET)} were to pass: the team asked for the burst.`,
      ],
    ],
  };
}

export function smoothFeed(known: Known): Choice {
  return {
    need: "A smooth 50/s",
    take: "the leaky queue",
    policy: "{ algorithm: leaky-queue, limit: 50, window: 1s, burst: 50 }",
    because: say`departures one interval apart: ${known.peak(QUEUE)} at most leave a queue of that rate while ${known.peak(QUEUE, "offered_per_s")} come`,
    evidence: [
      say`In the lab a queue that is asked for ${known.peak(QUEUE, "offered_per_s")} releases ${known.peak(QUEUE)}, never more than its rate, and admits as much as a token bucket: ${known.passed(QUEUE, "in all")}.`,
      say`Its burst is how many may wait, so it is also the longest wait: fifty at fifty a second, one second. Make it as long as your caller's patience.`,
      say`If the caller cannot wait, GCRA with a burst of a few: at most ${known.peak(TIGHT_GCRA)} at the peak with ten, and ${known.passed(TIGHT_GCRA, "before the burst")} of ordinary traffic passes; without any burst ${known.peak(STRICT_GCRA)} and ${known.passed(STRICT_GCRA, "before the burst")}.`,
    ],
    whyNot: againstQueue(known),
  };
}
