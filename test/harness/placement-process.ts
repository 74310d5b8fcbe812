/**
 * One member of a placement world: a placement machine with its clock, its line to the bucket, and a plain
 * handoff (freeze, set the owner, tell the taker) in place of the real one.
 *
 * A paused process gets nothing until it resumes, and then everything at once; its clock goes on. A suspended
 * one's monotonic clock stands still too. One that is cut off from the bucket still reaches other members.
 */
import { Placement, type PlacementOptions } from "../../actors/placement/placement.ts";
import type { Holder, PlacementEvent, PlacementOutbox } from "../../actors/placement/placement-event.ts";
import { encodeRecord, ownerKey } from "../../actors/placement/records.ts";
import type { PlacementWorld } from "./placement-world.ts";
import type { BucketWrite } from "./simulated-bucket.ts";

export interface ProcessOptions {
  readonly id: string;
  readonly clockRate: number;
  /** The first one; the next are far from it. */
  readonly incarnation: number;
  readonly placement?: Partial<PlacementOptions>;
}

const TICK_US = 50_000;
const HANDOFF_MAX_US = 2_000_000;
/** Longest time that the pages of a shard travel before it freezes. */
const PAGES_MAX_US = 500_000;
const SNAPSHOT_US = 20_000;
const GIVE_BACK_US = 30_000;
/** After so long it goes, whatever is under way. */
const LEAVE_MAX_US = 10_000_000;

interface Giving {
  readonly taker: PlacementProcess;
  readonly to: Holder;
  readonly epoch: number;
}

export class PlacementProcess implements PlacementOutbox {
  readonly world: PlacementWorld;
  readonly options: ProcessOptions;
  readonly placement: Placement;
  readonly wishes: string[] = [];
  isCutOff = false;
  #isPaused = false;
  #toldToLeaveUs = Infinity;
  #suspendedAtUs: number | undefined;
  #suspendedUs = 0;
  readonly #inbox: (() => void)[] = [];
  /** Shards as the wishes say, to hold against what the machine says. */
  readonly #open = new Set<number>();
  readonly #giving = new Map<number, Giving>();
  readonly #taking = new Map<number, { isOver: boolean }>();
  /** What to do about the shards asked for when the giver has answered. */
  readonly #adopt = new Map<number, (revision: number) => void>();
  readonly #refuse = new Map<number, () => void>();
  #generation = 0;
  #session = { isOver: true };
  #watchedUntilUs = 0;

  constructor(world: PlacementWorld, options: ProcessOptions) {
    this.world = world;
    this.options = options;
    let incarnation = options.incarnation - 1_000;
    this.placement = new Placement({
      id: options.id,
      shards: world.options.shards,
      leaseTtlUs: world.options.leaseTtlUs,
      secret: options.incarnation.toString(16).padStart(16, "0"),
      newIncarnation: () => (incarnation += 1_000),
      ...options.placement,
    });
  }

  get name(): string {
    return `${this.options.id}/${this.placement.self.incarnation}`;
  }

  get monotonicUs(): number {
    const standingUs = this.#suspendedAtUs === undefined ? 0 : this.world.nowUs - this.#suspendedAtUs;
    return Math.floor((this.world.nowUs - this.#suspendedUs - standingUs) * this.options.clockRate);
  }

  get wallUs(): number {
    return this.world.wallUs - this.world.nowUs + Math.floor(this.world.nowUs * this.options.clockRate);
  }

  isValid(): boolean {
    return this.placement.isValid(this.monotonicUs, this.wallUs);
  }

  decides(shard: number): boolean {
    return this.placement.isOpen(shard) && this.isValid();
  }

  start(): void {
    this.#tick();
    this.#connect();
  }

  crash(): void {
    this.world.note(`${this.name} crashes`);
    this.world.processes.delete(this);
  }

  leave(): void {
    this.world.note(`${this.name} is told to leave`);
    this.#deliver(() => {
      this.#toldToLeaveUs = Math.min(this.#toldToLeaveUs, this.monotonicUs);
      this.post({ kind: "leave" });
    });
  }

  pause(): void {
    this.#isPaused = true;
    this.world.note(`${this.name} pauses`);
  }

  suspend(): void {
    this.#suspendedAtUs ??= this.world.nowUs;
    this.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    if (this.#suspendedAtUs !== undefined) this.#suspendedUs += this.world.nowUs - this.#suspendedAtUs;
    this.#suspendedAtUs = undefined;
    this.#isPaused = false;
    this.world.note(`${this.name} resumes`);
    // Timers that ran out meanwhile may go first.
    if (this.world.chance(500)) this.post({ kind: "tick" });
    for (const run of this.#inbox.splice(0)) run();
  }

  cutOff(): void {
    this.isCutOff = true;
    this.#session.isOver = true;
    this.world.note(`${this.name} is cut off from the bucket`);
  }

  reconnect(): void {
    if (!this.isCutOff) return;
    this.isCutOff = false;
    this.world.note(`${this.name} reaches the bucket again`);
  }

  post(event: PlacementEvent): void {
    if (!this.world.processes.has(this)) return;
    this.world.count(event.kind === "cas-answer" ? `answer ${event.outcome}` : event.kind);
    this.placement.step(event, this.monotonicUs, this.wallUs, this);
    this.world.check();
    for (let shard = 0; shard < this.world.options.shards; shard += 1) {
      if (this.#open.has(shard) !== this.placement.isOpen(shard)) {
        this.world.fail(`${this.name} was not told what became of shard ${shard}`);
      }
    }
  }

  /** Something was written; our watch will show it, unless something newer replaces it first. */
  watched(write: BucketWrite): void {
    if (this.#session.isOver || this.#generation !== this.world.bucket.generation) return;
    const session = this.#session;
    this.#watchedUntilUs = Math.max(this.#watchedUntilUs, this.world.nowUs + this.world.delayUs());
    this.world.at(this.#watchedUntilUs - this.world.nowUs, () => {
      const isReplaced = this.world.bucket.get(write.key)?.revision !== write.revision;
      if (session.isOver || this.isCutOff || (isReplaced && this.world.chance(500))) return;
      this.#deliver(() => this.post({ kind: "entry", ...write }));
    });
  }

  cas(key: string, value: string, expectedRevision: number, id: number): void {
    this.#request(key, value, expectedRevision, (outcome, revision) =>
      this.post({ kind: "cas-answer", key, id, outcome, revision }),
    );
  }

  open(shard: number, _epoch: number, how: string): void {
    this.#wish(`open ${shard} ${how}`);
    if (how === "keep" && !this.#open.has(shard)) this.world.fail(`${this.name} keeps what it has not`);
    this.#open.add(shard);
  }

  close(shard: number): void {
    this.#wish(`close ${shard}`);
    this.#open.delete(shard);
    this.#giving.delete(shard);
  }

  snapshot(shard: number): void {
    this.#wish(`snapshot ${shard}`);
    this.#open.delete(shard);
    this.world.at(SNAPSHOT_US, () => this.#deliver(() => this.post({ kind: "snapshotted", shard })));
  }

  giveBack(): void {
    this.#wish("give back");
    if (this.#open.size > 0) throw new Error("gives back what it still decides with");
    this.world.at(GIVE_BACK_US, () => this.#deliver(() => this.post({ kind: "given-back" })));
  }

  fence(): void {
    this.#wish("fence");
  }

  unfence(): void {
    this.#wish("unfence");
  }

  lost(): void {
    this.#wish("lost");
    this.#open.clear();
    this.#giving.clear();
    for (const taking of this.#taking.values()) taking.isOver = true;
    this.#taking.clear();
  }

  refused(error: Error): void {
    this.#wish(`refused: ${error.message}`);
    this.world.at(0, () => this.world.processes.delete(this));
  }

  left(): void {
    this.#wish("left");
    const isLate = this.monotonicUs - this.#toldToLeaveUs >= LEAVE_MAX_US;
    if (this.#taking.size > 0 && !isLate) {
      this.world.fail(`${this.name} leaves while a shard is on its way to it`);
    }
    this.world.at(0, () => this.world.processes.delete(this));
  }

  askHandoff(shard: number, from: Holder, epoch: number): void {
    this.#wish(`ask ${shard}`);
    const taking = { isOver: false };
    this.#taking.set(shard, taking);
    const end = (outcome: "adopted" | "aborted", revision: number): void => {
      if (taking.isOver) return;
      taking.isOver = true;
      this.#taking.delete(shard);
      this.world.count(`handoff ${outcome}`);
      if (outcome === "adopted") this.#open.add(shard);
      this.post({ kind: "handoff-ended", shard, outcome, revision });
      if (!this.placement.isOpen(shard)) this.#open.delete(shard);
    };
    this.world.at(HANDOFF_MAX_US, () => this.#deliver(() => end("aborted", 0)));
    const giver = [...this.world.processes].find(({ placement: { self } }) => isSame(self, from));
    const to = this.placement.self;
    if (giver !== undefined) {
      const pagesUs = this.world.prng.below(PAGES_MAX_US);
      const give = (): void => giver.#give(shard, { taker: this, to, epoch });
      giver.#fromPeer(() => this.world.at(pagesUs, () => giver.#deliver(give)));
    }
    this.#adopt.set(shard, (revision) => end("adopted", revision));
    this.#refuse.set(shard, () => end("aborted", 0));
  }

  #give(shard: number, giving: Giving): void {
    if (this.placement.givableEpoch(shard) !== giving.epoch || !this.isValid()) {
      giving.taker.#fromPeer(() => giving.taker.#refuse.get(shard)?.());
      return;
    }
    this.world.note(`${this.name} freezes shard ${shard} for ${giving.to.member}`);
    this.#giving.set(shard, giving);
    this.#open.delete(shard);
    this.post({ kind: "give-started", shard });
    this.#setOwner(shard);
  }

  #setOwner(shard: number): void {
    const giving = this.#giving.get(shard);
    if (giving === undefined) return;
    const value = encodeRecord({ ...giving.to, sinceUs: this.wallUs, how: "handed-over" });
    this.#request(ownerKey(shard), value, giving.epoch, (outcome, revision) => {
      if (this.#giving.get(shard) !== giving) return;
      if (outcome === "ok") this.#given(shard, giving, revision);
      else if (outcome === "unknown") this.#setOwner(shard);
      else this.#resolve(shard, giving);
    });
  }

  /** A conflict: either our own write, unheard of until now, or there is nothing to give any more. */
  #resolve(shard: number, giving: Giving): void {
    if (this.#giving.get(shard) !== giving) return;
    const owner = this.placement.ownerOf(shard);
    if (owner !== undefined && isSame(owner, giving.to)) this.#given(shard, giving, owner.epoch);
    else if (owner?.epoch === giving.epoch) {
      this.world.at(TICK_US, () => this.#deliver(() => this.#resolve(shard, giving)));
    } else this.#abort(shard);
  }

  #abort(shard: number): void {
    this.#giving.delete(shard);
    this.#open.add(shard);
    this.post({ kind: "give-aborted", shard });
  }

  #given(shard: number, { taker, to }: Giving, revision: number): void {
    this.post({ kind: "shard-given", shard, ...to, revision });
    this.#giving.delete(shard);
    if (this.world.chance(this.world.weather.requestLost)) return;
    taker.#fromPeer(() => taker.#adopt.get(shard)?.(revision));
  }

  #fromPeer(run: () => void): void {
    this.world.at(this.world.delayUs(), () => this.#deliver(run));
  }

  #request(
    key: string,
    value: string,
    expectedRevision: number,
    answer: (outcome: "ok" | "conflict" | "unknown", revision: number) => void,
  ): void {
    const { world } = this;
    world.at(world.options.leaseTtlUs / 4, () => this.#deliver(() => answer("unknown", 0)));
    if (this.isCutOff || world.chance(world.weather.requestLost)) return;
    world.at(world.delayUs(), () => {
      const result = world.bucket.cas(key, value, expectedRevision);
      if (result.outcome === "none" || world.chance(world.weather.answerLost)) return;
      const { outcome, revision } = result;
      const times = world.chance(world.weather.answerTwice) ? 2 : 1;
      for (let i = 0; i < times; i += 1) {
        world.at(world.delayUs(), () => {
          if (!this.isCutOff) this.#deliver(() => answer(outcome, revision));
        });
      }
    });
  }

  #wish(what: string): void {
    this.wishes.push(what);
    this.world.note(`${this.name} ${what}`);
    this.world.count(what.replace(/ \d+/, "").replace(/:.*/, ""));
  }

  /** Runs something in this process: not if it has crashed, and not before it resumes. */
  #deliver(run: () => void): void {
    if (!this.world.processes.has(this)) return;
    if (this.#isPaused) this.#inbox.push(run);
    else run();
  }

  #tick(): void {
    if (!this.world.processes.has(this)) return;
    if (!this.#isPaused) this.post({ kind: "tick" });
    this.world.at(TICK_US, () => this.#tick());
  }

  /** Looks for the bucket: begins a watch when there is none, or when it is another bucket than before. */
  #connect(): void {
    if (!this.world.processes.has(this)) return;
    if (!this.#isPaused && !this.isCutOff) this.#lookForBucket();
    this.world.at(1_000 + this.world.prng.below(this.world.weather.noticeUs), () => this.#connect());
  }

  #lookForBucket(): void {
    // Clocks of a region are kept in step, if not by us; the drift above is for what must not rely on it.
    const skewUs = this.world.prng.below(40_000) - 20_000;
    const generation = this.world.ensureBucket(this.world.wallUs + skewUs);
    if (generation === 0 || (generation === this.#generation && !this.#session.isOver)) return;
    this.#session.isOver = true;
    this.#session = { isOver: false };
    if (this.#generation !== 0 && generation !== this.#generation) {
      this.#giving.clear();
      this.post({ kind: "bucket-lost" });
    }
    this.#generation = generation;
    for (const write of this.world.bucket.snapshot()) this.watched(write);
    const session = this.#session;
    this.world.at(this.#watchedUntilUs - this.world.nowUs, () => {
      if (!session.isOver) this.#deliver(() => this.post({ kind: "synced" }));
    });
  }
}

function isSame(left: Holder, right: Holder): boolean {
  return left.member === right.member && left.incarnation === right.incarnation;
}
