/**
 * Answers that are decided and charged but must not go out before the journal knows (durability.ts): at most
 * u units of a key may have been answered and not be written.
 *
 *      decided ─▶ add ─▶ ▒ ▒ ▒ ─▶ release, in order of decision ─▶ reply
 *                              └▶ too old: DEADLINE_EXCEEDED, since it was charged and nobody should ask elsewhere
 *
 * Only keys that are spent fast come here, a few milliseconds each.
 */
import type { JournalHold } from "../admission/journalled-keys.ts";
import { ParlError } from "../core/errors.ts";
import type { Micros } from "../core/units.ts";

/** Half of the shortest patience a caller may reasonably have. */
const HELD_MAX_US = 250_000;

interface HeldAnswer {
  readonly shard: number;
  readonly replyTo: string;
  readonly payload: Uint8Array;
  readonly holds: readonly JournalHold[];
  readonly untilUs: number;
}

export class HeldAnswers {
  /** Answers that were held, and those given up. */
  heldTotal = 0;
  expiredTotal = 0;

  #held: HeldAnswer[] = [];

  get length(): number {
    return this.#held.length;
  }

  /** Answers held for checks decided at a shard. */
  countOf(shard: number): number {
    return this.#held.reduce((sum, held) => sum + (held.shard === shard ? 1 : 0), 0);
  }

  add(
    shard: number,
    replyTo: string,
    payload: Uint8Array,
    holds: readonly JournalHold[],
    nowUs: Micros,
  ): void {
    this.heldTotal += 1;
    this.#held.push({ shard, replyTo, payload, holds, untilUs: nowUs + HELD_MAX_US });
  }

  /** Lets go what the journal knows by now, and gives up on what is too old. */
  release(
    nowUs: Micros,
    reply: (to: string, payload: Uint8Array) => void,
    fail: (to: string, error: ParlError) => void,
  ): void {
    if (this.#held.length === 0) return;
    const still: HeldAnswer[] = [];
    for (const held of this.#held) {
      if (held.holds.every(({ heavyKeys, position }) => heavyKeys.journalled >= position)) {
        reply(held.replyTo, held.payload);
      } else if (nowUs >= held.untilUs) {
        this.expiredTotal += 1;
        fail(held.replyTo, journalSilent());
      } else still.push(held);
    }
    this.#held = still;
  }

  /** Answers for a shard that is ours no more are never sent: its next owner does not know them. */
  drop(shard: number): void {
    this.#held = this.#held.filter((held) => held.shard !== shard);
  }
}

function journalSilent(): ParlError {
  const message = "the check was charged, but the journal did not confirm it in time; has its disk room?";
  return new ParlError("PARL_DEADLINE_EXCEEDED", message, { field: "journal" });
}
