/**
 * What a home has lent in all. Rows and units are of now, the rest since the start. Every unit is somewhere:
 *
 *      granted + arrived = spent + returned + forfeited + gone + units
 *
 * as far as holders have told. Units arrive and go with their shard, or go with their policy.
 */
export class LentTally {
  rows = 0;
  /** Lent now. Invariant: the sum of all loans' `lent`. */
  units = 0;
  granted = 0;
  arrived = 0;
  spent = 0;
  returned = 0;
  /** Charged because nobody will account for them any more. */
  forfeited = 0;
  gone = 0;
  /** Requests refused for want of a row. */
  full = 0;
  /** Messages that were overtaken, and messages of holders declared dead. */
  stale = 0;
  fromDead = 0;
  recalls = 0;
}
