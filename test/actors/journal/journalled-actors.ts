/**
 * The shard actors of a region (simulated-actors.ts) with a journal of every shard, as their processes would
 * keep it: the real step machine on one side, a stream in memory on the other, and a network between them that
 * loses, delays and repeats. Processes die; another one takes their shards over from what is in the stream.
 */
import { CRASHES_TO_EXHAUST, horizonUs } from "../../../admission/durability.ts";
import type { JournalledKeys } from "../../../admission/journalled-keys.ts";
import { Recovery, type Recovered } from "../../../actors/journal/recovery.ts";
import type { Takeover } from "../../../actors/journal/record.ts";
import {
  ShardJournal,
  type JournalEvent,
  type JournalOutbox,
  type JournalSource,
  type Start,
} from "../../../actors/journal/shard-journal.ts";
import { withTakeover } from "../../../actors/journal/takeovers.ts";
import { micros, US_PER_MS, type Micros } from "../../../core/units.ts";
import {
  SIMULATED_SHARDS,
  SimulatedActors,
  type SimulatedMember,
  type SimulatedOptions,
} from "../simulated-actors.ts";
import { MemoryStream } from "./memory-stream.ts";

const TICK_US = 5 * US_PER_MS;
/** TTL of a process lease, and what observers wait on top of it. */
const TAKE_OVER_US = 2_050 * US_PER_MS;
const UNHEARD_US = 60 * US_PER_MS;

export class JournalledActors {
  readonly all: SimulatedActors;
  /** In per cent of all messages to the journal: lost, stored without an answer, late. */
  trouble = 0;
  readonly #streams: MemoryStream[];
  /** By shard, of whoever owns it or is about to. */
  readonly #journals: (KeptJournal | undefined)[];

  constructor(options: SimulatedOptions) {
    this.all = new SimulatedActors({ ...options, isJournalled: () => true });
    this.#streams = Array.from({ length: SIMULATED_SHARDS }, () => new MemoryStream());
    this.#journals = this.#streams.map((_, shard) => {
      const start = { how: "fresh", lastSequence: 0, takeovers: [], weight: 0 } as const;
      return this.#start(shard, this.all.ownerOf(shard), start, true);
    });
    this.all.time.every(TICK_US, () => {
      for (const journal of this.#journals) journal?.tick();
    });
  }

  get nowUs(): Micros {
    return micros(this.all.time.nowUs);
  }

  stream(shard: number): MemoryStream {
    return this.#streams[shard] as MemoryStream;
  }

  /** Writes a snapshot of every shard. */
  compact(): void {
    for (const journal of this.#journals) journal?.step({ kind: "snapshot" });
  }

  /** Hands a shard over in order; the taker goes on with its journal. */
  move(shard: number, to: number): void {
    const giver = this.all.ownerOf(shard);
    if (giver.isSilent || this.all.member(to).isSilent || giver === this.all.member(to)) return;
    this.all.move(shard, to);
    this.resume(shard);
  }

  resume(shard: number): void {
    const found = this.#read(shard);
    const isKnown = found.state === "intact";
    this.#journals[shard] = this.#start(
      shard,
      this.all.ownerOf(shard),
      {
        how: isKnown ? "continued" : "rewritten",
        lastSequence: found.state === "empty" ? 0 : found.lastSequence,
        takeovers: isKnown ? found.takeovers : [],
        weight: 0,
      },
      true,
    );
  }

  /** Ends a process at once. When its lease is over the others hear of it, and one takes over what it had. */
  crash(index: number): void {
    const dead = this.all.member(index);
    const others = this.all.members.filter((member) => member !== dead && !member.isSilent);
    if (dead.isSilent || others.length === 0) return;
    dead.isSilent = true;
    this.all.time.at(this.all.time.nowUs + TAKE_OVER_US, () => {
      for (const member of this.all.members)
        member.step({ kind: "member-dead", member: dead.name, incarnation: 1 + index });
      for (let shard = 0; shard < SIMULATED_SHARDS; shard += 1) {
        if (this.#journals[shard]?.owner !== dead) continue;
        const taker = this.all.members.findLast((member) => !member.isSilent) as SimulatedMember;
        this.recover(shard, taker);
      }
    });
  }

  /** As ShardJournals does it. */
  recover(shard: number, taker: SimulatedMember): void {
    const found = this.#read(shard);
    const isIntact = found.state === "intact";
    if (isIntact) {
      for (const step of found.steps) {
        if (step.kind === "takeover") taker.step({ ...step, kind: "shard-takeover", shard });
        else for (const page of step.pages) taker.step({ kind: "shard-page", shard, page });
      }
    }
    const times = isIntact ? 1 : CRASHES_TO_EXHAUST;
    const takeover: Takeover = { atUs: this.nowUs, times };
    taker.step({ kind: "shard-takeover", shard, ...takeover });
    const { policies } = taker.actor.admission.policies;
    const horizonMaxUs = Math.max(...policies.map((policy) => horizonUs(policy)));
    this.#journals[shard] = this.#start(
      shard,
      taker,
      {
        how: isIntact ? "recovered" : "exhausted",
        lastSequence: found.state === "empty" ? 0 : found.lastSequence,
        takeovers: isIntact ? withTakeover(found.takeovers, takeover, horizonMaxUs) : [takeover],
        weight: 0,
      },
      false,
    );
  }

  #read(shard: number): Recovered {
    const recovery = new Recovery(shard);
    for (const { sequence, bytes } of this.stream(shard).messages) recovery.add(sequence, bytes);
    return recovery.finish();
  }

  #start(shard: number, owner: SimulatedMember, start: Start, isServing: boolean): KeptJournal {
    return new KeptJournal(this, { shard, owner, start, isServing, epoch: this.all.nextEpoch(shard) });
  }
}

interface Keeping {
  readonly shard: number;
  readonly owner: SimulatedMember;
  readonly start: Start;
  /** Whether the shard is decided already. */
  readonly isServing: boolean;
  readonly epoch: number;
}

/** The journal of one shard while it has one owner. */
class KeptJournal implements JournalOutbox, JournalSource {
  readonly #region: JournalledActors;
  readonly #about: Keeping;
  readonly #machine: ShardJournal;
  #isOver = false;

  constructor(region: JournalledActors, about: Keeping) {
    this.#region = region;
    this.#about = about;
    this.#machine = new ShardJournal(about.shard, about.epoch, this);
    this.#keys?.lost();
    this.step({ kind: "open", ...about.start });
  }

  get owner(): SimulatedMember {
    return this.#about.owner;
  }

  step(event: JournalEvent): void {
    if (this.#isOver || this.#about.owner.isSilent) return;
    this.#machine.step(event, this.#region.nowUs, this.#region.nowUs, this);
  }

  tick(): void {
    if (this.#region.nowUs >= this.#machine.wakeUs()) this.step({ kind: "tick" });
  }

  get #keys(): JournalledKeys | undefined {
    const { owner, shard } = this.#about;
    return owner.actor.admission.table.journalToWrite(shard, this.#region.nowUs);
  }

  isDue(): boolean {
    return this.#keys?.isDue() ?? false;
  }

  takeDue(bytesMax: number): readonly Uint8Array[] {
    return this.#keys?.takeDue(Math.min(bytesMax, 400)) ?? [];
  }

  acked(): void {
    this.#keys?.acked();
    this.#about.owner.step({ kind: "journal-advanced" });
  }

  invalidate(): void {
    this.#keys?.invalidate();
  }

  startSnapshot(ofAll: boolean): void {
    this.#keys?.startSnapshot(ofAll);
  }

  /** In small pieces, so that much happens between them. */
  nextSnapshotPages(): readonly Uint8Array[] | undefined {
    return this.#keys?.nextSnapshotPages(120);
  }

  append(id: number, bytes: Uint8Array, expectedSequence: number): void {
    const { time } = this.#region.all;
    const draw = time.prng.below(100);
    const { trouble } = this.#region;
    const isLost = draw < trouble;
    const isUnheard = isLost || draw < 2 * trouble;
    const arrivesUs = time.nowUs + (draw < 3 * trouble ? time.prng.below(300_000) : time.prng.below(3_000));
    const answer = (event: JournalEvent, atUs: number): void => time.at(atUs, () => this.step(event));
    if (isUnheard)
      answer({ kind: "append-answer", id, outcome: { kind: "unknown" } }, time.nowUs + UNHEARD_US);
    if (isLost) return;
    // Stored although its sender may be gone by then.
    time.at(arrivesUs, () => {
      const outcome = this.#region.stream(this.#about.shard).append(bytes, expectedSequence);
      if (!isUnheard) answer({ kind: "append-answer", id, outcome }, time.nowUs + 200);
    });
  }

  readLast(id: number): void {
    const last = this.#region.stream(this.#about.shard).readLast();
    const { time } = this.#region.all;
    time.at(time.nowUs + 200, () => this.step({ kind: "last-answer", id, last }));
  }

  purge(belowSequence: number): void {
    this.#region.stream(this.#about.shard).purge(belowSequence);
  }

  opened(): void {
    const { isServing, owner, shard, epoch } = this.#about;
    if (!isServing) this.#region.all.recovered(shard, owner, epoch);
  }

  stale(): void {
    this.#isOver = true;
    const { isServing, owner, shard } = this.#about;
    if (isServing) {
      this.#region.resume(shard);
      return;
    }
    owner.step({ kind: "shard-closed", shard });
    this.#region.recover(shard, owner);
  }

  superseded(): void {
    this.#isOver = true;
  }

  closed(): void {}
}
