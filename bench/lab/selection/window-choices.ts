/** The rows of the matrix that ask for a number in a window: strictly, nearly, or just roughly. */
import type { Finding } from "../experiment.ts";
import { worked } from "./evidence.ts";
import type { Choice } from "./choice.ts";
import type { Known } from "./known.ts";
import { bytes, count, percentage, perSecond, say, type Unit } from "./statement.ts";

const LOG = "sliding log";
const COUNTER = "sliding counter";
const FIXED = "fixed window";
const SUB_WINDOWS = "conservative window, n = 10";
const FEW_SUB_WINDOWS = "conservative window, n = 4";
const MANY_SUB_WINDOWS = "conservative window, n = 50";

export function strictWindow(known: Known): Choice {
  const { evidence } = known;
  evidence.claim("the log is exact on every traffic", isExact(known));
  evidence.claim("no search finds worse traffic for the log", neverBeyond(known, "sliding-log"));
  return {
    need: "Strictly N per window, zero leak, few keys",
    take: "the sliding log",
    policy: "{ algorithm: sliding-log, limit: N, window: W }",
    because: say`${known.beyond("worst_found_pct", { algorithm: "sliding-log" })} beyond the limit at worst, ${known.atWorst("under_admit_pct", LOG)} refused without need; ${known.held(LOG, 10)} for a key that holds ${known.units(10)} units`,
    evidence: [
      say`Around the seam of two windows it admits ${known.atSeam({ algorithm: "sliding-log" })} where a fixed window admits ${known.atSeam({ algorithm: "fixed-window" })}; a search for the worst traffic finds ${known.beyond("worst_found_pct", { algorithm: "sliding-log" })} beyond the limit.`,
      say`On ${known.traffics()} combinations of traffic and limit, two real logs among them, it lets through at most ${known.atWorst("over_admit_pct", LOG)} too much and refuses ${known.atWorst("under_admit_pct", LOG)} without need: it is the definition that the others are measured against.`,
      say`The price is memory by the unit: ${known.held(LOG, 5)} for a key that holds ${known.units(5)}, ${known.held(LOG, 100)} for one that holds ${known.units(100)}, hence ${known.perGib(LOG, 100)} such keys in a GiB. So it is when all keys grow together; filled a few thousand at a time, so that rings some have outgrown serve others, a key with ${known.busyHits()} units took ${known.key("sliding-log", "local", true)} instead of ${known.held(LOG, 10)}.`,
    ],
    whyNot: [
      ["the conservative window", insteadOfLog(known)],
      [
        "the sliding counter",
        say`Its error is small on average and not bounded by that: up to ${known.atWorst("over_admit_pct", COUNTER)} too much on the lab's traffic, ${known.beyond("worst_found_pct", { algorithm: "sliding-window" })} on traffic made for it. "Zero leak" is not what it promises.`,
      ],
      [
        "a fixed window",
        say`It leaks ${known.beyond("over_admit_pct", { algorithm: "fixed-window" })} at every seam, and anybody can see when that is.`,
      ],
      [
        "GCRA or a token bucket",
        say`With the limit as burst they admit B + L: ${known.beyond("worst_found_pct", { algorithm: "gcra" })} beyond it, found without effort after any pause. With a burst of one unit the leak is gone, and so are bursts: of the two limits at the seam such a bucket admits ${known.atSeam({ algorithm: "gcra", burst: 1 })}. Any bucket with B + rate · W ≤ N is strict, and gives up as much of the rate as it has burst.`,
      ],
      ["a log cut short (a ring, a sketch)", roughLogs(known)],
    ],
  };
}

function insteadOfLog(known: Known) {
  known.evidence.claim(
    "the conservative window never admits too much",
    neverBeyond(known, "conservative-window") && known.worst("over_admit_pct", SUB_WINDOWS) === 0,
  );
  return say`As strict: it never admits too much either, and costs ${known.held(SUB_WINDOWS, 200)} a key whatever the limit, where a log of ${known.units(200)} units costs ${known.held(LOG, 200)}. But it remembers a unit for longer than the window: on the lab's traffic up to ${known.atWorst("under_admit_pct", SUB_WINDOWS)} of the requests are refused without need with ten sub-windows, ${known.atWorst("under_admit_pct", MANY_SUB_WINDOWS)} with fifty, and in all it refuses up to ${known.refusedMore(SUB_WINDOWS)} more than the log, with fifty ${known.refusedMore(MANY_SUB_WINDOWS)}. Take it when N is in the hundreds and a refusal too many hurts nobody.`;
}

function roughLogs({ evidence }: Known) {
  const rings = evidence.rows("approximate-logs", { family: "rings", size: 10 });
  const needless = (row = rings[0]!) =>
    worked("approximate-logs", row["under_admit_pct"] as number, percentage);
  const bytesOf = (family: string, size: number | null) =>
    evidence.figure("approximate-logs", { family, size }, "bytes_per_key", (value) => `${count(value)} B`);
  return say`Neither ever admits too much. Ten places a key cost ${bytesOf("rings", 10)} where the exact log needs ${bytesOf("exact log", null)} on the same traffic, and refuse ${needless()} of it without need. With few keys there is nothing to save.`;
}

export function nearlyStrict(known: Known): Choice {
  const { evidence } = known;
  const log = known.keyBytes("sliding-log", "local", true);
  evidence.claim(
    "a log of busy keys costs many times the counter",
    log > 5 * known.keyBytes("sliding-window", "local"),
  );
  evidence.claim(
    "the counter is less wrong than a fixed window on real logs",
    known.worst("over_admit_pct", COUNTER, "real") < known.worst("over_admit_pct", FIXED, "real"),
  );
  const all = known.allKeys("sliding-window", "local");
  return {
    need: "Nearly N per window, at ten million keys",
    take: "the sliding counter",
    policy: "{ algorithm: sliding-window, limit: N, window: W }",
    because: say`${known.key("sliding-window", "local")} a key here, ${known.key("sliding-window", "redis")} in Redis; nothing beyond the limit at the seam, at most ${known.atWorst("over_admit_pct", COUNTER, "real")} on two real logs`,
    evidence: [
      say`${all.keys} live keys take ${all.bytes} of this process: ${known.key("sliding-window", "local")} each. A log of keys with one unit takes ${known.key("sliding-log", "local")} each, with ${known.busyHits()} units ${known.key("sliding-log", "local", true)}.`,
      say`On steady traffic it admits too much by ${known.steady(COUNTER, 10, "over_admit_pct")}, ${known.steady(COUNTER, 100, "over_admit_pct")} and ${known.steady(COUNTER, 1_000, "over_admit_pct")} of limits of ten, a hundred and a thousand: the error is the noise of a count and falls as the limit grows.`,
      say`On real logs it is worst with ${known.atWorst("over_admit_pct", COUNTER, "real")} too much, a fixed window with ${known.atWorst("over_admit_pct", FIXED, "real")}.`,
      say`What "nearly" means at worst: a search finds traffic that gets ${known.beyond("worst_found_pct", { algorithm: "sliding-window" })} more than the limit out of it, and ${known.beyond("worst_proven_pct", { algorithm: "sliding-window" })} is the bound. It takes a burst at the very end of a window and a stream through the next; two bursts at the seam get nothing (${known.beyond("over_admit_pct", { algorithm: "sliding-window" })}).`,
    ],
    whyNot: againstCounter(known),
  };
}

function againstCounter(known: Known): Choice["whyNot"] {
  const { evidence } = known;
  const sketch = { family: "one sketch", size: 2_048 };
  return [
    [
      "the sliding log",
      say`A key that holds ${known.units(100)} units costs ${known.held(LOG, 100)}: a GiB holds ${known.perGib(LOG, 100)} of them, and ${known.perGib(COUNTER, 100)} of the counter's.`,
    ],
    [
      "the conservative window",
      say`Where the limit is a promise to somebody who will test it, yes: with four sub-windows it never admits too much, at ${known.held(FEW_SUB_WINDOWS, 100)} a key beside ${known.held(COUNTER, 100)}. It refuses up to ${known.atWorst("under_admit_pct", FEW_SUB_WINDOWS)} of the requests without need, the counter up to ${known.atWorst("under_admit_pct", COUNTER)}; in all it refuses up to ${known.refusedMore(FEW_SUB_WINDOWS)} more than the log, the counter ${known.refusedMore(COUNTER)}.`,
    ],
    [
      "GCRA or a token bucket",
      say`GCRA is smaller still (${known.key("gcra", "local")} a key), but with the limit as burst any client that paused gets B + L in the window that follows, without being clever: ${known.beyond("worst_found_pct", { algorithm: "gcra" })} beyond. With a burst of a tenth of the limit it is ${known.beyond("worst_found_pct", { algorithm: "gcra", burst: 10 })} at worst, and only that tenth passes at once. Take it when what you mean is a rate.`,
    ],
    [
      "a fixed window",
      say`It saves one count (${known.key("fixed-window", "local")} a key) and admits ${known.beyond("over_admit_pct", { algorithm: "fixed-window" })} too much at every seam.`,
    ],
    [
      "one sketch for all keys",
      say`It costs the same for any number of keys, ${evidence.figure("approximate-logs", sketch, "bytes_per_key", (value) => `${count(value)} B`)} a key at a width that still serves, and never admits too much. But strangers fill each other's counters: ${evidence.figure("approximate-logs", sketch, "under_admit_pct", percentage)} is refused without need, and nobody can say to whom. For keys without number it is the way; ten million fit into memory.`,
    ],
    ["both counts in one value", packed(known)],
  ];
}

function spiky(value_bits: number): Finding {
  return { traffic: "spiky", limit: 1_000, value_bits };
}

function packed({ evidence }: Known) {
  const bits = (value_bits: number) =>
    evidence.figure("one-key-counter", spiky(value_bits), "value_bits", count);
  const unlike = (value_bits: number) =>
    evidence.figure("one-key-counter", spiky(value_bits), "unlike_two_windows_pct", percentage);
  evidence.claim(
    "both counts fit into one value",
    evidence.value("one-key-counter", spiky(32), "unlike_two_windows_pct") === 0,
  );
  return say`The same limiter in fewer bits: in ${bits(32)} bits ${unlike(32)} of its decisions differ at a limit of a thousand, in ${bits(16)} bits ${unlike(16)}, for the last window is then rounded up. It saves a field, not the error.`;
}

export function quickAndLeaky(known: Known): Choice {
  const first = "window from the first request";
  const raced = (name: string, variant: string, column: string, unit: Unit) =>
    worked("peers", known.racer(name, variant, "local", column), unit);
  known.evidence.claim(
    "a fixed window refuses nothing without need",
    known.worst("under_admit_pct", FIXED) === 0,
  );
  known.evidence.claim(
    "GCRA needs no more memory than a fixed window",
    known.keyBytes("gcra", "local") <= 1.05 * known.keyBytes("fixed-window", "local"),
  );
  return {
    need: "Quick, and leaky is fine",
    take: "a fixed window",
    policy: "{ algorithm: fixed-window, limit: N, window: W }",
    because: say`one count; ${known.atWorst("under_admit_pct", FIXED)} refused without need, up to ${known.beyond("worst_found_pct", { algorithm: "fixed-window" })} beyond the limit`,
    evidence: [
      say`It errs to one side: ${known.atWorst("under_admit_pct", FIXED)} of requests refused without need on ${known.traffics()} combinations of traffic and limit, up to ${known.atWorst("over_admit_pct", FIXED)} too much.`,
      say`${known.key("fixed-window", "local")} a key here, ${known.key("fixed-window", "redis")} in Redis; ${known.speed("fixed-window", "local")} here, ${known.speed("fixed-window", "redis")} in Redis with a call each.`,
      say`Anybody can explain it, any store with an INCR can do it, and everybody knows when it starts anew.`,
    ],
    whyNot: [
      [
        "GCRA",
        say`A good question: ${known.key("gcra", "local")} a key beside ${known.key("fixed-window", "local")}, ${known.speed("gcra", "local")} beside ${known.speed("fixed-window", "local")}. It needs no more memory and has no seam. What is left for the fixed window is a quota that begins anew at a known moment, as in "a thousand a day".`,
      ],
      [
        "the sliding counter",
        say`One more count, ${known.key("sliding-window", "local")} a key, and no seam: ${known.beyond("over_admit_pct", { algorithm: "sliding-window" })} beyond the limit there. It pays with refusals without need, up to ${known.atWorst("under_admit_pct", COUNTER)}.`,
      ],
      [
        "the sliding log",
        say`${known.key("sliding-log", "local", true)} for a key with ${known.busyHits()} units, ${known.speed("sliding-log", "local")}: it pays for an exactness that nobody asked for here.`,
      ],
      [
        "a published library in memory",
        say`express-rate-limit makes ${raced("express-rate-limit", first, "decisions_per_s", perSecond)} and takes ${raced("express-rate-limit", first, "bytes_per_key", bytes)} a key, rate-limiter-flexible ${raced("rate-limiter-flexible", first, "decisions_per_s", perSecond)} and ${raced("rate-limiter-flexible", first, "bytes_per_key", bytes)}; a fixed window here ${raced("PARL", "fixed-window", "decisions_per_s", perSecond)} and ${raced("PARL", "fixed-window", "bytes_per_key", bytes)}. Their windows begin with a key's first request, which moves the seam to where each client puts it and does not close it: ${raced("rate-limiter-flexible", first, "over_admit_pct", percentage)} beyond the limit.`,
      ],
      [
        "no limiter in Redis at all",
        say`A fixed window in this process makes ${known.speed("fixed-window", "local")}, in Redis with a call each ${known.speed("fixed-window", "redis")}. If a limit for each process is enough, that is the quick one.`,
      ],
    ],
  };
}

function isExact(known: Known): boolean {
  return known.worst("over_admit_pct", LOG) === 0 && known.worst("under_admit_pct", LOG) === 0;
}

function neverBeyond({ evidence }: Known, algorithm: string): boolean {
  return evidence.value("boundary-burst", { algorithm }, "worst_found_pct") === 0;
}
