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
import type { PolicyDocument } from "../admission/policy.ts";
import { compilePolicies } from "../admission/policy-set.ts";
import { DIMENSIONS, type Tier, type Verdict } from "../core/decision.ts";
import { ParlError } from "../core/errors.ts";
import { invalidToken, isIdToken } from "../core/id.ts";
import { PackedReplyWriter } from "../core/packed-reply.ts";
import { itemsAtMost, PackedRequestReader } from "../core/packed-request.ts";
import {
  encodeJson,
  errorBody,
  jsonMillis,
  parseJsonRequest,
  type JsonDecision,
  type JsonRequest,
} from "../core/wire-json.ts";
import { millisCeil, type Micros } from "../core/units.ts";
import type { MemoryBudget } from "../algorithms/memory-budget.ts";
import type { Actor, Outbox } from "./actor.ts";
import { DecisionTally } from "./decision-tally.ts";
import { observeKey, observePolicy, observeRegion, observeShard, type RegionFacts } from "./observation.ts";
import type { Inquiry, KeyRequest, Misdirected, PackedFrame, ShardEvent } from "./shard-event.ts";

/** Shards swept per tick; with ticks of 10 ms every shard is visited each 160 ms. */
const SWEEPS_PER_TICK = 4;

export interface ShardActorOptions {
  readonly region: string;
  /** Fencing token of this owner; larger than that of any owner before it. */
  readonly epoch: number;
  readonly shards: number;
  readonly secret: ClusterSecret;
  readonly policies: PolicyDocument;
  readonly budget: MemoryBudget;
  /** What only the process knows, for observations. */
  readonly facts: () => RegionFacts;
}

export class ShardActor implements Actor<ShardEvent> {
  readonly #options: ShardActorOptions;
  readonly #admission: Admission;
  readonly #tally: DecisionTally;
  readonly #answered = new AnsweredIds();
  readonly #reader = new PackedRequestReader();
  readonly #writer = new PackedReplyWriter();
  /** Number of each policy's name among the texts of the reply being written, −1 when not yet there. */
  #textOf: Int32Array;
  /** Decisions made so far: their order is what an offline run repeats. */
  #sequence = 0;

  constructor(options: ShardActorOptions) {
    const policies = compilePolicies(options.policies);
    this.#options = options;
    this.#admission = new Admission({ ...options, policies });
    this.#tally = new DecisionTally(policies);
    this.#textOf = new Int32Array(policies.policies.length);
  }

  step(event: ShardEvent, nowUs: Micros, outbox: Outbox): number {
    if (event.kind === "tick") {
      for (let i = 0; i < SWEEPS_PER_TICK; i += 1) this.#admission.sweep(nowUs);
      return 0;
    }
    if (event.kind === "policies-changed") {
      this.#adopt(event.document);
      return 0;
    }
    const before = this.#sequence;
    let answer: Uint8Array;
    try {
      answer = this.#answer(event, nowUs);
    } catch (error) {
      if (!(error instanceof ParlError)) throw error;
      answer = this.#error(error);
    }
    if (event.replyTo !== "") outbox.reply(event.replyTo, answer);
    return this.#sequence - before;
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

  #answer(event: KeyRequest | PackedFrame | Inquiry | Misdirected, nowUs: Micros): Uint8Array {
    switch (event.kind) {
      case "packed-frame":
        return this.#frame(event, nowUs);
      case "key-request":
        return encodeJson(this.#keyRequest(event, nowUs));
      case "inquiry":
        return encodeJson(this.#inquiry(event));
      case "misdirected":
        throw misdirected(event.subject);
    }
  }

  #error(error: ParlError): Uint8Array {
    this.#tally.error(error.code);
    return encodeJson(errorBody(error));
  }

  #adopt(document: PolicyDocument): void {
    const policies = compilePolicies(document, this.#admission.policies.revision + 1);
    this.#admission.adopt(policies);
    this.#tally.adopt(policies);
    this.#textOf = new Int32Array(policies.policies.length);
  }

  #inquiry(event: Inquiry): unknown {
    const { region, epoch, facts } = this.#options;
    const admission = this.#admission;
    switch (event.what) {
      case "region":
        return observeRegion({ region, epoch }, admission, this.#tally, facts());
      case "policy":
        return observePolicy(region, admission, event.name);
      case "shard":
        return observeShard({ region, epoch }, admission, event.name);
    }
  }

  #keyRequest(event: KeyRequest, nowUs: Micros): unknown {
    const { tenant } = event;
    if (!isIdToken(tenant)) throw invalidToken("tenant", tenant);
    if (!isIdToken(event.key)) throw invalidToken("key", event.key);
    const request = parseJsonRequest(event.payload, event.key);
    if (event.verb === "observe") {
      return observeKey(this.#options.region, this.#admission, { tenant, ...request }, nowUs);
    }
    this.#sequence += 1;
    const answer = this.#decideOnce(event.verb, tenant, request, nowUs);
    return event.verb === "report"
      ? { charged: request.cost, ...this.#jsonState(answer) }
      : this.#jsonDecision(answer, request.tier);
  }

  /** Decides a request described by tokens, or repeats the answer given to the same id before. */
  #decideOnce(verb: "check" | "report", tenant: string, request: JsonRequest, nowUs: Micros): Answer {
    requireAvailable(request.tier);
    const asked = request.id === "" ? "" : `${verb} ${request.user} ${request.key} ${request.cost}`;
    const before = request.id === "" ? undefined : this.#answered.find(tenant, request.id, asked, nowUs);
    if (before !== undefined) return before;
    const admission = this.#admission;
    admission.describe(tenant, request.user, request.key);
    if (verb === "check") this.#check(request.cost, nowUs);
    else admission.report(request.cost, nowUs);
    const policy = admission.policies.policies[admission.tightest];
    const answer: Answer = {
      request: asked,
      verdict: admission.verdict,
      policy: policy?.name ?? null,
      dimension: policy === undefined ? -1 : DIMENSIONS.indexOf(policy.dimension),
    };
    if (request.id !== "") this.#answered.remember(tenant, request.id, answer);
    return answer;
  }

  /** Decides the check described to the admission, and counts it. */
  #check(cost: number, nowUs: Micros): void {
    this.#admission.decide(cost, nowUs);
    this.#tally.decision(this.#admission.tightest, this.#admission.verdict.outcome);
  }

  #frame(event: PackedFrame, nowUs: Micros): Uint8Array {
    if (!isIdToken(event.tenant)) throw invalidToken("tenant", event.tenant);
    const reader = this.#reader;
    const writer = this.#writer;
    reader.open(event.payload);
    writer.begin(this.#options.epoch, nowUs, this.#sequence + 1);
    this.#sequence += reader.count;
    this.#textOf.fill(-1);
    while (reader.next()) {
      const error = reader.problem() ?? tierProblem(reader.tier);
      if (error !== undefined) {
        this.#tally.error(error.code);
        writer.error(error);
      } else if (reader.end > reader.idStart || reader.kind === "report") {
        this.#frameItemOnce(event, nowUs);
      } else {
        this.#frameItem(event, nowUs);
      }
    }
    return writer.finish();
  }

  /** The hot path: a check without an id, decided straight from its bytes. */
  #frameItem(event: PackedFrame, nowUs: Micros): void {
    const admission = this.#admission;
    const reader = this.#reader;
    admission.describeBytes(event.tenant, reader.bytes, reader.keyStart, reader.userStart, reader.idStart);
    if (admission.home !== event.shard) {
      this.#writer.moved(admission.home);
      return;
    }
    this.#check(reader.cost, nowUs);
    const index = admission.tightest;
    this.#write(admission.verdict, index < 0 ? -1 : this.#policyText(index), this.#dimensionOf(index));
  }

  /** A check or report that may be a retry. */
  #frameItemOnce(event: PackedFrame, nowUs: Micros): void {
    const reader = this.#reader;
    const request: JsonRequest = {
      key: reader.text(reader.keyStart, reader.userStart),
      user: reader.text(reader.userStart, reader.idStart),
      id: reader.text(reader.idStart, reader.end),
      cost: reader.cost,
      tier: reader.tier,
    };
    this.#admission.describe(event.tenant, request.user, request.key);
    if (this.#admission.home !== event.shard) {
      this.#writer.moved(this.#admission.home);
      return;
    }
    try {
      const answer = this.#decideOnce(reader.kind, event.tenant, request, nowUs);
      const text = answer.policy === null ? -1 : this.#writer.text(answer.policy);
      this.#write(answer.verdict, text, answer.dimension);
    } catch (error) {
      if (!(error instanceof ParlError)) throw error;
      this.#tally.error(error.code);
      this.#writer.error(error);
    }
  }

  #write(verdict: Verdict, text: number, dimension: number): void {
    const waitUs = verdict.outcome === "allowed" ? verdict.delayUs : verdict.retryAfterUs;
    this.#writer.decision(verdict.outcome, dimension, text, verdict.limit);
    this.#writer.amounts(verdict.remaining, waitUs, verdict.resetAfterUs);
  }

  #policyText(index: number): number {
    const known = this.#textOf[index] as number;
    if (known >= 0) return known;
    const policy = this.#admission.policies.policies[index];
    const text = this.#writer.text(policy?.name ?? "");
    this.#textOf[index] = text;
    return text;
  }

  #dimensionOf(policyIndex: number): number {
    const policy = this.#admission.policies.policies[policyIndex];
    return policy === undefined ? -1 : DIMENSIONS.indexOf(policy.dimension);
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

/** Until regions exchange rights, only the local tier can be promised. */
function tierProblem(tier: Tier): ParlError | undefined {
  if (tier === "approximate") return undefined;
  const message = `tier ${tier} is not available in this version; ask for tier approximate`;
  return new ParlError("PARL_TIER_UNAVAILABLE", message, { field: "tier" });
}

function requireAvailable(tier: Tier): void {
  const problem = tierProblem(tier);
  if (problem !== undefined) throw problem;
}

function misdirected(subject: string): ParlError {
  const message = `no such subject: ${subject}; ask on parl.check.<tenant>.<key>, parl.report.<tenant>.<key> or parl.observe.<what>`;
  return new ParlError("PARL_INVALID_ARGUMENT", message, {
    field: subject.startsWith("parl.check.") ? "key" : "subject",
  });
}
