/** A check on its way, with the promise that waits for it. */
import type { Tier } from "../core/decision.ts";
import type { ParlError } from "../core/errors.ts";
import type { FrameKind } from "../core/packed-request.ts";
import type { CheckRequest, CheckResult } from "./check.ts";

/** A tenant as the client packs for it. */
export interface TenantLane {
  readonly token: string;
  /** FNV-1a of the token, to be continued with a key's. */
  readonly placement: number;
}

/** Kept small: a busy client has tens of thousands of these under way. */
export interface PendingCheck {
  readonly kind: FrameKind;
  /** The caller's object, which may have changed meanwhile: only shown to `onFailure`. */
  readonly request: CheckRequest;
  readonly key: string;
  readonly user: string;
  readonly id: string;
  readonly cost: number;
  readonly tier: Tier;
  readonly lane: TenantLane;
  /** Monotonic milliseconds after which nobody waits any more. */
  readonly deadlineMs: number;
  /** Home shard, or where the owner said the key has moved. */
  shard: number;
  /** Redirections followed in the region being asked. */
  moves: number;
  /** Position of the region to ask after this one. */
  nextRegion: number;
  readonly resolve: (result: CheckResult) => void;
  readonly reject: (error: Error) => void;
}

/** Who is told how a check ended. */
export interface CheckEvents {
  decided(check: PendingCheck, result: CheckResult): void;
  failed(check: PendingCheck, error: ParlError): void;
}
