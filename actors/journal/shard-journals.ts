/**
 * The journals of all shards of this process: brings a shard's state out of the region's journal, and keeps
 * writing it from then on.
 *
 *      recover ─▶ read ─▶ pages and takeovers ─▶ host ─▶ "opened" written ─▶ host.opened: it may decide
 *      resume  ─▶ read ─────────────────────────────────▶ "opened" written    (the shard decides already)
 *
 * What a later version of this program has written is not written over: the shard stays closed and its journal is
 * looked at again every few seconds, until a program that can read it has the shard, or an operator removes it.
 *
 * The shell around ShardJournal (decides what is written) and Recovery (what was): carries their wishes to the
 * store and the answers back.
 */
import { CRASHES_TO_EXHAUST } from "../../admission/durability.ts";
import { StatePageReader } from "../../algorithms/state-page-reader.ts";
import type { Clock } from "../../core/clock.ts";
import { ParlError } from "../../core/errors.ts";
import { micros, type Micros } from "../../core/units.ts";
import type { JournalStore } from "./journal-store.ts";
import { isForeign, type Takeover } from "./record.ts";
import { Recovery, type Recovered, type RecoveryStep } from "./recovery.ts";
import {
  ShardJournal,
  type AppendOutcome,
  type JournalOutbox,
  type JournalSource,
  type Start,
} from "./shard-journal.ts";
import { withTakeover } from "./takeovers.ts";

const RETRY_MS = 250;
/** Shards of a dead process are claimed one after the other, within milliseconds. */
const GATHER_MS = 5;
/** Between two looks at a journal that another program has to read. */
const FOREIGN_RETRY_MS = 5_000;
const COUNTED_AS = { acked: "stored", unknown: "unanswered", "wrong-sequence": "refused" } as const;

interface JournalKeys extends JournalSource {
  /** What was taken and not acked is due again. */
  lost(): void;
}

export interface JournalHost {
  /** What the shard's keys give to the journal; undefined while the shard is not open. */
  keys(shard: number): JournalKeys | undefined;
  /** Longest horizon of any policy in force. */
  horizonMaxUs(): number;
  /** State of a shard that is to be opened. */
  page(shard: number, page: Uint8Array): void;
  takeover(shard: number, takeover: Takeover): void;
  /** What was told of the shard is void: it will be told again. */
  discard(shard: number): void;
  /** The shard may decide. */
  opened(shard: number, epoch: number): void;
  /** More is written than before. */
  advanced(): void;
  /** Somebody with a later epoch writes this journal. */
  superseded(shard: number): void;
  /** Everything is written and the journal closed. */
  closed(shard: number): void;
  /** For whoever reads the log. */
  say(words: string): void;
}

/** A shard to be brought in, and whether it had an owner before. */
export interface ShardToRecover {
  readonly shard: number;
  readonly epoch: number;
  readonly hadOwner: boolean;
}

interface Running {
  readonly epoch: number;
  readonly journal: ShardJournal;
  /** Whether the shard decides already, so that `opened` is no news. */
  readonly isServing: boolean;
}

export class ShardJournals {
  /**
   * Messages to the journal that it has stored, has not confirmed within a second, has refused; shards that were
   * given up because it is of a later epoch, and that were not opened because it is of another version.
   */
  readonly writes = { stored: 0, unanswered: 0, refused: 0, superseded: 0, foreign: 0 };
  /** Journals opened, by what their shards started from. */
  readonly openings = { fresh: 0, recovered: 0, continued: 0, exhausted: 0, rewritten: 0 };

  readonly #store: JournalStore;
  readonly #clock: Clock;
  readonly #host: JournalHost;
  readonly #running = new Map<number, Running>();
  /** Epochs being read for, by shard: what was asked for last counts. */
  readonly #reading = new Map<number, number>();
  /** Those among them whose journal is of another version. */
  readonly #foreign = new Set<number>();
  /** Shards to be read for next. */
  #wanted: ShardToRecover[] = [];
  #isRecovering = false;
  #isEnsured = false;

  constructor(store: JournalStore, clock: Clock, host: JournalHost) {
    this.#store = store;
    this.#clock = clock;
    this.#host = host;
  }

  /** Brings a shard in that nobody hands over. Goes on trying until it has worked or the shard is dropped. */
  recover(wanted: ShardToRecover): void {
    this.#reading.set(wanted.shard, wanted.epoch);
    this.#wanted.push(wanted);
    if (this.#isRecovering) return;
    this.#isRecovering = true;
    void this.#recoverWanted();
  }

  /** All that are wanted while one read is under way share the next. */
  async #recoverWanted(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
    while (this.#wanted.length > 0) {
      const shards = this.#wanted;
      this.#wanted = [];
      const found = await this.#read(shards);
      for (const each of shards) {
        if (this.#reading.get(each.shard) !== each.epoch) continue;
        const recovered = readable(found.get(each.shard) as Recovered);
        if (this.#isLaterOwners(each.shard, each.epoch, recovered)) continue;
        if (recovered.state === "foreign") {
          this.#waitForItsReader(each, recovered.reason);
          continue;
        }
        this.#reading.delete(each.shard);
        this.#foreign.delete(each.shard);
        this.#start(each.shard, each.epoch, false, this.#bringIn(each, recovered));
      }
    }
    this.#isRecovering = false;
  }

  #waitForItsReader(wanted: ShardToRecover, reason: string): void {
    const { shard, epoch } = wanted;
    if (!this.#foreign.has(shard)) {
      this.#foreign.add(shard);
      this.writes.foreign += 1;
      const { stream } = this.#store;
      const removal = `nats stream purge ${stream} --subject ${this.#store.subject(shard)} --force`;
      this.#host.say(
        `shard ${shard} is not decided here, and its journal left as it is: ${reason}. Let a process of that version have the shard by ending this one; or remove what it has written, so that the shard starts exhausted: ${removal}`,
      );
    }
    const again = (): void => {
      // Removed meanwhile, it is gone, not new.
      if (this.#reading.get(shard) === epoch) this.recover({ ...wanted, hadOwner: true });
    };
    setTimeout(again, FOREIGN_RETRY_MS).unref();
  }

  /** Goes on with the journal of a shard whose state is here and which decides already. */
  async resume(shard: number, epoch: number): Promise<void> {
    this.drop(shard);
    this.#reading.set(shard, epoch);
    const found = (await this.#read([{ shard }])).get(shard) as Recovered;
    if (this.#reading.get(shard) !== epoch) return;
    this.#reading.delete(shard);
    if (this.#isLaterOwners(shard, epoch, found)) return;
    const isKnown = found.state === "intact";
    this.#start(shard, epoch, true, {
      // What cannot be gone on from is written anew.
      how: isKnown ? "continued" : "rewritten",
      lastSequence: found.state === "empty" ? 0 : found.lastSequence,
      takeovers: isKnown ? found.takeovers : [],
      weight: isKnown ? found.weight : 0,
    });
  }

  /** Whether the shard is being brought in, and will be here soon: not one that waits for another program. */
  isOpening(shard: number): boolean {
    if (this.#foreign.has(shard)) return false;
    const running = this.#running.get(shard);
    return (
      this.#reading.has(shard) || (running !== undefined && !running.isServing && !running.journal.isOpen)
    );
  }

  /** Whether an answer of the store is awaited. */
  get isWriting(): boolean {
    return [...this.#running.values()].some(({ journal }) => journal.isWriting);
  }

  /** Lets the journals write what is due. To be called every few milliseconds while the lease is valid. */
  tick(): void {
    const monotonicUs = this.#clock.monotonicUs();
    const nowUs = this.#clock.wallUs();
    for (const [shard, { journal }] of this.#running) {
      if (monotonicUs < journal.wakeUs()) continue;
      journal.step({ kind: "tick" }, monotonicUs, nowUs, this.#outboxOf(shard, journal));
    }
  }

  /** Policies changed: what the journals hold has other numbers. */
  policiesChanged(): void {
    for (const [shard, { journal }] of this.#running) this.#step(shard, journal, { kind: "snapshot" });
  }

  /** Writes a clean end; then `host.closed`. The shard is charged no more. */
  close(shard: number): void {
    const journal = this.#running.get(shard)?.journal;
    if (journal === undefined) this.#host.closed(shard);
    else this.#step(shard, journal, { kind: "close" });
  }

  /** Writes nothing more. */
  drop(shard: number): void {
    this.#running.delete(shard);
    this.#reading.delete(shard);
    this.#foreign.delete(shard);
  }

  dropAll(): void {
    this.#running.clear();
    this.#reading.clear();
    this.#foreign.clear();
  }

  /** Reads until it has worked. */
  async #read(shards: readonly { readonly shard: number }[]): Promise<Map<number, Recovered>> {
    for (let attempt = 0; ; attempt += 1) {
      const recoveries = new Map(shards.map(({ shard }) => [shard, new Recovery(shard)]));
      try {
        if (!this.#isEnsured) {
          await this.#store.ensure();
          this.#isEnsured = true;
        }
        await this.#store.read([...recoveries.keys()], (shard, sequence, bytes) =>
          recoveries.get(shard)?.add(sequence, bytes),
        );
        return new Map([...recoveries].map(([shard, recovery]) => [shard, recovery.finish()]));
      } catch (error) {
        if (!(error instanceof ParlError)) throw error;
        if (attempt === 0) this.#host.say(error.message);
        // Looked for again: it may have been deleted.
        this.#isEnsured = false;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  /**
   * Whether somebody has written the journal under a later epoch than ours. What we wrote after that would be taken
   * for the late writes of a replaced owner, and be left out by whoever recovers the shard.
   */
  #isLaterOwners(shard: number, epoch: number, found: Recovered): boolean {
    if (found.state === "empty" || found.epoch <= epoch) return false;
    this.#supersede(shard);
    return true;
  }

  #supersede(shard: number): void {
    this.writes.superseded += 1;
    this.drop(shard);
    this.#host.superseded(shard);
  }

  /** Tells the host the shard's state; how its journal is to go on. */
  #bringIn({ shard, hadOwner }: ShardToRecover, found: Recovered): Start {
    const nowUs = this.#clock.wallUs();
    if (found.state === "empty") {
      // An owner writes before it decides. One that left nothing may have died before it could write, or the
      // journal was lost: nobody can tell.
      if (!hadOwner) return { how: "fresh", lastSequence: 0, takeovers: [], weight: 0 };
      return this.#exhausted(shard, nowUs, 0, "it is gone");
    }
    const { lastSequence } = found;
    const atUs = laterOf(nowUs, found.nowUs);
    if (found.state !== "intact") return this.#exhausted(shard, atUs, lastSequence, found.reason);
    for (const step of found.steps) this.#tell(shard, step);
    const { weight } = found;
    if (found.isClean) return { how: "continued", lastSequence, takeovers: found.takeovers, weight };
    const takeover = { atUs, times: 1 };
    this.#host.takeover(shard, takeover);
    const takeovers = withTakeover(found.takeovers, takeover, this.#host.horizonMaxUs());
    return { how: "recovered", lastSequence, takeovers, weight };
  }

  #exhausted(shard: number, atUs: Micros, lastSequence: number, reason: string): Start {
    const takeover = { atUs, times: CRASHES_TO_EXHAUST };
    this.#host.say(`shard ${shard} starts exhausted, because its journal cannot be trusted: ${reason}`);
    this.#host.takeover(shard, takeover);
    return { how: "exhausted", lastSequence, takeovers: [takeover], weight: 0 };
  }

  #tell(shard: number, step: RecoveryStep): void {
    if (step.kind === "takeover") this.#host.takeover(shard, step);
    else for (const page of step.pages) this.#host.page(shard, page);
  }

  #start(shard: number, epoch: number, isServing: boolean, start: Start): void {
    // Whatever a journal before had under way will not be heard of here.
    this.#host.keys(shard)?.lost();
    this.openings[start.how] += 1;
    const journal = new ShardJournal(shard, epoch, this.#sourceOf(shard));
    this.#running.set(shard, { epoch, journal, isServing });
    this.#step(shard, journal, { kind: "open", ...start });
  }

  #step(shard: number, journal: ShardJournal, event: Parameters<ShardJournal["step"]>[0]): void {
    journal.step(event, this.#clock.monotonicUs(), this.#clock.wallUs(), this.#outboxOf(shard, journal));
  }

  /** The keys of the shard, whether or not they are open yet. */
  #sourceOf(shard: number): JournalSource {
    const keys = (): JournalSource | undefined => this.#host.keys(shard);
    return {
      isDue: () => keys()?.isDue() ?? false,
      takeDue: (bytesMax) => keys()?.takeDue(bytesMax) ?? [],
      acked: () => {
        keys()?.acked();
        this.#host.advanced();
      },
      invalidate: () => {
        this.openings.rewritten += 1;
        keys()?.invalidate();
      },
      startSnapshot: (ofAll) => keys()?.startSnapshot(ofAll),
      nextSnapshotPages: (bytesMax) => keys()?.nextSnapshotPages(bytesMax),
    };
  }

  #outboxOf(shard: number, journal: ShardJournal): JournalOutbox {
    const store = this.#store;
    const running = this.#running.get(shard);
    const isCurrent = (): boolean => this.#running.get(shard)?.journal === journal;
    const answer = (event: Parameters<ShardJournal["step"]>[0]): void => {
      if (isCurrent()) this.#step(shard, journal, event);
    };
    return {
      append: (id, bytes, expected) => {
        const answered = (outcome: AppendOutcome): void => {
          this.writes[COUNTED_AS[outcome.kind]] += 1;
          answer({ kind: "append-answer", id, outcome });
        };
        void store.append(shard, bytes, expected).then(answered);
      },
      readLast: (id) => void store.readLast(shard).then((last) => answer({ kind: "last-answer", id, last })),
      purge: (belowSequence) => void store.purge(shard, belowSequence),
      opened: () => {
        if (running?.isServing === false) this.#host.opened(shard, running.epoch);
      },
      stale: () => this.#restart(shard),
      superseded: () => this.#supersede(shard),
      closed: () => {
        this.drop(shard);
        this.#host.closed(shard);
      },
    };
  }

  /** The subject moved on between reading and opening. */
  #restart(shard: number): void {
    const running = this.#running.get(shard);
    if (running === undefined) return;
    this.drop(shard);
    if (running.isServing) {
      void this.resume(shard, running.epoch);
      return;
    }
    this.#host.discard(shard);
    this.recover({ shard, epoch: running.epoch, hadOwner: true });
  }
}

/** A journal is only as good as its pages. */
function readable(found: Recovered): Recovered {
  if (found.state !== "intact") return found;
  const problem = found.steps.map(problemIn).find((each) => each !== undefined);
  if (problem === undefined) return found;
  return { ...found, state: isForeign(problem) ? "foreign" : "damaged", reason: problem.message };
}

function problemIn(step: RecoveryStep): ParlError | undefined {
  if (step.kind === "takeover") return undefined;
  const reader = new StatePageReader();
  for (const page of step.pages) {
    try {
      reader.open(page);
    } catch (error) {
      if (!(error instanceof ParlError)) throw error;
      return error;
    }
  }
  return undefined;
}

function laterOf(a: number, b: number): Micros {
  return micros(Math.max(a, b));
}
