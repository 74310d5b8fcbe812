/**
 * Decides packed frames: many checks of one tenant for one shard, straight from their bytes, into one packed
 * reply. This is the hot path: for a check without an id nothing is allocated.
 */
import type { Admission } from "../admission/admission.ts";
import type { Answer } from "../admission/answered-ids.ts";
import { DIMENSIONS, type Verdict } from "../core/decision.ts";
import { ParlError } from "../core/errors.ts";
import { PackedReplyWriter, rewriteDecision, rewriteError } from "../core/packed-reply.ts";
import { PackedRequestReader } from "../core/packed-request.ts";
import type { Micros } from "../core/units.ts";
import { tierProblem, type Asking, type DecisionDesk, type OpenShard } from "./decision-desk.ts";
import type { PackedFrame } from "./shard-event.ts";
import { hasLaterOwner } from "./shard-moved.ts";
import type { LookedKeys, WaitingRequests } from "./waiting-requests.ts";

/** Where checks wait, and where the reply goes once the last of them is decided. */
export interface Later {
  readonly waiting: WaitingRequests;
  readonly late: (reply: Uint8Array) => void;
}

export class PackedFrames {
  readonly #desk: DecisionDesk;
  readonly #admission: Admission;
  readonly #reader = new PackedRequestReader();
  readonly #writer = new PackedReplyWriter();
  /** Items of the current frame that have to wait. */
  readonly #late: { index: number; asking: Asking; keys: LookedKeys }[] = [];
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
   *
   * @returns undefined when some have to wait for a home elsewhere: then `later` gets the reply
   * @throws ParlError when the frame as a whole is refused; nothing in it counts then
   */
  answer(frame: PackedFrame, home: OpenShard, nowUs: Micros, later: Later): Uint8Array | undefined {
    const reader = this.#reader;
    const writer = this.#writer;
    const desk = this.#desk;
    reader.open(frame.payload);
    // Not `>`: what is no number is no epoch of ours either.
    if (!(reader.epoch <= home.epoch)) throw hasLaterOwner(reader.epoch, home.epoch);
    writer.begin(home.epoch, nowUs, desk.sequence + 1);
    desk.sequence += reader.count;
    home.decided += reader.count;
    this.#textOf.fill(-1);
    this.#late.length = 0;
    for (let index = 0; reader.next(); index += 1) {
      const error = reader.problem() ?? tierProblem(reader.tier);
      let isDecided = true;
      if (error !== undefined) {
        desk.tally.error(error.code);
        writer.error(error);
      } else if (reader.end > reader.idStart || reader.kind === "report") {
        isDecided = this.#itemOnce(frame, home, nowUs);
      } else {
        isDecided = this.#item(frame, nowUs);
      }
      if (!isDecided) this.#postpone(frame, index);
    }
    if (this.#late.length === 0) return writer.finish();
    this.#finishLater(frame, nowUs, later);
    return undefined;
  }

  /** A check without an id. False when it must wait. */
  #item(frame: PackedFrame, nowUs: Micros): boolean {
    const admission = this.#admission;
    const reader = this.#reader;
    admission.describeBytes(frame.tenant, reader.bytes, reader.keyStart, reader.userStart, reader.idStart);
    if (admission.home !== frame.shard) {
      this.#misplaced(admission.home);
      return true;
    }
    const end = this.#desk.check(reader.cost, nowUs);
    if (end === "waiting") return false;
    if (end === "unnamed") {
      const user = reader.text(reader.userStart, reader.idStart);
      this.#desk.nameLimited(frame.tenant, user, reader.text(reader.keyStart, reader.userStart));
    }
    const index = admission.tightest;
    this.#write(admission.verdict, index < 0 ? -1 : this.#policyText(index), this.#dimensionOf(index));
    return true;
  }

  /** A check or report that may be a retry. False when it must wait. */
  #itemOnce(frame: PackedFrame, home: OpenShard, nowUs: Micros): boolean {
    const asking = this.#asking(frame);
    this.#admission.describe(frame.tenant, asking.request.user, asking.request.key);
    if (this.#admission.home !== frame.shard) {
      this.#misplaced(this.#admission.home);
      return true;
    }
    try {
      const answer = this.#desk.decideOnce(home, asking, nowUs);
      if (answer === undefined) return false;
      const text = answer.policy === null ? -1 : this.#writer.text(answer.policy);
      this.#write(answer.verdict, text, answer.dimension);
    } catch (error) {
      if (!(error instanceof ParlError)) throw error;
      this.#desk.tally.error(error.code);
      this.#writer.error(error);
    }
    return true;
  }

  /** Says where the current item belongs; nothing is charged. */
  #misplaced(home: number): void {
    this.#desk.tally.misplaced += 1;
    this.#writer.moved(home);
  }

  /** Leaves room for the answer to the current item. */
  #postpone(frame: PackedFrame, index: number): void {
    this.#late.push({ index, asking: this.#asking(frame), keys: this.#admission.keysLooked() });
    this.#writer.decision("denied", -1, -1, 0);
    this.#writer.amounts(0, 0, 0);
  }

  /** Finishes the reply but for what has to wait; the last of that sends it. */
  #finishLater(frame: PackedFrame, nowUs: Micros, { waiting, late }: Later): void {
    const { policies } = this.#admission;
    const texts = new Map<string, number>();
    // Which policy will be the tightest is not known yet.
    for (const index of policies.matching(frame.tenant)) {
      texts.set(policies.policies[index]?.name ?? "", this.#policyText(index));
    }
    const reply = this.#writer.finish();
    const postponed = this.#late.splice(0);
    // What the journal must know first, of all checks of the frame, whenever they are decided.
    const { holds } = this.#admission;
    const held = holds.splice(0);
    let left = postponed.length;
    for (const { index, asking, keys } of postponed) {
      const answer = (given: Answer | ParlError): void => {
        if (given instanceof ParlError) rewriteError(reply, index, given);
        else {
          const { verdict, dimension, policy } = given;
          rewriteDecision(reply, index, { verdict, dimension, text: texts.get(policy ?? "") ?? -1 });
        }
        held.push(...holds.splice(0));
        left -= 1;
        if (left > 0) return;
        holds.push(...held);
        late(reply);
      };
      waiting.wait({ asking, shard: frame.shard, answer }, keys, nowUs);
    }
  }

  /** The current item, in words. */
  #asking(frame: PackedFrame): Asking {
    const reader = this.#reader;
    return {
      verb: reader.kind,
      tenant: frame.tenant,
      request: {
        key: reader.text(reader.keyStart, reader.userStart),
        user: reader.text(reader.userStart, reader.idStart),
        id: reader.text(reader.idStart, reader.end),
        cost: reader.cost,
        tier: reader.tier,
      },
    };
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
