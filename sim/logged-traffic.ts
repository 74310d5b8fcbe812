/**
 * The traffic of an access log: bytes in, checks in order of time out.
 *
 * A server logs a request when it *ends*, so a log is only roughly in order. All checks are held and
 * sorted by time; requests of the same second keep the order the log has them in.
 *
 * Cost: one small record per check, its texts shared between checks that repeat them.
 */
import type { Micros } from "../core/units.ts";
import { parseAccessLine, type OddReason } from "./access-log.ts";
import { checksOf, type CheckMapping, type LoggedCheck } from "./check-mapping.ts";
import { LogLines } from "./log-lines.ts";

/** A line that is no request. */
export interface OddLine {
  /** Counted from 1. */
  readonly line: number;
  readonly reason: OddReason;
  readonly text: string;
}

export interface LoggedTraffic {
  readonly lines: number;
  readonly requests: number;
  /** Requests that the log has behind a later one. */
  readonly outOfOrder: number;
  /** In order of time. */
  readonly checks: readonly LoggedCheck[];
  readonly oddLines: number;
  readonly oddReasons: ReadonlyMap<OddReason, number>;
  /** The first few. */
  readonly oddExamples: readonly OddLine[];
}

const ODD_EXAMPLES_MAX = 5;
const ODD_TEXT_MAX = 160;

export class LoggedTrafficReader {
  readonly #mapping: CheckMapping;
  readonly #requestsMax: number;
  readonly #lines = new LogLines((text, isTooLong) => this.#line(text, isTooLong));
  readonly #texts = new Map<string, string>();
  readonly #checks: LoggedCheck[] = [];
  readonly #oddReasons = new Map<OddReason, number>();
  readonly #oddExamples: OddLine[] = [];
  #lineCount = 0;
  #requests = 0;
  #outOfOrder = 0;
  #latestUs = 0;

  /** @param requestsMax requests beyond this many are read but not kept */
  constructor(mapping: CheckMapping, requestsMax = Infinity) {
    this.#mapping = mapping;
    this.#requestsMax = requestsMax;
  }

  push(chunk: Uint8Array): void {
    this.#lines.push(chunk);
  }

  end(): LoggedTraffic {
    this.#lines.end();
    const oddCounts = [...this.#oddReasons.values()];
    return {
      lines: this.#lineCount,
      requests: this.#requests,
      outOfOrder: this.#outOfOrder,
      checks: sortedByTime(this.#checks),
      oddLines: oddCounts.reduce((sum, count) => sum + count, 0),
      oddReasons: this.#oddReasons,
      oddExamples: this.#oddExamples,
    };
  }

  #line(text: string, isTooLong: boolean): void {
    this.#lineCount += 1;
    const record = isTooLong ? "too-long" : parseAccessLine(text);
    if (typeof record === "string") return this.#oddLine(record, text);
    if (this.#requests >= this.#requestsMax) return;
    this.#requests += 1;
    if (record.atUs < this.#latestUs) this.#outOfOrder += 1;
    this.#latestUs = Math.max(this.#latestUs, record.atUs);
    for (const { atUs, tenant, key, user } of checksOf(record, this.#mapping)) {
      this.#checks.push({
        atUs,
        tenant: this.#shared(tenant),
        key: this.#shared(key),
        user: user === null ? null : this.#shared(user),
      });
    }
  }

  #oddLine(reason: OddReason, text: string): void {
    this.#oddReasons.set(reason, (this.#oddReasons.get(reason) ?? 0) + 1);
    if (this.#oddExamples.length >= ODD_EXAMPLES_MAX) return;
    this.#oddExamples.push({ line: this.#lineCount, reason, text: text.slice(0, ODD_TEXT_MAX) });
  }

  /** One string per distinct text, so that a repeated key does not keep its whole line in memory. */
  #shared(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    this.#texts.set(text, text);
    return text;
  }
}

/** A stable copy: what happened at the same moment keeps its order. */
export function sortedByTime<T extends { readonly atUs: Micros }>(moments: readonly T[]): T[] {
  return moments.toSorted((left, right) => left.atUs - right.atUs);
}
