/**
 * `npm run bench:nats`: checks a second over NATS, one region, everything real and on loopback.
 *
 *      this process: SDK ──▶ nats-server ──▶ actor process ──▶ nats-server ──▶ SDK
 *
 * Three ways of asking: one check at a time (latency), many at once but one check per message (what the
 * reply mux alone gives), and packed (what `check()` does by default). Keys are drawn by Zipf over a million,
 * so all shards are asked. The caller is in the figure: a promise per check, awaited. Medians over rounds.
 * Beside them, what a check costs in CPU time: of the caller, the server and the actor. Their sum over two cores
 * is what the rate cannot exceed, however quiet the machine.
 */
import { connectParl, type ParlClient } from "../client/parl-client.ts";
import { Prng } from "../core/prng.ts";
import { runCommand } from "./command.ts";
import { cpuTimeUs } from "./cpu-time.ts";
import type { Flags } from "./flags.ts";
import { describeMachine, machineLine } from "./machine.ts";
import { Progress } from "./progress.ts";
import { startRegion, type RegionProcess } from "./region-process.ts";
import { alignedTable, median, quantile, spokenCount } from "./report.ts";
import { Zipf } from "./zipf.ts";

const TENANT = "bench";
/** Draws are made beforehand; so many are enough for the caches to see them as random. */
const DRAWS = 2 ** 20;
const WAYS = ["one-at-a-time", "one-per-message", "packed"] as const;

interface NatsRow {
  readonly way: string;
  readonly in_flight: number;
  readonly checks_per_s: number;
  readonly p50_us: number;
  readonly p99_us: number;
  /** CPU time a check, null where it cannot be known. */
  readonly caller_cpu_us: number | null;
  readonly server_cpu_us: number | null;
  readonly actor_cpu_us: number | null;
  readonly target: string;
}

interface Way {
  readonly name: string;
  readonly inFlight: number;
  readonly checks: number;
  readonly checksPerMessageMax?: number;
  readonly target: string;
}

await runCommand({
  synopsis:
    "npm run bench:nats -- [flags]: checks a second through nats-server and one actor process, one at a time,\none per message, and packed; Zipf-distributed keys over all shards.",
  flags: {
    keys: { value: "N", about: "different keys", fallback: "1_000_000" },
    "zipf-s": { value: "S", about: "exponent of the Zipf distribution", fallback: "1.1" },
    checks: {
      value: "N",
      about: "packed checks in a round; the other ways ask for fewer",
      fallback: "2_000_000",
    },
    "in-flight": { value: "N", about: "packed checks under way at once", fallback: "8_192" },
    way: { value: "NAME", about: "measure this way only: one-at-a-time, one-per-message or packed" },
    rounds: { value: "N", about: "rounds, medians of which are reported", fallback: "5" },
    seed: { value: "N", about: "seed of the draws", fallback: "1" },
    json: { about: "print one line of JSON instead of the table" },
  },
  run,
});

async function run(flags: Flags): Promise<void> {
  const checks = flags.count("checks", { min: 10_000 });
  const all: Way[] = [
    {
      name: "one at a time",
      inFlight: 1,
      checks: Math.ceil(checks / 400),
      target: "p50 < 500 µs, p99 < 1 ms",
    },
    {
      name: "one per message",
      inFlight: 512,
      checks: Math.ceil(checks / 10),
      checksPerMessageMax: 1,
      target: ">= 60,000/s",
    },
    { name: "packed", inFlight: flags.count("in-flight", { min: 1 }), checks, target: ">= 1,000,000/s" },
  ];
  const ways = all.filter((way) => isWanted(way, flags));
  const keys = drawKeys(flags);
  const machine = describeMachine();
  await using region = await startRegion();
  const rows: NatsRow[] = [];
  const rounds = flags.count("rounds", { min: 1 });
  const progress = new Progress("checks over NATS");
  for (const [i, way] of ways.entries()) {
    await using client = disposable(await connect(region.url, way));
    const answers: Round[] = [];
    // Round 0 fills the tables and warms the compiler up.
    for (let round = 0; round <= rounds; round += 1) {
      const answer = await ask(client.parl, way, keys, region);
      if (round > 0) answers.push(answer);
      progress.update((i + round / (rounds + 1)) / ways.length);
    }
    rows.push(summarize(way, answers));
  }
  progress.done();
  if (flags.has("json")) process.stdout.write(`${JSON.stringify({ machine, rows })}\n`);
  else process.stdout.write(`${machineLine(machine)}\n\n${tableOf(rows)}`);
}

/** @throws ParlError when `--way` names none */
function isWanted({ name }: Way, flags: Flags): boolean {
  if (!flags.has("way")) return true;
  return name.replaceAll(" ", "-") === flags.choice("way", WAYS);
}

interface Round {
  readonly checksPerS: number;
  readonly latenciesUs: readonly number[];
  /** Microseconds a check. */
  readonly cpuUs: CpuShares;
}

interface CpuShares {
  readonly caller: number;
  readonly server: number;
  readonly actor: number;
}

/** Asks `way.checks` times with as many callers as are to be in flight, each awaiting its answer. */
async function ask(
  parl: ParlClient,
  way: Way,
  keys: readonly string[],
  region: RegionProcess,
): Promise<Round> {
  const latenciesUs: number[] = [];
  // Timing every check would be part of what is timed.
  const timedEvery = Math.max(1, Math.floor(way.checks / 10_000));
  let asked = 0;
  const caller = async (): Promise<void> => {
    while (asked < way.checks) {
      asked += 1;
      const isTimed = asked % timedEvery === 0;
      const startedMs = isTimed ? performance.now() : 0;
      await parl.check({ tenant: TENANT, key: keys[asked % DRAWS] as string });
      if (isTimed) latenciesUs.push((performance.now() - startedMs) * 1_000);
    }
  };
  const before = cpuShares(region);
  const startedMs = performance.now();
  await Promise.all(Array.from({ length: way.inFlight }, caller));
  const checksPerS = (1_000 * way.checks) / (performance.now() - startedMs);
  const after = cpuShares(region);
  const each = (who: keyof CpuShares): number => (after[who] - before[who]) / way.checks;
  return {
    checksPerS,
    latenciesUs,
    cpuUs: { caller: each("caller"), server: each("server"), actor: each("actor") },
  };
}

function cpuShares({ pids }: RegionProcess): CpuShares {
  const { user, system } = process.cpuUsage();
  return { caller: user + system, server: cpuTimeUs(pids.server), actor: cpuTimeUs(pids.actor) };
}

function drawKeys(flags: Flags): string[] {
  const prng = new Prng(flags.count("seed", { min: 0 }));
  const zipf = new Zipf(
    flags.count("keys", { min: 1, max: 16_000_000 }),
    flags.number("zipf-s", { min: 0, max: 20 }),
  );
  // Read from bytes, as a server would, so that no string is a chain of pieces.
  return Array.from({ length: DRAWS }, () => Buffer.from(`user-${zipf.draw(prng)}`).toString("latin1"));
}

function connect(url: string, way: Way): Promise<ParlClient> {
  const regions = [{ name: "bench", servers: [url] }];
  const packing =
    way.checksPerMessageMax === undefined ? {} : { checksPerMessageMax: way.checksPerMessageMax };
  return connectParl({ regions, deadlineMs: 10_000, ...packing });
}

function disposable(parl: ParlClient): AsyncDisposable & { parl: ParlClient } {
  return { parl, [Symbol.asyncDispose]: () => parl.close() };
}

function summarize(way: Way, rounds: readonly Round[]): NatsRow {
  const latenciesUs = rounds.flatMap((round) => round.latenciesUs);
  const cpuUs = (who: keyof CpuShares): number | null => {
    const us = median(rounds.map((round) => round.cpuUs[who]));
    return Number.isNaN(us) ? null : Math.round(us * 100) / 100;
  };
  return {
    way: way.name,
    in_flight: way.inFlight,
    checks_per_s: median(rounds.map((round) => round.checksPerS)),
    p50_us: quantile(latenciesUs, 0.5),
    p99_us: quantile(latenciesUs, 0.99),
    caller_cpu_us: cpuUs("caller"),
    server_cpu_us: cpuUs("server"),
    actor_cpu_us: cpuUs("actor"),
    target: way.target,
  };
}

function tableOf(rows: readonly NatsRow[]): string {
  const header = ["NATS check, one region", "in flight", "checks/s", "p50 µs", "p99 µs"];
  const cpu = ["caller CPU µs", "server", "actor"];
  return alignedTable(
    [...header, ...cpu, "target"],
    rows.map((row) => [
      row.way,
      spokenCount(row.in_flight),
      spokenCount(row.checks_per_s),
      spokenCount(row.p50_us),
      spokenCount(row.p99_us),
      ...[row.caller_cpu_us, row.server_cpu_us, row.actor_cpu_us].map((us) => us?.toFixed(2) ?? "?"),
      row.target,
    ]),
  );
}
