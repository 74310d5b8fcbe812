/** What a replay of an access log is run with, and what it leaves behind, whoever decided. */
import type { ErrorCode, ParlError } from "../../core/errors.ts";
import type { DecisionRow } from "../../sim/decision-log.ts";
import { ReplayTally } from "../../sim/replay-tally.ts";
import type { Progress } from "./progress.ts";

export interface ReplayRun {
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Monotonic. */
  readonly nowMs: () => number;
  /** Whether the decisions are to be recorded. */
  readonly keepsRows: boolean;
}

/** Checks that got no answer for the same reason. */
export interface Unanswered {
  readonly code: ErrorCode;
  /** What the first of them was told. */
  readonly message: string;
  count: number;
}

export class Replayed {
  readonly tally = new ReplayTally();
  /** Empty unless they are to be recorded. */
  readonly rows: DecisionRow[] = [];
  /** Checks that have come back, with or without an answer. */
  asked = 0;
  blind = 0;
  elapsedMs = 0;
  latencyUs: { readonly p50: number; readonly p99: number } | null = null;
  readonly #keepsRows: boolean;
  readonly #unanswered = new Map<ErrorCode, Unanswered>();

  constructor(keepsRows: boolean) {
    this.#keepsRows = keepsRows;
  }

  addAnswer(row: DecisionRow): void {
    this.asked += 1;
    if (row.blind) this.blind += 1;
    this.tally.add(row);
    if (this.#keepsRows) this.rows.push(row);
  }

  addUnanswered({ code, message }: ParlError): void {
    this.asked += 1;
    const known = this.#unanswered.get(code);
    if (known === undefined) this.#unanswered.set(code, { code, message, count: 1 });
    else known.count += 1;
  }

  get unanswered(): Unanswered[] {
    return [...this.#unanswered.values()];
  }

  get unansweredCount(): number {
    return this.unanswered.reduce((sum, { count }) => sum + count, 0);
  }
}
