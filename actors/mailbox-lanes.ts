/**
 * Which lane of the mailbox a name has. A name is a tenant, and tenants can be invented.
 *
 *      4,096 lanes of one's own     in the round (something waiting, or in debt)  ◀──▶  idle, oldest first
 *      256 shared lanes             by FNV-1a of the name, for whoever comes when no lane of one's own is idle
 *
 * A lane keeps its name while it is idle, so that those who come and go cost one look-up in a map; a new name
 * takes the lane that has been idle for longest. While all 4,096 are in the round, further names share lanes:
 * those who were there first keep theirs. A name stays with its shared lane until that is out of the round, so
 * the messages of one name never stand in two lanes, and their order is kept.
 */
import { fnv1aString } from "../core/fnv1a.ts";
import type { MessageList } from "./message-lists.ts";

const OWN_LANES_MAX = 4_096;
const SHARED_LANES = 256;

export interface Lane extends MessageList {
  name: string;
  /** Checks waiting. */
  weight: number;
  /** Checks it may still be served before others have their turn; below 0 it owes. */
  credit: number;
  readonly isShared: boolean;
  isInRound: boolean;
  // Neighbours in the one row it stands in, the round or the idle ones.
  before: Lane | undefined;
  behind: Lane | undefined;
}

/** A row of lanes, linked through them. */
class LaneRow {
  first: Lane | undefined;
  #last: Lane | undefined;

  append(lane: Lane): void {
    lane.before = this.#last;
    lane.behind = undefined;
    if (this.#last === undefined) this.first = lane;
    else this.#last.behind = lane;
    this.#last = lane;
  }

  remove(lane: Lane): void {
    if (lane.before === undefined) this.first = lane.behind;
    else lane.before.behind = lane.behind;
    if (lane.behind === undefined) this.#last = lane.before;
    else lane.behind.before = lane.before;
  }
}

export class MailboxLanes {
  /** The lanes that take turns, next one first. */
  readonly #round = new LaneRow();
  readonly #idle = new LaneRow();
  readonly #own = new Map<string, Lane>();
  readonly #ownMax: number;
  readonly #shared: (Lane | undefined)[];
  #sharedInRound = 0;

  constructor(ownMax = OWN_LANES_MAX, shared = SHARED_LANES) {
    this.#ownMax = ownMax;
    this.#shared = Array.from({ length: shared });
  }

  /** Whose turn it is; undefined when nobody has anything waiting or owes anything. */
  get first(): Lane | undefined {
    return this.#round.first;
  }

  /** The lane of `name`, in the round or not. */
  of(name: string): Lane {
    const known = this.#own.get(name);
    if (known?.isInRound === true) return known;
    if (this.#sharedInRound > 0) {
      const shared = this.#sharedOf(name);
      if (shared.isInRound) return shared;
    }
    return known ?? this.#newOwn(name) ?? this.#sharedOf(name);
  }

  /** Puts an idle lane at the end of the round. */
  enter(lane: Lane): void {
    if (lane.isShared) this.#sharedInRound += 1;
    else this.#idle.remove(lane);
    lane.isInRound = true;
    this.#round.append(lane);
  }

  /** Sends the first of the round to its end. */
  rotate(): void {
    const lane = this.#round.first as Lane;
    this.#round.remove(lane);
    this.#round.append(lane);
  }

  /** Takes an empty lane out of the round; what it owes is forgotten. */
  leave(lane: Lane): void {
    this.#round.remove(lane);
    lane.isInRound = false;
    if (lane.isShared) this.#sharedInRound -= 1;
    else this.#idle.append(lane);
  }

  /** Undefined when all lanes are in the round. */
  #newOwn(name: string): Lane | undefined {
    let lane: Lane | undefined;
    if (this.#own.size < this.#ownMax) {
      lane = newLane(name, false);
      this.#idle.append(lane);
    } else {
      lane = this.#idle.first;
      if (lane === undefined) return undefined;
      this.#own.delete(lane.name);
      lane.name = name;
    }
    this.#own.set(name, lane);
    return lane;
  }

  #sharedOf(name: string): Lane {
    const place = fnv1aString(name) % this.#shared.length;
    return (this.#shared[place] ??= newLane("", true));
  }
}

function newLane(name: string, isShared: boolean): Lane {
  return {
    first: -1,
    last: -1,
    name,
    weight: 0,
    credit: 0,
    isShared,
    isInRound: false,
    before: undefined,
    behind: undefined,
  };
}
