/**
 * `npm run bench:decision`: in-process decisions a second, ours beside the peers, in one run.
 *
 * Every contestant lives in a fresh process and is filled with the same keys; then rounds go round robin, so
 * that whatever else the machine does hits all alike, and medians over rounds are compared. All get the same
 * draws, Zipf-distributed over the live keys. Inside the measured loop: for ours, hashing the key's string,
 * finding its slot, deciding, charging; for the Map, its lookup and update; for the packages, the call and
 * its `await`. Outside: drawing keys, making strings, collecting garbage before a round.
 */
import { ALGORITHMS } from "../algorithms/algorithm.ts";
import { runCommand } from "./command.ts";
import { ContestantProcess, type RoundAnswer } from "./contestant-process.ts";
import { isOurs, PEERS, type ContestantName, type ContestantOptions } from "./contestants.ts";
import type { Flags } from "./flags.ts";
import { describeMachine, machineLine } from "./machine.ts";
import { Progress } from "./progress.ts";
import { alignedTable, median, quantile, spokenCount } from "./report.ts";

/** Room for a round's garbage, so that collections of the young generation are few for everybody. */
const V8_FLAGS = ["--min-semi-space-size=64", "--max-semi-space-size=64"];

const TARGET_PER_S = { many: 1e6, few: 3e6 };
const FEW_KEYS = 200_000;
const MANY_KEYS = 10_000_000;
const TARGET_P99_US = 1;
const TARGET_RATIO = { "rate-limiter-flexible": 5, map: 1.5 } as const;

interface DecisionRow {
  readonly contestant: ContestantName;
  readonly keys: number;
  readonly decisions_per_s: number;
  readonly p50_us: number;
  readonly p99_us: number;
  readonly allocated_bytes_per_decision: number;
  readonly denied_pct: number;
  /** Decisions a second divided by the peer's; null for the peers themselves. */
  readonly times_rate_limiter_flexible: number | null;
  readonly times_express_rate_limit: number | null;
  readonly times_map: number | null;
  readonly meets_targets: boolean | null;
}

await runCommand({
  synopsis:
    "npm run bench:decision -- [flags]: decisions a second of every algorithm beside rate-limiter-flexible,\nexpress-rate-limit and a Map of objects; p50 and p99 are amortised over batches of 1,000.",
  flags: {
    algo: { value: "A", about: `all, or one of ${ALGORITHMS.join(", ")}`, fallback: "all" },
    keys: { value: "N", about: "live keys [200,000 and then 10,000,000]" },
    "zipf-s": { value: "S", about: "exponent of the Zipf distribution", fallback: "1.1" },
    limit: { value: "N", about: "units per window", fallback: "10_000" },
    window: { value: "D", about: "the window, longer than the run", fallback: "1h" },
    rounds: { value: "N", about: "rounds, medians of which are reported", fallback: "5" },
    decisions: { value: "N", about: "decisions in a round", fallback: "1_000_000" },
    seed: { value: "N", about: "seed of the draws", fallback: "1" },
    json: { about: "print one line of JSON instead of the tables" },
  },
  run,
});

async function run(flags: Flags): Promise<void> {
  const algo = flags.choice("algo", ["all", ...ALGORITHMS]);
  const names: ContestantName[] = [...(algo === "all" ? ALGORITHMS : [algo]), ...PEERS];
  const sizes = flags.has("keys")
    ? [flags.count("keys", { min: 1, max: 16_000_000 })]
    : [FEW_KEYS, MANY_KEYS];
  const machine = describeMachine();
  const rows: DecisionRow[] = [];
  if (!flags.has("json")) process.stdout.write(`${machineLine(machine)}\n`);
  for (const size of sizes) {
    const measured = summarize(size, await contest(names, size, flags));
    rows.push(...measured);
    if (!flags.has("json")) process.stdout.write(`\n${tableOf(size, measured)}`);
  }
  if (flags.has("json")) process.stdout.write(`${JSON.stringify({ machine, rows })}\n`);
}

type Results = ReadonlyMap<ContestantName, readonly RoundAnswer[]>;

async function contest(names: readonly ContestantName[], keys: number, flags: Flags): Promise<Results> {
  const options: ContestantOptions = {
    limit: flags.count("limit", { min: 1 }),
    windowUs: flags.durationUs("window"),
    shards: 1,
  };
  const rounds = flags.count("rounds", { min: 1 });
  const decisions = flags.count("decisions", { min: 1_000 });
  const zipfS = flags.number("zipf-s", { min: 0, max: 20 });
  const seed = flags.count("seed", { min: 0 });

  const results = new Map<ContestantName, RoundAnswer[]>(names.map((name) => [name, []]));
  const progress = new Progress(`${spokenCount(keys)} keys`);
  await using processes = new AsyncDisposableStack();
  const contestants: ContestantProcess[] = [];
  for (const name of names) {
    const contestant = processes.use(new ContestantProcess(name, options, V8_FLAGS));
    await contestant.fill(keys);
    contestants.push(contestant);
    progress.update(contestants.length / (names.length * (rounds + 2)));
  }
  // Round 0 warms the compiler up and is not counted.
  for (let round = 0; round <= rounds; round += 1) {
    for (const contestant of contestants) {
      const answer = await contestant.round(decisions, zipfS, seed + round);
      if (round > 0) results.get(contestant.name)!.push(answer);
    }
    progress.update((round + 2) / (rounds + 2));
  }
  progress.done();
  return results;
}

function summarize(keys: number, results: Results): DecisionRow[] {
  const speeds = new Map([...results].map(([name, answers]) => [name, median(answers.map(decisionsPerS))]));
  return [...results].map(([name, answers]) => {
    const speed = speeds.get(name)!;
    const times = (peer: ContestantName): number | null => (isOurs(name) ? speed / speeds.get(peer)! : null);
    const perDecisionUs = answers.flatMap((answer) => answer.perDecisionUs);
    const p99Us = quantile(perDecisionUs, 0.99);
    return {
      contestant: name,
      keys,
      decisions_per_s: speed,
      p50_us: quantile(perDecisionUs, 0.5),
      p99_us: p99Us,
      allocated_bytes_per_decision: median(answers.map((answer) => answer.allocatedBytesPerDecision)),
      denied_pct: (100 * sum(answers.map((answer) => answer.denied))) / (1000 * perDecisionUs.length),
      times_rate_limiter_flexible: times("rate-limiter-flexible"),
      times_express_rate_limit: times("express-rate-limit"),
      times_map: times("map"),
      meets_targets: isOurs(name)
        ? speed >= (keys <= FEW_KEYS ? TARGET_PER_S.few : TARGET_PER_S.many) &&
          p99Us < TARGET_P99_US &&
          (times("rate-limiter-flexible") ?? 0) >= TARGET_RATIO["rate-limiter-flexible"] &&
          (times("map") ?? 0) >= TARGET_RATIO.map
        : null,
    };
  });
}

function decisionsPerS({ perDecisionUs }: RoundAnswer): number {
  return (1e6 * perDecisionUs.length) / sum(perDecisionUs);
}

function sum(values: readonly number[]): number {
  return values.reduce((left, right) => left + right, 0);
}

function tableOf(keys: number, rows: readonly DecisionRow[]): string {
  const header = [
    `live keys: ${spokenCount(keys)}`,
    "decisions/s",
    "p50 µs",
    "p99 µs",
    "B alloc",
    "denied",
    "× flexible",
    "× express",
    "× Map",
    "targets",
  ];
  const cells = rows.map((row) => [
    row.contestant,
    spokenCount(row.decisions_per_s),
    row.p50_us.toFixed(3),
    row.p99_us.toFixed(3),
    row.allocated_bytes_per_decision.toFixed(1),
    `${row.denied_pct.toFixed(1)} %`,
    ...[row.times_rate_limiter_flexible, row.times_express_rate_limit, row.times_map].map(
      (times) => times?.toFixed(2) ?? "",
    ),
    row.meets_targets === null ? "" : row.meets_targets ? "met" : "missed",
  ]);
  const perS = keys <= FEW_KEYS ? TARGET_PER_S.few : TARGET_PER_S.many;
  return `${alignedTable(header, cells)}targets: ${spokenCount(perS)}/s, p99 < ${TARGET_P99_US} µs, × flexible >= ${TARGET_RATIO["rate-limiter-flexible"]}, × Map >= ${TARGET_RATIO.map}\n`;
}
