/**
 * The shard actor: owns the keys of its shards and decides every check about them.
 *
 *      key-request (JSON)  ─┐                       ┌─▶ JSON decision
 *      packed-frame        ─┼─▶ step(event, now) ───┼─▶ packed reply
 *      inquiry             ─┤        │              └─▶ observation
 *      tick                ─┘        ▼
 *                                admission (keys, policies)
 *
 * One process owns a set of shards and runs one of these. A check that concerns keys of several shards —
 * user, API key, organisation, everybody — is decided in one step from what is here: keys at home, and rights
 * borrowed from homes in other processes. When some are missing it waits for them, charging nothing. Every
 * shard has an epoch, which travels in frames and replies: of two owners the earlier one is not heard.
 *
 * Bad input is answered with a typed error and charges nothing.
 */
import { Admission, type ClusterSecret } from "../admission/admission.ts";
import type { Answer } from "../admission/answered-ids.ts";
import { Lending } from "../admission/lending.ts";
import { LendingHome } from "../admission/lending-home.ts";
import type { Holder } from "../admission/loan-messages.ts";
import type { PolicyDocument } from "../admission/policy.ts";
import { compilePolicies } from "../admission/policy-set.ts";
import { invalidArgument, ParlError } from "../core/errors.ts";
import { invalidToken, isIdToken } from "../core/id.ts";
import { itemsAtMost } from "../core/packed-request.ts";
import { encodeJson, errorBody, parseJsonRequest } from "../core/wire-json.ts";
import { micros, type Micros } from "../core/units.ts";
import type { MemoryBudget } from "../algorithms/memory-budget.ts";
import type { Actor, Outbox } from "./actor.ts";
import { DecisionDesk, type Asking, type OpenShard } from "./decision-desk.ts";
import { DecisionTally } from "./decision-tally.ts";
import { WaitingRequests } from "./waiting-requests.ts";
import { HeldAnswers } from "./held-answers.ts";
import { RESET_PATIENCE, resetKey, type ForgetRequest } from "./key-reset.ts";
import { jsonAnswer } from "./json-answer.ts";
import { reportLimited } from "./limited-call.ts";
import { LoanDesk } from "./loan-desk.ts";
import type { ActorTallies } from "./member-tallies.ts";
import { observeKey, observeMember, observePolicy, observeShard, type MemberFacts } from "./observation.ts";
import { OwnedShards } from "./owned-shards.ts";
import { PackedFrames } from "./packed-frames.ts";
import type { Inquiry, KeyRequest, Message, PackedFrame, ShardEvent, LoanMessage } from "./shard-event.ts";
import { hasMoved } from "./shard-moved.ts";
import { loanSubject, hopSubject, misdirected, packSubject, shardStateSubject } from "./subjects.ts";

const EMPTY = new Uint8Array(0);
const EMPTY_OBJECT = encodeJson({});
/** How a held grant is addressed; no subject has a space. */
const GRANT_TO = "grant ";
/** Shards swept per tick; with ticks of 10 ms every shard is visited each 160 ms. */
const SWEEPS_PER_TICK = 4;

export interface ShardActorOptions {
  readonly region: string;
  /** Which of the region's processes this is. */
  readonly self: Holder;
  readonly shards: number;
  readonly secret: ClusterSecret;
  readonly policies: PolicyDocument;
  readonly budget: MemoryBudget;
  /** What only the process knows, for observations. */
  readonly facts: () => MemberFacts;
  /** How much longer nobody else can own what is open here; for ever when absent. */
  readonly leaseLeftUs?: () => number;
  /** Wall clock: loans are numbered from here, above those of any actor before in this process. */
  readonly startedUs: Micros;
  /** For whoever reads the log. */
  readonly say?: (words: string) => void;
}

export class ShardActor implements Actor<ShardEvent> {
  /** The shards of this process; also what it takes to hand one over. */
  readonly owned: OwnedShards;
  readonly #options: ShardActorOptions;
  readonly #desk: DecisionDesk;
  readonly #frames: PackedFrames;
  readonly #lending: Lending;
  readonly #loans: LoanDesk;
  readonly #waiting: WaitingRequests;
  readonly #held = new HeldAnswers();
  /** Of the step under way. */
  #nowUs: Micros = micros(0);

  constructor(options: ShardActorOptions) {
    const policies = compilePolicies(options.policies);
    this.#options = options;
    const admission = new Admission({ ...options, policies });
    const { self: holder, startedUs: nowUs } = options;
    const home = new LendingHome(admission.table, admission.holds);
    this.#lending = new Lending({ holder, home, policies, nowUs });
    admission.lending = this.#lending;
    this.#loans = new LoanDesk(this.#lending);
    this.#desk = new DecisionDesk(admission, new DecisionTally(policies));
    this.#frames = new PackedFrames(this.#desk);
    this.owned = new OwnedShards(admission, this.#lending, options.say);
    this.#waiting = new WaitingRequests(this.#desk, this.#lending, (shard) => this.owned.open[shard]);
  }

  step(event: ShardEvent, nowUs: Micros, outbox: Outbox): number {
    this.#nowUs = nowUs;
    const decided = this.#handle(event, nowUs, outbox);
    this.#loans.send(nowUs, outbox);
    return decided;
  }

  #handle(event: ShardEvent, nowUs: Micros, outbox: Outbox): number {
    if ("replyTo" in event) return this.#message(event, nowUs, outbox);
    switch (event.kind) {
      case "tick":
        this.#tick(nowUs, outbox);
        return 0;
      case "journal-advanced":
        this.#releaseHeld(nowUs, outbox);
        return 0;
      case "policies-changed":
        this.#adopt(event.document, nowUs);
        return 0;
      case "shard-page":
        this.owned.adoptPage(event, nowUs);
        return 0;
      case "shard-takeover":
        this.owned.takeOver(event, nowUs);
        return 0;
      case "shard-opened":
        this.owned.admit(event, nowUs);
        return 0;
      case "shard-closed":
        this.#closeShard(event.shard, nowUs);
        return 0;
      case "member-dead":
        this.#lending.book.holderDead(event, nowUs);
        return 0;
      case "members-changed":
        this.#lending.members = event.count;
        return 0;
      case "lease-lapsed":
        this.#lending.balances.lapse();
        return 0;
      case "shards-gone":
        this.#lending.balances.giveAllBack();
        return 0;
    }
  }

  refuse(event: ShardEvent, error: ParlError, outbox: Outbox): void {
    if (!("replyTo" in event)) return;
    const answer = this.#error(error);
    if (event.replyTo !== "") outbox.reply(event.replyTo, answer);
  }

  weigh(event: ShardEvent): number {
    if (!("replyTo" in event)) return 0;
    if (event.kind !== "packed-frame") return 1;
    return Math.max(1, itemsAtMost(event.payload));
  }

  /** What the process must reach of an open shard: to hand it over, and to journal it. */
  get admission(): Admission {
    return this.#desk.admission;
  }

  /** Answers a shard still owes: decided and waiting for its journal, or waiting for rights of other homes. */
  heldFor(shard: number): number {
    return this.#held.countOf(shard) + this.#waiting.countOf(shard);
  }

  /** The same for all shards together. */
  get owed(): number {
    return this.#held.length + this.#waiting.size;
  }

  lane(event: ShardEvent): string {
    return "tenant" in event ? event.tenant : "";
  }

  #message(event: Message, nowUs: Micros, outbox: Outbox): number {
    // Its owner has a copy: all who subscribe to a shard get all of its messages.
    if (event.via >= 0 && this.owned.open[event.via] === undefined) {
      this.#desk.tally.unowned += 1;
      return 0;
    }
    const before = this.#desk.sequence;
    let answer: Uint8Array | undefined;
    try {
      answer = this.#answer(event, nowUs, outbox);
    } catch (error) {
      if (!(error instanceof ParlError)) throw error;
      answer = this.#error(error);
    }
    const shard = event.kind === "packed-frame" ? event.shard : this.#desk.admission.home;
    if (answer !== undefined) this.#reply(shard, event.replyTo, answer, nowUs, outbox);
    this.#desk.admission.holds.length = 0;
    return this.#desk.sequence - before;
  }

  /** Answers, or holds the answer back until the journal knows what it must. */
  #reply(shard: number, replyTo: string, answer: Uint8Array, nowUs: Micros, outbox: Outbox): void {
    const { holds } = this.#desk.admission;
    if (replyTo !== "") {
      if (holds.length === 0) outbox.reply(replyTo, answer);
      else this.#held.add({ shard, replyTo, payload: answer, holds: [...holds] }, nowUs);
    }
    holds.length = 0;
  }

  #tick(nowUs: Micros, outbox: Outbox): void {
    for (let i = 0; i < SWEEPS_PER_TICK; i += 1) this.#desk.admission.table.sweep(nowUs);
    this.#loans.tick(nowUs);
    // Forfeited units are nobody's answer.
    this.#desk.admission.holds.length = 0;
    this.#waiting.step(nowUs);
    this.#releaseHeld(nowUs, outbox);
  }

  /** Lends to another process, once the journal knows what that process told of its spending. */
  #lend({ via, payload }: LoanMessage, nowUs: Micros, outbox: Outbox): void {
    const { epoch } = this.owned.open[via] as OpenShard;
    const { leaseLeftUs = () => Infinity } = this.#options;
    const moment = { nowUs, monotonicUs: nowUs, epoch, leaseLeftUs: leaseLeftUs() };
    const grant = this.#loans.lend(via, payload, moment);
    if (grant === undefined) return;
    const { holds } = this.#desk.admission;
    if (holds.length === 0) {
      outbox.send(loanSubject(grant.member, "grant"), grant.payload, "");
      return;
    }
    const replyTo = `${GRANT_TO}${grant.member}`;
    this.#held.add({ shard: via, replyTo, payload: grant.payload, holds: [...holds] }, nowUs);
  }

  #releaseHeld(nowUs: Micros, outbox: Outbox): void {
    this.#held.release(
      nowUs,
      (to, payload) => {
        if (to.startsWith(GRANT_TO))
          outbox.send(loanSubject(to.slice(GRANT_TO.length), "grant"), payload, "");
        else outbox.reply(to, payload);
      },
      // A grant is asked for again.
      (to, error) => !to.startsWith(GRANT_TO) && outbox.reply(to, this.#error(error)),
    );
  }

  /** Undefined when another process will answer. */
  #answer(event: Message, nowUs: Micros, outbox: Outbox): Uint8Array | undefined {
    switch (event.kind) {
      case "packed-frame":
        return this.#frame(event, nowUs, outbox);
      case "key-request":
        return this.#keyRequest(event, nowUs, outbox);
      case "inquiry":
        return this.#inquiry(event, nowUs, outbox);
      case "forget":
        return this.#reset(event, nowUs);
      case "borrow":
        this.#lend(event, nowUs, outbox);
        return undefined;
      case "grant":
      case "recall":
        this.#loans.hear(event, nowUs);
        this.#waiting.step(nowUs);
        return undefined;
      case "misdirected":
        throw misdirected(event.subject);
    }
  }

  /** Resets a key; told at once where no crash can undo it, else when the journal knows. */
  #reset(event: ForgetRequest, nowUs: Micros): Uint8Array | undefined {
    const { via: shard, replyTo } = event;
    const { admission } = this.#desk;
    const payload = encodeJson(resetKey(event, admission, nowUs));
    if (admission.holds.length === 0 || replyTo === "") return payload;
    this.#held.add({ shard, replyTo, payload, holds: [...admission.holds], patience: RESET_PATIENCE }, nowUs);
    return undefined;
  }

  #error(error: ParlError): Uint8Array {
    this.#desk.tally.error(error.code);
    return encodeJson(errorBody(error));
  }

  #adopt(document: PolicyDocument, nowUs: Micros): void {
    const { admission, tally, limited } = this.#desk;
    const policies = compilePolicies(document, admission.policies.revision + 1);
    // Whoever waits was described under the policies of before.
    this.#waiting.settle(nowUs);
    admission.adopt(policies);
    tally.adopt(policies);
    limited.adopt(policies.policies);
    this.#frames.adopt();
  }

  #closeShard(shard: number, nowUs: Micros): void {
    this.owned.dismiss(shard);
    this.#held.drop(shard);
    // It is not for us to decide any more: who waits is told to ask again.
    this.#waiting.settle(nowUs, shard);
  }

  #inquiry(event: Inquiry, nowUs: Micros, outbox: Outbox): Uint8Array | undefined {
    const { region, shards, facts, self } = this.#options;
    const { admission } = this.#desk;
    switch (event.what) {
      case "member": {
        const told = { facts: facts(), tallies: this.#tallies() };
        const about = { region, member: self.member, shards, clockUs: nowUs };
        return encodeJson(observeMember(about, admission, this.#desk.tally, this.owned.open, told));
      }
      case "limited":
        return encodeJson(reportLimited(admission, this.#desk.limited, nowUs));
      case "policy":
        return encodeJson(observePolicy(region, admission, event.name));
      case "shard": {
        const shard = shardNumber(event.name, shards);
        const open = this.owned.open[shard];
        if (open === undefined) {
          outbox.send(shardStateSubject(shard), EMPTY, event.replyTo);
          return undefined;
        }
        return encodeJson(observeShard({ region, member: self.member, shard }, admission, open));
      }
    }
  }

  #tallies(): ActorTallies {
    const { book, balances } = this.#lending;
    const { tally } = this.#desk;
    return {
      checks: { late: tally.late, waiting: this.#waiting.size },
      strays: { misplaced: tally.misplaced, unowned: tally.unowned },
      foreignClocks: this.owned.foreignClocks,
      denials: tally.denials(),
      waits: this.#waiting.tally,
      lent: book.tally,
      borrowed: balances.tally,
      held: {
        now: this.#held.length,
        total: this.#held.heldTotal,
        expired: this.#held.expiredTotal,
      },
    };
  }

  #keyRequest(event: KeyRequest, nowUs: Micros, outbox: Outbox): Uint8Array | undefined {
    const { tenant } = event;
    if (!isIdToken(tenant)) throw invalidToken("tenant", tenant);
    if (!isIdToken(event.key)) throw invalidToken("key", event.key);
    // Looking needs no words.
    const isLook = event.verb === "observe" && event.payload.length === 0;
    const request = parseJsonRequest(isLook ? EMPTY_OBJECT : event.payload, event.key);
    const { admission } = this.#desk;
    admission.describe(tenant, request.user, request.key);
    const home = this.owned.open[admission.home];
    if (home === undefined) {
      if (event.isForwarded) throw hasMoved(admission.home);
      const subject = hopSubject(admission.home, event.verb, tenant, event.key);
      outbox.send(subject, event.payload, event.replyTo);
      return undefined;
    }
    if (event.verb === "observe") {
      return encodeJson(observeKey(this.#options.region, admission, { tenant, ...request }, nowUs));
    }
    this.#desk.sequence += 1;
    home.decided += 1;
    const asking: Asking = { verb: event.verb, tenant, request };
    const answer = this.#desk.decideOnce(home, asking, nowUs);
    if (answer !== undefined) return jsonAnswer(this.#options.region, asking, answer);
    const shard = admission.home;
    const later = (given: Answer | ParlError): void => {
      const words =
        given instanceof ParlError
          ? encodeJson(errorBody(given))
          : jsonAnswer(this.#options.region, asking, given);
      this.#reply(shard, event.replyTo, words, this.#nowUs, outbox);
    };
    this.#waiting.wait({ asking, shard, answer: later }, admission.keysLooked(), nowUs);
    return undefined;
  }

  #frame(event: PackedFrame, nowUs: Micros, outbox: Outbox): Uint8Array | undefined {
    if (!isIdToken(event.tenant)) throw invalidToken("tenant", event.tenant);
    const shard = shardNumber(String(event.shard), this.#options.shards);
    const home = this.owned.open[shard];
    if (home !== undefined) {
      const late = (reply: Uint8Array): void => this.#reply(shard, event.replyTo, reply, this.#nowUs, outbox);
      return this.#frames.answer(event, home, nowUs, { waiting: this.#waiting, late });
    }
    outbox.send(packSubject(shard, event.tenant), event.payload, event.replyTo);
    return undefined;
  }
}

/** @throws ParlError PARL_INVALID_ARGUMENT */
function shardNumber(text: string, shards: number): number {
  const shard = Number(text);
  if (Number.isInteger(shard) && shard >= 0 && shard < shards) return shard;
  throw invalidArgument("shard", `a whole number from 0 to ${shards - 1}`, text);
}
