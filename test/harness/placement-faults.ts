/**
 * One life of a region: members that join, everything that may happen to them, and what must hold after.
 *
 *      const life: RegionLife = { seed, shards: 8, members: 3, isStormy: true, history: [...] };
 *      const world = liveThrough(life);        throws with a trace when a rule was violated
 */
import type { PlacementProcess } from "./placement-process.ts";
import { PlacementWorld, STORM } from "./placement-world.ts";

/** What may happen; those named twice happen twice as often. */
export const FAULTS = [
  "crash",
  "crash",
  "restart",
  "pause",
  "pause",
  "suspend",
  "cut off",
  "cut off",
  "cut everybody off",
  "wipe",
  "wipe",
  "leave",
  "join",
  "join",
  "impostor",
  "nothing",
] as const;

interface Fault {
  readonly what: (typeof FAULTS)[number];
  readonly whom: number;
  readonly afterUs: number;
  readonly forUs: number;
}

export interface RegionLife {
  readonly seed: number;
  readonly shards: number;
  readonly members: number;
  /** Whether messages are late, lost and answered twice. */
  readonly isStormy: boolean;
  /** The first member's clock runs a tenth faster than true time, all others keep it; else each drifts as it likes. */
  readonly isFirstFast: boolean;
  readonly history: readonly Fault[];
}

const MEMBERS_MAX = 5;
const LEASE_TTL_US = 2_000_000;
/** To be joined and at rest, from an empty bucket. */
const BEGIN_US = 4_000_000;
/** From the end of the last fault until every shard has an owner again. */
const OWNED_AGAIN_US = 3_000_000;
/** Until handoffs have put every shard where it belongs, and who leaves has left. */
const AT_REST_US = 15_000_000;
/** Wall clocks may differ by more than a bucket lives: then revisions need not ascend. */
const BUCKET_LIVES_US = 1_000_000;
const FIRST = "m0";
const FAST = 1.1;

/** @throws Error naming the rule that was violated */
export function liveThrough(life: RegionLife): PlacementWorld {
  const region = new FaultyRegion(life);
  const { world } = region;
  world.runFor(BEGIN_US);
  if (life.isStormy) world.weather = STORM;
  for (const fault of life.history) {
    world.runFor(fault.afterUs);
    region.inflict(fault);
  }
  world.heal();
  // A fault has not ended before the last late message is in, and whoever was to come back has.
  if (life.isStormy) world.runFor(STORM.lateUs);
  world.runFor(Math.max(0, region.backByUs - world.nowUs));
  world.runFor(OWNED_AGAIN_US);
  world.expectAllOwned();
  world.runFor(AT_REST_US);
  world.expectAtRest();
  return world;
}

class FaultyRegion {
  readonly world: PlacementWorld;
  readonly #isFirstFast: boolean;
  /** True time by which everybody who was to come back has. */
  backByUs = 0;
  #joined = 0;
  #wipedUs = 0;

  constructor({ seed, shards, members, isFirstFast }: RegionLife) {
    this.#isFirstFast = isFirstFast;
    this.world = new PlacementWorld({ seed, shards, leaseTtlUs: LEASE_TTL_US });
    for (let i = 0; i < members; i += 1) this.#join();
  }

  inflict({ what, whom, forUs }: Fault): void {
    const { world } = this;
    const everybody = [...world.processes];
    const process = everybody[whom % Math.max(1, everybody.length)];
    if (process === undefined) return this.#join();
    world.count(what);
    switch (what) {
      case "crash":
        return process.crash();
      case "restart":
        process.crash();
        this.backByUs = Math.max(this.backByUs, world.nowUs + forUs / 10);
        return world.at(forUs / 10, () => this.#again(process));
      case "pause":
        process.pause();
        return world.at(forUs, () => process.resume());
      case "suspend":
        process.suspend();
        return world.at(forUs, () => process.resume());
      case "cut off":
        return this.#cutOff([process], forUs);
      case "cut everybody off":
        return this.#cutOff(everybody, forUs);
      case "wipe":
        if (world.nowUs - this.#wipedUs < BUCKET_LIVES_US) return;
        this.#wipedUs = world.nowUs;
        return world.wipe(forUs / 6);
      case "leave":
        return process.leave();
      case "join":
        return this.#join();
      case "impostor":
        return this.#again(process);
      case "nothing":
    }
  }

  #cutOff(processes: readonly PlacementProcess[], forUs: number): void {
    for (const process of processes) {
      process.cutOff();
      this.world.at(forUs, () => process.reconnect());
    }
  }

  #join(): void {
    if (this.world.processes.size >= MEMBERS_MAX) return;
    this.#spawn(`m${this.#joined}`);
    this.#joined += 1;
  }

  #again({ options: { id } }: PlacementProcess): void {
    if (this.world.processes.size <= MEMBERS_MAX) this.#spawn(id);
  }

  #spawn(id: string): void {
    if (this.#isFirstFast) this.world.spawn(id, { clockRate: id === FIRST ? FAST : 1 });
    else this.world.spawn(id);
  }
}
