/**
 * The owner that hands a shard over: it serves until the last moment, and never decides after it.
 *
 *      paging ──▶ subscribing ──▶ settling ──▶ freezing ──▶ draining ──▶ moving ──▶ closing ──▶ ended
 *        pages      SUBSCRIBE       READY,       `frozen`    dirty        CAS, FINAL  MOVED,
 *        acked      sent            10 ms        awaited     pages        sent        until acked
 *      ╰──────────── serving ───────────╯     ╰──────────── frozen ───────────────────────────▶
 *      ╰──── any doubt: ABORT, unfreeze, go on as owner under the same epoch ────╯ parked ones are decided
 *
 * The taker subscribes only when the pages are across: what both receive, and must be told apart afterwards,
 * is then some milliseconds of traffic instead of a whole transfer's. From SUBSCRIBE to freeze every message
 * accepted is written down. A message sent before the taker's subscription was active arrives here before its
 * READY; the settling time covers routes on which it does not.
 *
 * What arrives frozen is parked (parked-messages.ts). When the shard has moved it is the taker's, which has
 * copies of all of it; after an ABORT nobody but this process answers. Parked when the lease runs out, it is
 * dropped like whatever waits in a mailbox then.
 *
 * Once the CAS has been wished for there is no way back but proof that it was not applied: an answer
 * "conflict" or "unknown" leaves the shard frozen until the watch shows whom it belongs to.
 *
 * FINAL leaves with the CAS, not after it: it counts only for an owner, and there is no way back to another state
 * of the shard. So clients wait for one way to the server and one to the taker, whose watch may tell it of the
 * CAS before our MOVED does. When keys are charged faster than pages travel, the shard freezes after eight rounds
 * anyway, sends the dirty pages frozen, and says so (`isLongFreeze`).
 */
import { ParlError } from "../../core/errors.ts";
import type { Micros } from "../../core/units.ts";
import { AnsweredList } from "./answered-list.ts";
import { encodeFinal, finalChunks } from "./final-state.ts";
import { notOwner, unavailable } from "./given-up.ts";
import { isSameMember, type Member } from "./member.ts";
import {
  decodeError,
  encodeEpoch,
  encodeError,
  encodeMessage,
  type HandoffMessage,
  type MessageKind,
} from "./messages.ts";
import { PageWindow } from "./page-window.ts";
import { ParkedMessages, type ShardMessage } from "./parked-messages.ts";
import {
  SILENCE_MAX_US,
  type CasAnswer,
  type GiverEvent,
  type HandoffEnded,
  type HandoffOutbox,
  type LeavingShard,
  type OwnerRecord,
} from "./transfer.ts";

const ROUNDS_MAX = 8;
/** Longest difference in time between two ways through a cluster of servers that costs no message. */
const SETTLE_US = 10_000;
/** Time without acknowledgement while clients wait. */
const FROZEN_SILENCE_MAX_US = 500_000;
const CAS_RETRY_US = 50_000;
const FINAL_RETRY_US = 250_000;
/** Then a taker that is alive but silent recovers the shard from the journal. */
const FINAL_PATIENCE_US = 10_000_000;

export interface GiverFacts extends LeavingShard {
  readonly self: Member;
  readonly taker: Member;
  readonly shard: number;
  readonly transfer: number;
  readonly pageBytes: number;
  readonly parkedWeightMax?: number;
}

type GiverState =
  | "paging"
  | "subscribing"
  | "settling"
  | "freezing"
  | "draining"
  | "moving"
  | "closing"
  | "ended";

export class Giver {
  readonly facts: GiverFacts;
  readonly #window: PageWindow;
  readonly #answered = new AnsweredList();
  readonly #parked: ParkedMessages;
  #state: GiverState = "paging";
  #progressUs: number;
  #readyUs = 0;
  #frozeUs = 0;
  #frozenForUs = 0;
  #isLongFreeze = false;
  #final: Uint8Array | undefined;
  /** When to try the CAS, or FINAL and MOVED, again. */
  #retryUs = Infinity;
  /** Whether a message was accepted that the list of answered ones had no room for. */
  #hasUnwritten = false;
  #isTakerGone = false;
  /** Whether a CAS was answered "conflict": not to be tried again. */
  #isContested = false;
  /** When the taker said that it has everything: its watch may be ahead of the answer to our CAS. */
  #confirmedUs: number | undefined;
  /** Of the owner after this process. */
  #nextEpoch: number | undefined;

  constructor(facts: GiverFacts, monotonicUs: Micros, outbox: HandoffOutbox) {
    this.facts = facts;
    this.#window = new PageWindow(facts.table, facts.pageBytes);
    this.#parked = new ParkedMessages(facts.parkedWeightMax);
    this.#progressUs = monotonicUs;
    facts.table.start();
    this.#advance(monotonicUs, outbox);
  }

  get isEnded(): boolean {
    return this.#state === "ended";
  }

  /** Whether the shard is certainly still this process's, whatever happens to the transfer. */
  get canAbort(): boolean {
    return this.#state !== "moving" && this.#state !== "closing" && this.#state !== "ended";
  }

  /**
   * A message of the shard's own subscription has arrived: what to do with it. What is to be decided must be
   * answered before `frozen` is reported.
   */
  offer(message: ShardMessage, weight: number): "decide" | "parked" | "ignore" {
    const state = this.#state;
    if (state === "paging") return "decide";
    if (state === "subscribing" || state === "settling") {
      const { replyTo } = message;
      if (replyTo !== "" && !this.#answered.add(replyTo)) this.#hasUnwritten = true;
      return "decide";
    }
    if (state === "closing" || state === "ended") return "ignore";
    this.#parked.park(message, weight);
    return "parked";
  }

  step(event: GiverEvent, monotonicUs: Micros, outbox: HandoffOutbox): void {
    if (this.#state === "ended") return;
    switch (event.kind) {
      case "message":
        this.#message(event.message, monotonicUs, outbox);
        break;
      case "bad-message":
        this.#abort(event.error, outbox);
        break;
      case "frozen":
        this.#frozen(monotonicUs);
        break;
      case "cas-answer":
        this.#casAnswer(event.answer, monotonicUs, outbox);
        break;
      case "owner-seen":
        this.#ownerSeen(event.owner, monotonicUs, outbox);
        break;
      case "peer-gone":
        this.#isTakerGone = true;
        if (this.#state === "closing") this.#end("moved", outbox);
        else this.#abort(unavailable(`${this.facts.taker.id}, which asked for it, is gone`), outbox);
        break;
      case "replaced":
        this.#abort(unavailable("was asked for again"), outbox);
        break;
      case "fenced":
        this.#parked.clear();
        this.#abort(unavailable("the lease of its owner has run out"), outbox);
        break;
      case "lost":
        this.#end(this.#state === "closing" ? "moved" : "lost", outbox);
        break;
      case "tick":
        this.#tick(monotonicUs, outbox);
    }
    this.#advance(monotonicUs, outbox);
  }

  #message(message: HandoffMessage, monotonicUs: Micros, outbox: HandoffOutbox): void {
    try {
      if (message.kind === "ack") {
        if (this.#window.ack(message.number)) this.#progressUs = monotonicUs;
      } else if (message.kind === "ready" && this.#state === "subscribing") {
        this.#state = "settling";
        this.#readyUs = monotonicUs;
        this.#progressUs = monotonicUs;
        // A rehearsal, while nobody waits: an end too large is found out, and code that has never run, or not for
        // long, takes its milliseconds now.
        this.#layOut([], outbox);
      } else if (message.kind === "final-ack" && (this.#state === "moving" || this.#state === "closing")) {
        this.#confirmedUs ??= monotonicUs;
        if (this.#state === "closing") this.#end("moved", outbox);
      } else if (message.kind === "abort") {
        const error = decodeError(message.payload);
        if (this.#state === "closing") this.#end("moved", outbox, { error });
        else this.#abort(error, outbox);
      }
    } catch (error) {
      if (!(error instanceof ParlError)) throw error;
      outbox.refused(error);
      this.#abort(error, outbox);
    }
  }

  /** Sends what may be sent, and goes to the next state when that was all. */
  #advance(monotonicUs: Micros, outbox: HandoffOutbox): void {
    const window = this.#window;
    const { shard, transfer } = this.facts;
    const isFrozen = this.#state === "draining";
    const isPaging = this.#state === "paging" || this.#state === "subscribing" || this.#state === "settling";
    if (!isPaging && !isFrozen) return;
    if (this.#hasUnwritten) {
      const message = "more messages arrived between SUBSCRIBE and freeze than can be written down";
      this.#abort(new ParlError("PARL_OVERLOADED", message, { field: "handoff" }), outbox);
      return;
    }
    for (;;) {
      const page = window.next();
      if (page !== undefined) {
        this.#say("page", outbox, { number: window.sent - 1, payload: page });
        continue;
      }
      if (!window.isSettled) return;
      if (window.hasFewDirty(isFrozen) || (!isFrozen && window.rounds >= ROUNDS_MAX)) break;
      window.startRound();
    }
    if (this.#state === "paging") {
      this.#state = "subscribing";
      this.#say("subscribe", outbox);
    } else if (this.#state === "settling" && monotonicUs - this.#readyUs >= SETTLE_US) {
      this.#state = "freezing";
      this.#frozeUs = monotonicUs;
      outbox.freeze(shard, transfer);
    } else if (this.#state === "draining") {
      this.#move(outbox);
    }
  }

  #frozen(monotonicUs: Micros): void {
    if (this.#state !== "freezing") return;
    this.#state = "draining";
    this.#progressUs = monotonicUs;
    this.#isLongFreeze = !this.#window.hasFewDirty(true);
  }

  /** Everything sent has arrived, and nothing changes any more. */
  #move(outbox: HandoffOutbox): void {
    const { shard, transfer, taker, epoch } = this.facts;
    this.#final = this.#layOut(this.#window.rest(), outbox);
    if (this.#final === undefined) return;
    this.#state = "moving";
    outbox.casOwner(shard, transfer, taker, epoch);
    this.#sendFinal(outbox);
  }

  /** FINAL as of now; undefined when it cannot be sent: then all is over. */
  #layOut(dirty: readonly Uint8Array[], outbox: HandoffOutbox): Uint8Array | undefined {
    const pages = this.#window.sent;
    const answered = this.#answered.subjects();
    const final = encodeFinal({ pages, dirty, answered, ...this.facts.closing() });
    try {
      finalChunks(final);
      return final;
    } catch (error) {
      if (!(error instanceof ParlError)) throw error;
      this.#abort(error, outbox);
      return undefined;
    }
  }

  #casAnswer(answer: CasAnswer, monotonicUs: Micros, outbox: HandoffOutbox): void {
    if (this.#state !== "moving") return;
    if (answer.outcome === "ok") {
      this.#moved(answer.epoch, monotonicUs, outbox);
    } else if (answer.outcome === "conflict") {
      // Ours may have been applied under an earlier "unknown", or somebody else's: the watch will tell.
      this.#isContested = true;
      this.#retryUs = Infinity;
    } else if (!this.#isContested) {
      this.#retryUs = monotonicUs + CAS_RETRY_US;
    }
  }

  /** A record with a later epoch than ours is the truth about whom the shard belongs to. */
  #ownerSeen(owner: OwnerRecord, monotonicUs: Micros, outbox: HandoffOutbox): void {
    const { self, taker, epoch } = this.facts;
    if (owner.epoch <= epoch || this.#state === "closing") return;
    const isOurCas = this.#state === "moving" && isSameMember(owner, taker) && owner.how === "handed-over";
    this.#nextEpoch = owner.epoch;
    if (isOurCas) {
      this.#moved(owner.epoch, monotonicUs, outbox);
    } else if (isSameMember(owner, self) || (owner.id === "" && this.canAbort)) {
      // In a new store shards are nobody's first; what has not been given away is written into it as ours.
      this.#state = this.#state === "moving" ? "draining" : this.#state;
      this.#abort(unavailable("the lease store was made anew"), outbox);
    } else {
      const error = notOwner(this.facts.shard, owner.id);
      this.#say("abort", outbox, { payload: encodeError(error) });
      this.#end("superseded", outbox, { error });
    }
  }

  #moved(epoch: number, monotonicUs: Micros, outbox: HandoffOutbox): void {
    this.#state = "closing";
    this.#nextEpoch = epoch;
    this.#progressUs = monotonicUs;
    this.#frozenForUs = monotonicUs - this.#frozeUs;
    // The taker has copies.
    this.#parked.clear();
    this.#sendMoved(monotonicUs, outbox);
    this.facts.table.stop();
    outbox.release(this.facts.shard, this.facts.transfer);
    if (this.#isTakerGone || this.#confirmedUs !== undefined) this.#end("moved", outbox);
  }

  #sendFinal(outbox: HandoffOutbox): void {
    const chunks = finalChunks(this.#final as Uint8Array);
    for (const [number, payload] of chunks.entries()) {
      this.#say("final", outbox, { number, count: chunks.length, payload });
    }
  }

  #sendMoved(monotonicUs: Micros, outbox: HandoffOutbox): void {
    this.#say("moved", outbox, { payload: encodeEpoch(this.#nextEpoch as number) });
    this.#retryUs = monotonicUs + FINAL_RETRY_US;
  }

  #tick(monotonicUs: Micros, outbox: HandoffOutbox): void {
    const { shard, transfer, taker, epoch } = this.facts;
    const silentUs = monotonicUs - this.#progressUs;
    if (this.#state === "moving") {
      if (monotonicUs < this.#retryUs) return;
      this.#retryUs = Infinity;
      outbox.casOwner(shard, transfer, taker, epoch);
    } else if (this.#state === "closing") {
      if (silentUs >= FINAL_PATIENCE_US) this.#end("moved", outbox);
      else if (monotonicUs >= this.#retryUs) {
        this.#sendFinal(outbox);
        this.#sendMoved(monotonicUs, outbox);
      }
    } else if (silentUs >= (this.#state === "draining" ? FROZEN_SILENCE_MAX_US : SILENCE_MAX_US)) {
      this.#abort(unavailable(`nothing heard of ${taker.id} for ${silentUs / 1_000} ms`), outbox);
    }
  }

  /** Goes on as the owner, unless the CAS is out: then only its answer or the watch may end this. */
  #abort(error: ParlError, outbox: HandoffOutbox): void {
    if (!this.canAbort) return;
    const { shard, transfer } = this.facts;
    this.#say("abort", outbox, { payload: encodeError(error) });
    if (this.#state === "freezing" || this.#state === "draining") outbox.unfreeze(shard, transfer);
    this.#end("aborted", outbox, { error });
    // Only now: the host may have found that the shard is not its own any more.
    this.#parked.drain(
      new AnsweredList(),
      (message) => outbox.replay(shard, message),
      (message, refusal) => outbox.refuse(shard, message, refusal),
    );
  }

  #end(
    outcome: HandoffEnded["outcome"],
    outbox: HandoffOutbox,
    more: { readonly error?: ParlError } = {},
  ): void {
    const { shard, transfer, taker, table } = this.facts;
    const confirmedUs = outcome === "moved" ? this.#confirmedUs : undefined;
    if (this.#state !== "closing") table.stop();
    this.#state = "ended";
    this.#final = undefined;
    outbox.ended({
      role: "giver",
      outcome,
      shard,
      transfer,
      peer: taker,
      isConfirmed: confirmedUs !== undefined,
      ...(this.#nextEpoch === undefined ? {} : { epoch: this.#nextEpoch }),
      pages: this.#window.sent,
      bytes: this.#window.bytes,
      rounds: this.#window.rounds,
      isLongFreeze: this.#isLongFreeze,
      frozenUs: this.#frozenForUs,
      undecidedUs: (confirmedUs ?? this.#frozeUs) - this.#frozeUs,
      dropped: this.#parked.dropped,
      ...more,
    });
  }

  #say(
    kind: MessageKind,
    outbox: HandoffOutbox,
    parts: { readonly number?: number; readonly count?: number; readonly payload?: Uint8Array } = {},
  ): void {
    const { self, taker, shard, transfer } = this.facts;
    const message = { kind, from: self, shard, transfer, number: 0, count: 0, payload: new Uint8Array(0) };
    outbox.send(taker, encodeMessage({ ...message, ...parts }));
  }
}
