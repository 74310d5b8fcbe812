/** The host of a journal, played by a test: what it is asked for is written down, what it is told is scripted. */
import { decodeRecord, encodeRecord, type JournalRecord } from "../../../actors/journal/record.ts";
import {
  ShardJournal,
  type AppendOutcome,
  type JournalEvent,
  type JournalOutbox,
  type JournalSource,
  type LastMessage,
} from "../../../actors/journal/shard-journal.ts";
import { micros } from "../../../core/units.ts";
import { NOW, page, record, SHARD, textOf } from "./record-samples.ts";

export const EPOCH = 1_000;

/** A source whose pages are texts, and an outbox that writes down what it is asked for. */
export class Host implements JournalSource, JournalOutbox {
  readonly journal = new ShardJournal(SHARD, EPOCH, this);
  readonly log: string[] = [];
  due: string[] = [];
  flying: string[] = [];
  snapshot: string[] = ["s1", "s2"];
  pageBytes = 0;
  monotonicUs = 0;
  appended: Uint8Array[] = [];
  #left: string[] = [];
  #id = 0;

  step(event: JournalEvent): void {
    this.journal.step(event, micros(this.monotonicUs), NOW, this);
  }

  /** Waits until the machine wants a tick, and ticks. */
  tick(): void {
    this.monotonicUs = Math.max(this.monotonicUs, this.journal.wakeUs());
    this.step({ kind: "tick" });
  }

  answer(outcome: AppendOutcome): void {
    this.step({ kind: "append-answer", id: this.#id, outcome });
  }

  ack(sequence: number): void {
    this.answer({ kind: "acked", sequence });
  }

  last(last: LastMessage): void {
    this.step({ kind: "last-answer", id: this.#id, last });
  }

  lastRecord(sequence: number, over: Partial<JournalRecord>): void {
    this.last({ kind: "found", sequence, bytes: encodeRecord(record(over)) });
  }

  /** The last message asked to be appended. */
  get record(): JournalRecord {
    return decodeRecord(this.appended.at(-1) as Uint8Array);
  }

  taken(): string[] {
    const log = [...this.log];
    this.log.length = 0;
    return log;
  }

  isDue(): boolean {
    return this.due.length > 0;
  }

  takeDue(): readonly Uint8Array[] {
    this.flying = this.due;
    this.due = [];
    return this.flying.map((text) => page(text.padEnd(this.pageBytes)));
  }

  acked(): void {
    if (this.flying.length > 0) this.log.push(`acked ${this.flying.join()}`);
    this.flying = [];
  }

  invalidate(): void {
    this.due = [...this.flying, ...this.due];
    this.flying = [];
    this.log.push("invalidate");
  }

  startSnapshot(ofAll: boolean): void {
    this.#left = [...this.snapshot];
    this.log.push(ofAll ? "snapshot of all" : "snapshot");
  }

  nextSnapshotPages(): readonly Uint8Array[] | undefined {
    const next = this.#left.shift();
    return next === undefined ? undefined : [page(next)];
  }

  append(id: number, bytes: Uint8Array, expected: number): void {
    this.#id = id;
    this.appended.push(bytes);
    const { kind, number, pages } = decodeRecord(bytes);
    this.log.push(
      `${kind} ${number} after ${expected}${pages.map((one) => ` ${textOf(one).trim()}`).join("")}`,
    );
  }

  readLast(id: number): void {
    this.#id = id;
    this.log.push("read last");
  }

  purge(belowSequence: number): void {
    this.log.push(`purge below ${belowSequence}`);
  }

  opened(): void {
    this.log.push("opened");
  }

  stale(): void {
    this.log.push("stale");
  }

  superseded(epoch: number | "foreign"): void {
    this.log.push(`superseded by ${epoch}`);
  }

  closed(): void {
    this.log.push("closed");
  }
}
