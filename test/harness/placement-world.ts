/**
 * A region's placement in miniature: several members, one bucket, and everything that goes wrong between
 * them, as events on one true time line that a seed decides.
 *
 *      SimulatedBucket ◀── requests, answers, watch (late, lost, twice) ──▶ PlacementProcess ─ Placement
 *             wipe                                                        crash, pause, suspend, cut off
 *
 * After every event `check` looks at all members at that instant of true time. A violated rule throws with
 * the last events. Other simulations may put more on the processes: `host` hears every wish.
 */
import { Prng } from "../../core/prng.ts";
import { assignShards, loadMax } from "../../actors/placement/rendezvous.ts";
import { parseKey, parseMember, parseOwner } from "../../actors/placement/records.ts";
import { PlacementProcess, type ProcessOptions } from "./placement-process.ts";
import { SimulatedBucket, type BucketWrite } from "./simulated-bucket.ts";

/** Chances in 1,000 and longest delays of one phase of a run. */
export interface Weather {
  readonly requestLost: number;
  readonly answerLost: number;
  readonly answerTwice: number;
  /** A message that takes up to `lateUs` instead of `delayUs`. */
  readonly late: number;
  readonly delayUs: number;
  readonly lateUs: number;
  /** How long a lost bucket stays unnoticed by a member. */
  readonly noticeUs: number;
}

const CALM: Weather = {
  requestLost: 0,
  answerLost: 0,
  answerTwice: 0,
  late: 0,
  delayUs: 10_000,
  lateUs: 10_000,
  noticeUs: 200_000,
};
export const STORM: Weather = {
  requestLost: 30,
  answerLost: 60,
  answerTwice: 60,
  late: 60,
  delayUs: 20_000,
  lateUs: 1_500_000,
  noticeUs: 1_000_000,
};

export interface WorldOptions {
  readonly seed: number;
  readonly shards: number;
  readonly leaseTtlUs: number;
}

interface Scheduled {
  readonly atUs: number;
  readonly order: number;
  readonly run: () => void;
}

const TRACE_MAX = 60;
/** 2023-11-14; true time starts here, so revisions look like microseconds since 1970. */
const EPOCH_US = 1_700_000_000_000_000;

export class PlacementWorld {
  readonly options: WorldOptions;
  readonly prng: Prng;
  readonly bucket: SimulatedBucket;
  weather: Weather = CALM;
  /** True time since the start. */
  nowUs = 0;
  /** Everybody who takes part; who crashed, left or was refused is not in it. */
  readonly processes = new Set<PlacementProcess>();
  /** How often things happened, to show that a run was not empty. */
  readonly tally = new Map<string, number>();
  readonly #queue: Scheduled[] = [];
  readonly #trace: string[] = [];
  readonly #lastOwner = new Map<number, { epoch: number; process: PlacementProcess }>();
  #scheduled = 0;
  #spawned = 0;
  #isServerUp = true;

  constructor(options: WorldOptions) {
    this.options = options;
    this.prng = new Prng(options.seed);
    this.bucket = new SimulatedBucket((write, before) => this.#written(write, before));
  }

  get wallUs(): number {
    return EPOCH_US + this.nowUs;
  }

  spawn(id: string, options: Partial<ProcessOptions> = {}): PlacementProcess {
    this.#spawned += 1;
    const clockRate = 1 + (this.prng.below(101) - 50) / 1_000;
    const process = new PlacementProcess(this, { id, clockRate, incarnation: this.#spawned, ...options });
    this.processes.add(process);
    this.note(`${process.name} starts, clock ×${clockRate}`);
    process.start();
    return process;
  }

  at(delayUs: number, run: () => void): void {
    this.#scheduled += 1;
    const atUs = this.nowUs + Math.max(0, Math.round(delayUs));
    push(this.#queue, { atUs, order: this.#scheduled, run });
  }

  /** Lets time pass, event by event. */
  runFor(us: number): void {
    const untilUs = this.nowUs + us;
    while (this.#queue.length > 0 && (this.#queue[0] as Scheduled).atUs <= untilUs) {
      const { atUs, run } = pop(this.#queue);
      this.nowUs = atUs;
      run();
      this.check();
    }
    this.nowUs = untilUs;
  }

  chance(perMille: number): boolean {
    return this.prng.below(1_000) < perMille;
  }

  delayUs(): number {
    const { late, lateUs, delayUs } = this.weather;
    return 100 + this.prng.below(this.chance(late) ? lateUs : delayUs);
  }

  note(what: string): void {
    this.#trace.push(`${(this.nowUs / 1_000).toFixed(1)} ms  ${what}`);
    if (this.#trace.length > TRACE_MAX) this.#trace.shift();
  }

  count(what: string): void {
    this.tally.set(what, (this.tally.get(what) ?? 0) + 1);
  }

  /** Loses the bucket; the server comes back without it. */
  wipe(downUs: number): void {
    this.note("the bucket is wiped");
    this.count("wipe");
    this.bucket.wipe();
    this.#isServerUp = false;
    this.at(downUs, () => (this.#isServerUp = true));
  }

  /** Ends every fault. What is on its way still arrives. */
  heal(): void {
    this.note("faults end");
    this.weather = CALM;
    this.#isServerUp = true;
    for (const process of this.processes) {
      process.resume();
      process.reconnect();
    }
  }

  /** The bucket's generation; makes one if there is none. 0 = no server. */
  ensureBucket(makerWallUs: number): number {
    if (!this.#isServerUp) return 0;
    if (this.bucket.generation === 0) this.bucket.create(makerWallUs);
    return this.bucket.generation;
  }

  /** At most one valid owner a shard, and its epoch above that of any before. */
  check(): void {
    const valid = [...this.processes].filter((process) => process.isValid());
    for (let shard = 0; shard < this.options.shards; shard += 1) {
      const owners = valid.filter(({ placement }) => placement.isOpen(shard));
      if (owners.length > 1) this.fail(`shard ${shard} is owned by ${owners.map((one) => one.name).join()}`);
      const [owner] = owners;
      if (owner === undefined) continue;
      const epoch = owner.placement.epochOf(shard) ?? 0;
      const last = this.#lastOwner.get(shard);
      if (last !== undefined && (epoch < last.epoch || (epoch === last.epoch && owner !== last.process))) {
        this.fail(`shard ${shard} is owned by ${owner.name} at epoch ${epoch} after ${last.epoch}`);
      }
      if (epoch !== last?.epoch) this.#lastOwner.set(shard, { epoch, process: owner });
    }
  }

  owners(shard: number): PlacementProcess[] {
    return [...this.processes].filter((process) => process.decides(shard));
  }

  /** Every shard has an owner, now that faults have stopped. */
  expectAllOwned(): void {
    if (this.processes.size === 0) return;
    for (let shard = 0; shard < this.options.shards; shard += 1) {
      if (this.owners(shard).length !== 1) this.fail(`nobody owns shard ${shard}`);
    }
  }

  /** Every shard has come to rest where rendezvous hashing puts it, and nobody has more than its share. */
  expectAtRest(): void {
    const ids = [...this.processes].map(({ options: { id } }) => id);
    if (ids.length === 0) return;
    const targets = assignShards(ids, this.options.shards);
    for (const [shard, target] of targets.entries()) {
      const [owner] = this.owners(shard);
      if (owner?.options.id !== target) this.fail(`shard ${shard} is ${owner?.name}'s, not ${target}'s`);
    }
    for (const process of this.processes) {
      const load = targets.filter((target) => target === process.options.id).length;
      if (load > loadMax(ids.length, this.options.shards)) this.fail(`${process.name} owns ${load} shards`);
    }
  }

  fail(what: string): never {
    throw new Error(`${what}, at ${this.nowUs} µs of seed ${this.options.seed}\n${this.#trace.join("\n")}`);
  }

  /** Whoever is written off must be off already. */
  #written({ key, value, revision }: BucketWrite, before: string | undefined): void {
    this.note(`bucket ${key} = ${value} @${revision}`);
    for (const process of this.processes) process.watched({ key, value, revision });
    const about = parseKey(key, this.options.shards);
    if (about?.kind === "member") {
      const { incarnation, state } = parseMember(value);
      const dead = [...this.processes].find(({ placement: { self } }) => self.incarnation === incarnation);
      if (state === "dead" && dead?.isValid() === true) this.fail(`${dead.name} is declared dead, but valid`);
    }
    if (about?.kind !== "owner" || before === undefined) return;
    const from = parseOwner(before);
    const holder = [...this.processes].find(
      ({ placement: { self } }) => self.incarnation === from.incarnation,
    );
    if (from.member !== "" && parseOwner(value).incarnation !== from.incarnation) {
      if (holder?.decides(about.shard) === true) this.fail(`${key} was taken from ${holder.name}, alive`);
    }
  }
}

function isBefore(left: Scheduled, right: Scheduled): boolean {
  return left.atUs < right.atUs || (left.atUs === right.atUs && left.order < right.order);
}

function push(heap: Scheduled[], item: Scheduled): void {
  let at = heap.push(item) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isBefore(item, heap[parent] as Scheduled)) break;
    heap[at] = heap[parent] as Scheduled;
    at = parent;
  }
  heap[at] = item;
}

function pop(heap: Scheduled[]): Scheduled {
  const first = heap[0] as Scheduled;
  const last = heap.pop() as Scheduled;
  if (heap.length === 0) return first;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1] as Scheduled, heap[child] as Scheduled))
      child += 1;
    if (!isBefore(heap[child] as Scheduled, last)) break;
    heap[at] = heap[child] as Scheduled;
    at = child;
  }
  heap[at] = last;
  return first;
}
