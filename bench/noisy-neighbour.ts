/**
 * `npm run bench:neighbour`: what one tenant feels of another that floods its shard.
 *
 *      victim (this process, SDK, one check a message) ──┐
 *                                                        ├─▶ nats-server ─▶ actor process
 *      flooder (a child, packed frames)  ════════════════╛
 *
 * The victim asks by the clock (paced-caller.ts): first alone, then while the flooder keeps more checks under
 * way than the mailbox holds, all for the shard the victim asks too; several times in turn, so that a slow
 * moment hits both. All processes share the machine: with few cores a part of the factor is the processor's
 * time, not the mailbox. Beyond the factor that is promised the exit code is 1.
 */
import { setTimeout } from "node:timers/promises";
import { SHARDS_DEFAULT } from "../core/key.ts";
import { US_PER_MS } from "../core/units.ts";
import { runCommand } from "./command.ts";
import type { Flags } from "./flags.ts";
import { FlooderProcess } from "./flooder-process.ts";
import { describeMachine, machineLine } from "./machine.ts";
import { PacedCaller, type Felt } from "./paced-caller.ts";
import { Progress } from "./progress.ts";
import { startRegion } from "./region-process.ts";
import { alignedTable, median, quantile, spokenCount } from "./report.ts";

const VICTIM = "victim";
const FLOODER = "flooder";
/** Until everything is compiled. */
const WARM_UP_MS = 1_000;
/** The flood runs for so long before its victim is measured, and what it left behind is worked off after. */
const SETTLE_MS = 300;

interface Round extends Felt {
  readonly floodDecidedPerS: number;
  readonly floodRefusedPerS: number;
}

interface NeighbourRow {
  readonly victim: "alone" | "flooded";
  readonly checks: number;
  readonly refused: number;
  readonly p50_us: number;
  readonly p99_us: number;
  readonly flood_decided_per_s: number;
  readonly flood_refused_per_s: number;
}

await runCommand({
  synopsis:
    "npm run bench:neighbour -- [flags]: latency of a tenant's single checks, alone and while another tenant\nfloods the same shard with packed frames.",
  flags: {
    rate: { value: "N", about: "the victim's checks a second", fallback: "200" },
    duration: { value: "D", about: "of each measurement", fallback: "3s" },
    rounds: { value: "N", about: "measurements of each kind, medians of which are reported", fallback: "3" },
    shard: { value: "N", about: "the shard both ask", fallback: "0" },
    "flood-keys": { value: "N", about: "the flooder's keys on that shard", fallback: "16_384" },
    "flood-frame": { value: "N", about: "checks in each of its frames", fallback: "1_024" },
    "flood-frames": { value: "N", about: "frames it keeps under way", fallback: "128" },
    "factor-max": { value: "F", about: "p99 flooded over p99 alone that is still kept", fallback: "32" },
    json: { about: "print one line of JSON instead of the table" },
  },
  run,
});

async function run(flags: Flags): Promise<void> {
  const shard = flags.count("shard", { min: 0, max: SHARDS_DEFAULT - 1 });
  const rate = flags.number("rate", { min: 1, max: 10_000 });
  const durationMs = flags.durationUs("duration") / US_PER_MS;
  const factorMax = flags.number("factor-max", { min: 1, max: 1_000 });
  const rounds = flags.count("rounds", { min: 1 });
  const flood = {
    tenant: FLOODER,
    shards: [shard],
    keys: flags.count("flood-keys", { min: 1, max: 1_000_000 }),
    // So many keys of any length that occurs here fit into one message.
    checksPerFrame: flags.count("flood-frame", { min: 1, max: 8_192 }),
    framesInFlight: flags.count("flood-frames", { min: 1, max: 100_000 }),
  };
  const machine = describeMachine();
  await using region = await startRegion();
  await using victim = await PacedCaller.connect(region.url, VICTIM, shard);
  await using flooder = await FlooderProcess.start({ ...flood, url: region.url });
  await aloneRound(victim, rate, WARM_UP_MS);
  await floodedRound(victim, flooder, rate, WARM_UP_MS);
  const progress = new Progress("noisy neighbour");
  const alone: Round[] = [];
  const flooded: Round[] = [];
  for (let round = 0; round < rounds; round += 1) {
    progress.update(round / rounds);
    alone.push(await aloneRound(victim, rate, durationMs));
    progress.update((round + 0.5) / rounds);
    flooded.push(await floodedRound(victim, flooder, rate, durationMs));
  }
  progress.done();
  const rows = [rowOf("alone", alone), rowOf("flooded", flooded)] as const;
  const factors = { p50: rows[1].p50_us / rows[0].p50_us, p99: rows[1].p99_us / rows[0].p99_us };
  const isKept = factors.p99 <= factorMax;
  const verdict = `p50 × ${factors.p50.toFixed(1)}, p99 × ${factors.p99.toFixed(1)}: at most ${factorMax} is ${isKept ? "kept" : "broken"}`;
  process.stdout.write(
    flags.has("json")
      ? `${JSON.stringify({ machine, rows, factors, factorMax, isKept })}\n`
      : `${machineLine(machine)}\n\n${tableOf(rows)}\n${verdict}\n`,
  );
  if (!isKept) process.exitCode = 1;
}

async function aloneRound(victim: PacedCaller, rate: number, durationMs: number): Promise<Round> {
  await setTimeout(SETTLE_MS);
  return { ...(await victim.ask(rate, durationMs)), floodDecidedPerS: 0, floodRefusedPerS: 0 };
}

async function floodedRound(
  victim: PacedCaller,
  flooder: FlooderProcess,
  rate: number,
  durationMs: number,
): Promise<Round> {
  const startedMs = performance.now();
  await flooder.flood();
  await setTimeout(SETTLE_MS);
  const felt = await victim.ask(rate, durationMs);
  const { decided, refused } = await flooder.stop();
  const floodS = (performance.now() - startedMs) / 1_000;
  return { ...felt, floodDecidedPerS: decided / floodS, floodRefusedPerS: refused / floodS };
}

function rowOf(victim: NeighbourRow["victim"], rounds: readonly Round[]): NeighbourRow {
  const total = (of: (round: Round) => number): number => rounds.reduce((sum, round) => sum + of(round), 0);
  const middle = (of: (round: Round) => number): number => median(rounds.map(of));
  return {
    victim,
    checks: total((round) => round.latenciesUs.length + round.refused),
    refused: total((round) => round.refused),
    p50_us: middle((round) => quantile(round.latenciesUs, 0.5)),
    p99_us: middle((round) => quantile(round.latenciesUs, 0.99)),
    flood_decided_per_s: middle((round) => round.floodDecidedPerS),
    flood_refused_per_s: middle((round) => round.floodRefusedPerS),
  };
}

function tableOf(rows: readonly NeighbourRow[]): string {
  const header = ["victim", "checks", "refused", "p50 µs", "p99 µs", "flood decided/s", "flood refused/s"];
  return alignedTable(
    header,
    rows.map((row) => [
      row.victim,
      spokenCount(row.checks),
      spokenCount(row.refused),
      spokenCount(row.p50_us),
      spokenCount(row.p99_us),
      spokenCount(row.flood_decided_per_s),
      spokenCount(row.flood_refused_per_s),
    ]),
  );
}
