/**
 * One shard of one policy with its journal, as a host would run it: a real limiter, the real side table, the
 * real step machine, and a stream in memory. Nothing is delivered until the test says so.
 *
 * A charge that must wait is made at once and answered when its ticket is journalled.
 */
import { crashBudget, CRASHES_TO_EXHAUST, horizonUs, takeoverUnits } from "../../../admission/durability.ts";
import { HeavyKeys } from "../../../admission/heavy-keys.ts";
import type { AlgorithmParams } from "../../../algorithms/algorithm.ts";
import { KeyedLimiter } from "../../../algorithms/keyed-limiter.ts";
import { createAlgorithm } from "../../../algorithms/registry.ts";
import { StatePageWriter } from "../../../algorithms/state-page.ts";
import { StatePageReader } from "../../../algorithms/state-page-reader.ts";
import { Recovery, type RecoveryStep } from "../../../actors/journal/recovery.ts";
import type { Opening, Takeover } from "../../../actors/journal/record.ts";
import {
  ShardJournal,
  type JournalEvent,
  type JournalOutbox,
  type JournalSource,
} from "../../../actors/journal/shard-journal.ts";
import { withTakeover } from "../../../actors/journal/takeovers.ts";
import { Verdict } from "../../../core/decision.ts";
import { micros, type Micros } from "../../../core/units.ts";
import type { MemoryStream } from "./memory-stream.ts";
import { SHARD } from "./record-samples.ts";

const POLICY = "test";
/** A key that nobody ever charges. */
const UNSEEN = { high: 0xdead_beef, low: 0xbeef };
/** Several keys a page, so that a snapshot takes several messages. */
const PAGE_BYTES = 160;

/** Something done to a key, and its place among all that was done here. */
export interface Done {
  readonly atUs: Micros;
  readonly order: number;
  readonly key: number;
}

export interface Answer extends Done {
  readonly cost: number;
}

export interface Reset extends Done {
  /** What must be journalled before it is answered. */
  readonly ticket: number;
}

type Request =
  | { readonly kind: "append"; readonly id: number; readonly bytes: Uint8Array; readonly expected: number }
  | { readonly kind: "read-last"; readonly id: number };

export class JournalledShard implements JournalSource, JournalOutbox {
  readonly heavy: HeavyKeys;
  readonly limiter: KeyedLimiter;
  readonly journal: ShardJournal;
  readonly answers: Answer[] = [];
  /** Also those not answered. */
  readonly resets: Reset[] = [];
  /** What the machine asked for and nobody has delivered yet. */
  request: Request | undefined;
  supersededBy: number | "foreign" = 0;
  isStale = false;
  isClosed = false;
  purges = 0;

  readonly params: AlgorithmParams;
  readonly #stream: MemoryStream;
  readonly #verdict = new Verdict();
  readonly #writer = new StatePageWriter({ bytes: PAGE_BYTES });
  readonly #held: (Answer & { readonly ticket: number })[] = [];
  #snapshot: number[] = [];
  #isSnapshotOfAll = false;
  #nowUs = micros(0);
  #done = 0;
  readonly #forgotten = new Set<number>();

  constructor(epoch: number, params: AlgorithmParams, stream: MemoryStream) {
    this.params = params;
    this.#stream = stream;
    this.limiter = new KeyedLimiter(createAlgorithm(params));
    this.heavy = new HeavyKeys(this.#numbers());
    this.journal = new ShardJournal(SHARD, epoch, this);
  }

  /** Reads the journal, takes over, asks for the opening; what was recovered from. */
  open(nowUs: Micros): string {
    const recovery = new Recovery(SHARD);
    for (const { sequence, bytes } of this.#stream.messages) recovery.add(sequence, bytes);
    const found = recovery.finish();
    if (found.state === "intact") for (const step of found.steps) this.#replay(step);
    const how = howToOpen(found);
    let takeovers = found.state === "intact" ? found.takeovers : [];
    const times = how === "recovered" ? 1 : how === "exhausted" ? CRASHES_TO_EXHAUST : 0;
    if (times > 0) {
      takeovers = withTakeover(takeovers, { atUs: nowUs, times }, horizonUs(this.params));
      this.#takeOver({ atUs: nowUs, times });
    }
    this.limiter.forEachKey((high, low) => this.heavy.recovered(high, low, nowUs));
    const lastSequence = found.state === "empty" ? 0 : found.lastSequence;
    this.step({ kind: "open", how, lastSequence, takeovers, weight: 0 }, nowUs);
    return found.state === "intact" && found.isClean ? "clean" : found.state;
  }

  step(event: JournalEvent, nowUs: Micros): void {
    this.#nowUs = nowUs;
    this.journal.step(event, nowUs, nowUs, this);
  }

  /** Decides; whether the limiter allowed it. */
  decide(key: number, cost: number, nowUs: Micros): boolean {
    const verdict = this.#verdict;
    const unseen = this.used(UNSEEN.high, UNSEEN.low, nowUs);
    this.limiter.evaluate(key, key, cost, nowUs, verdict);
    if (verdict.outcome !== "allowed") return false;
    this.limiter.commit(cost);
    const used = this.limiter.algorithm.capacity - verdict.remaining - unseen;
    const ticket = this.heavy.charged(key, key, cost, used, nowUs);
    const answer = { atUs: nowUs, order: this.#nextOrder(), key, cost };
    if (ticket === 0) this.answers.push(answer);
    else this.#held.push({ ...answer, ticket });
    return true;
  }

  /** Makes a key new, and sweeps it away where nothing keeps it. */
  reset(key: number, nowUs: Micros): void {
    this.limiter.forget(key, key, nowUs);
    this.#forgotten.add(key);
    const ticket = this.heavy.forgotten(key, key, 0, nowUs);
    this.resets.push({ atUs: nowUs, order: this.#nextOrder(), key, ticket });
    this.limiter.sweep(nowUs, Infinity);
  }

  isAnswered({ ticket }: Reset): boolean {
    return ticket <= this.heavy.journalled;
  }

  /** Units charged at this moment. */
  used(high: number, low: number, nowUs: Micros): number {
    this.limiter.evaluate(high, low, 0, nowUs, this.#verdict);
    return this.limiter.algorithm.capacity - this.#verdict.remaining;
  }

  /** Brings the request under way to the stream; its answer too, unless that gets lost. */
  deliver(isAnswered: boolean, nowUs: Micros): void {
    const { request } = this;
    if (request === undefined) return;
    this.request = undefined;
    const { id } = request;
    if (request.kind === "append") {
      const outcome = this.#stream.append(request.bytes, request.expected);
      this.step({ kind: "append-answer", id, outcome: isAnswered ? outcome : { kind: "unknown" } }, nowUs);
    } else {
      const last = isAnswered ? this.#stream.readLast() : { kind: "unknown" as const };
      this.step({ kind: "last-answer", id, last }, nowUs);
    }
    this.#release();
  }

  /** The request under way gets lost; the sender hears nothing. */
  drop(nowUs: Micros): void {
    const { request } = this;
    if (request === undefined) return;
    this.request = undefined;
    const { id } = request;
    if (request.kind === "append") {
      this.step({ kind: "append-answer", id, outcome: { kind: "unknown" } }, nowUs);
    } else this.step({ kind: "last-answer", id, last: { kind: "unknown" } }, nowUs);
  }

  /** Lets the journal work until it has nothing to do; the time at the end. */
  settle(fromUs: Micros): Micros {
    let nowUs = fromUs;
    for (let turns = 0; turns < 10_000; turns += 1) {
      const wakeUs = this.journal.wakeUs();
      if (this.request === undefined && wakeUs === Infinity) return nowUs;
      if (this.request === undefined) {
        nowUs = micros(Math.max(nowUs, wakeUs));
        this.step({ kind: "tick" }, nowUs);
      } else this.deliver(true, nowUs);
    }
    throw new Error("the journal does not come to rest");
  }

  get heldCount(): number {
    return this.#held.length;
  }

  // What the journal asks of its shard.

  isDue(): boolean {
    return this.heavy.isDue;
  }

  takeDue(): readonly Uint8Array[] {
    const writer = this.#writer;
    this.limiter.beginPage(writer, POLICY, this.params);
    const before = writer.count;
    const taken = this.heavy.take((high, low) =>
      this.limiter.writeKey(high, low, writer, this.#forgotten.has(high)),
    );
    return taken === 0 || writer.count === before ? [] : [writer.finish()];
  }

  acked(): void {
    this.heavy.acked();
  }

  invalidate(): void {
    this.heavy.invalidate(this.#numbers());
  }

  startSnapshot(ofAll: boolean): void {
    const keys: number[] = [];
    this.limiter.forEachKey((high) => keys.push(high));
    this.#isSnapshotOfAll = ofAll;
    this.#snapshot = keys;
  }

  nextSnapshotPages(): readonly Uint8Array[] | undefined {
    if (this.#snapshot.length === 0) return undefined;
    this.limiter.beginPage(this.#writer, POLICY, this.params);
    for (;;) {
      const [key] = this.#snapshot;
      if (key === undefined) break;
      if (!this.#isInSnapshot(key) || this.limiter.writeKey(key, key, this.#writer)) this.#snapshot.shift();
      else break;
    }
    return [this.#writer.finish()];
  }

  #isInSnapshot(key: number): boolean {
    if (this.#isSnapshotOfAll) return true;
    const unseen = this.used(UNSEEN.high, UNSEEN.low, this.#nowUs);
    return !this.heavy.isLight(this.used(key, key, this.#nowUs) - unseen);
  }

  // What the journal wishes.

  append(id: number, bytes: Uint8Array, expected: number): void {
    this.request = { kind: "append", id, bytes, expected };
  }

  readLast(id: number): void {
    this.request = { kind: "read-last", id };
  }

  purge(belowSequence: number): void {
    this.purges += 1;
    this.#stream.purge(belowSequence);
  }

  opened(): void {}

  stale(): void {
    this.isStale = true;
  }

  superseded(epoch: number | "foreign"): void {
    this.supersededBy = epoch;
  }

  closed(): void {
    this.isClosed = true;
  }

  #nextOrder(): number {
    this.#done += 1;
    return this.#done;
  }

  #release(): void {
    for (;;) {
      const index = this.#held.findIndex(({ ticket }) => ticket <= this.heavy.journalled);
      if (index < 0) return;
      this.answers.push(...this.#held.splice(index, 1));
    }
  }

  #replay(step: RecoveryStep): void {
    if (step.kind === "takeover") {
      this.#takeOver(step);
      return;
    }
    const reader = new StatePageReader();
    for (const page of step.pages) {
      reader.open(page);
      // At the page's own time: later charges of earlier takeovers must not come later than they were.
      this.limiter.adoptPage(reader, micros(0));
    }
  }

  #takeOver({ atUs, times }: Takeover): void {
    const arrears = { units: takeoverUnits(this.params, times), atUs };
    this.limiter.chargeAll(arrears);
    this.limiter.setArrears(arrears);
  }

  #numbers(): { unjournalledMax: number; idleAfterUs: number } {
    const { unjournalledMax } = crashBudget(this.params);
    return { unjournalledMax, idleAfterUs: 2 * horizonUs(this.params) };
  }
}

function howToOpen(found: ReturnType<Recovery["finish"]>): Opening {
  if (found.state === "empty") return "fresh";
  if (found.state !== "intact") return "exhausted";
  return found.isClean ? "continued" : "recovered";
}
