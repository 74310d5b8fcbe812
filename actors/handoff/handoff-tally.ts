/** How the transfers of one process ended, over all of its incarnations. */
import type { HandoffEnded } from "./transfer.ts";

export class HandoffTally {
  /** Shards handed over and taken over with their state. */
  given = 0;
  taken = 0;
  /** Given up with nothing changed: tried again. */
  aborted = 0;
  /** The shard was somebody else's by the end, or its state did not come: it goes on from the journal. */
  lost = 0;
  /** From the freeze of shards on their way out until they were known to be their next owners', all together. */
  frozenUs = 0;
  /** The longest of them, since this process began. */
  frozenMaxUs = 0;
  /** The same until their takers said that they had everything, of those that did. */
  undecidedUs = 0;
  /** Messages for shards on their way in for which there was no room: nobody answers them. */
  dropped = 0;
  /** Messages of other processes that were malformed, out of order, of another epoch or version, or came when busy. */
  refused = 0;

  count({ outcome, frozenUs, undecidedUs, dropped }: HandoffEnded): void {
    this[COUNTED_AS[outcome]] += 1;
    this.frozenUs += frozenUs;
    this.frozenMaxUs = Math.max(this.frozenMaxUs, frozenUs);
    this.undecidedUs += undecidedUs;
    this.dropped += dropped;
  }
}

const COUNTED_AS = {
  moved: "given",
  adopted: "taken",
  aborted: "aborted",
  superseded: "lost",
  recover: "lost",
  lost: "lost",
} as const satisfies Record<HandoffEnded["outcome"], keyof HandoffTally>;
