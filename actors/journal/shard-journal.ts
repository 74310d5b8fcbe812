/**
 * When a shard's journal is written, and what it means when it cannot be: a step machine, no I/O.
 *
 *      closed ─ open ─▶ opening ─ acked ─▶ open ─ close ─▶ closing ─ clean acked ─▶ closed
 *                          │                 │ a later owner has written
 *                          └─────────────────┴──────────▶ superseded
 *
 * One message is under way at a time; it names the sequence of the one before, so that the journal itself
 * refuses whoever has been replaced. An answer that does not come says nothing: the same bytes are sent again
 * with the same expectation, until they are stored or the expectation is refused. Then the subject's last
 * record tells which of four it was: our own message, stored without our hearing of it (its number); a later
 * owner's (its epoch, or a version that is not ours): superseded; what we expected after all: send again; or
 * something older, or nothing: the journal has been lost under us and is written anew, void until its first
 * snapshot is finished.
 *
 * Due keys are written at most every 5 ms. When the journal has grown to several times its last snapshot, the
 * heavy keys are written page by page among the others, and everything before is purged.
 *
 * The host steps it with a `tick` after each turn and at `wakeUs`; a fenced owner does not tick.
 */
import { assert } from "../../core/assert.ts";
import type { Micros } from "../../core/units.ts";
import {
  encodeRecord,
  recordIn,
  type JournalRecord,
  type Opening,
  type RecordKind,
  type Takeover,
} from "./record.ts";
import { weightOf } from "./weight.ts";

/** Between the sending of two messages, so that charges gather. */
const SPACING_US = 5_000;
/** Between two attempts at one message: at first and at most. */
const RETRY_MIN_US = 50_000;
const RETRY_MAX_US = 1_000_000;
/** Pages of one message; the server takes 1 MiB. */
const PAGES_BYTES_MAX = 256 * 1_024;
/** A journal of less is not worth a snapshot; 64 shards of this are read in a quarter of a second. */
const COMPACT_FROM_WEIGHT = 512 * 1_024;
/** A journal this many times its last snapshot is due for the next: each byte is written twice on average. */
const COMPACT_FACTOR = 3;

/** Where the bytes come from: the tables of the shard. */
export interface JournalSource {
  /** Whether a key waits to be written. */
  isDue(): boolean;
  /** Due keys as state pages of at most `bytesMax` together. They are in flight until `acked`. */
  takeDue(bytesMax: number): readonly Uint8Array[];
  acked(): void;
  /** The journal has been lost, with what was in flight: every key that it may have known is due. */
  invalidate(): void;
  /** Starts a snapshot of the keys that are not light, or of all. One that was under way is dropped. */
  startSnapshot(ofAll: boolean): void;
  /** The next pages of it, at most `bytesMax`; undefined when it is complete. */
  nextSnapshotPages(bytesMax: number): readonly Uint8Array[] | undefined;
}

export type AppendOutcome =
  | { readonly kind: "acked"; readonly sequence: number }
  | { readonly kind: "wrong-sequence" }
  | { readonly kind: "unknown" };

/** What a read of the subject's last message found. */
export type LastMessage =
  | { readonly kind: "found"; readonly sequence: number; readonly bytes: Uint8Array }
  | { readonly kind: "none" }
  | { readonly kind: "unknown" };

export type JournalEvent =
  | { readonly kind: "tick" }
  | ({ readonly kind: "open" } & Start)
  /** Write a snapshot soon, from the start if one is running: policies changed. */
  | { readonly kind: "snapshot" }
  /** Leave in order: everything is written, then `clean`. The shard must not be charged any more. */
  | { readonly kind: "close" }
  | { readonly kind: "append-answer"; readonly id: number; readonly outcome: AppendOutcome }
  | { readonly kind: "last-answer"; readonly id: number; readonly last: LastMessage };

export interface Start {
  readonly how: Opening;
  /** Of the subject, as read; 0 when it is empty. */
  readonly lastSequence: number;
  /** All that are felt, with our own when `how` is recovered or exhausted (takeovers.ts). */
  readonly takeovers: readonly Takeover[];
  /** Of what the subject holds (Recovered.weight). */
  readonly weight: number;
}

/** What the host must do. Answers come back as events with the same id. */
export interface JournalOutbox {
  append(id: number, bytes: Uint8Array, expectedSequence: number): void;
  readLast(id: number): void;
  /** Remove the subject's messages below a sequence. Best effort: no answer. */
  purge(belowSequence: number): void;
  /** The opening is durable: the shard may decide. */
  opened(): void;
  /** The subject has moved on since it was read: read it again and open anew. */
  stale(): void;
  /** A later owner has replaced us, of this epoch or of a program we do not understand: decide nothing more. */
  superseded(epoch: number | "foreign"): void;
  /** Everything is written; the shard may be given up. */
  closed(): void;
}

type Phase = "closed" | "opening" | "open" | "closing" | "superseded";
type Snapshot = "none" | "wanted" | "running";

interface Message {
  readonly kind: RecordKind;
  readonly number: number;
  readonly bytes: Uint8Array;
}

export class ShardJournal {
  readonly #shard: number;
  readonly #epoch: number;
  readonly #source: JournalSource;
  #phase: Phase = "closed";
  #start: Start | undefined;
  /** Whether `opened` is stored and what follows it counts. */
  #isOpened = false;
  /** Asked to close before it was open. */
  #isLeaving = false;
  /** Sequence of the subject's last message, as far as we know. */
  #sequence = 0;
  #number = 0;
  /** The message under way, and whether an answer about it is outstanding. */
  #message: Message | undefined;
  #isAwaiting = false;
  /** Of the last request; answers to earlier ones are ignored. */
  #id = 0;
  /** Monotonic: when the next attempt, or the next message, may be sent. */
  #notBeforeUs = 0;
  #retryUs = RETRY_MIN_US;
  #snapshot: Snapshot = "none";
  /** Sequence of the running snapshot's first record. */
  #snapshotFrom = 0;
  #snapshotWeight = 0;
  /** Of what was written since the running snapshot began, and of what the subject holds. */
  #weightSinceStart = 0;
  #weight = 0;

  constructor(shard: number, epoch: number, source: JournalSource) {
    this.#shard = shard;
    this.#epoch = epoch;
    this.#source = source;
  }

  get isOpen(): boolean {
    return this.#phase === "open";
  }

  /** Sequence of the subject's last message: what the next owner expects after a handoff. */
  get lastSequence(): number {
    return this.#sequence;
  }

  /** Whether a message is under way whose fate is not known yet. */
  get isWriting(): boolean {
    return this.#message !== undefined;
  }

  /** Monotonic time at which a tick has something to do; Infinity when only an event can change that. */
  wakeUs(): number {
    if (this.#isAwaiting || this.#phase === "closed" || this.#phase === "superseded") return Infinity;
    const hasWork =
      this.#message !== undefined ||
      this.#phase !== "open" ||
      this.#snapshot !== "none" ||
      this.#source.isDue();
    return hasWork ? this.#notBeforeUs : Infinity;
  }

  /** @param nowUs wall clock, for the record */
  step(event: JournalEvent, monotonicUs: Micros, nowUs: Micros, outbox: JournalOutbox): void {
    switch (event.kind) {
      case "open":
        this.#open(event);
        this.#tick(monotonicUs, nowUs, outbox);
        return;
      case "tick":
        this.#tick(monotonicUs, nowUs, outbox);
        return;
      case "snapshot":
        this.#snapshot = "wanted";
        return;
      case "close":
        this.#isLeaving = true;
        this.#leave();
        return;
      case "append-answer":
        if (event.id === this.#id && this.#isAwaiting) this.#answered(event.outcome, monotonicUs, outbox);
        return;
      case "last-answer":
        if (event.id === this.#id && this.#isAwaiting) this.#resolve(event.last, monotonicUs, outbox);
    }
  }

  #open(start: Start): void {
    assert(this.#phase === "closed", "a journal is opened once");
    this.#phase = "opening";
    this.#isOpened = false;
    this.#notBeforeUs = 0;
    this.#sequence = start.lastSequence;
    this.#weight = start.weight;
    // One cannot go on from nothing.
    const isVoid = start.lastSequence === 0 && (start.how === "recovered" || start.how === "continued");
    this.#start = isVoid ? { ...start, how: "rewritten" } : start;
  }

  #tick(monotonicUs: Micros, nowUs: Micros, outbox: JournalOutbox): void {
    if (monotonicUs < this.wakeUs()) return;
    this.#message ??= this.#compose(nowUs);
    if (this.#message === undefined) return;
    this.#notBeforeUs = monotonicUs + SPACING_US;
    this.#isAwaiting = true;
    this.#id += 1;
    outbox.append(this.#id, this.#message.bytes, this.#sequence);
  }

  #compose(nowUs: Micros): Message | undefined {
    if (!this.#isOpened) return this.#encode("opened", [], nowUs);
    const source = this.#source;
    if (this.#snapshot === "wanted") {
      source.startSnapshot(this.#phase === "closing");
      this.#snapshot = "running";
      return this.#encode("snapshot-start", source.takeDue(PAGES_BYTES_MAX), nowUs);
    }
    const due = source.takeDue(PAGES_BYTES_MAX);
    if (this.#snapshot === "running") {
      const room = PAGES_BYTES_MAX - due.reduce((sum, page) => sum + page.length, 0);
      const pages = source.nextSnapshotPages(room);
      if (pages === undefined) return this.#encode("snapshot-end", due, nowUs);
      return this.#encode("states", [...pages, ...due], nowUs);
    }
    if (due.length > 0) return this.#encode("states", due, nowUs);
    // What was due has nothing to write any more.
    source.acked();
    return this.#phase === "closing" ? this.#encode("clean", [], nowUs) : undefined;
  }

  #encode(kind: RecordKind, pages: readonly Uint8Array[], nowUs: Micros): Message {
    const start = this.#start as Start;
    const record: JournalRecord = {
      kind,
      shard: this.#shard,
      epoch: this.#epoch,
      nowUs,
      number: this.#number,
      how: kind === "opened" ? start.how : "fresh",
      takeovers: kind === "opened" || kind === "snapshot-start" ? start.takeovers : [],
      pages,
    };
    this.#number += 1;
    return { kind, number: record.number, bytes: encodeRecord(record) };
  }

  #answered(outcome: AppendOutcome, monotonicUs: Micros, outbox: JournalOutbox): void {
    switch (outcome.kind) {
      case "acked":
        this.#isAwaiting = false;
        this.#acked(outcome.sequence, outbox);
        return;
      case "unknown":
        this.#retryLater(monotonicUs);
        return;
      case "wrong-sequence":
        this.#id += 1;
        outbox.readLast(this.#id);
    }
  }

  #retryLater(monotonicUs: Micros): void {
    this.#isAwaiting = false;
    this.#notBeforeUs = monotonicUs + this.#retryUs;
    this.#retryUs = Math.min(2 * this.#retryUs, RETRY_MAX_US);
  }

  #acked(sequence: number, outbox: JournalOutbox): void {
    const { kind, bytes } = this.#message as Message;
    const weight = weightOf(bytes);
    this.#message = undefined;
    this.#sequence = sequence;
    this.#retryUs = RETRY_MIN_US;
    this.#weight += weight;
    this.#weightSinceStart += weight;
    if (kind === "opened") {
      this.#becomeOpen(outbox);
      return;
    }
    this.#source.acked();
    if (kind === "snapshot-start") {
      this.#snapshotFrom = sequence;
      this.#weightSinceStart = weight;
    } else if (kind === "snapshot-end") {
      this.#endSnapshot(outbox);
    } else if (kind === "clean") {
      this.#phase = "closed";
      outbox.closed();
    }
    if (this.#isTooLong()) this.#snapshot = "wanted";
  }

  #becomeOpen(outbox: JournalOutbox): void {
    this.#isOpened = true;
    // Void until that ends.
    if ((this.#start as Start).how === "rewritten") this.#snapshot = "wanted";
    if (this.#phase !== "opening") return;
    this.#phase = "open";
    outbox.opened();
    if (this.#isLeaving) this.#leave();
  }

  #leave(): void {
    if (this.#phase !== "open") return;
    this.#phase = "closing";
    this.#snapshot = "wanted";
  }

  #endSnapshot(outbox: JournalOutbox): void {
    // Policies may have changed since it began: then it is the next one that replaces what was before.
    if (this.#snapshot !== "running") return;
    this.#snapshot = "none";
    this.#weight = this.#weightSinceStart;
    this.#snapshotWeight = this.#weight;
    outbox.purge(this.#snapshotFrom);
  }

  #isTooLong(): boolean {
    if (this.#phase !== "open" || this.#snapshot !== "none") return false;
    return this.#weight > COMPACT_FROM_WEIGHT + COMPACT_FACTOR * this.#snapshotWeight;
  }

  /** The sequence was not what we expected: whose is the last record? */
  #resolve(last: LastMessage, monotonicUs: Micros, outbox: JournalOutbox): void {
    if (last.kind === "unknown") {
      this.#retryLater(monotonicUs);
      return;
    }
    const record = last.kind === "found" ? recordIn(last.bytes) : undefined;
    const sequence = last.kind === "found" ? last.sequence : 0;
    const epoch = record === "foreign" ? record : (record?.epoch ?? 0);
    const isOurs = epoch === this.#epoch && this.#message?.number === (record as JournalRecord).number;
    if (isOurs) {
      this.#isAwaiting = false;
      this.#acked(sequence, outbox);
    } else if (epoch !== "foreign" && epoch > this.#epoch) {
      this.#supersede(epoch, outbox);
    } else if (sequence === this.#sequence) {
      // Refused because another attempt of ours was being stored just then; or it was, and is gone again.
      this.#retryLater(monotonicUs);
    } else if (epoch === "foreign" && this.#phase !== "opening") {
      this.#supersede(epoch, outbox);
    } else if (this.#phase === "opening") {
      this.#reopen(sequence, epoch === "foreign", outbox);
    } else {
      this.#rewrite(sequence, monotonicUs);
    }
  }

  #supersede(epoch: number | "foreign", outbox: JournalOutbox): void {
    this.#phase = "superseded";
    this.#isAwaiting = false;
    this.#message = undefined;
    outbox.superseded(epoch);
  }

  /** A replaced owner has written between our reading and our opening. */
  #reopen(sequence: number, isForeign: boolean, outbox: JournalOutbox): void {
    const { how } = this.#start as Start;
    this.#isAwaiting = false;
    this.#message = undefined;
    // Who does not start from the journal need not care what it says, as long as it is one of ours.
    this.#sequence = sequence;
    if (how !== "recovered" && how !== "continued" && !isForeign) return;
    this.#phase = "closed";
    outbox.stale();
  }

  /** The journal was lost under us; what we hold in memory is the truth. */
  #rewrite(sequence: number, monotonicUs: Micros): void {
    this.#source.invalidate();
    this.#message = undefined;
    this.#isAwaiting = false;
    this.#isOpened = false;
    this.#start = { ...(this.#start as Start), how: "rewritten" };
    this.#sequence = sequence;
    this.#weight = 0;
    this.#snapshotWeight = 0;
    this.#notBeforeUs = monotonicUs;
  }
}
