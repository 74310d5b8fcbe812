/** Why the numbers are as they are: four short arguments, each beside the number that bears it out. */
import type { Known } from "./known.ts";
import { cited } from "./markdown.ts";
import { say } from "./statement.ts";

export function derivations(known: Known, folder: string): string {
  return [fixedLeaks, counterError, oneNumber, logScales, subWindows]
    .map((derive) => derive(known, folder))
    .join("\n\n");
}

function fixedLeaks(known: Known, folder: string): string {
  const found = say`The lab's search finds ${known.beyond("worst_found_pct", { algorithm: "fixed-window" })} beyond the limit, which is that bound; the plain burst at the seam is enough, ${known.beyond("over_admit_pct", { algorithm: "fixed-window" })}.`;
  return `### Why a fixed window leaks 2·L

A window's counter knows nothing of the window before. L requests in the last instant of one and L in the first
instant of the next are each within their limit, and 2·L within a span as short as you like. It is never more: a
span of length W touches at most two windows, and each admits at most L.

${cited(found, folder)}`;
}

function counterError(known: Known, folder: string): string {
  const counter = "sliding counter";
  const noise = say`Steady traffic, limits of ten, a hundred, a thousand: at worst ${known.steady(counter, 10, "over_admit_pct")}, ${known.steady(counter, 100, "over_admit_pct")}, ${known.steady(counter, 1_000, "over_admit_pct")} beyond. Bursts shorter than the window break the assumption whatever the limit: up to ${known.atWorst("over_admit_pct", counter)} beyond, up to ${known.atWorst("under_admit_pct", counter)} of requests refused without need. A search gets ${known.beyond("worst_found_pct", { algorithm: "sliding-window" })} out of it.`;
  return `### How wrong the sliding counter can be

With \`c\` units admitted in this window, \`p\` in the last one and a share \`f\` of this window gone, the counter takes
the last W to hold \`c + p·(1 − f)\`: as if the \`p\` had been spread evenly. If the share of them that really lies in the
last W is \`s\`, it is off by \`p·(s − (1 − f))\`, that is, between

- \`p·f\` too low, when all of them came at the very end (\`s = 1\`): then \`c = L·f\` more are admitted on top of
  \`p = L\`, and as \`f\` nears 1 a span of length W holds nearly 2·L; and
- \`p·(1 − f)\` too high, when all came at the start (\`s = 0\`): then so many are refused without need.

At the seam itself \`f = 0\`, so the one burst that breaks a fixed window does nothing to it. For traffic that comes
independently and evenly, \`s\` scatters around \`1 − f\` as a count does, by at most \`1/(2·√p)\`: the typical error is
half of \`√p\`, at most 5 % of L = 100 and 1.6 % of L = 1,000. The worst of many windows is several times the typical.

${cited(noise, folder)}`;
}

function oneNumber(known: Known, folder: string): string {
  const { evidence } = known;
  const same = say`Stepping through the same burst, the two let through the same in each of the lab's intervals, ${known.passed("token bucket, B = 100", "in all")} and ${known.passed("GCRA, τ = 99·T", "in all")}; a key costs ${known.key("token-bucket", "local")} and ${known.key("gcra", "local")}. With B = L a search finds ${known.beyond("worst_found_pct", { algorithm: "gcra" })} beyond L in one window, of ${evidence.figure("boundary-burst", { algorithm: "gcra", burst: 100 }, "worst_proven_pct", (value) => `${value} %`)} possible.`;
  return `### Why GCRA needs one number and equals a token bucket

A token bucket of size B that gains a token every \`T = W/L\` keeps two numbers, tokens and the moment they were
counted; but what is missing, \`X = B − tokens\`, melts by one each T until it is 0, so a single moment says it all: the
one at which the bucket will be full again. Call it TAT. Then \`X = max(0, TAT − now)/T\`, and

    a token bucket admits c       ⇔   tokens ≥ c                           ⇔   X + c ≤ B
    GCRA admits c                 ⇔   max(TAT, now) + c·T − now ≤ B·T      ⇔   X + c ≤ B
    both then owe c more          ⇔   tokens −= c                          ⇔   TAT = max(TAT, now) + c·T

The same rule, the same step: by induction the same decisions for ever. (The textbook's τ is \`(B − 1)·T\`.) A span of
length t begins with at most B tokens and gains t/T: at most \`B + t/T\` are admitted, hence B + L in a window.

The repository holds the two to it with random histories, here and in Redis (\`npm run verify:lua\`).
${cited(same, folder)}`;
}

function logScales(known: Known, folder: string): string {
  const log = "sliding log";
  const grows = say`${known.held(log, 1)} for a key with ${known.units(1)} unit, ${known.held(log, 10)} with ${known.units(10)}, ${known.held(log, 100)} with ${known.units(100)}; the counter stays at ${known.held("sliding counter", 100)}. A GiB holds ${known.perGib(log, 100)} keys of the one and ${known.perGib("sliding counter", 100)} of the other.`;
  return `### Why the exact log does not scale

To say exactly how many units lie in the last W, at any later moment, one has to know when each of them will leave it.
Any two histories that differ in one moment will be told apart by some later question, so nothing can be left out: state
grows with what a key holds, \`min(L, what it asks for in W)\`, and the whole with keys times that. Everything smaller
gives up something: the counter exactness, sub-windows room, buckets the window.

${cited(grows, folder)}`;
}

function subWindows(known: Known, folder: string): string {
  const few = "conservative window, n = 4";
  const many = "conservative window, n = 50";
  const price = say`Nothing beyond the limit on any traffic (${known.atWorst("over_admit_pct", many)}), nor by search (${known.beyond("worst_found_pct", { algorithm: "conservative-window" })}); on steady traffic with a limit of a hundred ${known.steady(few, 100, "under_admit_pct")} of requests are refused without need with four sub-windows, ${known.steady(many, 100, "under_admit_pct")} with fifty, for ${known.held(few, 100)} and ${known.held(many, 100)} a key.`;
  return `### Why the conservative window is strict, and what it costs

Cut W into n parts and count the current part and the n before it in full. Any span of length W lies within such n + 1
parts, so what is at most L there is at most L in the span. Weighting the oldest part, as the sliding counter does, would
bring its leak back. But a unit is remembered for up to W + W/n, so a client that always asks gets no less than
\`n/(n + 1)\` of L, and not always more.

${cited(price, folder)}`;
}
