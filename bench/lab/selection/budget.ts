/** What so many keys cost: bytes a key as measured, times keys. */
import { ALGORITHMS, type AlgorithmName } from "../../../algorithms/algorithm.ts";
import type { Backend, Known } from "./known.ts";
import { bytes, count, say } from "./statement.ts";
import { cited, table } from "./markdown.ts";

/** The axis of the table; the keys that were measured stand below it. */
const KEYS = [10_000, 1_000_000, 10_000_000, 100_000_000];
const KEY_NAMES = ["10 k", "1 M", "10 M", "100 M"];
/** Units that a key of the dearest logs holds. */
const MANY_UNITS = 100;

interface Line {
  readonly name: string;
  readonly bytesPerKey: number;
}

export function budget(known: Known, folder: string): string {
  const measured = say`Measured with ${known.allKeys("gcra", "local").keys} live keys a limiter here, ${known.allKeys("gcra", "redis").keys} in Redis (busy logs with fewer); other columns are that, multiplied: a small table has more room to spare, and a growing one needs more for a while, which \`npm run bench:memory\` prints.`;
  const own = known.evidence.figure(
    "hot-log",
    { backend: "redis", algorithm: "sliding-log", admitted: MANY_UNITS },
    "admitted",
    count,
  );
  const large = say`The last line of each table is from other results: here what a key with ${known.units(MANY_UNITS)} units takes, in Redis what it says of a single one with ${own}, without its places in the tables.`;
  return [
    "**In this process** (resident memory, tables over 64 shards)",
    costs(linesOf(known, "local")),
    "**In Redis** (`used_memory`: name, entry, lifetime and value)",
    costs(linesOf(known, "redis")),
    cited(measured, folder),
    cited(large, folder),
    "A conservative window is charged once here, which is one of its counts in Redis and all of them in the process. " +
      "A key counts while it owes something; after its window, or when its debt is over, it costs nothing in either.",
  ].join("\n\n");
}

function costs(lines: readonly Line[]): string {
  return table(
    ["algorithm", "a key", ...KEY_NAMES],
    lines.map(({ name, bytesPerKey }) => [
      name,
      bytes(bytesPerKey),
      ...KEYS.map((keys) => bytes(keys * bytesPerKey)),
    ]),
  );
}

function linesOf(known: Known, backend: Backend): Line[] {
  const usual = ALGORITHMS.filter((algorithm) => algorithm !== "sliding-log").map((name: AlgorithmName) => ({
    name,
    bytesPerKey: known.keyBytes(name, backend),
  }));
  const busy = `${known.busyHits().text} units`;
  return [
    ...usual,
    logLine("1 unit", known.keyBytes("sliding-log", backend)),
    logLine(busy, known.keyBytes("sliding-log", backend, true)),
    logLine(`${MANY_UNITS} units`, manyUnits(known, backend)),
  ];
}

function logLine(units: string, bytesPerKey: number): Line {
  return { name: `sliding-log, ${units} a key`, bytesPerKey };
}

function manyUnits({ evidence }: Known, backend: Backend): number {
  return backend === "local"
    ? evidence.value("log-break-even", { limiter: "sliding log", units_held: MANY_UNITS }, "bytes_per_key")
    : evidence.value("hot-log", { backend, algorithm: "sliding-log", admitted: MANY_UNITS }, "bytes");
}
