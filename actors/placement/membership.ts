/**
 * This member's record, and the records of those who no longer renew theirs.
 *
 *      joining ──own record stored──▶ joined ──own record dead or another's──▶ lost (a new incarnation joins)
 *         └── somebody renews it under our id ──▶ refused
 *
 * A member is declared dead by a compare-and-set on the very revision that grew old on our clock: a holder
 * that has renewed in the meantime cannot be hit. Whoever is named as an owner but has no record is given one
 * first, in its name; from there on it is like any other. So declaring dead is never a create, which might
 * reach a bucket it was not meant for.
 */
import { ParlError } from "../../core/errors.ts";
import type { CasAttempt, CasLedger } from "./cas-ledger.ts";
import type { ObservedBucket, ObservedMember } from "./observed-bucket.ts";
import type { Holder, PlacementOutbox } from "./placement-event.ts";
import { deadAfterUs, type Instant, type ProcessLease } from "./process-lease.ts";
import { encodeRecord, memberKey, type MemberRecord, type MemberState } from "./records.ts";

/** A renewal in flight when its sender was killed may still arrive; two are the work of somebody alive. */
const RIVAL_RENEWALS = 2;

export interface MembershipOptions {
  readonly id: string;
  readonly shards: number;
  readonly leaseTtlUs: number;
  /** A number no earlier incarnation had, 0 ≤ n < 2^53. */
  readonly newIncarnation: () => number;
}

/** What a look at our own record came to. */
export type Standing = "joining" | "joined" | "lost" | ParlError;

export class Membership {
  readonly #options: MembershipOptions;
  readonly #bucket: ObservedBucket;
  readonly #ledger: CasLedger;
  readonly #lease: ProcessLease;
  incarnation: number;
  /** Our record stands in the bucket we see. Invariant: false while the bucket is not synced. */
  isJoined = false;
  state: Exclude<MemberState, "dead"> = "alive";
  /** Told with the next renewal. */
  shardsOwned = 0;
  busy = 0;
  /** We have been joined since the last `reset`: somebody else's name in our record is the end of us. */
  #wasJoined = false;
  #startedUs: number | undefined;
  #renewedUs = -Infinity;

  constructor(options: MembershipOptions, bucket: ObservedBucket, ledger: CasLedger, lease: ProcessLease) {
    this.#options = options;
    this.#bucket = bucket;
    this.#ledger = ledger;
    this.#lease = lease;
    this.incarnation = options.newIncarnation();
  }

  get own(): ObservedMember | undefined {
    return this.#bucket.members.get(this.#options.id);
  }

  isMe({ member, incarnation }: Holder): boolean {
    return member === this.#options.id && incarnation === this.incarnation;
  }

  /** Ids of those who should share the shards, in the view of this member. */
  live(): string[] {
    const { id } = this.#options;
    const others = [...this.#bucket.members].filter(
      ([name, { record }]) => name !== id && record?.state === "alive",
    );
    const live = others.map(([name]) => name);
    if (this.isJoined && this.state === "alive") live.push(id);
    return live;
  }

  /** Whether a member was heard of lately enough to talk to. */
  isResponsive({ member, incarnation }: Holder, now: Instant): boolean {
    const entry = this.#bucket.members.get(member);
    return (
      entry?.record?.incarnation === incarnation &&
      entry.record.state !== "dead" &&
      !this.#isOverdue(entry, now)
    );
  }

  /**
   * Whether a holder named by `owner.<p>` at `ownerRevision` has certainly ended. Another incarnation in its
   * record proves it only if it was written after the owner's: the view mixes moments.
   */
  isGone(holder: Holder, ownerRevision: number, now: Instant, outbox: PlacementOutbox): boolean {
    const entry = this.#bucket.members.get(holder.member);
    if (entry?.record === undefined) return false;
    if (entry.record.incarnation === holder.incarnation) return entry.record.state === "dead";
    if (entry.revision > ownerRevision) return true;
    // Nobody renews a dead record; storing it once more brings it up to date, or shows that it was old.
    if (entry.record.state === "dead") this.#declare(holder.member, entry, entry.record, now, outbox);
    return false;
  }

  /** Joins, renews, and declares dead whoever is overdue. To be called often. */
  tend(now: Instant, outbox: PlacementOutbox): Standing {
    this.#createMissingHolders(now, outbox);
    this.#declareOverdue(now, outbox);
    const standing = this.#standing();
    if (standing === "lost" || standing instanceof ParlError) return standing;
    this.isJoined = standing === "joined";
    this.#wasJoined ||= this.isJoined;
    this.#renew(now, outbox);
    return standing;
  }

  /** A renewal was answered. What the watch shows of our record proves that it stands, never since when. */
  renewalAnswered(attempt: CasAttempt, isStored: boolean): void {
    if (isStored) this.#lease.acked(attempt.sent);
    else this.#renewedUs = -Infinity;
  }

  /** Ends our own record. Nothing may be answered any more. */
  declareSelfDead(now: Instant, outbox: PlacementOutbox): void {
    const value = encodeRecord({ ...this.#record(), state: "dead" });
    const cas = { key: memberKey(this.#options.id), value, sent: now };
    this.#ledger.attempt(cas, this.own?.revision ?? 0, outbox);
  }

  /** The bucket is gone and with it our record, not our incarnation. */
  bucketLost(): void {
    this.isJoined = false;
    this.#renewedUs = -Infinity;
  }

  /** What we were has ended; another incarnation begins. */
  reset(): void {
    this.incarnation = this.#options.newIncarnation();
    this.isJoined = false;
    this.#wasJoined = false;
    this.#startedUs = undefined;
    this.#renewedUs = -Infinity;
  }

  #standing(): Standing {
    const own = this.own;
    if (own?.record === undefined) return "joining";
    if (own.record.incarnation === this.incarnation) return own.record.state === "dead" ? "lost" : "joined";
    if (this.#wasJoined) return "lost";
    if (own.record.state === "dead" || own.renewals < RIVAL_RENEWALS) return "joining";
    const { id } = this.#options;
    const message = `id must be unique in the region, but another process renews "${id}"; start this one under another --id`;
    return new ParlError("PARL_INVALID_ARGUMENT", message, { field: "id" });
  }

  #renew(now: Instant, outbox: PlacementOutbox): void {
    const own = this.own;
    const isAnothers = own?.record !== undefined && own.record.incarnation !== this.incarnation;
    if (isAnothers && own.record?.state !== "dead") return;
    const isDue = now.monotonicUs - this.#renewedUs >= this.#options.leaseTtlUs / 4;
    if (this.isJoined && own?.record?.state === this.state && !isDue) return;
    this.#startedUs ??= now.wallUs;
    const key = memberKey(this.#options.id);
    const cas = { key, value: encodeRecord(this.#record()), sent: now, isRenewal: true };
    if (this.#ledger.attempt(cas, own?.revision ?? 0, outbox)) this.#renewedUs = now.monotonicUs;
  }

  #record(): MemberRecord {
    return {
      incarnation: this.incarnation,
      state: this.state,
      startedUs: this.#startedUs ?? 0,
      shards: this.shardsOwned,
      busy: this.busy,
    };
  }

  #isOverdue(entry: ObservedMember, now: Instant): boolean {
    return now.monotonicUs - entry.seenUs >= deadAfterUs(this.#options.leaseTtlUs);
  }

  #declareOverdue(now: Instant, outbox: PlacementOutbox): void {
    for (const [member, entry] of this.#bucket.members) {
      const { record } = entry;
      if (record === undefined || record.state === "dead" || !this.#isOverdue(entry, now)) continue;
      if (this.isMe({ member, incarnation: record.incarnation })) continue;
      this.#declare(member, entry, { ...record, state: "dead" }, now, outbox);
    }
  }

  #declare(
    member: string,
    { revision }: ObservedMember,
    record: MemberRecord,
    now: Instant,
    outbox: PlacementOutbox,
  ): void {
    const cas = { key: memberKey(member), value: encodeRecord(record), sent: now };
    this.#ledger.attempt(cas, revision, outbox);
  }

  #createMissingHolders(now: Instant, outbox: PlacementOutbox): void {
    for (let shard = 0; shard < this.#options.shards; shard += 1) {
      const { record: owner } = this.#bucket.owner(shard);
      if (owner === undefined || owner.member === "" || this.isMe(owner)) continue;
      const entry = this.#bucket.members.get(owner.member);
      if (entry?.record !== undefined) continue;
      // Leaving, not alive: it takes part in nothing. Should it be about, it writes its own over this.
      const record: MemberRecord = {
        incarnation: owner.incarnation,
        state: "leaving",
        startedUs: 0,
        shards: 0,
        busy: 0,
      };
      const cas = { key: memberKey(owner.member), value: encodeRecord(record), sent: now };
      this.#ledger.attempt(cas, entry?.revision ?? 0, outbox);
    }
  }
}
