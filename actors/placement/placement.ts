/**
 * Who owns which shard of a region, as one member sees and pursues it: a pure step machine.
 *
 *      watch of the bucket ─┐                       ┌─▶ compare-and-sets
 *      answers              ├─▶ step(event, now) ───┼─▶ open, close, ask for a handoff
 *      ticks                ┘        │              └─▶ fence, unfence, lost
 *                                    ▼
 *              ObservedBucket ─ Membership ─ Ownership ─ ProcessLease
 *
 * At any time at most one member decides for a shard. What that rests on:
 *   1. `owner.<p>` names one member, and changes only by a compare-and-set of the one before it, of whoever
 *      found that one declared dead, or of whoever waited out every lease a lost bucket may have granted.
 *   2. A member is declared dead only after its lease is over on its own clock (process-lease.ts).
 *   3. A read proves nothing, a late answer proves nothing new: leases count from what was sent and acked.
 * Its epochs ascend, because revisions do (records.ts).
 *
 * Cost: a pass over the shards an event, some microseconds. Source: DESIGN §4; leases after Gray and Cheriton
 * 1989, fencing tokens after Kleppmann 2016. Proof: test/actors/placement/placement.prop.test.ts.
 */
import { invalidArgument, ParlError } from "../../core/errors.ts";
import { CasLedger } from "./cas-ledger.ts";
import { Membership } from "./membership.ts";
import { ObservedBucket } from "./observed-bucket.ts";
import { Ownership } from "./ownership.ts";
import type { CasAnswer, Holder, PlacementEvent, PlacementOutbox } from "./placement-event.ts";
import { deadAfterUs, LEASE_TTL_DEFAULT_US, ProcessLease, type Instant } from "./process-lease.ts";
import {
  CLUSTER_KEY,
  encodeRecord,
  isMemberId,
  isSecret,
  parseKey,
  type ClusterRecord,
  type MemberRecord,
} from "./records.ts";

/** A member that leaves gives others this long to take its shards; what is left they recover. */
const LEAVE_MAX_US = 10_000_000;
/** … and homes this long to take back what was lent to it; the rest they charge as a dead member's. */
const GIVE_BACK_MAX_US = 1_000_000;

export interface PlacementOptions {
  readonly id: string;
  /** P; the same for the whole region. */
  readonly shards: number;
  readonly leaseTtlUs?: number;
  /** The operator's word that nobody can hold a lease of a bucket lost before: nothing is waited for. */
  readonly claimAtOnce?: boolean;
  /** 16 hex digits. Drawn: proposed for a region that has none. Given: must be the region's. */
  readonly secret: string;
  readonly isSecretGiven?: boolean;
  /** A number no earlier incarnation of this id had, 0 ≤ n < 2^53; drawn at random. */
  readonly newIncarnation: () => number;
}

type Stage = "taking-part" | "retiring" | "ended";

export class Placement {
  readonly #options: Required<PlacementOptions>;
  readonly #bucket: ObservedBucket;
  readonly #ledger: CasLedger;
  readonly #lease: ProcessLease;
  readonly #membership: Membership;
  readonly #ownership: Ownership;
  #stage: Stage = "taking-part";
  #isFenced = true;
  /** Of the region as long as we have known it; outlives buckets. */
  #secret: string | undefined;
  #isFirstBucket = true;
  /** Monotonic time since when a synced bucket has lacked its cluster record. */
  #secretlessSinceUs: number | undefined;
  /** Monotonic time by which a leaving member is gone; Infinity while it is not leaving. */
  #leaveByUs = Infinity;
  /** Monotonic time by which a leaving member without shards goes though something borrowed may be left. */
  #giveBackByUs: number | undefined;
  #hasGivenBack = false;
  #retiredByUs = Infinity;

  /** @throws ParlError PARL_INVALID_ARGUMENT naming the option */
  constructor(options: PlacementOptions) {
    const leaseTtlUs = options.leaseTtlUs ?? LEASE_TTL_DEFAULT_US;
    if (!isMemberId(options.id)) throw invalidArgument("id", "1–32 of a–z, 0–9 and -", options.id);
    if (!isSecret(options.secret)) throw invalidArgument("secret", "16 hex digits", options.secret);
    if (!(leaseTtlUs >= 1_000)) throw invalidArgument("leaseTtlUs", "at least 1,000", leaseTtlUs);
    const all = { claimAtOnce: false, isSecretGiven: false, ...options, leaseTtlUs };
    this.#options = all;
    this.#bucket = new ObservedBucket(all.shards);
    this.#ledger = new CasLedger(leaseTtlUs);
    this.#lease = new ProcessLease(leaseTtlUs);
    this.#membership = new Membership(all, this.#bucket, this.#ledger, this.#lease);
    this.#ownership = new Ownership(all, this.#bucket, this.#ledger, this.#lease, this.#membership);
    if (all.isSecretGiven) this.#secret = all.secret;
  }

  /** Whether open shards may be decided for at this very moment. To be asked before each batch of answers. */
  isValid(monotonicUs: number, wallUs: number): boolean {
    return this.#stage === "taking-part" && this.#lease.isValid({ monotonicUs, wallUs });
  }

  /** For how long `isValid` certainly holds from here on. */
  leaseLeftUs(monotonicUs: number, wallUs: number): number {
    return this.#stage === "taking-part" ? this.#lease.leftUs({ monotonicUs, wallUs }) : 0;
  }

  /** Whether this member decides for a shard, as long as it `isValid`. */
  isOpen(shard: number): boolean {
    return this.#ownership.isOpen(shard);
  }

  /**
   * The revision to set a shard's owner on, to give it away; undefined = it must not be given now. Whoever
   * asked at another epoch gets nothing: it may not have noticed yet that its bucket is lost.
   */
  givableEpoch(shard: number): number | undefined {
    return this.#ownership.givableEpoch(shard);
  }

  /** Epoch of a shard owned here. */
  epochOf(shard: number): number | undefined {
    return this.#ownership.epochOf(shard);
  }

  /** Whom the bucket names, in this member's view; undefined = nobody, or not known. */
  ownerOf(shard: number): (Holder & { readonly epoch: number }) | undefined {
    const { record, revision } = this.#bucket.owner(shard);
    if (record === undefined || record.member === "") return undefined;
    return { member: record.member, incarnation: record.incarnation, epoch: revision };
  }

  members(): ReadonlyMap<string, MemberRecord> {
    const known = [...this.#bucket.members].flatMap(([id, { record }]) =>
      record === undefined ? [] : [[id, record] as const],
    );
    return new Map(known);
  }

  get self(): Holder {
    return { member: this.#options.id, incarnation: this.#membership.incarnation };
  }

  /** Known before the first `open`. */
  get cluster(): ClusterRecord | undefined {
    return this.#bucket.cluster;
  }

  /** Records that could not be read, since the start. */
  get badRecords(): number {
    return this.#bucket.badRecords;
  }

  /** @param wallUs the system's clock as it is now: one that is smoothed hides a suspended machine */
  step(event: PlacementEvent, monotonicUs: number, wallUs: number, outbox: PlacementOutbox): void {
    if (this.#stage === "ended") return;
    const now = { monotonicUs, wallUs };
    this.#expire(now, outbox);
    this.#take(event, now, outbox);
    if (this.#stage === "taking-part" && this.#bucket.isSynced) this.#tend(now, outbox);
    if (Number.isFinite(this.#leaveByUs)) this.#depart(now, outbox);
    const isFenced = !this.isValid(monotonicUs, wallUs);
    if (isFenced !== this.#isFenced) {
      this.#isFenced = isFenced;
      if (isFenced) outbox.fence();
      else outbox.unfence();
    }
  }

  /** What has ended with time alone, before anything is done in the belief that it has not. */
  #expire(now: Instant, outbox: PlacementOutbox): void {
    if (!this.#lease.isHeld || this.#lease.isValid(now)) return;
    this.#ownership.dropUnconfirmed(outbox);
    this.#lease.release();
  }

  #take(event: PlacementEvent, now: Instant, outbox: PlacementOutbox): void {
    switch (event.kind) {
      case "entry":
        if (this.#bucket.note(event.key, event.revision, event.value, now.monotonicUs)) {
          this.#ledger.news(event.key);
        }
        return;
      case "synced":
        this.#synced(now);
        return;
      case "cas-answer":
        this.#answered(event, now, outbox);
        return;
      case "tick":
        this.#membership.busy = event.busy ?? this.#membership.busy;
        return;
      case "handoff-ended":
        this.#ownership.handoffEnded(event, now, outbox);
        return;
      case "give-started":
        this.#ownership.giveStarted(event.shard);
        return;
      case "shard-given":
        this.#ownership.shardGiven(event, now);
        return;
      case "give-aborted":
        this.#ownership.giveAborted(event.shard);
        return;
      case "snapshotted":
        this.#ownership.snapshotted(event.shard);
        return;
      case "leave":
        if (!Number.isFinite(this.#leaveByUs)) this.#leaveByUs = now.monotonicUs + LEAVE_MAX_US;
        this.#membership.state = "leaving";
        return;
      case "given-back":
        this.#hasGivenBack = true;
        return;
      case "bucket-lost":
        this.#bucketLost(now, outbox);
    }
  }

  #synced({ monotonicUs }: Instant): void {
    this.#bucket.synced(monotonicUs);
    if (this.#isFirstBucket && this.#options.claimAtOnce) {
      this.#bucket.presumeOwnerlessForEver();
      this.#secret ??= this.#options.secret;
    }
    this.#isFirstBucket = false;
  }

  #answered(answer: CasAnswer, now: Instant, outbox: PlacementOutbox): void {
    const attempt = this.#ledger.answered(answer, now.monotonicUs);
    if (attempt === undefined) return;
    const isStored = answer.outcome === "ok";
    if (isStored) this.#bucket.note(attempt.key, answer.revision, attempt.value, now.monotonicUs);
    if (attempt.isRenewal === true) this.#membership.renewalAnswered(attempt, isStored);
    const about = parseKey(attempt.key, this.#options.shards);
    if (isStored && about?.kind === "owner" && this.#stage === "taking-part") {
      this.#ownership.claimed(about.shard, attempt.previous, outbox);
    }
  }

  #bucketLost(now: Instant, outbox: PlacementOutbox): void {
    if (!this.#lease.isValid(now)) {
      if (this.#ownership.size > 0) this.#lose(outbox);
      this.#lease.drop();
    }
    this.#ownership.bucketLost(outbox);
    if (this.#ownership.hasUnconfirmed()) this.#lease.hold();
    else this.#lease.drop();
    this.#membership.bucketLost();
    this.#bucket.clear();
    this.#ledger.clear();
    this.#secretlessSinceUs = undefined;
    this.#isFirstBucket = false;
  }

  #tend(now: Instant, outbox: PlacementOutbox): void {
    const problem = this.#tendCluster(now, outbox);
    this.#membership.shardsOwned = this.#ownership.size;
    const standing = problem ?? this.#membership.tend(now, outbox);
    if (standing instanceof ParlError) {
      this.#end(outbox);
      outbox.refused(standing);
      return;
    }
    if (standing === "lost") {
      this.#lose(outbox);
      return;
    }
    this.#ownership.tend(now, outbox);
    if (this.#lease.isHeld && !this.#ownership.hasUnconfirmed()) this.#lease.release();
  }

  /**
   * Sees to it that the region has one secret, which its keys are hashed under. Whoever knows the former one
   * writes it into a new bucket at once; whoever would have to draw one gives the others time.
   */
  #tendCluster(now: Instant, outbox: PlacementOutbox): "lost" | ParlError | undefined {
    const { cluster, clusterRevision } = this.#bucket;
    if (cluster === undefined) {
      this.#secretlessSinceUs ??= now.monotonicUs;
      const waitedUs = now.monotonicUs - this.#secretlessSinceUs;
      const secret = this.#secret ?? this.#options.secret;
      if (this.#secret === undefined && waitedUs < deadAfterUs(this.#options.leaseTtlUs)) return undefined;
      const value = encodeRecord({ createdUs: now.wallUs, secret });
      this.#ledger.attempt({ key: CLUSTER_KEY, value, sent: now }, clusterRevision, outbox);
      return undefined;
    }
    if (cluster.secret === this.#secret) return undefined;
    const isKnown = this.#secret !== undefined;
    if (this.#options.isSecretGiven) {
      const message = `secret must be the region's; leave --secret away to take it over, or stop every actor before changing it`;
      return new ParlError("PARL_INVALID_ARGUMENT", message, { field: "secret" });
    }
    this.#secret = cluster.secret;
    // Keys hashed under another secret name nobody any more.
    return isKnown && this.#ownership.size > 0 ? "lost" : undefined;
  }

  #lose(outbox: PlacementOutbox): void {
    this.#lease.drop();
    this.#ledger.clear();
    this.#ownership.reset();
    this.#membership.reset();
    outbox.lost();
  }

  /** Hands over what others take, releases what nobody is there to take, gives back what it has of others, and goes. */
  #depart(now: Instant, outbox: PlacementOutbox): void {
    const isLate = now.monotonicUs >= this.#leaveByUs;
    if (this.#stage === "taking-part") {
      if (this.#membership.isJoined) {
        // Fenced, nothing may be written; and what is released must have been written.
        const isAlone = this.#membership.live().length === 0;
        if (isAlone && this.#lease.isValid(now)) this.#ownership.snapshotAll(outbox);
        this.#ownership.releaseSnapshotted(now, outbox);
      }
      // Whoever goes while a shard is on its way to it owns it in the end, and nobody decides.
      if ((this.#ownership.size > 0 || this.#ownership.isAsking) && !isLate) return;
      if (!isLate && this.#isGivingBack(now, outbox)) return;
      this.#ownership.closeAll(outbox);
      this.#stage = "retiring";
      this.#retiredByUs = now.monotonicUs + this.#options.leaseTtlUs;
    }
    const own = this.#membership.own?.record;
    const isInBucket = own?.incarnation === this.#membership.incarnation && own.state !== "dead";
    if (isInBucket && now.monotonicUs < this.#retiredByUs) {
      this.#membership.declareSelfDead(now, outbox);
      return;
    }
    this.#end(outbox);
    outbox.left();
  }

  /** Whether homes are still to hear what comes back to them; only a member with a lease can tell them. */
  #isGivingBack(now: Instant, outbox: PlacementOutbox): boolean {
    if (this.#hasGivenBack || !this.#lease.isValid(now)) return false;
    if (this.#giveBackByUs === undefined) {
      this.#giveBackByUs = now.monotonicUs + GIVE_BACK_MAX_US;
      outbox.giveBack();
    }
    return now.monotonicUs < this.#giveBackByUs;
  }

  #end(outbox: PlacementOutbox): void {
    this.#ownership.closeAll(outbox);
    this.#stage = "ended";
  }
}
