/**
 * One fault run: a cluster, load on it, the fault, the load going on until everybody was offered enough, a look
 * at what is left, and the verdict.
 *
 *      start ─▶ balanced ─▶ load ─── fault ─── balanced ─── offered 3 × ─▶ quiet ─▶ peek ─▶ stop ─▶ judge
 */
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { ParlError } from "../../core/errors.ts";
import { SHARDS_DEFAULT } from "../../core/key.ts";
import { Cluster, type ClusterOptions } from "./cluster.ts";
import { checkExhausted } from "./exhausted-check.ts";
import { checkHygiene } from "./hygiene-check.ts";
import { hasVerdict, type Call } from "./ledger.ts";
import { callersOf, LIMITS, PROBE } from "./limits.ts";
import { answeredAgainMs, longestGap } from "./liveness-check.ts";
import { checkOwners, checkVerdicts, withOwners } from "./owner-check.ts";
import { checkLeft, checkTaken } from "./resources-check.ts";
import { checkSpend, type Peek } from "./spend-check.ts";
import { Traffic } from "./traffic.ts";
import type { Violation } from "./violation.ts";

interface Promises {
  /** Longest any shard may go without a verdict. */
  readonly gapMs: number;
  /** From the fault until all shards of the lost owner answer. */
  readonly takeoverMs?: number;
  /** Calls refused with an error, and calls whose answer was lost; any number when absent. */
  readonly failedMax?: number;
  readonly unknownMax?: number;
}

export interface Scenario {
  readonly name: string;
  /** One sentence. */
  readonly expects: string;
  readonly members: readonly string[];
  readonly promises: Promises;
  readonly cluster?: Partial<Pick<ClusterOptions, "hasSmallDisk" | "configure">>;
  run(stage: Stage): Promise<void>;
}

/** What a scenario can do. */
interface Stage {
  readonly cluster: Cluster;
  readonly traffic: Traffic;
  readonly leaseMs: number;
  /** Waits while the load goes on. */
  pause(ms: number): Promise<void>;
  say(words: string): void;
  /** Marks the moment from which `shards` have lost their owner, and with it its memory. */
  ownerLost(shards: readonly number[]): void;
  /** Memory of owners was lost so many times. */
  crashed(times?: number): void;
  /** A figure for the report. */
  measure(name: string, value: number): void;
  /** A promise of this scenario alone. */
  promise(isKept: boolean, subject: string, message: string): void;
}

export interface RunOptions {
  readonly seed: number;
  readonly leaseMs: number;
  readonly callsPerS: number;
  readonly probesPerShardPerS: number;
  /** Of load before the fault, and after it at least. */
  readonly beforeMs: number;
  readonly afterMs: number;
  /** How many times over its limit everybody must have been offered. */
  readonly offered: number;
  /** Fewer callers for a short run. */
  readonly callersScale: number;
  readonly signal: AbortSignal;
  readonly say: (words: string) => void;
}

export interface ScenarioReport {
  readonly scenario: string;
  readonly expects: string;
  readonly seed: number;
  readonly isKept: boolean;
  readonly violations: readonly Violation[];
  readonly measured: Readonly<Record<string, number>>;
  /** This process itself was kept from running for so long that nothing can be said about liveness. */
  readonly isStalled: boolean;
  readonly calls: readonly Call[];
}

/** Longer than balances stay out unused, so that what was lent is home again. */
const QUIET_MS = 2_500;
/** For a machine that does other things besides. */
const OFFER_WITHIN_MS = 60_000;

export async function runScenario(scenario: Scenario, options: RunOptions): Promise<ScenarioReport> {
  const { signal, leaseMs, seed } = options;
  const stage = new RunningStage(options);
  const clusterOptions = { region: "eu", leaseMs, signal, ...scenario.cluster };
  await using cluster = await Cluster.start(clusterOptions, scenario.members);
  await using traffic = await Traffic.connect({
    ...options,
    region: "eu",
    url: cluster.url,
    callers: callersOf(options.callersScale),
  });
  stage.begin(cluster, traffic);
  stage.say("load begins");
  traffic.start();
  await stage.pause(options.beforeMs);
  await Promise.race([scenario.run(stage), aborted(signal)]);
  await cluster.untilBalanced();
  stage.say("balanced again");
  await stage.pause(options.afterMs);
  await untilOffered(traffic, options);
  await traffic.stop();
  stage.say("load is over");
  await stage.pause(QUIET_MS);
  const left = await cluster.settled();
  const peeks = await traffic.peeks();
  stage.say("everything is told to leave");
  const violations = [
    ...stage.judge(scenario.promises, peeks),
    ...checkOwners(cluster.samples),
    ...checkVerdicts(traffic.calls),
    ...checkLeft(left),
    ...checkHygiene(await cluster.stop()),
    ...checkTaken(cluster.taken),
  ];
  stage.measure("rss_max_mib", Math.max(0, ...cluster.taken.map(({ rssMib }) => rssMib)));
  stage.measure("files_max", Math.max(0, ...cluster.taken.map(({ files }) => files)));
  const { name, expects } = scenario;
  const { measured } = stage;
  const calls = withOwners(traffic.calls, cluster.samples);
  const isKept = violations.length === 0;
  const isStalled = traffic.lagMaxMs > leaseMs / 2;
  return { scenario: name, expects, seed, isKept, isStalled, violations, measured, calls };
}

/** Rejects when `signal` does: a fault under way need not look at it. */
async function aborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, "abort");
  throw signal.reason;
}

async function untilOffered(traffic: Traffic, { offered, signal }: RunOptions): Promise<void> {
  const untilMs = performance.now() + OFFER_WITHIN_MS;
  while (traffic.offeredMin() < offered) {
    if (performance.now() > untilMs) {
      const message = `load of ${offered} times the limits could not be offered within ${OFFER_WITHIN_MS / 1_000} s`;
      throw new ParlError("PARL_DEADLINE_EXCEEDED", message);
    }
    await setTimeout(500, undefined, { signal });
  }
}

class RunningStage implements Stage {
  readonly measured: Record<string, number> = {};
  readonly leaseMs: number;
  readonly #options: RunOptions;
  readonly #violations: Violation[] = [];
  readonly #lost: { readonly shards: readonly number[]; readonly atUs: number }[] = [];
  #running: { readonly cluster: Cluster; readonly traffic: Traffic } | undefined;
  #crashes = 0;

  constructor(options: RunOptions) {
    this.#options = options;
    this.leaseMs = options.leaseMs;
  }

  get cluster(): Cluster {
    return this.#on.cluster;
  }

  get traffic(): Traffic {
    return this.#on.traffic;
  }

  get #on(): { readonly cluster: Cluster; readonly traffic: Traffic } {
    if (this.#running === undefined) throw new ParlError("PARL_INTERNAL", "the run has not begun");
    return this.#running;
  }

  begin(cluster: Cluster, traffic: Traffic): void {
    this.#running = { cluster, traffic };
  }

  async pause(ms: number): Promise<void> {
    await setTimeout(ms, undefined, { signal: this.#options.signal });
  }

  say(words: string): void {
    this.#options.say(words);
  }

  ownerLost(shards: readonly number[]): void {
    this.#lost.push({ shards, atUs: Math.floor(performance.now() * 1_000) });
    this.crashed();
  }

  crashed(times = 1): void {
    this.#crashes += times;
  }

  measure(name: string, value: number): void {
    this.measured[name] = value;
  }

  promise(isKept: boolean, subject: string, message: string): void {
    if (!isKept) this.#violations.push({ check: "liveness", subject, message });
  }

  judge(promises: Promises, peeks: readonly Peek[]): Violation[] {
    const { calls } = this.traffic;
    const crashes = this.#crashes;
    const alone = LIMITS.filter(
      ({ tenants, onCrash }) =>
        LIMITS.filter((other) => other.tenants.some((tenant) => tenants.includes(tenant))).length === 1 &&
        !(onCrash === "fresh" && crashes > 0),
    ).filter(({ dimension }) => dimension === "key" || dimension === "user");
    const spend = checkSpend({ calls, limits: LIMITS, peeks, crashes });
    this.#measureCalls(calls);
    this.measure("crashes", crashes);
    this.measure("offered", Math.round(spend.offeredMin * 10) / 10);
    this.measure("over_max", spend.overMax);
    this.measure("under_max", spend.underMax);
    this.measure("charged_beyond_max", spend.chargedBeyondMax);
    this.#judgeLiveness(promises, calls);
    return [...this.#violations, ...spend.violations, ...checkExhausted(calls, alone)];
  }

  #measureCalls(calls: readonly Call[]): void {
    const count = (outcome: Call["outcome"]): number =>
      calls.filter((call) => call.outcome === outcome).length;
    this.measure("calls", calls.length);
    this.measure("admitted", count("admitted"));
    this.measure("failed", count("failed"));
    this.measure("unknown", count("unknown"));
    const latencies = calls
      .filter(hasVerdict)
      .map(({ invokedUs, returnedUs }) => returnedUs - invokedUs)
      .toSorted((a, b) => a - b);
    this.measure("own_lag_ms", this.traffic.lagMaxMs);
    this.measure("latency_max_ms", Math.round((latencies.at(-1) ?? 0) / 1_000));
  }

  #judgeLiveness({ gapMs, takeoverMs, failedMax, unknownMax }: Promises, calls: readonly Call[]): void {
    const shards = Array.from({ length: SHARDS_DEFAULT }, (_, shard) => shard);
    const probes = calls.filter(({ tenant }) => tenant === PROBE);
    const gap = longestGap(probes, shards);
    this.measure("gap_ms", gap.ms);
    const where = `shard ${gap.shard}, ${gap.fromMs} ms into the load`;
    this.promise(gap.ms <= gapMs, where, `no verdict for ${gap.ms} ms, promised at most ${gapMs}`);
    const takeovers = this.#lost.map((lost) => answeredAgainMs(probes, lost.shards, lost.atUs));
    if (takeovers.length > 0) {
      const longest = Math.max(...takeovers);
      this.measure("takeover_ms", longest);
      const message = `all shards of the lost owner answered after ${longest} ms, promised ${takeoverMs}`;
      this.promise(takeoverMs === undefined || longest <= takeoverMs, "takeover", message);
    }
    const { failed = 0, unknown = 0 } = this.measured;
    this.promise(
      failed <= (failedMax ?? Infinity),
      "calls",
      `${failed} failed, promised at most ${failedMax} (${reasonsOf(calls, "failed")})`,
    );
    this.promise(
      unknown <= (unknownMax ?? Infinity),
      "calls",
      `${unknown} were lost, promised at most ${unknownMax} (${reasonsOf(calls, "unknown")})`,
    );
  }
}

/** What the calls of one outcome were told, the first three things. */
function reasonsOf(calls: readonly Call[], outcome: Call["outcome"]): string {
  const told = calls
    .filter((call) => call.outcome === outcome)
    .map(({ code, message }) => `${code} ${message}`);
  return [...new Set(told)].slice(0, 3).join("; ");
}
