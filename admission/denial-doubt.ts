/**
 * Whether a denial may be wrong: would the check have passed, had every unit of its keys been in one place?
 *
 *      refused by    a key at home here, by what is charged alone            firm
 *                    the same, only because units are lent or spoken for     lent
 *                    a home elsewhere, while others held units of the key    elsewhere
 *                    nobody: its home was not heard, or could not be asked   unheard
 *
 * A check has to pass under all of its policies, so one firm refusal makes a denial right whatever the others
 * say; only a denial that rests on doubtful ones alone may be wrong. Counting those is therefore an upper bound
 * on wrong denials. It is not the number: of the units lent some were spent and not yet reported.
 *
 * Not counted is what was charged for a crash and perhaps never spent (forfeited units, u at a takeover): it
 * denies for sure, and is counted in units elsewhere. Refusals for want of room in a mailbox are errors.
 *
 * Proof: test/actors/decision-tally.prop.test.ts, against one place that knows everything.
 */

/** From least to most doubtful. */
export const DENIAL_DOUBTS = ["firm", "lent", "elsewhere", "unheard"] as const;
export type DenialDoubtName = (typeof DENIAL_DOUBTS)[number];

export const FIRM = 0;
export const LENT = 1;
export const ELSEWHERE = 2;
export const UNHEARD = 3;

/** Of one check at a time. */
export class DenialDoubt {
  #isFirm = false;
  #most = FIRM;

  start(): void {
    this.#isFirm = false;
    this.#most = FIRM;
  }

  /** One of its policies refuses. @param doubt place in DENIAL_DOUBTS */
  refused(doubt: number): void {
    if (doubt === FIRM) this.#isFirm = true;
    else if (doubt > this.#most) this.#most = doubt;
  }

  /** Place in DENIAL_DOUBTS of the denial as a whole. */
  get doubt(): number {
    return this.#isFirm ? FIRM : this.#most;
  }
}
