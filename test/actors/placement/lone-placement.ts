/**
 * One placement machine and a hand-driven bucket, told as a transcript: what is done to it, and its wishes.
 *
 *      const one = new LonePlacement("a");
 *      one.sync();
 *      expect(one.take()).toEqual(["cas member.a alive"]);
 *      one.stored("member.a");
 */
import { Placement, type PlacementOptions } from "../../../actors/placement/placement.ts";
import type { Holder, PlacementEvent, PlacementOutbox } from "../../../actors/placement/placement-event.ts";
import {
  encodeRecord,
  memberKey,
  ownerKey,
  type MemberRecord,
  type MemberState,
  type OwnerHow,
  type OwnerRecord,
} from "../../../actors/placement/records.ts";

export const SECRET = "0123456789abcdef";
const WALL_US = 1_700_000_000_000_000;
/** deadAfterUs of two seconds: an eighth more, and 50 ms. */
export const WAIT_MS = 2_300;

interface Sent {
  readonly value: string;
  readonly expected: number;
  readonly id: number;
}

export class LonePlacement implements PlacementOutbox {
  readonly placement: Placement;
  monotonicUs = 0;
  wallUs = WALL_US;
  revision = WALL_US;
  readonly sent = new Map<string, Sent>();
  askedAtEpoch = 0;
  #wishes: string[] = [];

  constructor(id: string, options: Partial<PlacementOptions> = {}) {
    let incarnation = 0;
    const newIncarnation = (): number => (incarnation += 1);
    this.placement = new Placement({ id, shards: 1, secret: SECRET, newIncarnation, ...options });
  }

  /** A member that owns shard 0 of one, at time 0. */
  static owner(): LonePlacement {
    const one = new LonePlacement("a", { claimAtOnce: true });
    one.sync();
    for (const key of ["cluster", "member.a", "owner.0", "owner.0"]) one.stored(key);
    one.take();
    return one;
  }

  get isValid(): boolean {
    return this.placement.isValid(this.monotonicUs, this.wallUs);
  }

  /** What it has wished for since the last time. */
  take(): string[] {
    const wishes = this.#wishes;
    this.#wishes = [];
    return wishes;
  }

  pass(ms: number): void {
    this.monotonicUs += ms * 1_000;
    this.wallUs += ms * 1_000;
    this.step({ kind: "tick" });
  }

  /** Ticks every 50 ms, and every renewal is stored at once. */
  passRenewing(ms: number, key = "member.a"): void {
    for (let passed = 0; passed < ms; passed += 50) {
      this.pass(50);
      if (this.sent.has(key)) this.stored(key);
    }
  }

  step(event: PlacementEvent): void {
    this.placement.step(event, this.monotonicUs, this.wallUs, this);
  }

  sync(): void {
    this.step({ kind: "synced" });
  }

  /** The watch shows a value at the next revision, or at one that was seen before. */
  entry(key: string, value: string | undefined, revision = (this.revision += 1)): number {
    this.step({ kind: "entry", key, revision, value });
    return revision;
  }

  member(id: string, incarnation: number, state: MemberState = "alive"): number {
    return this.entry(memberKey(id), encodeRecord(memberRecord(incarnation, state)));
  }

  owner(shard: number, member: string, incarnation: number, how: OwnerHow = "fresh"): number {
    const record: OwnerRecord = { member, incarnation, sinceUs: WALL_US, how };
    return this.entry(ownerKey(shard), encodeRecord(record));
  }

  cluster(secret = SECRET): void {
    this.entry("cluster", encodeRecord({ createdUs: WALL_US, secret }));
  }

  /** The compare-and-set in flight was stored. @returns its revision */
  stored(key: string): number {
    this.revision += 1;
    this.#answer(key, "ok", this.revision);
    return this.revision;
  }

  conflict(key: string): void {
    this.#answer(key, "conflict", 0);
  }

  unknown(key: string): Sent {
    return this.#answer(key, "unknown", 0);
  }

  cas(key: string, value: string, expected: number, id: number): void {
    this.sent.set(key, { value, expected, id });
    const { state, how, secret } = JSON.parse(value) as Record<string, string>;
    this.#wishes.push(`cas ${key} ${state ?? how ?? secret}`);
  }

  open(shard: number, epoch: number, how: string, previous?: Holder): void {
    const from = previous === undefined ? "" : ` from ${previous.member}/${previous.incarnation}`;
    this.#wishes.push(`open ${shard} ${how}${from}${epoch === this.revision ? "" : ` @${epoch}`}`);
  }

  close(shard: number): void {
    this.#wishes.push(`close ${shard}`);
  }

  snapshot(shard: number): void {
    this.#wishes.push(`snapshot ${shard}`);
  }

  fence(): void {
    this.#wishes.push("fence");
  }

  unfence(): void {
    this.#wishes.push("unfence");
  }

  lost(): void {
    this.#wishes.push("lost");
  }

  askHandoff(shard: number, { member, incarnation }: Holder, epoch: number): void {
    this.askedAtEpoch = epoch;
    this.#wishes.push(`ask ${shard} of ${member}/${incarnation}`);
  }

  refused({ code, field }: { code: string; field: string | undefined }): void {
    this.#wishes.push(`refused ${code} ${field}`);
  }

  giveBack(): void {
    this.#wishes.push("give back");
  }

  left(): void {
    this.#wishes.push("left");
  }

  #answer(key: string, outcome: "ok" | "conflict" | "unknown", revision: number): Sent {
    const sent = this.sent.get(key);
    if (sent === undefined) throw new Error(`nothing was sent to ${key}`);
    this.sent.delete(key);
    this.step({ kind: "cas-answer", key, id: sent.id, outcome, revision });
    return sent;
  }
}

export function memberRecord(incarnation: number, state: MemberState): MemberRecord {
  return { incarnation, state, startedUs: WALL_US, shards: 0, busy: 0 };
}

/** A joined member "a" beside a live "b" that owns the only shard. */
export function besideOwner(): LonePlacement {
  const one = new LonePlacement("a");
  one.cluster();
  one.member("b", 7);
  one.owner(0, "b", 7);
  one.sync();
  one.stored("member.a");
  return one;
}
