/**
 * From the records of a shard's subject, in order, to what its next owner must do, in order.
 *
 *      opened ─ states ─ states ─┊ opened(recovered) ─ states ─ snapshot-start ─ states ─ snapshot-end ─ …
 *         └──── pages ─────┘            │                  └── a finished snapshot replaces all before it
 *                                 every key + u
 *
 * Later pages win over earlier ones, because they are adopted later. A record of an older epoch than one seen
 * before is the late write of an owner that has been replaced: ignored. Anything else unexpected (a checksum,
 * a version, a gap in the numbers, a missing beginning) is damage: it makes everything before it worthless,
 * until a later record stands for itself (a finished snapshot, or an owner that started from nothing). What
 * another version of this program has written is not damage: it is foreign, and whoever can read it may come.
 *
 * Pure; pages stay opaque.
 */
import { CRASHES_TO_EXHAUST } from "../../admission/durability.ts";
import { ParlError } from "../../core/errors.ts";
import { micros, type Micros } from "../../core/units.ts";
import { decodeRecord, isForeign, type JournalRecord, type Takeover } from "./record.ts";
import { weightOf } from "./weight.ts";

/** Done in order: adopt the keys of the pages; or charge every key, seen or not, for crashes at `atUs`. */
export type RecoveryStep =
  | { readonly kind: "pages"; readonly pages: readonly Uint8Array[] }
  | ({ readonly kind: "takeover" } & Takeover);

interface Found {
  /** Of the newest owner; the next must have a higher one. */
  readonly epoch: number;
  /** Stream sequence of the last record: what the opening expects. */
  readonly lastSequence: number;
  /** The latest moment in any record: the next owner's clock must not start before. */
  readonly nowUs: Micros;
  /** Records of replaced owners, which were left out. */
  readonly ignored: number;
}

export type Recovered =
  | { readonly state: "empty" }
  | ({
      readonly state: "intact";
      /** The last owner left in order: its journal holds every key, and no takeover need be charged. */
      readonly isClean: boolean;
      readonly steps: readonly RecoveryStep[];
      /** Takeovers among the steps, for the next owner's records. */
      readonly takeovers: readonly Takeover[];
      /** Size of what was read (weight.ts), for the compaction. */
      readonly weight: number;
    } & Found)
  | ({ readonly state: "damaged" | "foreign"; readonly reason: string } & Found);

export class Recovery {
  readonly #shard: number;
  #steps: RecoveryStep[] = [];
  /** What stands for itself once the snapshot being read is finished. */
  #snapshot: RecoveryStep[] | undefined;
  #takeovers: readonly Takeover[] = [];
  #damage: string | undefined;
  #isForeign = false;
  #isClean = false;
  #epoch = 0;
  /** Number of the next record of this epoch; undefined after damage, when any may follow. */
  #nextNumber: number | undefined;
  #nowUs = micros(0);
  #lastSequence = 0;
  #weight = 0;
  #ignored = 0;

  constructor(shard: number) {
    this.#shard = shard;
  }

  /** The next message of the subject. @param sequence its place in the stream, at least 1 */
  add(sequence: number, bytes: Uint8Array): void {
    const isFirst = this.#lastSequence === 0;
    this.#lastSequence = sequence;
    this.#weight += weightOf(bytes);
    const record = this.#decode(bytes);
    if (record === undefined) return;
    if (record.epoch < this.#epoch) {
      this.#ignored += 1;
      return;
    }
    if (record.nowUs > this.#nowUs) this.#nowUs = record.nowUs;
    this.#isClean = record.kind === "clean";
    if (record.kind === "opened") this.#open(record, isFirst);
    else this.#continue(record, isFirst);
    this.#epoch = record.epoch;
    this.#nextNumber = record.number + 1;
  }

  finish(): Recovered {
    if (this.#lastSequence === 0) return { state: "empty" };
    const found = {
      epoch: this.#epoch,
      lastSequence: this.#lastSequence,
      nowUs: this.#nowUs,
      ignored: this.#ignored,
    };
    if (this.#damage !== undefined) {
      return { state: this.#isForeign ? "foreign" : "damaged", reason: this.#damage, ...found };
    }
    return {
      state: "intact",
      isClean: this.#isClean,
      steps: this.#steps,
      takeovers: this.#takeovers,
      weight: this.#weight,
      ...found,
    };
  }

  #decode(bytes: Uint8Array): JournalRecord | undefined {
    try {
      const record = decodeRecord(bytes);
      if (record.shard === this.#shard) return record;
      this.#damaged(`a record of shard ${record.shard} is among those of shard ${this.#shard}`);
    } catch (error) {
      if (!(error instanceof ParlError)) throw error;
      this.#isForeign ||= isForeign(error);
      this.#damaged(error.message);
    }
    return undefined;
  }

  #open({ how, nowUs, takeovers }: JournalRecord, isFirst: boolean): void {
    this.#snapshot = undefined;
    this.#takeovers = takeovers;
    switch (how) {
      case "fresh":
        this.#restart([]);
        return;
      case "exhausted":
        this.#restart([{ kind: "takeover", atUs: nowUs, times: CRASHES_TO_EXHAUST }]);
        return;
      case "rewritten":
        this.#restart(takeovers.map(toStep));
        this.#damage = "it was lost, and its owner ended before all was written anew";
        return;
      case "recovered":
      case "continued":
        if (isFirst) this.#damaged("the records that its first owner started from are missing");
        if (how === "recovered") this.#steps.push({ kind: "takeover", atUs: nowUs, times: 1 });
    }
  }

  #continue(record: JournalRecord, isFirst: boolean): void {
    const isStart = record.kind === "snapshot-start";
    if (isFirst) this.#damaged(isStart ? "its first snapshot has no end" : "its beginning is missing");
    else if (record.epoch > this.#epoch) this.#damaged(`epoch ${record.epoch} was never opened`);
    else if (this.#nextNumber !== undefined && record.number !== this.#nextNumber) {
      this.#damaged(`record ${this.#nextNumber} of epoch ${record.epoch} is missing`);
    }
    if (isStart) {
      this.#takeovers = record.takeovers;
      this.#snapshot = record.takeovers.map(toStep);
    }
    if (record.pages.length > 0) {
      const step: RecoveryStep = { kind: "pages", pages: record.pages };
      this.#steps.push(step);
      this.#snapshot?.push(step);
    }
    if (record.kind === "snapshot-end" && this.#snapshot !== undefined) {
      this.#restart(this.#snapshot);
      this.#snapshot = undefined;
    }
  }

  /** Everything before is of no more interest. */
  #restart(steps: RecoveryStep[]): void {
    this.#steps = steps;
    this.#damage = undefined;
    this.#isForeign = false;
  }

  #damaged(reason: string): void {
    this.#damage ??= reason;
    this.#snapshot = undefined;
    this.#nextNumber = undefined;
    this.#isClean = false;
  }
}

function toStep({ atUs, times }: Takeover): RecoveryStep {
  return { kind: "takeover", atUs, times };
}
