/**
 * What a second actor process of a region brings, and a fourth: packed checks a second, and whose CPU time they take.
 *
 *      caller ══▶ nats-server ══▶ 1, 2, 3, 4 actor processes, which share 64 shards
 *
 * Two callers. The SDK makes a promise a check and is busy with that for longer than an actor with deciding it: one
 * such process is the limit. Frames that were made beforehand cost their sender next to nothing, as if they came from many
 * machines: then actors are the limit, until the cores are.
 */
import { connect } from "@nats-io/transport-node";
import { setTimeout } from "node:timers/promises";
import { connectParl } from "../../client/parl-client.ts";
import { SHARDS_DEFAULT } from "../../core/key.ts";
import { cpuTimeUs } from "../cpu-time.ts";
import { FlooderProcess } from "../flooder-process.ts";
import { keysOfShard } from "../shard-keys.ts";
import { untilBalanced } from "../region-census.ts";
import { startRegion, type RegionProcess } from "../region-process.ts";
import { median } from "../report.ts";
import type { Experiment, Finding, Scale } from "./experiment.ts";

const PROCESSES_MAX = 4;
const TENANT = "bench";
const SHARDS = Array.from({ length: SHARDS_DEFAULT }, (_, shard) => shard);
/** Together less than one mailbox holds, so that nothing is refused. */
const CHECKS_PER_FRAME = 256;
const FRAMES_IN_FLIGHT = 96;
const SDK_IN_FLIGHT = 8_192;
const CALLERS = ["the SDK, a promise a check", "frames made beforehand"] as const;
const FULL = { keysPerShard: 1_024, seconds: 2, rounds: 5 };
const QUICK = { keysPerShard: 256, seconds: 0.2, rounds: 1 };

/** Microseconds of CPU so far. */
interface Spent {
  readonly caller: number;
  readonly server: number;
  readonly actors: number;
}

interface Run {
  readonly perS: number;
  /** CPU microseconds a check. */
  readonly caller: number;
  readonly server: number;
  readonly actors: number;
  readonly coresBusy: number;
}

/** Asks for so long; how many checks were answered. */
type Ask = (seconds: number) => Promise<number>;

export const actorProcesses: Experiment = {
  name: "actor-processes",
  title: "One, two, three and four actor processes of a region: packed checks a second",
  hypothesis:
    "An actor process is one thread, and decides until that is busy. A second one doubles what a region decides as " +
    "long as callers send more than the first can take and there is a core for it. Callers with the SDK spend more on a " +
    "check than the actor does, so one such caller is served by one process as well as by four. On two cores, which " +
    "server and caller share, the curve ends with the second process at the latest.",
  isExact: false,
  async run({ isQuick, progress }: Scale) {
    const { keysPerShard, seconds, rounds } = isQuick ? QUICK : FULL;
    await using region = await startRegion();
    await using stack = new AsyncDisposableStack();
    const nats = await connect({ servers: region.url });
    stack.defer(() => nats.close());
    const parl = await connectParl({
      regions: [{ name: "bench", servers: [region.url] }],
      deadlineMs: 10_000,
    });
    stack.defer(() => parl.close());
    const keys = SHARDS.flatMap((shard) => keysOfShard(TENANT, shard, keysPerShard));
    const flooder = stack.use(
      await FlooderProcess.start({
        url: region.url,
        tenant: TENANT,
        shards: SHARDS,
        keys: keysPerShard,
        checksPerFrame: CHECKS_PER_FRAME,
        framesInFlight: FRAMES_IN_FLIGHT,
      }),
    );
    const callers: readonly [Ask, () => number][] = [
      [sdkAsk((key) => parl.check({ tenant: TENANT, key }), keys), ownCpuUs],
      [floodAsk(flooder), () => cpuTimeUs(flooder.pid)],
    ];
    const actors = [region.pids.actor];
    const findings: Finding[] = [];
    for (let processes = 1; processes <= PROCESSES_MAX; processes += 1) {
      if (processes > 1) actors.push((await region.addActor(`b${processes}`)).pid as number);
      await untilBalanced(nats, processes, SHARDS_DEFAULT);
      for (const [i, [ask, callerUs]] of callers.entries()) {
        const spent = (): Spent => spentBy(region, actors, callerUs);
        const runs: Run[] = [];
        // Round 0 warms up and is not counted.
        for (let round = 0; round <= rounds; round += 1) {
          const run = await measured(ask, seconds, spent);
          if (round > 0) runs.push(run);
          progress((processes - 1 + (i + round / (rounds + 1)) / callers.length) / PROCESSES_MAX);
        }
        findings.push(findingOf(CALLERS[i] as string, processes, runs));
      }
    }
    return findings;
  },
  chart: (rows) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: actorProcesses.title,
    data: { values: rows as object[] },
    width: 420,
    height: 260,
    mark: { type: "line", point: true },
    encoding: {
      x: { field: "processes", type: "ordinal", title: "actor processes", axis: { labelAngle: 0 } },
      y: { field: "checks_per_s", type: "quantitative", title: "checks a second" },
      color: { field: "caller", type: "nominal", title: null, legend: { orient: "bottom" } },
    },
  }),
};

function findingOf(caller: string, processes: number, runs: readonly Run[]): Finding {
  const middle = (of: keyof Run): number => median(runs.map((run) => run[of]));
  const rates = runs.map(({ perS }) => perS);
  return {
    caller,
    processes,
    checks_per_s: median(rates),
    slowest_round_per_s: Math.min(...rates),
    fastest_round_per_s: Math.max(...rates),
    caller_cpu_us: cell(middle("caller")),
    server_cpu_us: cell(middle("server")),
    actors_cpu_us: cell(middle("actors")),
    cores_busy: cell(middle("coresBusy")),
  };
}

/** Null where CPU time of others cannot be known. */
function cell(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

async function measured(ask: Ask, seconds: number, spent: () => Spent): Promise<Run> {
  const before = spent();
  const startedMs = performance.now();
  const checks = await ask(seconds);
  const elapsedUs = (performance.now() - startedMs) * 1_000;
  const after = spent();
  const [caller, server, actors] = (["caller", "server", "actors"] as const).map(
    (who) => after[who] - before[who],
  ) as [number, number, number];
  return {
    perS: (1e6 * checks) / elapsedUs,
    caller: caller / checks,
    server: server / checks,
    actors: actors / checks,
    coresBusy: (caller + server + actors) / elapsedUs,
  };
}

function spentBy(region: RegionProcess, actors: readonly number[], callerUs: () => number): Spent {
  return {
    caller: callerUs(),
    server: cpuTimeUs(region.pids.server),
    actors: actors.reduce((sum, pid) => sum + cpuTimeUs(pid), 0),
  };
}

function ownCpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function sdkAsk(check: (key: string) => Promise<unknown>, keys: readonly string[]): Ask {
  let asked = 0;
  return async (seconds) => {
    const before = asked;
    const untilMs = performance.now() + 1_000 * seconds;
    const caller = async (): Promise<void> => {
      while (performance.now() < untilMs) {
        asked += 1;
        // A prime step goes through all shards, so that a frame has checks of one only by chance.
        await check(keys[(asked * 7_919) % keys.length] as string);
      }
    };
    await Promise.all(Array.from({ length: SDK_IN_FLIGHT }, caller));
    return asked - before;
  };
}

function floodAsk(flooder: FlooderProcess): Ask {
  return async (seconds) => {
    await flooder.flood();
    await setTimeout(1_000 * seconds);
    return (await flooder.stop()).decided;
  };
}
