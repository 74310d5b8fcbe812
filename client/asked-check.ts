/** A check as the shard will read it: ids are tokens, "" for absent. */
import type { Tier } from "../core/decision.ts";
import type { FrameKind } from "../core/packed-request.ts";
import type { CheckRequest } from "./check.ts";

/** A tenant as the client packs for it. */
export interface TenantLane {
  readonly token: string;
  /** FNV-1a of the token, to be continued with a key's. */
  readonly placement: number;
}

/** Lives only while it is packed: what waits afterwards is a place in a frame. */
export interface AskedCheck {
  readonly kind: FrameKind;
  readonly lane: TenantLane;
  /** Home shard, or where the owner said the key has moved. */
  readonly shard: number;
  readonly tier: Tier;
  readonly cost: number;
  readonly key: string;
  readonly user: string;
  readonly id: string;
  /** Monotonic milliseconds; until then somebody waits. */
  readonly deadlineMs: number;
  /** Redirections followed in the region being asked. */
  readonly moves: number;
  /** The caller's object, kept only to be shown to an `onFailure` function; it may change meanwhile. */
  readonly request: CheckRequest | undefined;
}
