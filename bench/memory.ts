/**
 * `npm run bench:memory`: bytes per live key, ours beside the peers, in one run.
 *
 * One contestant at a time fills a fresh process. What counts is what the operating system gave it: the
 * resident set with all keys live and garbage collected, less the resident set before, divided by the keys;
 * and the same for the highest resident set on the way, which for a table that grows is the moment when the
 * old and the new array stand side by side. Beside it stands what the contestant says of itself.
 *
 * Ours is measured as one shard and split over 64, as in production, where no two shards grow at once. The
 * sliding log keeps every admission, so it is measured once more with ten per key, over a tenth of the keys.
 */
import { ALGORITHMS, type AlgorithmName } from "../algorithms/algorithm.ts";
import { SHARDS_DEFAULT } from "../core/key.ts";
import { runCommand } from "./command.ts";
import { PEERS, type ContestantName } from "./contestants.ts";
import { filledProcess, type Fill } from "./filled-process.ts";
import type { Flags } from "./flags.ts";
import { describeMachine, machineLine } from "./machine.ts";
import { Progress } from "./progress.ts";
import { alignedTable, spokenCount } from "./report.ts";

const TARGET_BYTES: Readonly<Partial<Record<ContestantName, number>>> = {
  gcra: 16,
  "fixed-window": 16,
  "token-bucket": 20,
  "leaky-bucket": 20,
  "sliding-window": 20,
} satisfies Partial<Record<AlgorithmName, number>>;

interface MemoryRow extends Fill {
  readonly bytes_per_key: number;
  readonly peak_bytes_per_key: number;
  readonly own_bytes_per_key: number | null;
  readonly target_bytes_per_key: number | null;
}

await runCommand({
  synopsis:
    "npm run bench:memory -- [flags]: resident bytes per live key, at rest and at the peak of growth.",
  flags: {
    algo: { value: "A", about: `all, or one of ${ALGORITHMS.join(", ")}`, fallback: "all" },
    keys: { value: "N", about: "live keys of ours", fallback: "10_000_000" },
    "peer-keys": {
      value: "N",
      about: "live keys of the peers, which need far more memory",
      fallback: "2_000_000",
    },
    json: { about: "print one line of JSON instead of the table" },
  },
  run,
});

async function run(flags: Flags): Promise<void> {
  const algo = flags.choice("algo", ["all", ...ALGORITHMS]);
  const keys = flags.count("keys", { min: 1_000, max: 100_000_000 });
  const peerKeys = flags.count("peer-keys", { min: 1_000, max: 16_000_000 });
  const cases = [
    ...(algo === "all" ? ALGORITHMS : [algo]).flatMap((contestant) => casesOf(contestant, keys)),
    ...PEERS.map((contestant): Fill => ({ contestant, keys: peerKeys, shards: 1, hits: 1 })),
  ];
  const machine = describeMachine();
  const progress = new Progress("filling");
  const rows: MemoryRow[] = [];
  for (const each of cases) {
    progress.update(rows.length / cases.length);
    rows.push(await measure(each));
  }
  progress.done();
  process.stdout.write(
    flags.has("json")
      ? `${JSON.stringify({ machine, rows })}\n`
      : `${machineLine(machine)}\n\n${tableOf(rows)}`,
  );
}

function casesOf(contestant: AlgorithmName, keys: number): Fill[] {
  const cases = [1, SHARDS_DEFAULT].map((shards): Fill => ({ contestant, keys, shards, hits: 1 }));
  if (contestant === "sliding-log") {
    cases.push({ contestant, keys: Math.ceil(keys / 10), shards: SHARDS_DEFAULT, hits: 10 });
  }
  return cases;
}

async function measure(each: Fill): Promise<MemoryRow> {
  const { rssBytes, peakBytes, ownBytes } = await filledProcess(each);
  return {
    ...each,
    bytes_per_key: rssBytes / each.keys,
    peak_bytes_per_key: peakBytes / each.keys,
    own_bytes_per_key: ownBytes === null ? null : ownBytes / each.keys,
    target_bytes_per_key: each.hits === 1 ? (TARGET_BYTES[each.contestant] ?? null) : null,
  };
}

function tableOf(rows: readonly MemoryRow[]): string {
  const header = ["", "shards", "hits/key", "live keys", "B/key", "peak B/key", "own account", "target"];
  const cells = rows.map((row) => [
    row.contestant,
    String(row.shards),
    String(row.hits),
    spokenCount(row.keys),
    row.bytes_per_key.toFixed(1),
    row.peak_bytes_per_key.toFixed(1),
    row.own_bytes_per_key?.toFixed(1) ?? "",
    row.target_bytes_per_key === null
      ? ""
      : `<= ${row.target_bytes_per_key} ${row.bytes_per_key <= row.target_bytes_per_key ? "met" : "missed"}`,
  ]);
  return alignedTable(header, cells);
}
