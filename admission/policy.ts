/**
 * A policy: one limit, for one dimension of the checks it matches. A check evaluates every policy that
 * matches its tenant, and all of them must agree (admission.ts).
 */
import type { AlgorithmParams } from "../algorithms/algorithm.ts";
import type { Dimension } from "../core/decision.ts";
import type { OnCrash } from "./durability.ts";

/** What to answer when the limiter itself cannot: the outage contract of a policy. */
export const FAILURE_MODES = ["allow", "deny", "local"] as const;
export type FailureMode = (typeof FAILURE_MODES)[number];

export interface Policy extends AlgorithmParams {
  /** Unique in the policy file; the name people see in replies, headers and metrics. */
  readonly name: string;
  readonly dimension: Dimension;
  readonly match: PolicyMatch;
  readonly onFailure: FailureMode;
  /** What the successor of a crashed owner starts from (durability.ts); bounded when absent. */
  readonly onCrash?: OnCrash;
}

/** Tenants as id tokens (core/id.ts). No member present: every tenant matches. */
export interface PolicyMatch {
  readonly tenants?: readonly string[];
  readonly plans?: readonly string[];
}

/** How many keys a tenant may hold in one process, counted under each policy that looks at them. */
export interface KeysMax {
  /** For tenants not named; a share of the process's memory when absent. */
  readonly everyTenant?: number;
  /** By tenant token. */
  readonly byTenant: ReadonlyMap<string, number>;
}

/** A whole, valid policy file. */
export interface PolicyDocument {
  readonly policies: readonly Policy[];
  /** Plan by tenant token, for `match.plan`. */
  readonly plans: ReadonlyMap<string, string>;
  /** Absent when the file says nothing of it. */
  readonly keysMax?: KeysMax;
}
