/**
 * Makes recorded decisions again and compares: what a live region answered, what the same rows give
 * offline, and on request what a reference says that shares no code with either.
 *
 *   row ─▶ region's OfflineDecider ─▶ every field equal? ─▶ agreement │ disagreement, both sides kept
 *     └──▶ region's Reference ──────▶ outcome equal?
 *
 * Regions decide apart from each other, so each has its own. Rows come in order of decision. Blind answers
 * were decided by no shard and are only counted. A gap in a region's sequence is a decision that is not in
 * the log (other traffic, or an answer that was lost): after one, disagreements prove nothing.
 */
import type { PolicyDocument } from "../admission/policy.ts";
import type { Outcome } from "../core/decision.ts";
import type { DecisionRow } from "./decision-log.ts";
import { OfflineDecider, type OfflineDecision } from "./offline-decider.ts";

/** Something else that can say what the outcome should have been. */
export interface Reference {
  decide(row: DecisionRow): Outcome;
}

export interface Disagreement {
  readonly row: DecisionRow;
  readonly offline: OfflineDecision;
  /** Null without a reference. */
  readonly reference: Outcome | null;
}

export interface PolicyAgreement {
  decisions: number;
  denied: number;
  /** Rows that offline decides differently, and rows whose outcome the reference does not share. */
  disagreements: number;
  referenceDisagreements: number;
}

const EXAMPLES_MAX = 5;

export class Redecision {
  decisions = 0;
  blind = 0;
  disagreements = 0;
  referenceDisagreements = 0;
  /** The first few rows on which somebody differs. */
  readonly examples: Disagreement[] = [];
  /** By the policy that decided live; `-` when none applied. */
  readonly policies = new Map<string, PolicyAgreement>();
  readonly #document: PolicyDocument;
  readonly #newReference: (() => Reference) | undefined;
  readonly #regions = new Map<string, Region>();

  constructor(document: PolicyDocument, newReference?: () => Reference) {
    this.#document = document;
    this.#newReference = newReference;
  }

  /** Decides one row again; within a region rows come in order of decision. */
  add(row: DecisionRow): void {
    if (row.blind) {
      this.blind += 1;
      return;
    }
    const region = this.#region(row);
    region.decisions += 1;
    region.lastSequence = row.sequence;
    const offline = region.decider.decide(row, row.nowUs);
    const reference = region.reference?.decide(row) ?? null;
    this.#compare({ row, offline, reference });
  }

  /** Decisions that the regions made between the log's first and last and that the log does not have. */
  missing(): number {
    const spans = [...this.#regions.values()].map(
      ({ firstSequence, lastSequence, decisions }) => lastSequence - firstSequence + 1 - decisions,
    );
    return spans.reduce((sum, gaps) => sum + gaps, 0);
  }

  #compare(sides: Disagreement): void {
    const { row, offline, reference } = sides;
    const policy = this.#policy(row.policy ?? "-");
    const isSame = isSameDecision(row, offline);
    const isReferenceSame = reference === null || reference === row.outcome;
    this.decisions += 1;
    policy.decisions += 1;
    if (row.outcome === "denied") policy.denied += 1;
    if (!isSame) {
      this.disagreements += 1;
      policy.disagreements += 1;
    }
    if (!isReferenceSame) {
      this.referenceDisagreements += 1;
      policy.referenceDisagreements += 1;
    }
    if (!(isSame && isReferenceSame) && this.examples.length < EXAMPLES_MAX) this.examples.push(sides);
  }

  #region(row: DecisionRow): Region {
    let region = this.#regions.get(row.region);
    if (region === undefined) {
      region = {
        decider: new OfflineDecider(this.#document),
        reference: this.#newReference?.(),
        decisions: 0,
        firstSequence: row.sequence,
        lastSequence: row.sequence,
      };
      this.#regions.set(row.region, region);
    }
    return region;
  }

  #policy(name: string): PolicyAgreement {
    let policy = this.policies.get(name);
    if (policy === undefined) {
      policy = { decisions: 0, denied: 0, disagreements: 0, referenceDisagreements: 0 };
      this.policies.set(name, policy);
    }
    return policy;
  }
}

interface Region {
  readonly decider: OfflineDecider;
  readonly reference: Reference | undefined;
  decisions: number;
  readonly firstSequence: number;
  lastSequence: number;
}

function isSameDecision(live: DecisionRow, offline: OfflineDecision): boolean {
  return (
    live.outcome === offline.outcome &&
    live.policy === offline.policy &&
    live.remaining === offline.remaining &&
    live.retryAfterUs === offline.retryAfterUs
  );
}
