/**
 * `npm run bench:region`: what several actor processes do for a region, everything real and on loopback.
 *
 *      throughput     packed checks a second with 1, 2, … processes, keys drawn by Zipf
 *      scaling out    one process joins while checks run: how long until it has its share, checks failed; for how
 *                     long a shard on its way is frozen, in the mean and at most, and until its next owner decides
 *      graceful end   SIGTERM while checks run: how long until it has handed over, checks failed
 *      takeover       kill -9: how long until every shard has an owner again
 *
 * Meanwhile some keys are exhausted. Each is asked for three times its limit after shards have moved, and again
 * after the crash: what is let through then was let through twice.
 */
import { once } from "node:events";
import type { ChildProcess } from "node:child_process";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { connectParl, type ParlClient } from "../client/parl-client.ts";
import { assert } from "../core/assert.ts";
import { Prng } from "../core/prng.ts";
import { US_PER_MS } from "../core/units.ts";
import { runCommand } from "./command.ts";
import type { Flags } from "./flags.ts";
import { describeMachine, machineLine } from "./machine.ts";
import { Progress } from "./progress.ts";
import { shardsGiven, untilBalanced, untilOwned, untilStill, type Census } from "./region-census.ts";
import { startRegion, type RegionProcess } from "./region-process.ts";
import { alignedTable, median, spokenCount } from "./report.ts";
import { Zipf } from "./zipf.ts";

const TENANT = "bench";
/** Whose keys stay where they are (region-policy.yaml). */
const HELD = "held";
const HELD_LIMIT = 100;
const EXHAUSTED_KEYS = 300;
const OFFERED_LIMITS = 3;
const DRAWS = 2 ** 20;
const IN_FLIGHT = 4_096;
const ROUNDS = 3;

interface Row {
  readonly what: string;
  readonly processes: number;
  readonly value: number;
  readonly unit: string;
  readonly failed: number;
}

async function run(flags: Flags): Promise<void> {
  const machine = describeMachine();
  const checks = flags.count("checks", { min: 1_000 });
  const keys = drawKeys(flags);
  const most = flags.count("processes", { min: 4, max: 16 });
  const progress = new Progress("region");
  const shards = flags.count("shards", { min: 1, max: 64 });
  await using region = await startRegion({ policies: "region-policy.yaml", shards });
  const parl = await client(region.url, shards);
  const scene = new Scene(
    region,
    shards,
    await connect({ servers: region.url }),
    parl,
    flags.count("load", { min: 0 }),
  );
  const rows: Row[] = [];
  try {
    await scene.fill(flags.count("keys", { min: 1 }));
    await scene.exhaust();
    for (let processes = 1; processes <= most; processes *= 2) {
      while (scene.processes < processes) rows.push(...(await scene.grow()));
      rows.push(await scene.throughput(keys, checks));
      progress.update(processes / (most + 1));
    }
    rows.push(await scene.shrink(), await scene.overspend("shards have moved"));
    rows.push(await scene.lose(), await scene.overspend("a crash"));
  } finally {
    await scene.close();
  }
  progress.done();
  if (flags.has("json")) process.stdout.write(`${JSON.stringify({ machine, rows })}\n`);
  else process.stdout.write(`${machineLine(machine)}\n\n${tableOf(rows)}`);
}

class Scene {
  readonly #region: RegionProcess;
  readonly #shards: number;
  readonly #nats: NatsConnection;
  readonly #parl: ParlClient;
  readonly #loadPerS: number;
  readonly #added: ChildProcess[] = [];

  constructor(
    region: RegionProcess,
    shards: number,
    nats: NatsConnection,
    parl: ParlClient,
    loadPerS: number,
  ) {
    this.#region = region;
    this.#shards = shards;
    this.#nats = nats;
    this.#parl = parl;
    this.#loadPerS = loadPerS;
  }

  get processes(): number {
    return 1 + this.#added.length;
  }

  async close(): Promise<void> {
    await this.#parl.close();
    await this.#nats.close();
  }

  /** Spends one unit of every key that is to be held. */
  async fill(keys: number): Promise<void> {
    let next = 0;
    await this.#ask(IN_FLIGHT, () => (next < keys ? `user-${(next += 1)}` : undefined), HELD);
  }

  /** Spends all of some other keys. */
  async exhaust(): Promise<void> {
    const keys = exhaustedKeys();
    const spend = (key: string) => this.#parl.check({ tenant: HELD, key, cost: HELD_LIMIT });
    const answers = await Promise.all(keys.map(spend));
    assert(
      answers.every(({ allowed }) => allowed),
      "a key that was never seen has its whole limit",
    );
  }

  /** Asks for more of the exhausted keys; units let through. */
  async overspend(after: string): Promise<Row> {
    let units = 0;
    let failed = 0;
    const spend = async (key: string): Promise<void> => {
      for (let unit = 0; unit < OFFERED_LIMITS * HELD_LIMIT; unit += 1) {
        const answer = await this.#parl.check({ tenant: HELD, key }).catch(() => undefined);
        if (answer === undefined) failed += 1;
        else if (answer.allowed) units += 1;
      }
    };
    await Promise.all(exhaustedKeys().map(spend));
    return this.#row(
      `let through of ${EXHAUSTED_KEYS} exhausted keys after ${after}`,
      units,
      "units",
      failed,
    );
  }

  async throughput(keys: readonly string[], checks: number): Promise<Row> {
    const rates: number[] = [];
    let failed = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      let asked = 0;
      const startedMs = performance.now();
      failed += await this.#ask(IN_FLIGHT, () => (asked < checks ? keys[(asked += 1) % DRAWS] : undefined));
      rates.push((1_000 * checks) / (performance.now() - startedMs));
    }
    return this.#row("packed checks", median(rates), "1/s", failed);
  }

  /** One more process, until it has its share. */
  async grow(): Promise<Row[]> {
    const load = this.#load();
    const before = givenIn(await untilOwned(this.#nats, () => true));
    const startedMs = performance.now();
    this.#added.push(await this.#region.addActor(`b${this.processes}`));
    await untilBalanced(this.#nats, this.processes, this.#shards);
    const tookMs = performance.now() - startedMs;
    const census = await untilStill(this.#nats);
    const rows = [this.#row("a process joins, until it has its share", tookMs, "ms", await load.stop())];
    const after = givenIn(census);
    const given = after.given - before.given;
    const keys = census.members.reduce((sum, member) => sum + member.keys, 0);
    const shard = `… each shard of ${spokenCount(keys / this.#shards)} keys`;
    const meanMs = (of: "frozenUs" | "undecidedUs"): number => (after[of] - before[of]) / US_PER_MS / given;
    // With few shards it may have been nobody's turn.
    if (given > 0)
      rows.push(
        this.#row(`${shard} is frozen for`, meanMs("frozenUs"), "ms", 0),
        this.#row("… the longest so far", after.frozenMaxUs / US_PER_MS, "ms", 0),
        this.#row("… until its next owner has confirmed", meanMs("undecidedUs"), "ms", 0),
      );
    return rows;
  }

  /** SIGTERM, until the process has gone. */
  async shrink(): Promise<Row> {
    const load = this.#load();
    const leaving = this.#added.pop() as ChildProcess;
    const startedMs = performance.now();
    leaving.kill("SIGTERM");
    await once(leaving, "exit");
    await untilOwned(this.#nats, () => true);
    const tookMs = performance.now() - startedMs;
    return this.#row("a process ends in order, until it has gone", tookMs, "ms", await load.stop());
  }

  /** kill -9, until every shard is decided again. */
  async lose(): Promise<Row> {
    const load = this.#load();
    const dying = this.#added.pop() as ChildProcess;
    const startedMs = performance.now();
    dying.kill("SIGKILL");
    await once(dying, "exit");
    await untilOwned(this.#nats, ({ members }) => members.length === this.processes);
    const tookMs = performance.now() - startedMs;
    return this.#row("a process is killed, until all is taken over", tookMs, "ms", await load.stop());
  }

  /** So many checks a second meanwhile; `stop` tells how many failed. */
  #load(): { stop: () => Promise<number> } {
    const asked: Promise<unknown>[] = [];
    let failed = 0;
    const startedMs = performance.now();
    const ask = (): void => {
      const due = ((performance.now() - startedMs) * this.#loadPerS) / 1_000;
      while (asked.length < due) {
        const key = `load-${asked.length % 10_000}`;
        asked.push(this.#parl.check({ tenant: TENANT, key }).catch(() => (failed += 1)));
      }
    };
    const timer = setInterval(ask, 1);
    return {
      stop: async () => {
        clearInterval(timer);
        await Promise.all(asked);
        return failed;
      },
    };
  }

  /** Asks with so many callers until there are no more keys. @returns how many checks failed */
  async #ask(callers: number, next: () => string | undefined, tenant = TENANT): Promise<number> {
    let failed = 0;
    const caller = async (): Promise<void> => {
      for (let key = next(); key !== undefined; key = next()) {
        await this.#parl.check({ tenant, key }).catch(() => (failed += 1));
      }
    };
    await Promise.all(Array.from({ length: callers }, caller));
    return failed;
  }

  #row(what: string, value: number, unit: string, failed: number): Row {
    return { what, processes: this.processes, value, unit, failed };
  }
}

function client(url: string, shards: number): Promise<ParlClient> {
  return connectParl({ regions: [{ name: "bench", servers: [url] }], deadlineMs: 1_000, shards });
}

function exhaustedKeys(): string[] {
  return Array.from({ length: EXHAUSTED_KEYS }, (_, i) => `exhausted-${i}`);
}

interface Given {
  readonly given: number;
  readonly frozenUs: number;
  readonly frozenMaxUs: number;
  readonly undecidedUs: number;
}

/** Shards handed over so far, and for how long they were frozen. */
function givenIn(census: Census): Given {
  const handoffs = census.members.map(({ tallies }) => tallies.handoffs);
  return {
    given: shardsGiven(census),
    frozenUs: handoffs.reduce((sum, { frozenUs }) => sum + frozenUs, 0),
    frozenMaxUs: Math.max(...handoffs.map(({ frozenMaxUs }) => frozenMaxUs)),
    undecidedUs: handoffs.reduce((sum, { undecidedUs }) => sum + undecidedUs, 0),
  };
}

function drawKeys(flags: Flags): string[] {
  const prng = new Prng(flags.count("seed", { min: 0 }));
  const zipf = new Zipf(flags.count("keys", { min: 1, max: 16_000_000 }), 1.1);
  return Array.from({ length: DRAWS }, () => Buffer.from(`user-${zipf.draw(prng)}`).toString("latin1"));
}

function tableOf(rows: readonly Row[]): string {
  return alignedTable(
    ["one region", "processes", "value", "", "checks failed"],
    rows.map(({ what, processes, value, unit, failed }) => [
      what,
      String(processes),
      value < 10 ? value.toFixed(1) : spokenCount(value),
      unit,
      spokenCount(failed),
    ]),
  );
}

await runCommand({
  synopsis:
    "npm run bench:region -- [flags]: throughput, scaling, handing over and takeover of actor processes.",
  flags: {
    keys: { value: "N", about: "different keys, all held", fallback: "1_000_000" },
    checks: { value: "N", about: "checks in a round of throughput", fallback: "1_000_000" },
    processes: { value: "N", about: "most actor processes, at least 4", fallback: "4" },
    shards: { value: "N", about: "shards they share; fewer are larger", fallback: "64" },
    load: { value: "N", about: "checks a second while processes come and go", fallback: "20_000" },
    seed: { value: "N", about: "seed of the draws", fallback: "1" },
    json: { about: "print one line of JSON instead of the table" },
  },
  run,
});
