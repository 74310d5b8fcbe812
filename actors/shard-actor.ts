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
 * user, API key, organisation, everybody — is decided in one step, because all their homes are here. The
 * epoch travels in every frame, so that a later owner can tell a message meant for an earlier one.
 *
 * Bad input is answered with a typed error and charges nothing.
 */
import { Admission, type ClusterSecret } from "../admission/admission.ts";
import { AnsweredIds, type Answer } from "../admission/answered-ids.ts";
import { takeoverUnits } from "../admission/durability.ts";
import type { HeldUnits } from "../admission/journalled-keys.ts";
import { Lending } from "../admission/lending.ts";
import {
  decodeBorrow,
  decodeGrant,
  decodeRecall,
  encodeBorrow,
  encodeGrant,
  encodeRecall,
  type Holder,
} from "../admission/loan-messages.ts";
import type { PolicyDocument } from "../admission/policy.ts";
import { compilePolicies } from "../admission/policy-set.ts";
import type { ShardKeys } from "../admission/shard-keys.ts";
import { StatePageReader } from "../algorithms/state-page.ts";
import { DIMENSIONS, type Tier } from "../core/decision.ts";
import { invalidArgument, ParlError } from "../core/errors.ts";
import { invalidToken, isIdToken } from "../core/id.ts";
import { itemsAtMost } from "../core/packed-request.ts";
import { encodeJson, errorBody, jsonMillis, parseJsonRequest, type JsonDecision } from "../core/wire-json.ts";
import { micros, millisCeil, type Micros } from "../core/units.ts";
import type { MemoryBudget } from "../algorithms/memory-budget.ts";
import type { Actor, Outbox } from "./actor.ts";
import { DecisionDesk, type Asking, type OpenShard } from "./decision-desk.ts";
import { DecisionTally } from "./decision-tally.ts";
import { WaitingRequests } from "./waiting-requests.ts";
import { HeldAnswers } from "./held-answers.ts";
import { resetKey } from "./key-reset.ts";
import { observeKey, observeMember, observePolicy, observeShard, type MemberFacts } from "./observation.ts";
import { PackedFrames } from "./packed-frames.ts";
import type {
  Inquiry,
  KeyRequest,
  Message,
  PackedFrame,
  ShardEvent,
  ShardOpened,
  LoanMessage,
} from "./shard-event.ts";
import { borrowSubject, loanSubject, hopSubject, packSubject, shardStateSubject } from "./subjects.ts";

/** After so long a shard that was moving has arrived. */
const MOVED_RETRY_MS = 100;
const EMPTY = new Uint8Array(0);
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
}

export class ShardActor implements Actor<ShardEvent> {
  readonly #options: ShardActorOptions;
  readonly #desk: DecisionDesk;
  readonly #frames: PackedFrames;
  readonly #lending: Lending;
  readonly #waiting: WaitingRequests;
  /** By shard; undefined where it is not ours. */
  readonly #open: (OpenShard | undefined)[];
  /** Shards on their way to another process: not to be decided here any more, and not yet there. */
  readonly #frozen = new Map<number, OpenShard>();
  /** Keys of shards that are about to become ours. */
  readonly #staged = new Map<number, ShardKeys>();
  readonly #held = new HeldAnswers();
  /** Of the step under way. */
  #nowUs: Micros = micros(0);

  constructor(options: ShardActorOptions) {
    const policies = compilePolicies(options.policies);
    this.#options = options;
    const admission = new Admission({ ...options, policies });
    const { self: holder, startedUs: nowUs } = options;
    this.#lending = new Lending({ holder, home: admission, policies, nowUs });
    admission.lending = this.#lending;
    this.#desk = new DecisionDesk(admission, new DecisionTally(policies));
    this.#frames = new PackedFrames(this.#desk);
    this.#waiting = new WaitingRequests(this.#desk, this.#lending, (shard) => this.#open[shard]);
    this.#open = Array.from({ length: options.shards }, () => undefined);
  }

  step(event: ShardEvent, nowUs: Micros, outbox: Outbox): number {
    this.#nowUs = nowUs;
    const decided = this.#handle(event, nowUs, outbox);
    this.#sendLoans(nowUs, outbox);
    return decided;
  }

  #handle(event: ShardEvent, nowUs: Micros, outbox: Outbox): number {
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
        this.#adoptPage(event.shard, event.page);
        return 0;
      case "shard-takeover":
        this.#stagedKeys(event.shard).recover(event.atUs, (policy) => takeoverUnits(policy, event.times));
        return 0;
      case "shard-opened":
        this.#openShard(event, nowUs);
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
      default:
        return this.#message(event, nowUs, outbox);
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

  /** From now on the shard is treated as if it were elsewhere, until `thaw` or the end of its stay. */
  freeze(shard: number): void {
    this.#desk.admission.table.freeze(shard);
    const open = this.#open[shard];
    if (open !== undefined) this.#frozen.set(shard, open);
    this.#open[shard] = undefined;
  }

  thaw(shard: number): void {
    this.#desk.admission.table.thaw(shard);
    this.#open[shard] ??= this.#frozen.get(shard);
    this.#frozen.delete(shard);
  }

  /** Answers decided at a shard that wait for its journal. */
  heldFor(shard: number): number {
    return this.#held.countOf(shard);
  }

  /** What is lent of a shard's keys, for its next owner. */
  loans(shard: number): Uint8Array {
    return this.#lending.book.exportShard(shard);
  }

  /** What was answered under idempotency ids, for the shard's next owner. */
  answeredIds(shard: number): Uint8Array {
    return (this.#open[shard] ?? this.#frozen.get(shard))?.answered.save() ?? EMPTY;
  }

  lane(event: ShardEvent): string {
    return "tenant" in event ? event.tenant : "";
  }

  #message(event: Message, nowUs: Micros, outbox: Outbox): number {
    // Its owner has a copy: all who subscribe to a shard get all of its messages.
    if (event.via >= 0 && this.#open[event.via] === undefined) return 0;
    const before = this.#desk.sequence;
    let answer: Uint8Array | undefined;
    try {
      answer = this.#answer(event, nowUs, outbox);
    } catch (error) {
      if (!(error instanceof ParlError)) throw error;
      answer = this.#error(error);
    }
    if (answer !== undefined) this.#reply(this.#desk.admission.home, event.replyTo, answer, nowUs, outbox);
    return this.#desk.sequence - before;
  }

  /** Answers, or holds the answer back until the journal knows what it must. */
  #reply(shard: number, replyTo: string, answer: Uint8Array, nowUs: Micros, outbox: Outbox): void {
    const { holds } = this.#desk.admission;
    if (replyTo !== "") {
      if (holds.length === 0) outbox.reply(replyTo, answer);
      else this.#held.add(shard, replyTo, answer, [...holds], nowUs);
    }
    holds.length = 0;
  }

  #tick(nowUs: Micros, outbox: Outbox): void {
    const { book, balances } = this.#lending;
    for (let i = 0; i < SWEEPS_PER_TICK; i += 1) this.#desk.admission.table.sweep(nowUs);
    book.tick(nowUs, nowUs);
    balances.tick(nowUs);
    this.#waiting.step(nowUs);
    this.#releaseHeld(nowUs, outbox);
  }

  /** What a home has to hear of its keys, and holders of theirs. */
  #sendLoans(nowUs: Micros, outbox: Outbox): void {
    const { book, balances } = this.#lending;
    for (const frame of balances.takeMessages(nowUs)) {
      outbox.send(borrowSubject(frame.shard), encodeBorrow(frame), "");
    }
    for (const frame of book.takeRecalls(nowUs)) {
      outbox.send(loanSubject(frame.holder.member, "recall"), encodeRecall(frame), "");
    }
  }

  #loanMessage({ kind, via, payload }: LoanMessage, nowUs: Micros, outbox: Outbox): void {
    const { balances } = this.#lending;
    switch (kind) {
      case "borrow":
        this.#lend(via, payload, nowUs, outbox);
        return;
      case "grant":
        balances.answer(decodeGrant(payload), nowUs);
        this.#waiting.step(nowUs);
        return;
      case "recall":
        balances.recall(decodeRecall(payload), nowUs);
        return;
    }
  }

  /** Lends to another process; what the journal must know first goes out when it does. */
  #lend(shard: number, payload: Uint8Array, nowUs: Micros, outbox: Outbox): void {
    const { epoch } = this.#open[shard] as OpenShard;
    const { leaseLeftUs = () => Infinity } = this.#options;
    const moment = { nowUs, monotonicUs: nowUs, epoch, leaseLeftUs: leaseLeftUs() };
    const frame = decodeBorrow(payload);
    const grants = this.#lending.book.borrow({ ...frame, shard }, moment);
    if (grants.rows.length > 0) {
      outbox.send(loanSubject(frame.holder.member, "grant"), encodeGrant(grants), "");
    }
  }

  #releaseHeld(nowUs: Micros, outbox: Outbox): void {
    this.#held.release(
      nowUs,
      (to, payload) => outbox.reply(to, payload),
      (to, error) => outbox.reply(to, this.#error(error)),
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
        return encodeJson(resetKey(event, this.#desk.admission, nowUs));
      case "borrow":
      case "grant":
      case "recall":
        this.#loanMessage(event, nowUs, outbox);
        return undefined;
      case "misdirected":
        throw misdirected(event.subject);
    }
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

  #openShard(event: ShardOpened, nowUs: Micros): void {
    const { admission } = this.#desk;
    const { shard, epoch, isJournalled, isRecovered, answeredIds, loans } = event;
    const { book, balances } = this.#lending;
    const known = this.#open[shard];
    if (known !== undefined) {
      // Ours before and still: only the token is new.
      known.epoch = epoch;
      return;
    }
    const lent: HeldUnits = (index, high, low) => book.lentOf(index, high, low);
    admission.table.open(shard, this.#stagedKeys(shard), isJournalled ? lent : undefined);
    this.#staged.delete(shard);
    if (isRecovered === true) admission.table.journalToWrite(shard, nowUs)?.recovered(nowUs);
    if (loans !== undefined && loans.length > 0) book.importShard(shard, loans, nowUs, nowUs);
    // What was borrowed of it goes back where it came from: here.
    balances.retire(shard);
    const answered = new AnsweredIds();
    if (answeredIds !== undefined && answeredIds.length > 0) answered.load(answeredIds);
    this.#open[shard] = { epoch, sinceUs: nowUs, decided: 0, answered };
  }

  #adoptPage(shard: number, bytes: Uint8Array): void {
    const page = new StatePageReader();
    page.open(bytes);
    // At the page's own time: what was charged then has drained since.
    this.#stagedKeys(shard).adoptPage(page, micros(0));
  }

  #stagedKeys(shard: number): ShardKeys {
    const staged = this.#staged.get(shard) ?? this.#desk.admission.table.newKeys(shard);
    this.#staged.set(shard, staged);
    return staged;
  }

  #closeShard(shard: number, nowUs: Micros): void {
    this.#waiting.settle(nowUs, shard);
    this.#lending.book.dropShard(shard);
    this.#staged.get(shard)?.clear();
    this.#staged.delete(shard);
    this.#open[shard] = undefined;
    this.#frozen.delete(shard);
    this.#held.drop(shard);
    this.#desk.admission.table.close(shard);
  }

  #inquiry(event: Inquiry, nowUs: Micros, outbox: Outbox): Uint8Array | undefined {
    const { region, shards, facts } = this.#options;
    const { member } = this.#options.self;
    const { admission } = this.#desk;
    switch (event.what) {
      case "member":
        return encodeJson(
          observeMember({ region, member, shards }, admission, this.#desk.tally, this.#open, facts()),
        );
      case "limited":
        return encodeJson(this.#desk.limited.report(nowUs));
      case "policy":
        return encodeJson(observePolicy(region, admission, event.name));
      case "shard": {
        const shard = shardNumber(event.name, shards);
        const open = this.#open[shard];
        if (open === undefined) {
          outbox.send(shardStateSubject(shard), EMPTY, event.replyTo);
          return undefined;
        }
        return encodeJson(observeShard({ region, member, shard }, admission, open));
      }
    }
  }

  #keyRequest(event: KeyRequest, nowUs: Micros, outbox: Outbox): Uint8Array | undefined {
    const { tenant } = event;
    if (!isIdToken(tenant)) throw invalidToken("tenant", tenant);
    if (!isIdToken(event.key)) throw invalidToken("key", event.key);
    const request = parseJsonRequest(event.payload, event.key);
    const { admission } = this.#desk;
    admission.describe(tenant, request.user, request.key);
    const home = this.#open[admission.home];
    if (home === undefined) {
      if (event.isForwarded) throw notOwner(admission.home);
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
    if (answer !== undefined) return this.#jsonAnswer(asking, answer);
    const shard = admission.home;
    const later = (given: Answer | ParlError): void => {
      const words = given instanceof ParlError ? this.#error(given) : this.#jsonAnswer(asking, given);
      this.#reply(shard, event.replyTo, words, this.#nowUs, outbox);
    };
    this.#waiting.wait({ asking, shard, answer: later }, admission.keysLooked(), nowUs);
    return undefined;
  }

  #jsonAnswer({ verb, request }: Asking, answer: Answer): Uint8Array {
    return encodeJson(
      verb === "report"
        ? { charged: request.cost, ...this.#jsonState(answer) }
        : this.#jsonDecision(answer, request.tier),
    );
  }

  #frame(event: PackedFrame, nowUs: Micros, outbox: Outbox): Uint8Array | undefined {
    if (!isIdToken(event.tenant)) throw invalidToken("tenant", event.tenant);
    const shard = shardNumber(String(event.shard), this.#options.shards);
    const home = this.#open[shard];
    if (home !== undefined) {
      const late = (reply: Uint8Array): void => this.#reply(shard, event.replyTo, reply, this.#nowUs, outbox);
      return this.#frames.answer(event, home, nowUs, { waiting: this.#waiting, late });
    }
    outbox.send(packSubject(shard, event.tenant), event.payload, event.replyTo);
    return undefined;
  }

  #jsonDecision(answer: Answer, tier: Tier): JsonDecision {
    const { verdict } = answer;
    return {
      allowed: verdict.outcome === "allowed",
      outcome: verdict.outcome,
      ...this.#jsonState(answer),
      retryAfterMs: jsonMillis(verdict.retryAfterUs),
      ...(verdict.delayUs > 0 ? { delayMs: millisCeil(verdict.delayUs) } : {}),
      tier,
      overshootMaxPct: 0,
    };
  }

  #jsonState({
    verdict,
    policy,
    dimension,
  }: Answer): Pick<JsonDecision, "remaining" | "limit" | "resetAfterMs" | "policy" | "dimension" | "region"> {
    const isLimited = policy !== null;
    return {
      remaining: isLimited ? verdict.remaining : null,
      limit: isLimited ? verdict.limit : null,
      resetAfterMs: millisCeil(verdict.resetAfterUs),
      policy,
      dimension: DIMENSIONS[dimension] ?? null,
      region: this.#options.region,
    };
  }
}

/** @throws ParlError PARL_INVALID_ARGUMENT */
function shardNumber(text: string, shards: number): number {
  const shard = Number(text);
  if (Number.isInteger(shard) && shard >= 0 && shard < shards) return shard;
  throw invalidArgument("shard", `a whole number from 0 to ${shards - 1}`, text);
}

function notOwner(shard: number): ParlError {
  const message = `shard ${shard} has just moved to another process; ask again`;
  return new ParlError("PARL_NOT_OWNER", message, { field: "shard", retryAfterMs: MOVED_RETRY_MS });
}

function misdirected(subject: string): ParlError {
  const message = `no such subject: ${subject}; ask on parl.check.<tenant>.<key>, parl.report.<tenant>.<key> or parl.observe.<what>`;
  return new ParlError("PARL_INVALID_ARGUMENT", message, {
    field: subject.startsWith("parl.check.") ? "key" : "subject",
  });
}
