/** The flags a generated trace is described by: shared by `gen`, which writes it, and `bench`, which runs it. */
import { invalidArgument } from "../core/errors.ts";
import { SHAPES } from "./arrivals.ts";
import type { Flags, FlagTable } from "./flags.ts";
import { DISTRIBUTIONS, KEYS_MAX, START_US, type GeneratedHeader } from "./trace.ts";

export const TRACE_FLAGS = {
  keys: { value: "N", about: "how many keys there are", fallback: "10_000" },
  dist: { value: "zipf|uniform", about: "how requests choose their key", fallback: "zipf" },
  "zipf-s": { value: "S", about: "exponent of the Zipf distribution, >= 0", fallback: "1.1" },
  rate: { value: "N", about: "requests per second; of a spiky profile, its baseline", fallback: "10_000" },
  duration: { value: "D", about: "how long the trace lasts", fallback: "10s" },
  shape: { value: "steady|spiky", about: "spiky adds bursts of 5–10× for 1–2 s", fallback: "steady" },
  cost: { value: "N|A..B", about: "units a request asks for: N, or uniform between A and B", fallback: "1" },
  seed: { value: "N", about: "same seed, same bytes", fallback: "1" },
} as const satisfies FlagTable;

export function headerFromFlags(flags: Flags): GeneratedHeader {
  const dist = flags.choice("dist", DISTRIBUTIONS);
  const [costMin, costMax] = costRange(flags.text("cost") ?? "1");
  return {
    keys: flags.count("keys", { min: 1, max: KEYS_MAX }),
    startUs: START_US,
    durationUs: flags.durationUs("duration"),
    costMin,
    costMax,
    dist,
    shape: flags.choice("shape", SHAPES),
    zipfS: dist === "zipf" ? flags.number("zipf-s", { min: 0, max: 20 }) : 0,
    seed: flags.count("seed", { min: 0 }),
    rate: flags.number("rate", { min: Number.MIN_VALUE, max: 1e9 }),
  };
}

function costRange(text: string): [number, number] {
  const [, low = "", high = low] = /^(\d{1,9})(?:\.\.(\d{1,9}))?$/.exec(text) ?? [];
  const range: [number, number] = [Number(low), Number(high)];
  if (low === "" || range[0] < 1 || range[1] < range[0]) {
    throw invalidArgument("--cost", "a whole number of at least 1, or a range such as 1..5", text);
  }
  return range;
}
