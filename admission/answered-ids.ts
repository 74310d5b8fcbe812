/**
 * What was answered to checks that carried an idempotency id, so that a retry after a lost reply gets the
 * same answer and is not charged twice.
 *
 *      young  ◀── remember            found in either
 *      old    ◀── young, every 30 s   the older generation is dropped whole
 *
 * An id is remembered for 30 to 60 seconds, far beyond any client's deadline, and for less when more than
 * 65,536 ids arrive within 30 seconds.
 */
import { ParlError } from "../core/errors.ts";
import { Verdict } from "../core/decision.ts";
import type { Micros } from "../core/units.ts";

const GENERATION_US = 30_000_000;
const IDS_PER_GENERATION_MAX = 65_536;
/** About two megabytes. */
const IDS_SAVED_MAX = 8_192;

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { fatal: true });

export interface Answer {
  /** Everything the request asked for; another request under the same id is refused. */
  readonly request: string;
  readonly verdict: Verdict;
  /** Name of the tightest policy and index of its dimension; null and −1 when none applied. */
  readonly policy: string | null;
  readonly dimension: number;
}

export class AnsweredIds {
  #young = new Map<string, Answer>();
  #old = new Map<string, Answer>();
  #turnUs = 0;

  /** The answer given before, if any. @throws ParlError PARL_ID_REUSED when it was to another request */
  find(tenant: string, id: string, request: string, nowUs: Micros): Answer | undefined {
    this.#turn(nowUs);
    const key = `${tenant} ${id}`;
    const answer = this.#young.get(key) ?? this.#old.get(key);
    if (answer === undefined || answer.request === request) return answer;
    const message = `id ${id} was used for another request (${answer.request}); take a new id for each request`;
    throw new ParlError("PARL_ID_REUSED", message, { field: "id" });
  }

  remember(tenant: string, id: string, answer: Answer): void {
    const verdict = new Verdict();
    verdict.copyFrom(answer.verdict);
    this.#young.set(`${tenant} ${id}`, { ...answer, verdict });
  }

  /** The youngest answers as bytes, for the shard's next owner. */
  save(): Uint8Array {
    const entries = [...this.#old, ...this.#young].slice(-IDS_SAVED_MAX);
    return utf8.encode(JSON.stringify(entries));
  }

  /**
   * Takes over what `save` gave, remembered for as long as if it had been answered now.
   * @throws ParlError PARL_MALFORMED, and nothing is taken over
   */
  load(bytes: Uint8Array, nowUs: Micros): void {
    let entries: readonly (readonly [string, Answer])[];
    try {
      entries = (JSON.parse(fromUtf8.decode(bytes)) as [string, Answer][]).map(([key, answer]) => {
        const verdict = Object.assign(new Verdict(), answer.verdict);
        // JSON has no Infinity.
        verdict.retryAfterUs ??= Infinity;
        return [key, { ...answer, verdict }];
      });
    } catch (cause) {
      throw new ParlError("PARL_MALFORMED", "the answers given under ids cannot be read", { cause });
    }
    this.#turn(nowUs);
    for (const [key, answer] of entries) this.#young.set(key, answer);
  }

  #turn(nowUs: Micros): void {
    if (nowUs < this.#turnUs && this.#young.size < IDS_PER_GENERATION_MAX) return;
    this.#old = nowUs < this.#turnUs + GENERATION_US ? this.#young : new Map();
    this.#young = new Map();
    this.#turnUs = nowUs + GENERATION_US;
  }
}
