/**
 * Answers to what is done but must not be told before the journal knows (durability.ts): at most u units of a
 * key may have been answered and not be written, and no crash may undo a reset that was answered.
 *
 *      decided ─▶ add ─▶ ▒ ▒ ▒ ─▶ release, in order of decision ─▶ reply
 *                              └▶ too old: DEADLINE_EXCEEDED, since it was done and nobody should ask elsewhere
 *
 * Only keys that are spent fast come here, and resets, a few milliseconds each.
 */
import type { JournalHold } from "../admission/journalled-keys.ts";
import { ParlError } from "../core/errors.ts";
import type { Micros } from "../core/units.ts";

/** How long an answer may be held, and what its asker is told when the journal kept silent for so long. */
export interface Patience {
  readonly heldMaxUs: number;
  readonly error: () => ParlError;
}

export interface HeldAnswer {
  readonly shard: number;
  readonly replyTo: string;
  readonly payload: Uint8Array;
  readonly holds: readonly JournalHold[];
  /** That of a check when absent. */
  readonly patience?: Patience;
}

interface Waiting extends HeldAnswer {
  readonly sinceUs: Micros;
}

const CHECK_PATIENCE: Patience = {
  // Half of the shortest patience a caller may reasonably have.
  heldMaxUs: 250_000,
  error: () => {
    const message = "the check was charged, but the journal did not confirm it in time; has its disk room?";
    return new ParlError("PARL_DEADLINE_EXCEEDED", message, { field: "journal" });
  },
};

export class HeldAnswers {
  /** Answers that were held, and those given up. */
  heldTotal = 0;
  expiredTotal = 0;

  #held: Waiting[] = [];

  get length(): number {
    return this.#held.length;
  }

  /** Answers held for what was done at a shard. */
  countOf(shard: number): number {
    return this.#held.reduce((sum, held) => sum + (held.shard === shard ? 1 : 0), 0);
  }

  add(answer: HeldAnswer, nowUs: Micros): void {
    this.heldTotal += 1;
    this.#held.push({ ...answer, sinceUs: nowUs });
  }

  /** Lets go what the journal knows by now, and gives up on what is too old. */
  release(
    nowUs: Micros,
    reply: (to: string, payload: Uint8Array) => void,
    fail: (to: string, error: ParlError) => void,
  ): void {
    if (this.#held.length === 0) return;
    const still: Waiting[] = [];
    for (const held of this.#held) {
      const { heldMaxUs, error } = held.patience ?? CHECK_PATIENCE;
      if (held.holds.every(({ heavyKeys, position }) => heavyKeys.journalled >= position)) {
        reply(held.replyTo, held.payload);
      } else if (nowUs >= held.sinceUs + heldMaxUs) {
        this.expiredTotal += 1;
        fail(held.replyTo, error());
      } else still.push(held);
    }
    this.#held = still;
  }

  /** Answers for a shard that is ours no more are never sent: its next owner does not know them. */
  drop(shard: number): void {
    this.#held = this.#held.filter((held) => held.shard !== shard);
  }
}
