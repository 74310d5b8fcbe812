/** Why the numbers are as they are: short arguments, each beside the number that bears it out. */
import { worked } from "./evidence.ts";
import type { Known } from "./known.ts";
import { cited } from "./markdown.ts";
import { count, percentage, say } from "./statement.ts";

export function derivations(known: Known, folder: string): string {
  return [fixedLeaks, counterError, oneNumber, logScales, subWindows, reliefErrs]
    .map((derive) => derive(known, folder))
    .join("\n\n");
}

function fixedLeaks(known: Known, folder: string): string {
  const found = say`The lab's search finds ${known.beyond("worst_found_pct", { algorithm: "fixed-window" })} beyond the limit, which is that bound; the plain burst at the seam is enough, ${known.beyond("over_admit_pct", { algorithm: "fixed-window" })}.`;
  return `### Why a fixed window leaks 2·L

A window's counter knows nothing of the window before. L requests in the last instant of one and L in the first
instant of the next are each within their limit, and 2·L within a span as short as you like. It is never more: a
span of length W, its end left out, touches at most two windows, and each admits at most L.

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
  \`p = L\`, and as \`f\` nears 1 a span of length W holds nearly 2·L, and never more, for no window of the clock
  admits more than L and the span touches two of them; and
- \`p·(1 − f)\` too high, when all came at the start (\`s = 0\`): then so many are refused without need.

At the seam itself \`f = 0\`, so the one burst that breaks a fixed window does nothing to it. For traffic that comes
independently and evenly, \`s\` scatters around \`1 − f\` as a count does, with a deviation of \`√(f·(1 − f)/p)\`, at most
\`1/(2·√p)\`: the error is of the size of half of \`√p\`, at most 16 % of L = 10, 5 % of 100 and 1.6 % of 1,000. The worst of
very many windows is several times that. A key that always asks for more than its limit errs less: what it is admitted
comes as evenly as the last window fades.

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

Where rates are to be exact and a clock that steps back must mint nothing, a script needs more than TAT: the moment of the
last charge, the debt in ticks, and what a unit was worth. Our scripts keep these three for both, so that in Redis the one
number saves nothing.

The repository holds the two to it with random histories, here and in Redis (see [above](#here-or-in-redis)).
${cited(same, folder)}`;
}

function logScales(known: Known, folder: string): string {
  const { evidence } = known;
  const log = "sliding log";
  const grows = say`${known.held(log, 1)} for a key with ${known.units(1)} unit, ${known.held(log, 10)} with ${known.units(10)}, ${known.held(log, 100)} with ${known.units(100)}; the counter stays at ${known.held("sliding counter", 100)}. A GiB holds ${known.perGib(log, 100)} keys of the one and ${known.perGib("sliding counter", 100)} of the other.`;
  const cheaper = (than: string) =>
    evidence
      .rows("log-break-even", { limiter: log })
      .filter(({ units_held, bytes_per_key }) => {
        const row = { limiter: than, units_held: units_held! };
        return (bytes_per_key as number) < evidence.value("log-break-even", row, "bytes_per_key");
      })
      .map(({ units_held }) => units_held as number);
  const many = "conservative window, n = 50";
  evidence.claim(
    "the log is nowhere cheaper than the counter or ten sub-windows",
    cheaper("sliding counter").length === 0 && cheaper("conservative window, n = 10").length === 0,
  );
  const last = Math.max(...cheaper(many));
  const breakEven = say`Break-even: the log is nowhere cheaper than the counter (${known.held(log, 1)} beside ${known.held("sliding counter", 1)} for a single unit) nor than ten sub-windows (${known.held("conservative window, n = 10", 1)}), and cheaper than fifty (${known.held(many, 1)}) for keys that hold up to ${worked("log-break-even", last, count)} units. A key that is asked λ times a second holds min(L, λ·W) units, so that point is passed only where the limit and λ·W are both beyond it. Cardinality multiplies all of them alike: it moves the sum, as in the [budget](#cardinality-budget), and not the point.`;
  return `### Why the exact log does not scale

To say exactly how many units lie in the last W, at any later moment, one has to know when each of them will leave it.
Any two histories that differ in one moment will be told apart by some later question, so nothing can be left out: state
grows with what a key holds, \`min(L, what it asks for in W)\`, and the whole with keys times that. A cleverer encoding
changes the factor only: in a window of W ticks L moments can lie in at least \`(W/L)^L\` ways, so no exact state is below
\`L·log₂(W/L)\` bits, 19 a unit for a hundred in a minute of microseconds. Everything smaller gives up something: the
counter exactness, sub-windows room, buckets the window.

${cited(grows, folder)}

${cited(breakEven, folder)}`;
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

function reliefErrs(known: Known, folder: string): string {
  const { evidence } = known;
  const of = (batch: number, column: string) => {
    const where = { demand: "30 %, in bursts 5–10 times that", clients: 4, batch };
    return evidence.figure("pre-allocated-bucket", where, column, percentage);
  };
  const split = (relief: string) =>
    evidence
      .column("hot-key-relief", { relief }, "over_admit_pct")
      .reduce((left, right) => Math.max(left, right));
  const parts = ["2 sub-keys", "8 sub-keys", "50 sub-keys"].map(split);
  evidence.claim(
    "sub-keys never admit too much",
    parts.every((pct) => pct === 0),
  );
  const price = say`Four clients with batches of ten and of a hundred are found ${of(10, "over_admit_pct")} and ${of(100, "over_admit_pct")} of the burst above it, of at most ${of(10, "over_admit_bound_pct")} and ${of(100, "over_admit_bound_pct")}; sub-keys ${worked("hot-key-relief", Math.max(...parts), percentage)}.`;
  return `### What relief for a hot key costs

Units fetched ahead were counted when they were fetched and are spent later. Of a batch one is spent at once, so a client
never holds more than batch − 1. What is spent in a span is what is fetched in it and what was held when it began: at most
\`B + rate·t + clients·(batch − 1)\`. What one client
holds the others miss: somebody may be refused while units lie idle elsewhere.

Sub-keys with n-ths of rate and burst admit at most \`B/n + rate·t/n\` each, in sum what the one key admits: never too much.
But a request is refused when its own part is short of a unit, though up to \`B·(n − 1)/n\` lie in the others.

${cited(price, folder)}`;
}
