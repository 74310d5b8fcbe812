/**
 * The shard actors of several processes of one region in virtual time, with shards split between them and a
 * network that carries what they send. Loan messages may get lost, come twice or come late; requests may not.
 *
 *      ask ─▶ actor of the shard ── borrow, hop ──▶ owner of another shard
 *                      ▲────────── grant, recall ──────────┘
 */
import type { Outbox } from "../../actors/actor.ts";
import type { MemberObservation } from "../../actors/observation.ts";
import { ShardActor } from "../../actors/shard-actor.ts";
import type { ShardEvent } from "../../actors/shard-event.ts";
import { eventOf } from "../../actors/subjects.ts";
import { travellingKeys } from "../../actors/travelling-keys.ts";
import type { Lending } from "../../admission/lending.ts";
import type { PolicyDocument } from "../../admission/policy.ts";
import { MemoryBudget } from "../../algorithms/memory-budget.ts";
import { Verdict } from "../../core/decision.ts";
import { globalShard } from "../../core/key.ts";
import { micros, US_PER_MS } from "../../core/units.ts";
import { Network, NO_FAULTS, VirtualTime, type NetworkFaults } from "../admission/loan-network.ts";
import { IDLE_PROCESS } from "./idle-process.ts";
import { NOW_US } from "./lone-shard-actor.ts";

export const SIMULATED_SHARDS = 8;
const TICK_US = 10 * US_PER_MS;
const PAGE_BYTES = 4_096;

export interface SimulatedOptions {
  readonly policies: PolicyDocument;
  readonly members: number;
  /** Owner of a shard at the start. */
  readonly ownerOf?: (shard: number) => number;
  readonly seed?: number;
  readonly faults?: NetworkFaults;
  /** Shards of which a journal is kept, to be written by the test; none when absent. */
  readonly isJournalled?: (shard: number) => boolean;
}

/** One process: its actor, and what goes out of it. */
export class SimulatedMember implements Outbox {
  readonly actor: ShardActor;
  readonly name: string;
  /** Lines for the log. */
  readonly said: string[] = [];
  readonly #region: SimulatedActors;
  /** Neither hears nor says anything. */
  isSilent = false;

  constructor(region: SimulatedActors, index: number, policies: PolicyDocument) {
    this.#region = region;
    this.name = `m${index}`;
    this.actor = new ShardActor({
      region: "eu",
      self: { member: this.name, incarnation: 1 + index },
      shards: SIMULATED_SHARDS,
      secret: { high: 1, low: 2 },
      policies,
      budget: new MemoryBudget(Infinity),
      facts: () => IDLE_PROCESS,
      startedUs: micros(NOW_US),
      say: (words) => this.said.push(words),
    });
  }

  get lending(): Lending {
    return this.actor.admission.lending as Lending;
  }

  /** What it says of itself. */
  observe(): MemberObservation {
    const replyTo = `observed by ${this.name}`;
    this.step({ kind: "inquiry", what: "member", name: "", via: -1, replyTo });
    const said = this.#region.json(replyTo) as unknown as MemberObservation;
    this.#region.answers.delete(replyTo);
    return said;
  }

  step(event: ShardEvent): void {
    if (!this.isSilent) this.actor.step(event, micros(this.#region.time.nowUs), this);
  }

  reply(to: string, payload: Uint8Array): void {
    if (!this.isSilent) this.#region.answered(to, payload, this);
  }

  send(subject: string, payload: Uint8Array, replyTo: string): void {
    if (!this.isSilent) this.#region.carry(subject, payload, replyTo);
  }
}

export class SimulatedActors {
  readonly time: VirtualTime;
  readonly members: SimulatedMember[];
  /** By reply subject. */
  readonly answers = new Map<string, Uint8Array[]>();
  /** When the last of them came. */
  readonly answeredUs = new Map<string, number>();
  /** Loan messages that were sent. */
  loanMessages = 0;
  readonly #network: Network;
  readonly #owners: number[];
  readonly #epochs: number[];
  readonly #isJournalled: (shard: number) => boolean;
  #asked = 0;

  constructor(options: SimulatedOptions) {
    const { members, ownerOf = (shard) => shard % members, isJournalled = () => false, policies } = options;
    this.time = new VirtualTime(options.seed ?? 1, NOW_US);
    this.#network = new Network(this.time, options.faults ?? NO_FAULTS);
    this.#isJournalled = isJournalled;
    this.members = Array.from({ length: members }, (_, index) => new SimulatedMember(this, index, policies));
    this.#owners = Array.from({ length: SIMULATED_SHARDS }, (_, shard) => ownerOf(shard));
    this.#epochs = this.#owners.map(() => 7);
    for (const [shard, owner] of this.#owners.entries())
      this.member(owner).step({ kind: "shard-opened", shard, epoch: 7, isJournalled: isJournalled(shard) });
    for (const member of this.members) {
      member.step({ kind: "members-changed", count: members });
      this.time.every(TICK_US, () => member.step({ kind: "tick" }));
    }
  }

  member(index: number): SimulatedMember {
    return this.members[index] as SimulatedMember;
  }

  ownerOf(shard: number): SimulatedMember {
    return this.member(this.#owners[shard] as number);
  }

  /** From now on nothing is lost any more. */
  calm(): void {
    this.#network.faults = NO_FAULTS;
  }

  /** From now on this happens to loan messages. */
  storm(faults: NetworkFaults): void {
    this.#network.faults = faults;
  }

  pass(us: number): void {
    this.time.runTo(this.time.nowUs + us);
  }

  /** Asks in JSON, through the public subject at any member or by the shard. @returns where the answer comes */
  askJson(verb: "check" | "report", tenant: string, key: string, fields: unknown, at?: number): string {
    const replyTo = this.#nextReply();
    const payload = new TextEncoder().encode(JSON.stringify(fields));
    const member = at === undefined ? this.time.prng.below(this.members.length) : at;
    this.member(member).step(eventOf(`parl.${verb}.${tenant}.${key}`, payload, replyTo));
    return replyTo;
  }

  askFrame(tenant: string, shard: number, payload: Uint8Array): string {
    const replyTo = this.#nextReply();
    this.ownerOf(shard).step(eventOf(`parl.shard.${shard}.pack.${tenant}`, payload, replyTo));
    return replyTo;
  }

  /** Hands a shard over, all within a moment. */
  move(shard: number, to: number): void {
    const giver = this.ownerOf(shard);
    const taker = this.member(to);
    if (giver === taker) return;
    giver.actor.owned.freeze(shard);
    const keys = giver.actor.admission.table.keys(shard);
    if (keys === undefined) throw new Error(`shard ${shard} is not where it should be`);
    const journey = travellingKeys(keys, () => micros(this.time.nowUs));
    journey.start();
    for (let page = journey.nextPage(PAGE_BYTES); page !== undefined; page = journey.nextPage(PAGE_BYTES))
      taker.step({ kind: "shard-page", shard, page, isJustWritten: true });
    journey.stop();
    const told = { answeredIds: giver.actor.owned.answeredIds(shard), loans: giver.actor.owned.loans(shard) };
    const epoch = this.nextEpoch(shard);
    this.#owners[shard] = to;
    taker.step({ kind: "shard-opened", shard, epoch, isJournalled: this.#isJournalled(shard), ...told });
    giver.step({ kind: "shard-closed", shard });
  }

  nextEpoch(shard: number): number {
    return (this.#epochs[shard] = (this.#epochs[shard] as number) + 1);
  }

  /** A member has a shard of another, who has died, with what the journal has told of it. */
  recovered(shard: number, taker: SimulatedMember, epoch: number): void {
    this.#owners[shard] = this.members.indexOf(taker);
    taker.step({ kind: "shard-opened", shard, epoch, isJournalled: true, isRecovered: true });
  }

  /** Charged under a policy at the key's home, in whole units, and lent on top of it. */
  usedOf(policy: string, tenant: string, user: string, key: string): { used: number; lent: number } {
    const { admission } = this.member(0).actor;
    const index = admission.policies.policies.findIndex(({ name }) => name === policy);
    const dimension = admission.policies.policies[index]?.dimension as "user" | "key" | "org" | "global";
    admission.describe(tenant, dimension === "user" ? user : "", dimension === "key" ? key : "");
    const place = ["user", "key", "org", "global"].indexOf(dimension);
    const [high, low] = [admission.highOf(place), admission.lowOf(place)];
    const shard = dimension === "global" ? globalShard(SIMULATED_SHARDS) : admission.home;
    const home = this.ownerOf(shard);
    const nowUs = micros(this.time.nowUs);
    const limiter = home.actor.admission.table.decided(shard, nowUs)?.limiter(index);
    if (limiter === undefined) throw new Error(`shard ${shard} is not open at ${home.name}`);
    const verdict = new Verdict();
    limiter.evaluate(high, low, 0, nowUs, verdict);
    const used = limiter.algorithm.capacity - verdict.remaining;
    return { used, lent: home.lending.book.lentOf(index, high, low) };
  }

  /** The one answer that came. */
  answerTo(replyTo: string): Uint8Array {
    const answers = this.answers.get(replyTo) ?? [];
    if (answers.length !== 1) throw new Error(`${replyTo} was answered ${answers.length} times`);
    return answers[0] as Uint8Array;
  }

  json(replyTo: string): Record<string, any> {
    return JSON.parse(new TextDecoder().decode(this.answerTo(replyTo))) as Record<string, any>;
  }

  /** @param _by who answers, at the moment of its decision */
  answered(to: string, payload: Uint8Array, _by: SimulatedMember): void {
    const before = this.answers.get(to);
    this.answeredUs.set(to, this.time.nowUs);
    if (before === undefined) this.answers.set(to, [payload]);
    else before.push(payload);
  }

  /** As the server does: to whoever subscribes at the moment of arrival. */
  carry(subject: string, payload: Uint8Array, replyTo: string): void {
    const [, place, whose = "", kind = ""] = subject.split(".");
    if (place === "member") {
      const member = this.members.find(({ name }) => name === whose);
      if (kind !== "grant" && kind !== "recall") throw new Error(`nobody listens to ${subject}`);
      this.loanMessages += 1;
      this.#network.send(() => member?.step({ kind, payload, via: -1, replyTo: "" }));
      return;
    }
    const deliver = (): void => this.ownerOf(Number(whose)).step(eventOf(subject, payload, replyTo));
    if (kind === "borrow") {
      this.loanMessages += 1;
      this.#network.send(deliver);
    } else this.time.at(this.time.nowUs + 100 + this.time.prng.below(400), deliver);
  }

  #nextReply(): string {
    this.#asked += 1;
    return `r${this.#asked}`;
  }
}
