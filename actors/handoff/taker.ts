/**
 * The process that a shard moves to: it collects pages, parks messages, and decides nothing before FINAL.
 *
 *      receiving ──▶ subscribing ──▶ committed ───────▶ complete ──▶ ended (adopted)
 *        pages         SUBSCRIBE       READY   FINAL, and owner  unless fenced
 *
 * Until READY it may give up whenever it likes. READY is a promise to stay: the giver may make this process
 * the owner at any moment after it. From then on it ends only by FINAL, by an ABORT, by a page that it
 * refuses (the giver moves nothing before every page is acknowledged), or when the giver is declared dead
 * or the watch shows another owner. READY is repeated, so that a lost ABORT is asked for again.
 *
 * FINAL is the last that the giver knows, and means nothing before this process is the owner: the giver says so
 * (MOVED) when its CAS was answered, or the watch does. Whichever comes first counts, and they have to agree.
 *
 * If the record names this process but the state will not come, the outcome is `recover`. What is parked is
 * dropped then: the giver may have answered some of it before it died, and nobody knows which.
 *
 * Fenced when FINAL arrives, it keeps everything until the lease is valid again: parked messages must not be
 * answered under a lease that may be somebody else's by now.
 */
import { ParlError } from "../../core/errors.ts";
import type { Micros } from "../../core/units.ts";
import { AnsweredList } from "./answered-list.ts";
import { decodeFinal, FinalAssembly, type FinalState } from "./final-state.ts";
import { notOwner, unavailable } from "./given-up.ts";
import { isSameMember, type Member } from "./member.ts";
import {
  decodeEpoch,
  decodeError,
  encodeEpoch,
  encodeError,
  encodeMessage,
  malformed,
  type HandoffMessage,
  type MessageKind,
} from "./messages.ts";
import { ParkedMessages, type ShardMessage } from "./parked-messages.ts";
import {
  SILENCE_MAX_US,
  type HandoffEnded,
  type HandoffOutbox,
  type OwnerRecord,
  type StagedShard,
  type TakerEvent,
} from "./transfer.ts";

const READY_AGAIN_US = 500_000;

export interface TakerFacts {
  readonly self: Member;
  readonly giver: Member;
  readonly shard: number;
  readonly transfer: number;
  /** Of the giver, as the watch showed it. */
  readonly epoch: number;
  readonly staged: StagedShard;
  readonly isFenced: boolean;
  readonly parkedWeightMax?: number;
}

type TakerState = "receiving" | "subscribing" | "committed" | "complete" | "ended";

export class Taker {
  readonly facts: TakerFacts;
  /** What the giver answered; in force for a while after the end. */
  answered = new AnsweredList();
  readonly #parked: ParkedMessages;
  readonly #assembly = new FinalAssembly();
  #state: TakerState = "receiving";
  #isFenced: boolean;
  #hasAdopted = false;
  #pages = 0;
  #bytes = 0;
  #heardUs: number;
  #readyUs = 0;
  /** Or what was wrong with it: then the state will not come, and whose the shard is must show yet. */
  #final: FinalState | ParlError | undefined;
  /** The epoch under which this process is the owner, by the watch or the giver's word. */
  #ownEpoch: number | undefined;

  constructor(facts: TakerFacts, monotonicUs: Micros, outbox: HandoffOutbox) {
    this.facts = facts;
    this.#parked = new ParkedMessages(facts.parkedWeightMax);
    this.#isFenced = facts.isFenced;
    this.#heardUs = monotonicUs;
    this.#say("ask", outbox, { payload: encodeEpoch(facts.epoch) });
  }

  get isEnded(): boolean {
    return this.#state === "ended";
  }

  /** Whether the giver may make this process the owner at any moment. */
  get isCommitted(): boolean {
    return this.#state === "committed" || this.#state === "complete";
  }

  get hasAdopted(): boolean {
    return this.#hasAdopted;
  }

  /** Keeps a message of the shard's subscription. */
  park(message: ShardMessage, weight: number): void {
    if (this.#state !== "receiving" && this.#state !== "ended") this.#parked.park(message, weight);
  }

  step(event: TakerEvent, monotonicUs: Micros, outbox: HandoffOutbox): void {
    if (this.#state === "ended") return;
    switch (event.kind) {
      case "message":
        this.#heardUs = monotonicUs;
        this.#message(event.message, outbox);
        break;
      case "bad-message":
        // A chunk of FINAL is sent again. A page is not, and its gap would end the transfer later.
        if (!this.isCommitted) this.#giveUp(event.error, outbox);
        break;
      case "subscribed":
        if (this.#state !== "subscribing") break;
        this.#state = "committed";
        this.#ready(monotonicUs, outbox);
        break;
      case "owner-seen":
        this.#ownerSeen(event.owner, outbox);
        break;
      case "peer-gone":
        if (this.#state === "complete") break;
        this.#giveUp(unavailable(`${this.facts.giver.id}, which owned it, is gone`), outbox);
        break;
      case "fenced":
        this.#isFenced = true;
        break;
      case "unfenced":
        this.#isFenced = false;
        if (this.#state === "complete") this.#adopt(outbox);
        break;
      case "lost":
        this.#drop("lost", outbox);
        break;
      case "withdrawn":
        if (!this.isCommitted) this.#giveUp(unavailable(`${this.facts.self.id} is leaving`), outbox);
        break;
      case "tick":
        this.#tick(monotonicUs, outbox);
    }
  }

  #message(message: HandoffMessage, outbox: HandoffOutbox): void {
    const { kind } = message;
    if (kind === "page") {
      this.#page(message, outbox);
    } else if (kind === "subscribe" && this.#state === "receiving") {
      this.#state = "subscribing";
      outbox.subscribe(this.facts.shard, this.facts.transfer);
    } else if (kind === "final") {
      this.#finalChunk(message, outbox);
    } else if (kind === "moved") {
      this.#moved(message, outbox);
    } else if ((kind === "refuse" || kind === "abort") && this.#state !== "complete") {
      this.#heardAbort(message, outbox);
    }
  }

  #page(message: HandoffMessage, outbox: HandoffOutbox): void {
    if (this.#state === "complete") return;
    const { number, payload } = message;
    try {
      if (number > this.#pages) {
        throw malformed(`is page ${number}, page ${this.#pages} has not arrived: out of order`);
      }
      if (number === this.#pages) {
        this.facts.staged.adopt(payload);
        this.#pages += 1;
        this.#bytes += payload.length;
      }
    } catch (error) {
      if (!(error instanceof ParlError)) throw error;
      outbox.refused(error);
      this.#giveUp(error, outbox);
      return;
    }
    this.#say("ack", outbox, { number: this.#pages });
  }

  #finalChunk({ number, count, payload }: HandoffMessage, outbox: HandoffOutbox): void {
    if (this.#state === "complete" || this.#final !== undefined) return;
    const { staged, transfer } = this.facts;
    try {
      if (this.#state !== "committed")
        throw malformed(`ends transfer ${transfer}, which is not ready for it`);
      const bytes = this.#assembly.add(number, count, payload);
      if (bytes === undefined) return;
      const final = decodeFinal(bytes);
      if (final.pages !== this.#pages) {
        throw malformed(`ends after ${final.pages} pages, ${this.#pages} have arrived`);
      }
      for (const page of final.dirty) staged.adopt(page);
      this.#final = final;
    } catch (error) {
      if (!(error instanceof ParlError)) throw error;
      outbox.refused(error);
      if (this.#state !== "committed") this.#giveUp(error, outbox);
      else this.#final = error;
    }
    this.#complete(outbox);
  }

  /** The giver's word that its CAS was stored. */
  #moved({ payload }: HandoffMessage, outbox: HandoffOutbox): void {
    if (this.#state === "complete") return;
    const { epoch, transfer } = this.facts;
    try {
      if (this.#state !== "committed")
        throw malformed(`moves transfer ${transfer}, which is not ready for it`);
      const own = decodeEpoch(payload);
      if (own <= epoch) throw malformed(`moves to epoch ${own}, not above ${epoch}`);
      if (this.#ownEpoch !== undefined && own !== this.#ownEpoch) {
        throw malformed(`moves to epoch ${own}, the record says ${this.#ownEpoch}`);
      }
      this.#ownEpoch = own;
    } catch (error) {
      if (!(error instanceof ParlError)) throw error;
      outbox.refused(error);
      // It has given the shard away, however it says so: the journal knows the rest.
      this.#giveUp(error, outbox, this.#state === "committed");
      return;
    }
    this.#complete(outbox);
  }

  /** Goes on once the state is here and this process the owner. */
  #complete(outbox: HandoffOutbox): void {
    if (this.#state !== "committed" || this.#ownEpoch === undefined) return;
    const final = this.#final;
    if (final instanceof ParlError) {
      this.#giveUp(final, outbox);
    } else if (final !== undefined) {
      this.answered = AnsweredList.of(final.answered);
      this.#say("final-ack", outbox);
      this.#state = "complete";
      if (!this.#isFenced) this.#adopt(outbox);
    }
  }

  #adopt(outbox: HandoffOutbox): void {
    const { shard, staged } = this.facts;
    const { nowUs, loans, answeredIds } = this.#final as FinalState;
    const epoch = this.#ownEpoch as number;
    outbox.adopt(shard, { staged, epoch, nowUs, loans, answeredIds });
    this.#parked.drain(
      this.answered,
      (message) => outbox.replay(shard, message),
      (message, error) => outbox.refuse(shard, message, error),
    );
    this.#hasAdopted = true;
    this.#end("adopted", outbox, { isConfirmed: true });
  }

  #ownerSeen(owner: OwnerRecord, outbox: HandoffOutbox): void {
    const { self, shard, epoch } = this.facts;
    if (owner.epoch <= epoch || this.#state === "complete") return;
    const isHandedOver = isSameMember(owner, self) && owner.how === "handed-over";
    if (isHandedOver && owner.epoch === (this.#ownEpoch ?? owner.epoch)) {
      this.#ownEpoch = owner.epoch;
      this.#complete(outbox);
    } else {
      this.#giveUp(notOwner(shard, owner.id), outbox);
    }
  }

  #heardAbort(message: HandoffMessage, outbox: HandoffOutbox): void {
    let error: ParlError;
    try {
      error = decodeError(message.payload);
    } catch (wrong) {
      if (!(wrong instanceof ParlError)) throw wrong;
      error = wrong;
    }
    this.#drop(this.#ownEpoch === undefined ? "aborted" : "recover", outbox, error);
  }

  #tick(monotonicUs: Micros, outbox: HandoffOutbox): void {
    if (this.#state === "committed") {
      if (monotonicUs - this.#readyUs >= READY_AGAIN_US) this.#ready(monotonicUs, outbox);
    } else if (this.#state !== "complete" && monotonicUs - this.#heardUs >= SILENCE_MAX_US) {
      const silentMs = (monotonicUs - this.#heardUs) / 1_000;
      this.#giveUp(unavailable(`nothing heard of ${this.facts.giver.id} for ${silentMs} ms`), outbox);
    }
  }

  #ready(monotonicUs: Micros, outbox: HandoffOutbox): void {
    this.#readyUs = monotonicUs;
    this.#say("ready", outbox);
  }

  /** Ends the transfer from this side: only before READY, or when it is certain that nothing will come. */
  #giveUp(error: ParlError, outbox: HandoffOutbox, isOwner = this.#ownEpoch !== undefined): void {
    this.#say("abort", outbox, { payload: encodeError(error) });
    this.#drop(isOwner ? "recover" : "aborted", outbox, error);
  }

  #drop(outcome: "recover" | "aborted" | "lost", outbox: HandoffOutbox, error?: ParlError): void {
    const { shard, transfer, staged } = this.facts;
    staged.discard();
    this.#parked.clear();
    if (this.#state !== "receiving" && outcome !== "recover") outbox.unsubscribe(shard, transfer);
    this.#end(outcome, outbox, error === undefined ? {} : { error });
  }

  #end(
    outcome: HandoffEnded["outcome"],
    outbox: HandoffOutbox,
    more: { readonly isConfirmed?: boolean; readonly error?: ParlError },
  ): void {
    const { shard, transfer, giver } = this.facts;
    this.#state = "ended";
    outbox.ended({
      role: "taker",
      outcome,
      shard,
      transfer,
      peer: giver,
      isConfirmed: false,
      ...(this.#ownEpoch === undefined ? {} : { epoch: this.#ownEpoch }),
      pages: this.#pages,
      bytes: this.#bytes,
      rounds: 0,
      isLongFreeze: false,
      frozenUs: 0,
      undecidedUs: 0,
      dropped: this.#parked.dropped,
      ...more,
    });
  }

  #say(
    kind: MessageKind,
    outbox: HandoffOutbox,
    parts: { readonly number?: number; readonly payload?: Uint8Array } = {},
  ): void {
    const { self, giver, shard, transfer } = this.facts;
    const message = { kind, from: self, shard, transfer, number: 0, count: 0, payload: new Uint8Array(0) };
    outbox.send(giver, encodeMessage({ ...message, ...parts }));
  }
}
