/** One process of the simulated region: connection, mailbox, lease and the host side of its handoffs. */
import { Handoffs } from "../../../actors/handoff/handoffs.ts";
import { isSameMember, type Member } from "../../../actors/handoff/member.ts";
import type { ShardMessage } from "../../../actors/handoff/parked-messages.ts";
import type {
  ArrivedShard,
  HandoffEnded,
  HandoffOutbox,
  LeavingShard,
  OwnerRecord,
} from "../../../actors/handoff/transfer.ts";
import { micros, type Micros } from "../../../core/units.ts";
import { ModelShard, StagedModel } from "./model-shard.ts";
import {
  LEASE_TTL_US,
  type ClientMessage,
  type Lease,
  type RegionMember,
  type SimulatedRegion,
} from "./simulated-region.ts";

const TICK_US = 10_000;
const RENEW_US = 500_000;
const CAS_TIMEOUT_US = 100_000;
const PAGE_BYTES = 96;

export class SimulatedMember implements HandoffOutbox, RegionMember {
  readonly id: string;
  incarnation = 1;
  validUntilUs = LEASE_TTL_US;
  isCrashed = false;
  subscription: number | undefined;
  handoffs: Handoffs;
  readonly #region: SimulatedRegion;
  #shard: ModelShard | undefined;
  #epoch = 0;
  #isFrozen = false;
  #isFenced = false;
  #renewedUs = 0;
  #seenOwner: OwnerRecord;
  /** While paused: what waits for the process to go on. */
  #asleep: (() => void)[] | undefined;
  #lastInUs = 0;
  #lastOutUs = 0;
  #lastStepUs = 0;
  /** The transfer that a subscription is made for. */
  #subscribing: number | undefined;
  /** Of the shard, while it was on its way out and frozen. */
  #parked: ClientMessage[] = [];
  readonly #troublesUs: number[] = [];

  constructor(id: string, region: SimulatedRegion) {
    this.id = id;
    this.#region = region;
    this.#seenOwner = region.owner;
    this.handoffs = this.#newHandoffs();
    region.join(this);
  }

  get self(): Member {
    return { id: this.id, incarnation: this.incarnation };
  }

  get counts(): ReadonlyMap<string, number> | undefined {
    return this.#shard?.counts;
  }

  openWith(counts: ReadonlyMap<string, number>, epoch: number): void {
    this.#shard = new ModelShard(counts);
    this.#epoch = epoch;
    this.#isFrozen = false;
    if (this.subscription !== undefined) return;
    this.subscription = this.#region.newSubscription();
    this.#region.subscribe(this.subscription, this);
  }

  /** Ticks for ever. */
  run(): void {
    this.#region.timeline.after(TICK_US, () => {
      if (this.isCrashed) return;
      this.wake(() => this.#tick());
      this.run();
    });
  }

  hadTrouble(fromUs: number, toUs: number): boolean {
    return this.#troublesUs.some((us) => us >= fromUs && us <= toUs);
  }

  #trouble(): void {
    this.#troublesUs.push(this.#region.timeline.nowUs);
  }

  crash(): void {
    this.#trouble();
    this.isCrashed = true;
    this.#dropSubscription();
  }

  pause(us: number): void {
    if (this.#asleep !== undefined || this.isCrashed) return;
    this.#trouble();
    this.#asleep = [];
    this.#region.timeline.after(us, () => {
      const waiting = this.#asleep ?? [];
      this.#asleep = undefined;
      // A timer may fire before the sockets are read.
      this.#tick();
      for (const run of waiting) this.wake(run);
    });
  }

  /** Runs `run` now, or when the process goes on. */
  wake(run: () => void): void {
    if (this.isCrashed) return;
    if (this.#asleep === undefined) run();
    else this.#asleep.push(run);
  }

  /** What the server sends to this connection, in order. */
  queueIn(run: () => void): void {
    const { timeline } = this.#region;
    this.#lastInUs = Math.max(this.#lastInUs, timeline.nowUs + this.#region.delayUs());
    timeline.at(this.#lastInUs, () => this.wake(run));
  }

  /** What this connection sends to the server, in order. */
  #queueOut(run: () => void): void {
    const { timeline } = this.#region;
    this.#lastOutUs = Math.max(this.#lastOutUs, timeline.nowUs + this.#region.delayUs());
    timeline.at(this.#lastOutUs, run);
  }

  /** What the mailbox works off, in order. */
  #queueStep(run: () => void): void {
    const { timeline, prng } = this.#region;
    this.#lastStepUs = Math.max(this.#lastStepUs, timeline.nowUs + prng.below(300));
    timeline.at(this.#lastStepUs, () => this.wake(run));
  }

  arrived(message: ClientMessage, shardMessage: ShardMessage): void {
    const what = this.handoffs.offer(0, shardMessage, 1);
    if (this.#shard === undefined) return;
    if (what === "decide") this.#queueStep(() => this.#decide(message));
    else if (what === "parked") this.#parked.push(message);
  }

  received(bytes: Uint8Array): void {
    this.handoffs.receive(bytes, this.#now());
  }

  ownerSeen(owner: OwnerRecord): void {
    this.#seenOwner = owner;
    this.handoffs.ownerSeen(0, owner, this.#now());
    if (this.#shard === undefined || owner.epoch <= this.#epoch) return;
    if (isSameMember(owner, this.self)) this.#epoch = owner.epoch;
    else {
      this.#trouble();
      this.#shard = undefined;
      this.#dropSubscription();
    }
  }

  peerGone(gone: Member): void {
    this.handoffs.peerGone(gone, this.#now());
  }

  /** Asks the owner it believes in for the shard. */
  askForShard(): void {
    const { id, incarnation, epoch } = this.#seenOwner;
    if (id !== this.id) this.handoffs.ask(0, { id, incarnation }, epoch, this.#now());
  }

  // Wishes of the handoffs.

  send(to: Member, bytes: Uint8Array): void {
    this.#queueOut(() => this.#region.carry(to, bytes));
  }

  freeze(_shard: number, transfer: number): void {
    this.#queueStep(() => {
      this.#isFrozen = true;
      this.#checkLease();
      this.#region.noteFreeze();
      this.handoffs.frozen(transfer, this.#now());
    });
  }

  unfreeze(): void {
    this.#queueStep(() => {
      this.#isFrozen = false;
    });
  }

  casOwner(_shard: number, transfer: number, to: Member, expectedEpoch: number): void {
    const region = this.#region;
    let isAnswered = false;
    const answer = (run: () => void): void => {
      if (isAnswered) return;
      isAnswered = true;
      run();
    };
    const { handoffs } = this;
    this.#queueOut(() => {
      const isUnknown = region.chance(region.faults.casUnknown);
      const fate = isUnknown ? region.prng.below(3) : -1;
      if (fate === 0) return;
      if (fate === 1) {
        region.timeline.after(region.prng.below(400_000), () =>
          region.casOwner(to, "handed-over", expectedEpoch),
        );
        return;
      }
      const epoch = region.casOwner(to, "handed-over", expectedEpoch);
      if (fate === 2) return;
      this.queueIn(() =>
        answer(() =>
          handoffs.casAnswered(
            transfer,
            epoch > 0 ? { outcome: "ok", epoch } : { outcome: "conflict" },
            this.#now(),
          ),
        ),
      );
    });
    region.timeline.after(CAS_TIMEOUT_US, () =>
      this.wake(() => answer(() => handoffs.casAnswered(transfer, { outcome: "unknown" }, this.#now()))),
    );
  }

  release(): void {
    this.#shard = undefined;
    this.#dropSubscription();
  }

  subscribe(_shard: number, transfer: number): void {
    const { timeline, prng } = this.#region;
    this.#subscribing = transfer;
    const subscribe = (): void => {
      // Given up while the connection was busy.
      if (this.#subscribing !== transfer) return;
      const subscription = this.#region.newSubscription();
      this.subscription = subscription;
      this.#queueOut(() => {
        this.#region.subscribe(subscription, this);
        this.queueIn(() => this.handoffs.subscribed(transfer, this.#now()));
      });
    };
    // Now and then the connection is busy with something else, for longer than a giver lets settle.
    if (prng.ratio(1, 4)) timeline.after(prng.below(40_000), () => this.wake(subscribe));
    else subscribe();
  }

  unsubscribe(): void {
    this.#subscribing = undefined;
    // Claimed meanwhile, it is kept.
    if (this.#shard === undefined) this.#dropSubscription();
  }

  /** The client hears nothing more of it; the server learns that later. */
  #dropSubscription(): void {
    const { subscription } = this;
    this.subscription = undefined;
    if (subscription !== undefined) this.#queueOut(() => this.#region.unsubscribe(subscription));
  }

  adopt(_shard: number, { staged, epoch, loans, answeredIds }: ArrivedShard): void {
    const { counts, isDiscarded } = staged as StagedModel;
    if (isDiscarded) this.#region.violations.push(`${this.id} adopts a shard that it discarded`);
    const marks = [loans, answeredIds].map((bytes) => Number(new TextDecoder().decode(bytes)));
    if (marks.some((mark) => mark !== epoch - 1)) this.#region.violations.push("loans of another owner");
    this.#region.checkState(this.id, counts);
    this.openWith(counts, epoch);
    this.#region.noteAdoption();
  }

  replay(_shard: number, { payload }: ShardMessage): void {
    // The very bytes: reports look alike.
    const message = this.#region.messages.find((one) => one.payload === payload);
    this.#queueStep(() => this.#decide(message as ClientMessage));
  }

  refuse(): void {
    this.#region.violations.push("the park was full");
  }

  refused(): void {
    // Messages that overtake one another are.
  }

  ended(ended: HandoffEnded): void {
    const { ended: all, owed, timeline } = this.#region;
    all.push(ended);
    if (ended.role !== "giver") return;
    const sinceUs = timeline.nowUs;
    const isOwner = ended.outcome === "aborted" && !this.#isFenced;
    if (isOwner) owed.push(...this.#parked.map((message) => ({ message, by: this, sinceUs })));
    this.#parked = [];
  }

  #decide(message: ClientMessage): void {
    this.#checkLease();
    if (this.#shard === undefined || this.#isFrozen || this.#isFenced) return;
    if (message.asking === "reset") this.#shard.forget(message.key);
    else this.#shard.charge(message.key);
    this.#region.decided(this, message);
  }

  #tick(): void {
    const region = this.#region;
    const { nowUs } = region.timeline;
    this.#checkLease();
    if (nowUs - this.#renewedUs >= RENEW_US) this.#renew();
    this.handoffs.tick(this.#now());
    for (const [id, lease] of region.leases) {
      if (id === this.id || lease.isDead || nowUs - lease.renewedUs <= LEASE_TTL_US + 50_000) continue;
      region.declareDead(id);
    }
    this.#claim();
  }

  /** Fences itself; the lease is looked at before anything is decided. */
  #checkLease(): void {
    if (this.#isFenced || this.#region.timeline.nowUs < this.validUntilUs) return;
    this.#trouble();
    this.#isFenced = true;
    this.handoffs.fenced(this.#now());
  }

  #renew(): void {
    const region = this.#region;
    const { nowUs } = region.timeline;
    const lease = region.leases.get(this.id) as Lease;
    if (lease.isDead) this.#rejoin(lease);
    lease.renewedUs = nowUs;
    this.#renewedUs = nowUs;
    this.validUntilUs = nowUs + LEASE_TTL_US;
    if (!this.#isFenced) return;
    this.#isFenced = false;
    this.handoffs.unfenced(this.#now());
  }

  #rejoin(lease: Lease): void {
    this.#trouble();
    this.handoffs.lost(this.#now());
    this.#shard = undefined;
    this.#isFrozen = false;
    this.#dropSubscription();
    this.incarnation += 1;
    lease.incarnation = this.incarnation;
    lease.isDead = false;
    this.handoffs = this.#newHandoffs();
  }

  /** Recovers the shard when its owner is dead, or is this process without having got it. */
  #claim(): void {
    const region = this.#region;
    if (this.#isFenced || this.#shard !== undefined) return;
    const { owner } = region;
    const lease = region.leases.get(owner.id);
    const isMine = owner.id === this.id && owner.incarnation === this.incarnation;
    if (isMine) {
      if (!this.handoffs.isMoving(0)) this.#recover(owner.epoch);
    } else if (lease === undefined || lease.isDead || lease.incarnation !== owner.incarnation) {
      const epoch = region.casOwner(this.self, "recovered", owner.epoch);
      if (epoch > 0) this.#recover(epoch);
    }
  }

  #recover(epoch: number): void {
    this.openWith(this.#region.ledger, epoch);
  }

  #now(): Micros {
    return micros(this.#region.timeline.nowUs);
  }

  #leaving(): LeavingShard | undefined {
    if (this.#shard === undefined) return undefined;
    const marks = new TextEncoder().encode(`${this.#epoch}`);
    const closing = () => ({ nowUs: this.#now(), loans: marks, answeredIds: marks });
    return { table: this.#shard, epoch: this.#epoch, closing };
  }

  #newHandoffs(): Handoffs {
    return new Handoffs({
      self: this.self,
      outbox: this,
      draw: () => this.#region.prng.u32(),
      leaving: () => this.#leaving(),
      staging: () => new StagedModel(),
      refused: () => undefined,
      pageBytes: PAGE_BYTES,
    });
  }
}
