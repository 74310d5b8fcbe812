/**
 * The shards of this member: claimed, kept over a lost bucket, asked for, given up.
 *
 *      nobody's  ──ours by the table, compare-and-set stored──▶ open
 *      a dead member's ──same──▶ open ("recover")
 *      a live member's ──ours by the table──▶ ask it for a handoff ──adopted──▶ open
 *      open ──bucket lost, lease valid──▶ unconfirmed ──stored in the new bucket──▶ open ("keep")
 *                                              └──lease over, or somebody else's──▶ closed
 *
 * A claim is never a create. A shard without a record first gets one that says `vacant`, which harms nobody
 * wherever it arrives; the claim then names that revision, and a revision exists in one bucket only.
 */
import type { CasLedger } from "./cas-ledger.ts";
import type { Membership } from "./membership.ts";
import type { ObservedBucket, ObservedOwner } from "./observed-bucket.ts";
import type { Holder, OpenHow, PlacementEvent, PlacementOutbox } from "./placement-event.ts";
import { deadAfterUs, type Instant, type ProcessLease } from "./process-lease.ts";
import { assignShards } from "./rendezvous.ts";
import { encodeRecord, ownerKey, type OwnerHow, type OwnerRecord } from "./records.ts";

/** Handoffs a member asks for at a time: more are not begun (actors/handoff/handoffs.ts). */
const ASKS_MAX = 1;

interface OwnedShard {
  readonly epoch: number;
  /**
   * open = decided here; unconfirmed = open still, but the bucket that said so is gone; giving = frozen, and maybe
   * the next owner's already; snapshotting = closed and being written; snapshotted = to be released.
   */
  readonly phase: "open" | "unconfirmed" | "giving" | "snapshotting" | "snapshotted";
}

export interface OwnershipOptions {
  readonly id: string;
  readonly shards: number;
  readonly leaseTtlUs: number;
}

export class Ownership {
  readonly #options: OwnershipOptions;
  readonly #bucket: ObservedBucket;
  readonly #ledger: CasLedger;
  readonly #lease: ProcessLease;
  readonly #membership: Membership;
  readonly #owned = new Map<number, OwnedShard>();
  /** Handoffs asked for and not ended. False = the bucket they were asked in is gone. */
  readonly #asked = new Map<number, boolean>();
  /** Monotonic time before which a shard is not asked for again. */
  readonly #askAgainUs = new Map<number, number>();
  /** Shards that had an owner in a bucket we saw: their state is in the journal. */
  readonly #onceOwned = new Set<number>();
  #assigned: readonly string[] = [];
  #assignedTo = "";

  constructor(
    options: OwnershipOptions,
    bucket: ObservedBucket,
    ledger: CasLedger,
    lease: ProcessLease,
    membership: Membership,
  ) {
    this.#options = options;
    this.#bucket = bucket;
    this.#ledger = ledger;
    this.#lease = lease;
    this.#membership = membership;
  }

  /** Shards named as ours, decided here or not. */
  get size(): number {
    return this.#owned.size;
  }

  /** Whether a shard that was asked for may still arrive. */
  get isAsking(): boolean {
    return this.#asked.size > 0;
  }

  /** Whether this member decides for a shard while its lease is valid. */
  isOpen(shard: number): boolean {
    const phase = this.#owned.get(shard)?.phase;
    return phase === "open" || phase === "unconfirmed";
  }

  givableEpoch(shard: number): number | undefined {
    const owned = this.#owned.get(shard);
    return owned?.phase === "open" ? owned.epoch : undefined;
  }

  epochOf(shard: number): number | undefined {
    return this.#owned.get(shard)?.epoch;
  }

  hasUnconfirmed(): boolean {
    for (const { phase } of this.#owned.values()) if (phase === "unconfirmed") return true;
    return false;
  }

  /** Moves every shard towards whom it should belong to. To be called often, once the bucket is synced. */
  tend(now: Instant, outbox: PlacementOutbox): void {
    const assigned = this.#assignment();
    for (let shard = 0; shard < this.#options.shards; shard += 1) {
      const owner = this.#bucket.owner(shard);
      const owned = this.#owned.get(shard);
      const { record } = owner;
      if (record !== undefined && record.member !== "") this.#onceOwned.add(shard);
      if (record !== undefined && this.#membership.isMe(record)) this.#ours(shard, owner, owned, outbox);
      else if (owned !== undefined) this.#noLongerOurs(shard, owner, owned, now, outbox);
      else if (assigned[shard] === this.#options.id) this.#pursue(shard, owner, now, outbox);
    }
  }

  /** Gives up what the new bucket could not confirm before the former lease ended. */
  dropUnconfirmed(outbox: PlacementOutbox): void {
    for (const [shard, { phase }] of this.#owned) if (phase === "unconfirmed") this.#close(shard, outbox);
  }

  /** The bucket is gone; whatever is open here waits to be confirmed by the next. */
  bucketLost(outbox: PlacementOutbox): void {
    for (const [shard, owned] of this.#owned) {
      // A shard being given may have been another's already: nobody can tell any more.
      if (owned.phase === "giving") this.#close(shard, outbox);
      else if (owned.phase === "open") this.#owned.set(shard, { ...owned, phase: "unconfirmed" });
      else if (owned.phase !== "unconfirmed") this.#owned.delete(shard);
    }
    for (const shard of this.#asked.keys()) this.#asked.set(shard, false);
  }

  /** Everything is dropped; the host was told `lost`. */
  reset(): void {
    this.#owned.clear();
    this.#asked.clear();
    this.#askAgainUs.clear();
  }

  /** Leaves what is still held to the journal. */
  closeAll(outbox: PlacementOutbox): void {
    for (const shard of this.#owned.keys()) this.#close(shard, outbox);
  }

  /** With nobody to hand over to: closes and has the clean snapshots written. There is no way back. */
  snapshotAll(outbox: PlacementOutbox): void {
    for (const [shard, { epoch, phase }] of this.#owned) {
      if (phase !== "open") continue;
      this.#owned.set(shard, { epoch, phase: "snapshotting" });
      outbox.snapshot(shard);
    }
  }

  /** Lets go of what is closed and written. */
  releaseSnapshotted(now: Instant, outbox: PlacementOutbox): void {
    for (const [shard, { phase }] of this.#owned) {
      if (phase !== "snapshotted") continue;
      const released = { member: "", incarnation: 0, how: "released" } as const;
      this.#write(shard, this.#bucket.owner(shard), released, now, outbox);
    }
  }

  snapshotted(shard: number): void {
    const owned = this.#owned.get(shard);
    if (owned?.phase === "snapshotting") this.#owned.set(shard, { ...owned, phase: "snapshotted" });
  }

  handoffEnded(
    { shard, outcome, revision }: PlacementEvent & { kind: "handoff-ended" },
    now: Instant,
    outbox: PlacementOutbox,
  ): void {
    const isOfThisBucket = this.#asked.get(shard);
    this.#asked.delete(shard);
    if (isOfThisBucket === undefined || this.#owned.has(shard)) return;
    if (outcome === "aborted") {
      this.#askAgainUs.set(shard, now.monotonicUs + this.#options.leaseTtlUs / 4);
      return;
    }
    if (isOfThisBucket) {
      const { id: member } = this.#options;
      const { incarnation } = this.#membership;
      const record: OwnerRecord = { member, incarnation, sinceUs: now.wallUs, how: "handed-over" };
      this.#bucket.note(ownerKey(shard), revision, encodeRecord(record), now.monotonicUs);
    }
    // Given in a bucket that is gone, or taken from us since: nobody says that it is ours.
    if (!isOfThisBucket || this.#bucket.owner(shard).revision !== revision) outbox.close(shard);
    else this.#owned.set(shard, { epoch: revision, phase: "open" });
  }

  giveStarted(shard: number): void {
    const owned = this.#owned.get(shard);
    if (owned?.phase === "open") this.#owned.set(shard, { ...owned, phase: "giving" });
  }

  giveAborted(shard: number): void {
    const owned = this.#owned.get(shard);
    if (owned?.phase === "giving") this.#owned.set(shard, { ...owned, phase: "open" });
  }

  shardGiven(event: PlacementEvent & { kind: "shard-given" }, now: Instant): void {
    const { shard, member, incarnation, revision } = event;
    const phase = this.#owned.get(shard)?.phase;
    // Of a bucket that is gone otherwise; its revision means nothing in this one.
    if (phase !== "giving" && phase !== "open") return;
    const record: OwnerRecord = { member, incarnation, sinceUs: now.wallUs, how: "handed-over" };
    this.#bucket.note(ownerKey(shard), revision, encodeRecord(record), now.monotonicUs);
    this.#owned.delete(shard);
  }

  /** A claim was stored: the shard is ours, unless that is old news by now. */
  claimed(shard: number, previous: Holder | undefined, outbox: PlacementOutbox): void {
    const { record, revision } = this.#bucket.owner(shard);
    if (record === undefined || !this.#membership.isMe(record) || this.#owned.has(shard)) return;
    this.#open(shard, revision, howToOpen(record.how), outbox, previous);
  }

  #assignment(): readonly string[] {
    const live = this.#membership.live();
    const name = live.toSorted().join(" ");
    if (name !== this.#assignedTo || this.#assigned.length === 0) {
      this.#assigned = assignShards(live, this.#options.shards);
      this.#assignedTo = name;
    }
    return this.#assigned;
  }

  /** The bucket names us. */
  #ours(
    shard: number,
    { record, revision }: ObservedOwner,
    owned: OwnedShard | undefined,
    outbox: PlacementOutbox,
  ): void {
    if (owned === undefined) {
      // The state is on its way; `handoff-ended` says what became of it.
      if (this.#asked.has(shard) || record === undefined) return;
      this.#open(shard, revision, howToOpen(record.how), outbox);
    } else if (owned.phase === "unconfirmed" || (owned.phase === "open" && revision > owned.epoch)) {
      this.#open(shard, revision, "keep", outbox);
    }
  }

  /** We hold it and the bucket does not say so. */
  #noLongerOurs(
    shard: number,
    owner: ObservedOwner,
    owned: OwnedShard,
    now: Instant,
    outbox: PlacementOutbox,
  ): void {
    const { record, revision, isDeleted } = owner;
    // Its transfer says how it ends, and may have its state to send yet.
    if (owned.phase === "giving") return;
    const isNobodys = isDeleted || revision === 0 || record?.how === "vacant";
    if (!isNobodys) {
      if (record !== undefined) this.#close(shard, outbox);
      return;
    }
    if (owned.phase !== "open" && owned.phase !== "unconfirmed") this.#owned.delete(shard);
    else if (this.#membership.isJoined) this.#claim(shard, owner, "kept", now, outbox);
  }

  /** Ours by the table, not in the bucket. */
  #pursue(shard: number, owner: ObservedOwner, now: Instant, outbox: PlacementOutbox): void {
    const membership = this.#membership;
    if (!membership.isJoined || !this.#lease.isValid(now) || this.#bucket.cluster === undefined) return;
    const { record, revision, isDeleted } = owner;
    if (revision === 0 || isDeleted) {
      this.#write(shard, owner, { member: "", incarnation: 0, how: "vacant" }, now, outbox);
    } else if (record === undefined) {
      // Unreadable from the start: whoever owns it writes over it, and nobody else may.
    } else if (record.how === "vacant") {
      const sinceUs = this.#bucket.ownerlessSinceUs(shard) ?? Infinity;
      if (now.monotonicUs - sinceUs < deadAfterUs(this.#options.leaseTtlUs)) return;
      this.#claim(shard, owner, this.#onceOwned.has(shard) ? "recovered" : "fresh", now, outbox);
    } else if (record.how === "released") {
      this.#claim(shard, owner, "recovered", now, outbox);
    } else if (membership.isGone(record, revision, now, outbox)) {
      this.#claim(shard, owner, "recovered", now, outbox);
    } else if (membership.isResponsive(record, now)) {
      this.#ask(shard, record, revision, now, outbox);
    }
  }

  #ask(
    shard: number,
    { member, incarnation }: Holder,
    epoch: number,
    now: Instant,
    outbox: PlacementOutbox,
  ): void {
    if (this.#asked.has(shard) || this.#asked.size >= ASKS_MAX) return;
    if (now.monotonicUs < (this.#askAgainUs.get(shard) ?? -Infinity)) return;
    this.#asked.set(shard, true);
    outbox.askHandoff(shard, { member, incarnation }, epoch);
  }

  #claim(shard: number, owner: ObservedOwner, how: OwnerHow, now: Instant, outbox: PlacementOutbox): void {
    // Kept shards too take two steps: the record of a vacant shard is what the claim names.
    if (owner.revision === 0 || owner.isDeleted) how = "vacant";
    const { id: member } = this.#options;
    const { incarnation } = this.#membership;
    const holder = how === "vacant" ? { member: "", incarnation: 0 } : { member, incarnation };
    this.#write(shard, owner, { ...holder, how }, now, outbox);
  }

  #write(
    shard: number,
    { record, revision }: ObservedOwner,
    next: Omit<OwnerRecord, "sinceUs">,
    now: Instant,
    outbox: PlacementOutbox,
  ): void {
    const previous =
      record === undefined || record.member === ""
        ? undefined
        : { member: record.member, incarnation: record.incarnation };
    const value = encodeRecord({ ...next, sinceUs: now.wallUs });
    this.#ledger.attempt({ key: ownerKey(shard), value, sent: now, previous }, revision, outbox);
  }

  #open(shard: number, epoch: number, how: OpenHow, outbox: PlacementOutbox, previous?: Holder): void {
    this.#owned.set(shard, { epoch, phase: "open" });
    outbox.open(shard, epoch, how, previous);
  }

  #close(shard: number, outbox: PlacementOutbox): void {
    this.#owned.delete(shard);
    outbox.close(shard);
  }
}

function howToOpen(how: OwnerHow): OpenHow {
  return how === "fresh" ? "fresh" : "recover";
}
