/**
 * Checks packed into one message, and who waits for their answers.
 *
 *      frame    │ 0 │ 1 │ 2 │ 3 │ 4 │ 5 │ …            check 0 ◀─ ended.then(take) ─┐
 *               └── cohort of 0…3 ──┘└ of 4…           check 1 ◀─ ended.then(take) ─┼─ the cohort's promise
 *                                                      check 2 ◀─ …                 ─┘
 *
 * A cohort is a run of neighbours of one tier with one deadline, give or take. They share a promise, and every caller gets
 * what follows from it for the next place in the frame: reactions of a promise run in the order they were
 * added (ECMA-262, TriggerPromiseReactions), so a counter tells them apart. A check under way costs its
 * promise and nothing else, no closures and no object to find it by, and its decision is made when the
 * caller is about to read it.
 */
import type { Tier } from "../core/decision.ts";
import type { ParlError } from "../core/errors.ts";
import { PackedRequestReader, type FrameKind } from "../core/packed-request.ts";
import type { AskedCheck, TenantLane } from "./asked-check.ts";
import type { CheckRequest, CheckResult } from "./check.ts";

/** Deadlines within so much of each other count as the latest of them. */
const DEADLINE_SPREAD_MS = 2;

/** Where a frame goes; everything in it is for there. */
export interface Destination {
  readonly kind: FrameKind;
  readonly lane: TenantLane;
  readonly shard: number;
}

/**
 * What the check at `index` is told once its cohort has ended, by `error` or, without one, by the frame's
 * reply: decides, throws, or asks again.
 */
export type Take = (
  cohort: Cohort,
  index: number,
  error: ParlError | undefined,
) => CheckResult | Promise<CheckResult>;

export class Frame {
  readonly destination: Destination;
  readonly take: Take;
  count = 0;
  /** Of the message, and when it was sent. */
  number = 0;
  sentMs = 0;
  /** The message as sent: what was asked, should it be asked again. */
  message: Uint8Array | undefined;
  /** The packed reply; there before cohorts end without an error. */
  reply: Uint8Array | undefined;
  /** Nobody gives up before. */
  nextDeadlineMs = Infinity;
  /** Those that wait still, in order. */
  #cohorts: Cohort[] = [];
  #asked: PackedRequestReader | undefined;
  #askedIndex = -1;

  constructor(destination: Destination, take: Take) {
    this.destination = destination;
    this.take = take;
  }

  /** The answer to a check, which is added to the message at the same time. */
  join(check: AskedCheck): Promise<CheckResult> {
    let cohort = this.#cohorts.at(-1);
    if (cohort === undefined || !cohort.takesIn(check)) {
      cohort = new Cohort(this, check);
      // A literal of one costs a fraction of an array that grows; most frames have one cohort.
      if (this.#cohorts.length === 0) this.#cohorts = [cohort];
      else this.#cohorts.push(cohort);
      if (check.deadlineMs < this.nextDeadlineMs) this.nextDeadlineMs = check.deadlineMs;
    }
    this.count += 1;
    return cohort.join(check.request);
  }

  /** Ends the wait of all that wait still. */
  end(error: ParlError | undefined): void {
    for (const cohort of this.#cohorts) cohort.end(error);
  }

  /** Ends what is overdue; true when nobody is left. */
  expire(nowMs: number, error: ParlError): boolean {
    this.nextDeadlineMs = Infinity;
    this.#cohorts = this.#cohorts.filter((cohort) => {
      if (cohort.deadlineMs <= nowMs) cohort.end(error);
      else this.nextDeadlineMs = Math.min(this.nextDeadlineMs, cohort.deadlineMs);
      return cohort.deadlineMs > nowMs;
    });
    return this.#cohorts.length === 0;
  }

  /** The message's item at `index`. Walks on from the one read before: those who ask again come in order. */
  askedAt(index: number): PackedRequestReader {
    if (this.#asked === undefined || index < this.#askedIndex) {
      this.#asked = new PackedRequestReader();
      this.#asked.open(this.message as Uint8Array);
      this.#askedIndex = -1;
    }
    for (; this.#askedIndex < index; this.#askedIndex += 1) this.#asked.next();
    return this.#asked;
  }
}

export class Cohort {
  readonly frame: Frame;
  readonly tier: Tier;
  readonly moves: number;
  /** The latest of its checks'. */
  deadlineMs: number;
  /** Ends the wait; to be called once. */
  end!: (error: ParlError | undefined) => void;
  /** Never rejects, so that one place may fail and the next be answered. */
  readonly #ended: Promise<ParlError | undefined>;
  readonly #take: (error: ParlError | undefined) => CheckResult | Promise<CheckResult>;
  readonly #firstIndex: number;
  readonly #firstDeadlineMs: number;
  /** By place in the cohort; none unless somebody wants to see them. */
  #requests: CheckRequest[] | undefined;

  /** @param check its first, which has yet to join */
  constructor(frame: Frame, { tier, moves, deadlineMs }: AskedCheck) {
    this.frame = frame;
    this.tier = tier;
    this.moves = moves;
    this.deadlineMs = deadlineMs;
    this.#firstIndex = frame.count;
    this.#firstDeadlineMs = deadlineMs;
    this.#ended = new Promise((resolve) => {
      this.end = resolve;
    });
    let next = frame.count;
    this.#take = (error) => {
      const index = next;
      next += 1;
      return frame.take(this, index, error);
    };
  }

  /** Whether a check may join; moves the deadline on to its own if so. */
  takesIn({ tier, moves, deadlineMs }: AskedCheck): boolean {
    const laterMs = deadlineMs - this.#firstDeadlineMs;
    if (laterMs < 0 || laterMs > DEADLINE_SPREAD_MS || this.tier !== tier || this.moves !== moves)
      return false;
    if (deadlineMs > this.deadlineMs) this.deadlineMs = deadlineMs;
    return true;
  }

  join(request: CheckRequest | undefined): Promise<CheckResult> {
    if (request !== undefined) (this.#requests ??= []).push(request);
    return this.#ended.then(this.#take);
  }

  /** The caller's object of the check at `index` of the frame, where it was kept. */
  requestAt(index: number): CheckRequest | undefined {
    return this.#requests?.[index - this.#firstIndex];
  }

  /** The check at `index` of the frame as it was asked. */
  askedAt(index: number): AskedCheck {
    const { frame, tier, moves, deadlineMs } = this;
    const asked = frame.askedAt(index);
    const key = asked.text(asked.keyStart, asked.userStart);
    const user = asked.text(asked.userStart, asked.idStart);
    const id = asked.text(asked.idStart, asked.end);
    const request = this.requestAt(index);
    return { ...frame.destination, tier, cost: asked.cost, key, user, id, deadlineMs, moves, request };
  }
}
