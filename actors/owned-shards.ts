/**
 * The shards of this process: what belongs to each besides its keys, and how they come and go.
 *
 *      page, takeover ─▶ staged ─▶ open ─▶ decided here ─▶ freeze ─▶ on its way out ─▶ close
 */
import { takeoverUnits } from "../admission/durability.ts";
import type { Admission } from "../admission/admission.ts";
import { AnsweredIds } from "../admission/answered-ids.ts";
import type { Lending } from "../admission/lending.ts";
import type { ShardKeys } from "../admission/shard-keys.ts";
import { toldMoment } from "../algorithms/foreign-clock.ts";
import { StatePageReader } from "../algorithms/state-page-reader.ts";
import { micros, US_PER_S, type Micros } from "../core/units.ts";
import type { OpenShard } from "./decision-desk.ts";
import type { ShardOpened, ShardPage, ShardTakeover } from "./shard-event.ts";

const EMPTY = new Uint8Array(0);

/** A shard that is about to become ours. */
interface StagedShard {
  readonly keys: ShardKeys;
  /** By how much the clock of who wrote its pages is ahead of ours, at most; behind when negative. */
  aheadUs: number;
}

export class OwnedShards {
  /** Shards that came with keys written under a clock more than two seconds ahead of ours, or behind it. */
  readonly foreignClocks = { ahead: 0, behind: 0 };
  /** By shard; undefined where it is not decided here. */
  readonly open: (OpenShard | undefined)[];
  readonly #admission: Admission;
  readonly #lending: Lending;
  /** Shards on their way to another process: not to be decided here any more, and not yet there. */
  readonly #frozen = new Map<number, OpenShard>();
  readonly #staged = new Map<number, StagedShard>();
  readonly #reader = new StatePageReader();
  readonly #say: (words: string) => void;

  constructor(admission: Admission, lending: Lending, say: (words: string) => void = () => undefined) {
    this.#say = say;
    this.#admission = admission;
    this.#lending = lending;
    this.open = Array.from({ length: admission.shards }, () => undefined);
  }

  /** Takes in keys of a shard that is about to become ours. @throws ParlError when the page is wrong */
  adoptPage({ shard, page, isJustWritten = false }: ShardPage, nowUs: Micros): void {
    this.#reader.open(page);
    this.#reader.translate(nowUs, isJustWritten);
    // At the page's own time: what was charged then has drained since.
    const staged = this.#stagedShard(shard);
    const { aheadUs } = this.#reader;
    if (Math.abs(aheadUs) > Math.abs(staged.aheadUs)) staged.aheadUs = aheadUs;
    staged.keys.adoptPage(this.#reader, micros(0));
  }

  /** Charges every key of such a shard what owners that crashed may have spent unseen. */
  takeOver({ shard, atUs, times }: ShardTakeover, nowUs: Micros): void {
    this.#stagedShard(shard).keys.recover(toldMoment(atUs, nowUs), (policy) => takeoverUnits(policy, times));
  }

  /** From now on the shard is decided here, with what pages and takeovers have told of it. */
  admit(event: ShardOpened, nowUs: Micros): void {
    const { shard, epoch, isJournalled, isRecovered, answeredIds, loans } = event;
    const known = this.open[shard];
    if (known !== undefined) {
      // Ours before and still: only the token is new.
      known.epoch = epoch;
      return;
    }
    const { table } = this.#admission;
    const { book, balances } = this.#lending;
    const { keys, aheadUs } = this.#stagedShard(shard);
    if (aheadUs !== 0) this.#tellClock(shard, aheadUs);
    table.open(shard, keys, isJournalled);
    this.#staged.delete(shard);
    if (isRecovered === true) table.journalToWrite(shard, nowUs)?.recovered(nowUs);
    if (loans !== undefined && loans.length > 0) book.importShard(shard, loans, nowUs, nowUs);
    // What was borrowed of it goes back where it came from: here.
    balances.retire(shard);
    const answered = new AnsweredIds();
    if (answeredIds !== undefined && answeredIds.length > 0) answered.load(answeredIds, nowUs);
    this.open[shard] = { epoch, sinceUs: nowUs, decided: 0, answered };
  }

  /** From now on the shard is treated as if it were elsewhere, until `thaw` or `dismiss`. */
  freeze(shard: number): void {
    this.#admission.table.freeze(shard);
    const open = this.open[shard];
    if (open !== undefined) this.#frozen.set(shard, open);
    this.open[shard] = undefined;
  }

  /** Freezes a shard that is left in order: nobody will be charged for a crash, so what is lent counts as spent. */
  leave(shard: number, nowUs: Micros): void {
    this.freeze(shard);
    this.#lending.book.forfeitShard(shard, nowUs);
    // It is nobody's answer.
    this.#admission.holds.length = 0;
  }

  thaw(shard: number): void {
    this.#admission.table.thaw(shard);
    this.open[shard] ??= this.#frozen.get(shard);
    this.#frozen.delete(shard);
  }

  /** The shard is somebody else's, or what was told of it is not to become ours. */
  dismiss(shard: number): void {
    this.#lending.book.dropShard(shard);
    this.#admission.table.discard(this.#staged.get(shard)?.keys);
    this.#staged.delete(shard);
    this.#frozen.delete(shard);
    this.open[shard] = undefined;
    this.#admission.table.close(shard);
  }

  /** What was answered under idempotency ids, for the shard's next owner. */
  answeredIds(shard: number): Uint8Array {
    return (this.open[shard] ?? this.#frozen.get(shard))?.answered.save() ?? EMPTY;
  }

  /** What is lent of the shard's keys, for its next owner. */
  loans(shard: number): Uint8Array {
    return this.#lending.book.exportShard(shard);
  }

  #tellClock(shard: number, aheadUs: number): void {
    const side = aheadUs > 0 ? "ahead of" : "behind";
    this.foreignClocks[aheadUs > 0 ? "ahead" : "behind"] += 1;
    const apart = `${Math.round(Math.abs(aheadUs) / US_PER_S)} s ${side} ours`;
    this.#say(`shard ${shard} comes from a process whose clock is ${apart}: its keys are moved by that`);
  }

  #stagedShard(shard: number): StagedShard {
    const staged = this.#staged.get(shard) ?? { keys: this.#admission.table.newKeys(shard), aheadUs: 0 };
    this.#staged.set(shard, staged);
    return staged;
  }
}
