/**
 * A region in one thread: a NATS server, the lease store, members, and everything that can go wrong.
 *
 * The server treats each connection as a queue, as the real one does: what it is sent, and what it sends,
 * keeps its order. With `isCluster` the copies of a client's message take independent ways instead. Messages
 * between members may be lost, doubled, held up or damaged; members crash and pause; a compare-and-set may
 * go unanswered, applied or not, or be applied late.
 *
 * The journal is perfect here (a recovered shard knows every charge): what is under test is the handoff.
 */
import { isSameMember, type Member } from "../../../actors/handoff/member.ts";
import type { ShardMessage } from "../../../actors/handoff/parked-messages.ts";
import type { HandoffEnded, OwnerRecord } from "../../../actors/handoff/transfer.ts";
import { Prng } from "../../../core/prng.ts";
import { Timeline } from "./timeline.ts";

export const LEASE_TTL_US = 2_000_000;

/** Probabilities in 1/1,000 per message or write; counts per run. */
export interface Faults {
  readonly isCluster: boolean;
  readonly lost: number;
  readonly doubled: number;
  readonly heldUp: number;
  readonly damaged: number;
  readonly casUnknown: number;
  readonly pauses: number;
  readonly crashes: number;
  /** Times that the lease store is lost and made anew. */
  readonly remakes: number;
  /** Freezes around which a member crashes or pauses, or the store is lost. */
  readonly badFreezes: number;
}

export const NO_FAULTS: Faults = {
  isCluster: false,
  lost: 0,
  doubled: 0,
  heldUp: 0,
  damaged: 0,
  casUnknown: 0,
  pauses: 0,
  crashes: 0,
  remakes: 0,
  badFreezes: 0,
};

/** A report is a check that nobody waits for. */
export type Asking = "check" | "report" | "reset";

export interface ClientMessage {
  readonly number: number;
  readonly asking: Asking;
  readonly key: string;
  readonly replyTo: string;
  readonly payload: Uint8Array;
  readonly sentUs: number;
}

/** What a giver parked in a freeze that it gave up. */
export interface Owed {
  readonly message: ClientMessage;
  readonly by: RegionMember;
  readonly sinceUs: number;
}

export interface Decision {
  readonly message: ClientMessage;
  readonly by: string;
  readonly atUs: number;
}

/** A process, as the region sees it (simulated-member.ts). */
export interface RegionMember {
  readonly id: string;
  readonly self: Member;
  readonly validUntilUs: number;
  /** The subscription to the shard that the client listens to. */
  readonly subscription: number | undefined;
  /** Whether it stopped, died or lost its shard within so long. */
  hadTrouble(fromUs: number, toUs: number): boolean;
  /** Runs now, or when the process goes on. */
  wake(run: () => void): void;
  /** Runs after what was queued for this connection before. */
  queueIn(run: () => void): void;
  arrived(message: ClientMessage, shardMessage: ShardMessage): void;
  received(bytes: Uint8Array): void;
  ownerSeen(owner: OwnerRecord): void;
  peerGone(gone: Member): void;
}

export interface Lease {
  incarnation: number;
  renewedUs: number;
  isDead: boolean;
}

export class SimulatedRegion {
  readonly timeline = new Timeline();
  readonly prng: Prng;
  readonly members: RegionMember[] = [];
  readonly messages: ClientMessage[] = [];
  readonly decisions: Decision[] = [];
  /** What must never happen, in words. */
  readonly violations: string[] = [];
  readonly ended: HandoffEnded[] = [];
  readonly owed: Owed[] = [];
  /** From the freeze until the next owner decides. */
  readonly undecidedUs: number[] = [];
  /** Charges per key by all decisions ever made, since its last reset. */
  readonly ledger = new Map<string, number>();
  owner: OwnerRecord = { id: "a", incarnation: 1, epoch: 1, how: "fresh" };
  /** Last renewal of each living member. */
  readonly leases = new Map<string, Lease>();
  faults: Faults;
  onFreeze = (): void => {};
  #frozeUs = 0;
  /** By number: what the server knows of. */
  readonly #subscriptions = new Map<number, RegionMember>();
  #subscriptionsMade = 0;

  constructor(seed: number, faults: Faults, keys: number) {
    this.prng = new Prng(seed);
    this.faults = faults;
    for (let i = 0; i < keys; i += 1) this.ledger.set(`k${i}`, 1);
  }

  join(member: RegionMember): void {
    this.members.push(member);
    this.leases.set(member.id, { incarnation: 1, renewedUs: 0, isDead: false });
  }

  chance(perMille: number): boolean {
    return perMille > 0 && this.prng.ratio(perMille, 1_000);
  }

  /** A way through the network, one direction. */
  delayUs(): number {
    return 50 + this.prng.below(400);
  }

  /** A client's message, at the server now; every subscriber gets a copy. */
  publish(key: string, asking: Asking): void {
    const number = this.messages.length;
    const isReport = asking === "report";
    // Half of the reports look like other reports.
    const text = isReport && number % 2 === 0 ? "report" : `${number}`;
    const replyTo = isReport ? "" : `_INBOX.${number}`;
    const payload = new TextEncoder().encode(text);
    const message = { number, asking, key, replyTo, payload, sentUs: this.timeline.nowUs };
    this.messages.push(message);
    for (const [subscription, member] of this.#subscriptions) {
      const shardMessage = { subject: `parl.shard.0.check.acme.${key}`, replyTo, payload };
      const arrive = (): void => {
        // Clients drop what comes for a subscription that they have given up, also when they have another.
        if (member.subscription === subscription) member.arrived(message, shardMessage);
      };
      if (this.faults.isCluster) this.timeline.after(50 + this.prng.below(7_000), () => member.wake(arrive));
      else member.queueIn(arrive);
    }
  }

  /** From member to member; at the server now. */
  carry(to: Member, bytes: Uint8Array): void {
    const { faults, prng } = this;
    const member = this.members.find(({ id }) => id === to.id) as RegionMember;
    if (this.chance(faults.lost)) return;
    const copy = bytes.slice();
    if (this.chance(faults.damaged)) copy[prng.below(copy.length)]! ^= 1 << prng.below(8);
    const arrive = (): void => member.received(copy);
    if (this.chance(faults.doubled)) this.timeline.after(prng.below(1_000_000), () => member.wake(arrive));
    if (this.chance(faults.heldUp)) this.timeline.after(prng.below(1_500_000), () => member.wake(arrive));
    else member.queueIn(arrive);
  }

  /** A number that no other subscription has. */
  newSubscription(): number {
    return (this.#subscriptionsMade += 1);
  }

  subscribe(subscription: number, member: RegionMember): void {
    this.#subscriptions.set(subscription, member);
  }

  unsubscribe(subscription: number): void {
    this.#subscriptions.delete(subscription);
  }

  /** A compare-and-set of the owner, at the server now. The new epoch, or 0. */
  casOwner(to: Member, how: OwnerRecord["how"], expectedEpoch: number): number {
    if (this.owner.epoch !== expectedEpoch) return 0;
    this.owner = { id: to.id, incarnation: to.incarnation, how, epoch: expectedEpoch + 1 };
    const seen = this.owner;
    for (const member of this.members) member.queueIn(() => member.ownerSeen(seen));
    return seen.epoch;
  }

  /** The lease store is lost, and its owner, whose lease still runs, writes itself into the new one. */
  remake(): void {
    const { id, incarnation, epoch } = this.owner;
    const member = this.members.find((one) => one.id === id);
    const lease = this.leases.get(id);
    const isValid = lease?.isDead === false && lease.incarnation === incarnation;
    if (!isValid || this.timeline.nowUs >= (member?.validUntilUs ?? 0)) return;
    this.casOwner({ id, incarnation }, "fresh", epoch);
  }

  declareDead(id: string): void {
    const lease = this.leases.get(id) as Lease;
    lease.isDead = true;
    const gone = { id, incarnation: lease.incarnation };
    for (const member of this.members) if (member.id !== id) member.queueIn(() => member.peerGone(gone));
  }

  noteFreeze(): void {
    this.onFreeze();
    this.#frozeUs = this.timeline.nowUs;
  }

  noteAdoption(): void {
    this.undecidedUs.push(this.timeline.nowUs - this.#frozeUs);
  }

  decided(by: RegionMember, message: ClientMessage): void {
    const { nowUs } = this.timeline;
    this.decisions.push({ message, by: by.id, atUs: nowUs });
    if (message.asking === "reset") this.ledger.delete(message.key);
    else this.ledger.set(message.key, (this.ledger.get(message.key) ?? 0) + 1);
    if (!isSameMember(this.owner, by.self)) {
      this.violations.push(`${by.id} decides ${message.number}, the owner is ${this.owner.id}`);
    }
    if (nowUs >= by.validUntilUs) this.violations.push(`${by.id} decides ${message.number} without a lease`);
  }

  /** A shard came to a new owner: nobody can have decided since it was frozen. */
  checkState(by: string, counts: ReadonlyMap<string, number>): void {
    for (const [key, count] of this.ledger) {
      if (counts.get(key) !== count) {
        this.violations.push(`${by} holds ${key}=${counts.get(key)}, charged were ${count}`);
        return;
      }
    }
    if (counts.size !== this.ledger.size) this.violations.push(`${by} holds keys that were never charged`);
  }
}
