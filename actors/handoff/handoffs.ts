/**
 * The transfers of one process: who asks is answered, who is silent is timed out, and what arrives for a shard
 * on the move goes where it belongs.
 *
 *      ask ───────────▶ Taker ─╮                          ╭─▶ send, freeze, casOwner, …
 *      receive(bytes) ─▶ by transfer number ──▶ step ─────┤
 *      ASK of a peer ─▶ Giver ─╯                          ╰─▶ ended
 *      offer(shard message) ──▶ "decide" | "parked" | "ignore"
 *
 * One transfer in each direction: the clients of a shard that freezes would wait for the pages of another. It
 * holds up to four pages on the way and, at its end, one FINAL (≤ 16 MiB); what arrives is staged within the
 * host's memory budget. A message of a transfer that is not known is answered with ABORT, which is how a peer
 * learns that its own was lost.
 */
import { ParlError } from "../../core/errors.ts";
import type { Micros } from "../../core/units.ts";
import { AnsweredList } from "./answered-list.ts";
import { Giver } from "./giver.ts";
import { isSameMember, type Member } from "./member.ts";
import {
  decodeEpoch,
  decodeMessage,
  encodeError,
  encodeMessage,
  envelopeOf,
  type Envelope,
  type HandoffMessage,
  type MessageKind,
} from "./messages.ts";
import type { ShardMessage } from "./parked-messages.ts";
import { Taker } from "./taker.ts";
import type {
  CasAnswer,
  GiverEvent,
  HandoffOutbox,
  LeavingShard,
  OwnerRecord,
  StagedShard,
  TakerEvent,
} from "./transfer.ts";

/** Small enough that building one holds up no check by more than a fraction of a millisecond. */
const PAGE_BYTES = 64 * 1_024;
/** How long a copy of an answered message may be on its way. */
const ANSWERED_IN_FORCE_US = 2_000_000;
/** A process that was stopped has read nothing meanwhile: of the time between two ticks no more counts. */
const TICK_COUNTS_MAX_US = 50_000;
const BUSY_RETRY_MS = 500;
/** Transfers whose end is acknowledged once more if asked: many more than can be in doubt at a time. */
const ADOPTED_REMEMBERED = 64;
const TO_GIVER: readonly MessageKind[] = ["ack", "ready", "final-ack"];

export interface HandoffsOptions {
  readonly self: Member;
  readonly outbox: HandoffOutbox;
  /** Numbers of transfers: random, up to 53 bits. */
  readonly draw: () => number;
  /** The shard as the giver sends it, if this process owns it. */
  readonly leaving: (shard: number) => LeavingShard | undefined;
  /** An empty shard for a taker to fill. */
  readonly staging: (shard: number) => StagedShard;
  /** Told of every message that was refused. */
  readonly refused: (error: ParlError) => void;
  readonly pageBytes?: number;
}

interface InForce {
  readonly list: AnsweredList;
  leftUs: number;
}

export class Handoffs {
  readonly #options: HandoffsOptions;
  /** Of two different shards, if there are both: one moves in one direction at a time. */
  #giver: Giver | undefined;
  #taker: Taker | undefined;
  readonly #inForce = new Map<number, InForce>();
  readonly #adopted = new Set<number>();
  #isFenced = false;
  #isPaused = false;
  #tickedUs = 0;

  constructor(options: HandoffsOptions) {
    this.#options = options;
  }

  /** Whether one more shard may be asked for. */
  get hasRoomIn(): boolean {
    return !this.#isPaused && this.#taker === undefined;
  }

  /** Whether nothing is on its way, in either direction. */
  get isIdle(): boolean {
    return this.#giver === undefined && this.#taker === undefined;
  }

  /** Begins no transfer until `resume`; those under way go on. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
  }

  /** Gives up the shard on its way here, unless its giver has been promised that it will be taken. */
  withdraw(monotonicUs: Micros): void {
    this.#stepTaker({ kind: "withdrawn" }, monotonicUs);
  }

  /** Whether a transfer of the shard is under way; not any more while its end is being told. */
  isMoving(shard: number): boolean {
    return [this.#giver, this.#taker].some((side) => side?.facts.shard === shard && !side.isEnded);
  }

  /** Asks `giver`, who owns `shard` under `epoch`, for it. False when there is no room, or it runs already. */
  ask(shard: number, giver: Member, epoch: number, monotonicUs: Micros): boolean {
    if (this.#isFenced || this.isMoving(shard) || !this.hasRoomIn) return false;
    const { self, draw, staging, outbox } = this.#options;
    const facts = { self, giver, shard, epoch, transfer: draw(), staged: staging(shard), isFenced: false };
    this.#taker = new Taker(facts, monotonicUs, outbox);
    return true;
  }

  /** A message from another process's handoffs. */
  receive(bytes: Uint8Array, monotonicUs: Micros): void {
    try {
      this.#route(decodeMessage(bytes), monotonicUs);
    } catch (error) {
      if (!(error instanceof ParlError)) throw error;
      this.#options.refused(error);
      this.#receiveBad(envelopeOf(bytes), error, monotonicUs);
    }
  }

  /**
   * What to do with a message that came by the subscription of `shard`. "decide" is said also for shards
   * that are not moving; whether they are this process's is the host's business. Messages that came another
   * way (forwarded, by the public subjects) reached this process only: they must not be offered.
   */
  offer(shard: number, message: ShardMessage, weight: number): "decide" | "parked" | "ignore" {
    if (this.#taker?.facts.shard === shard) {
      this.#taker.park(message, weight);
      return "parked";
    }
    if (this.#inForce.size > 0 && this.#inForce.get(shard)?.list.take(message.replyTo) === true) {
      return "ignore";
    }
    return this.#giver?.facts.shard === shard ? this.#giver.offer(message, weight) : "decide";
  }

  subscribed(transfer: number, monotonicUs: Micros): void {
    this.#stepTaker({ kind: "subscribed" }, monotonicUs, ({ facts }) => facts.transfer === transfer);
  }

  frozen(transfer: number, monotonicUs: Micros): void {
    this.#stepGiver({ kind: "frozen" }, monotonicUs, ({ facts }) => facts.transfer === transfer);
  }

  casAnswered(transfer: number, answer: CasAnswer, monotonicUs: Micros): void {
    this.#stepGiver({ kind: "cas-answer", answer }, monotonicUs, ({ facts }) => facts.transfer === transfer);
  }

  /** The watch showed a record of `owner.<shard>`. */
  ownerSeen(shard: number, owner: OwnerRecord, monotonicUs: Micros): void {
    this.#stepGiver({ kind: "owner-seen", owner }, monotonicUs, ({ facts }) => facts.shard === shard);
    this.#stepTaker({ kind: "owner-seen", owner }, monotonicUs, ({ facts }) => facts.shard === shard);
  }

  /** A member was declared dead, or has come back as another incarnation. */
  peerGone(peer: Member, monotonicUs: Micros): void {
    this.#stepGiver({ kind: "peer-gone" }, monotonicUs, ({ facts }) => isSameMember(facts.taker, peer));
    this.#stepTaker({ kind: "peer-gone" }, monotonicUs, ({ facts }) => isSameMember(facts.giver, peer));
  }

  /** The own lease is not valid, or the keys are not to be trusted: what can be given up is. */
  fenced(monotonicUs: Micros): void {
    this.#isFenced = true;
    this.#stepAll({ kind: "fenced" }, monotonicUs);
  }

  unfenced(monotonicUs: Micros): void {
    this.#isFenced = false;
    this.#stepTaker({ kind: "unfenced" }, monotonicUs);
  }

  /** This process was declared dead: nothing of it counts any more. */
  lost(monotonicUs: Micros): void {
    this.#stepAll({ kind: "lost" }, monotonicUs);
    this.#inForce.clear();
    this.#adopted.clear();
  }

  /** Every 10 ms or so. */
  tick(monotonicUs: Micros): void {
    const elapsedUs = Math.min(monotonicUs - this.#tickedUs, TICK_COUNTS_MAX_US);
    this.#tickedUs = monotonicUs;
    for (const [shard, inForce] of this.#inForce) {
      inForce.leftUs -= elapsedUs;
      if (inForce.leftUs <= 0) this.#inForce.delete(shard);
    }
    this.#stepAll({ kind: "tick" }, monotonicUs);
  }

  #route(message: HandoffMessage, monotonicUs: Micros): void {
    const { kind, from, shard, transfer } = message;
    if (kind === "ask") {
      this.#asked(message, monotonicUs);
      return;
    }
    const isFor = (facts: { shard: number; transfer: number }, peer: Member): boolean =>
      facts.shard === shard && facts.transfer === transfer && isSameMember(peer, from);
    const giver = this.#giver?.facts;
    const taker = this.#taker?.facts;
    if (giver !== undefined && isFor(giver, giver.taker)) {
      this.#stepGiver({ kind: "message", message }, monotonicUs);
    } else if (taker !== undefined && !TO_GIVER.includes(kind) && isFor(taker, taker.giver)) {
      this.#stepTaker({ kind: "message", message }, monotonicUs);
    } else if ((kind === "final" || kind === "moved") && this.#adopted.has(transfer)) {
      this.#answer(message, "final-ack");
    } else if (kind !== "abort" && kind !== "refuse" && kind !== "final-ack") {
      const text = `transfer ${transfer} of shard ${shard} is not known here; ask again`;
      this.#refuse(message, "abort", new ParlError("PARL_NOT_FOUND", text, { field: "transfer" }));
    }
  }

  /** A message that cannot be read ends its transfer, if it says which one. */
  #receiveBad(envelope: Envelope | undefined, error: ParlError, monotonicUs: Micros): void {
    if (envelope === undefined) return;
    const isMeant = ({ facts }: Giver | Taker): boolean => facts.transfer === envelope.transfer;
    this.#stepGiver({ kind: "bad-message", error }, monotonicUs, isMeant);
    this.#stepTaker({ kind: "bad-message", error }, monotonicUs, isMeant);
    const isForeignAsk = envelope.kind === "ask" && error.code === "PARL_UNSUPPORTED_VERSION";
    if (isForeignAsk && /^[a-z0-9-]{1,32}$/.test(envelope.from.id)) this.#answer(envelope, "refuse", error);
  }

  #asked(message: HandoffMessage, monotonicUs: Micros): void {
    const { from, shard, transfer } = message;
    const running = this.#giver;
    if (running?.facts.shard === shard && running.facts.transfer === transfer) return;
    const { self, outbox, leaving, pageBytes = PAGE_BYTES } = this.#options;
    const epoch = decodeEpoch(message.payload);
    const own = leaving(shard);
    if (own === undefined || own.epoch !== epoch || this.#taker?.facts.shard === shard) {
      const text = `${self.id} does not own shard ${shard} under epoch ${epoch}; ask its owner`;
      this.#refuse(message, "refuse", new ParlError("PARL_NOT_OWNER", text, { field: "shard" }));
      return;
    }
    if (running?.facts.shard === shard && running.facts.taker.id === from.id && running.canAbort) {
      // Who asks again has forgotten the first attempt.
      this.#stepGiver({ kind: "replaced" }, monotonicUs);
    }
    const reason = this.#busyWith(shard);
    if (reason !== undefined) {
      const error = new ParlError("PARL_OVERLOADED", `${reason}; ask again later`, {
        field: "shard",
        retryAfterMs: BUSY_RETRY_MS,
      });
      this.#refuse(message, "refuse", error);
      return;
    }
    const facts = { self, taker: from, shard, transfer, pageBytes, ...own };
    this.#giver = new Giver(facts, monotonicUs, outbox);
  }

  #busyWith(shard: number): string | undefined {
    const { self } = this.#options;
    const giver = this.#giver?.facts;
    if (giver !== undefined) {
      return giver.shard === shard
        ? `shard ${shard} is being handed to ${giver.taker.id}`
        : `${self.id} is handing over another shard`;
    }
    if (this.#isPaused) return `${self.id} is changing its NATS server`;
    return this.#isFenced ? `${self.id} waits for its lease` : undefined;
  }

  #refuse(message: HandoffMessage, kind: MessageKind, error: ParlError): void {
    this.#options.refused(error);
    this.#answer(message, kind, error);
  }

  #answer({ from, shard, transfer }: Envelope, kind: MessageKind, error?: ParlError): void {
    const { self, outbox } = this.#options;
    const payload = error === undefined ? new Uint8Array(0) : encodeError(error);
    outbox.send(from, encodeMessage({ kind, from: self, shard, transfer, number: 0, count: 0, payload }));
  }

  #stepAll(event: GiverEvent & TakerEvent, monotonicUs: Micros): void {
    this.#stepGiver(event, monotonicUs);
    this.#stepTaker(event, monotonicUs);
  }

  #stepGiver(event: GiverEvent, monotonicUs: Micros, isMeant: (giver: Giver) => boolean = () => true): void {
    const giver = this.#giver;
    if (giver === undefined || !isMeant(giver)) return;
    giver.step(event, monotonicUs, this.#options.outbox);
    if (giver.isEnded && this.#giver === giver) this.#giver = undefined;
  }

  #stepTaker(event: TakerEvent, monotonicUs: Micros, isMeant: (taker: Taker) => boolean = () => true): void {
    const taker = this.#taker;
    if (taker === undefined || !isMeant(taker)) return;
    taker.step(event, monotonicUs, this.#options.outbox);
    if (!taker.isEnded || this.#taker !== taker) return;
    this.#taker = undefined;
    if (taker.hasAdopted) this.#remember(taker);
  }

  #remember({ facts, answered }: Taker): void {
    // A shard that went to and fro may have copies of two transfers on the way.
    const former = this.#inForce.get(facts.shard)?.list.subjects() ?? [];
    const list = former.length === 0 ? answered : AnsweredList.of([...former, ...answered.subjects()]);
    this.#inForce.set(facts.shard, { list, leftUs: ANSWERED_IN_FORCE_US });
    this.#adopted.add(facts.transfer);
    if (this.#adopted.size <= ADOPTED_REMEMBERED) return;
    for (const oldest of this.#adopted) {
      this.#adopted.delete(oldest);
      return;
    }
  }
}
