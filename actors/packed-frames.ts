/**
 * Decides packed frames: many checks of one tenant for one shard, straight from their bytes, into one packed
 * reply. This is the hot path: for a check without an id nothing is allocated.
 */
import type { Admission } from "../admission/admission.ts";
import { DIMENSIONS, type Verdict } from "../core/decision.ts";
import { ParlError } from "../core/errors.ts";
import { PackedReplyWriter } from "../core/packed-reply.ts";
import { PackedRequestReader } from "../core/packed-request.ts";
import type { Micros } from "../core/units.ts";
import type { JsonRequest } from "../core/wire-json.ts";
import { tierProblem, type DecisionDesk, type OpenShard } from "./decision-desk.ts";
import type { PackedFrame } from "./shard-event.ts";

/** After so long a shard that was moving has arrived. */
const MOVED_RETRY_MS = 100;

export class PackedFrames {
  readonly #desk: DecisionDesk;
  readonly #admission: Admission;
  readonly #reader = new PackedRequestReader();
  readonly #writer = new PackedReplyWriter();
  /** Number of each policy's name among the texts of the reply being written, −1 when not yet there. */
  #textOf: Int32Array;

  constructor(desk: DecisionDesk) {
    this.#desk = desk;
    this.#admission = desk.admission;
    this.#textOf = new Int32Array(desk.admission.policies.policies.length);
  }

  /** To be told after the admission has adopted other policies. */
  adopt(): void {
    this.#textOf = new Int32Array(this.#admission.policies.policies.length);
  }

  /**
   * Decides all checks of a frame for the shard `home`.
   * @throws ParlError when the frame as a whole is refused; nothing in it counts then
   */
  answer(frame: PackedFrame, home: OpenShard, nowUs: Micros): Uint8Array {
    const reader = this.#reader;
    const writer = this.#writer;
    const desk = this.#desk;
    reader.open(frame.payload);
    if (reader.epoch > home.epoch) throw fromTheFuture(reader.epoch, home.epoch);
    writer.begin(home.epoch, nowUs, desk.sequence + 1);
    desk.sequence += reader.count;
    home.decided += reader.count;
    this.#textOf.fill(-1);
    while (reader.next()) {
      const error = reader.problem() ?? tierProblem(reader.tier);
      if (error !== undefined) {
        desk.tally.error(error.code);
        writer.error(error);
      } else if (reader.end > reader.idStart || reader.kind === "report") {
        this.#itemOnce(frame, home, nowUs);
      } else {
        this.#item(frame, nowUs);
      }
    }
    return writer.finish();
  }

  /** A check without an id. */
  #item(frame: PackedFrame, nowUs: Micros): void {
    const admission = this.#admission;
    const reader = this.#reader;
    admission.describeBytes(frame.tenant, reader.bytes, reader.keyStart, reader.userStart, reader.idStart);
    if (admission.home !== frame.shard) {
      this.#writer.moved(admission.home);
      return;
    }
    if (this.#desk.check(reader.cost, nowUs)) {
      const user = reader.text(reader.userStart, reader.idStart);
      this.#desk.nameLimited(frame.tenant, user, reader.text(reader.keyStart, reader.userStart));
    }
    const index = admission.tightest;
    this.#write(admission.verdict, index < 0 ? -1 : this.#policyText(index), this.#dimensionOf(index));
  }

  /** A check or report that may be a retry. */
  #itemOnce(frame: PackedFrame, home: OpenShard, nowUs: Micros): void {
    const reader = this.#reader;
    const request: JsonRequest = {
      key: reader.text(reader.keyStart, reader.userStart),
      user: reader.text(reader.userStart, reader.idStart),
      id: reader.text(reader.idStart, reader.end),
      cost: reader.cost,
      tier: reader.tier,
    };
    this.#admission.describe(frame.tenant, request.user, request.key);
    if (this.#admission.home !== frame.shard) {
      this.#writer.moved(this.#admission.home);
      return;
    }
    try {
      const answer = this.#desk.decideOnce(home, reader.kind, frame.tenant, request, nowUs);
      const text = answer.policy === null ? -1 : this.#writer.text(answer.policy);
      this.#write(answer.verdict, text, answer.dimension);
    } catch (error) {
      if (!(error instanceof ParlError)) throw error;
      this.#desk.tally.error(error.code);
      this.#writer.error(error);
    }
  }

  #write(verdict: Verdict, text: number, dimension: number): void {
    const waitUs = verdict.outcome === "allowed" ? verdict.delayUs : verdict.retryAfterUs;
    this.#writer.decision(verdict.outcome, dimension, text, verdict.limit);
    this.#writer.amounts(verdict.remaining, waitUs, verdict.resetAfterUs);
  }

  #policyText(index: number): number {
    const known = this.#textOf[index] as number;
    if (known >= 0) return known;
    const policy = this.#admission.policies.policies[index];
    const text = this.#writer.text(policy?.name ?? "");
    this.#textOf[index] = text;
    return text;
  }

  #dimensionOf(policyIndex: number): number {
    const policy = this.#admission.policies.policies[policyIndex];
    return policy === undefined ? -1 : DIMENSIONS.indexOf(policy.dimension);
  }
}

/** Somebody has heard of a later owner: then it is not for us to decide. */
function fromTheFuture(epoch: number, ours: number): ParlError {
  const message = `the message knows epoch ${epoch} of its shard, this owner's is ${ours}; ask again`;
  return new ParlError("PARL_NOT_OWNER", message, { field: "epoch", retryAfterMs: MOVED_RETRY_MS });
}
