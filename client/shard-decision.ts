/** A shard's answer to one check. What all answers of a frame have in common is kept once. */
import type { Dimension, Outcome, Tier } from "../core/decision.ts";
import type { PackedReplyReader } from "../core/packed-reply.ts";
import type { CheckResult } from "./check.ts";

export interface FrameFacts {
  readonly region: string;
  readonly decidedUs: number;
  readonly sequence: number;
  readonly epoch: number;
}

export class ShardDecision implements CheckResult {
  readonly allowed: boolean;
  readonly outcome: Outcome;
  readonly limit: number | null;
  readonly remaining: number | null;
  readonly retryAfterUs: number;
  readonly resetAfterUs: number;
  readonly delayUs: number;
  readonly policy: string | null;
  readonly dimension: Dimension | null;
  readonly tier: Tier;
  readonly #frame: FrameFacts;
  readonly #index: number;

  /** Takes the answer that `reader` has selected. @param index its place in the frame */
  constructor(reader: PackedReplyReader, index: number, tier: Tier, frame: FrameFacts) {
    const allowed = reader.outcome === "allowed";
    const isLimited = reader.text !== null;
    this.allowed = allowed;
    this.outcome = reader.outcome;
    this.limit = isLimited ? reader.limit : null;
    this.remaining = isLimited ? reader.remaining : null;
    this.retryAfterUs = allowed ? 0 : reader.waitUs;
    this.resetAfterUs = reader.resetAfterUs;
    this.delayUs = allowed ? reader.waitUs : 0;
    this.policy = reader.text;
    this.dimension = reader.dimension;
    this.tier = tier;
    this.#frame = frame;
    this.#index = index;
  }

  get region(): string {
    return this.#frame.region;
  }

  get decidedUs(): number {
    return this.#frame.decidedUs;
  }

  get sequence(): number {
    return this.#frame.sequence + this.#index;
  }

  get epoch(): number {
    return this.#frame.epoch;
  }

  get blind(): boolean {
    return false;
  }

  toJSON(): CheckResult {
    const {
      allowed,
      outcome,
      limit,
      remaining,
      retryAfterUs,
      resetAfterUs,
      delayUs,
      policy,
      dimension,
      tier,
    } = this;
    const { region, decidedUs, sequence, epoch, blind } = this;
    const amounts = { limit, remaining, retryAfterUs, resetAfterUs, delayUs };
    const decided = { region, decidedUs, sequence, epoch, blind };
    return { allowed, outcome, ...amounts, policy, dimension, tier, ...decided };
  }
}
