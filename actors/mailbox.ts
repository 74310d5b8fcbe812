/**
 * A bounded mailbox that is fair to its lanes: one lane for each tenant, served in turns by weight.
 *
 *      control   ▒ ▒                  weighs nothing: before everything else, in its own order
 *      acme      █ █ █ █ █ █ █ █      ┐
 *      umbrella  ▄                    ├ deficit round robin: a lane is served until its credit of a quantum is
 *      initech   ▄ ▄ ▄                ┘ used up, then the next
 *
 * A message is served whole. One heavier than what is left of the credit leaves the lane in debt, and each
 * turn it then sits out pays a quantum off. An emptied lane in debt stays in the round until it has paid, so
 * asking for one heavy message at a time gains nothing; when nothing waits at all, all debts are forgotten,
 * because nobody was kept waiting. Therefore, with `h` the heaviest message:
 *
 *   - a lane that owes nothing waits behind less than (other lanes) × (quantum + h), whatever they hold;
 *   - two lanes that both had something waiting all the time were served the same, up to quantum + h;
 *   - a lane alone is served without a pause.
 *
 * What may enter, so that one lane can neither be starved by little room nor take it from the others. An
 * eighth of the mailbox is kept for newcomers; of the rest a lane holds at most as much as it leaves free:
 *
 *      1 lane alone 7/16 │ two 7/24 each │ n lanes 7/8 ÷ (n + 1) each, and as much is free for the next
 *
 *   - a lane with nothing waiting may put one message anyway: up to 7/8, or into the last eighth when it is
 *     light (at most a quantum);
 *   - an empty mailbox takes any message, even one heavier than itself.
 *
 * What does not get in is told apart: `lane-full` when there was room, but not for this lane, which has to
 * wait for its own messages; `mailbox-full` when there was none but what is kept for newcomers. A full mailbox
 * is an answer ("overloaded, come back"), not a queue that grows: what would be stale when its turn comes is
 * refused while refusing is still cheap.
 *
 * Cost: `push` is O(1); `shift` visits a lane per quantum of weight served, and deciding a quantum costs some
 * thousand times more. Nothing is allocated per message. At most 4,352 lanes (mailbox-lanes.ts).
 *
 * Invariants: weight = Σ weights of the messages inside ≤ weightMax, unless one message alone is heavier;
 * a lane that has something waiting is in the round.
 *
 * Source: Shreedhar, Varghese, "Efficient fair queueing using deficit round robin" (1995), served before it is
 * paid for; Choudhury, Hahne, "Dynamic queue length thresholds for shared-memory packet switches" (1998).
 */
import { MailboxLanes, type Lane } from "./mailbox-lanes.ts";
import { MessageLists, type MessageList } from "./message-lists.ts";

/** Checks a lane is served in one go: a fraction of a millisecond. */
const QUANTUM = 256;
/** The part of the mailbox that is kept for lanes with nothing waiting. */
const NEWCOMERS_SHARE = 1 / 8;

export type Admittance = "accepted" | "lane-full" | "mailbox-full";

export class Mailbox<Message> {
  readonly weightMax: number;
  readonly #quantum: number;
  /** Room for newcomers, in checks. */
  readonly #reserve: number;
  readonly #lists = new MessageLists<Message>();
  readonly #lanes: MailboxLanes;
  readonly #control: MessageList = { first: -1, last: -1 };
  #weight = 0;
  #length = 0;

  constructor(weightMax: number, quantum = QUANTUM, lanes = new MailboxLanes()) {
    this.weightMax = weightMax;
    this.#quantum = quantum;
    this.#lanes = lanes;
    this.#reserve = Math.floor(weightMax * NEWCOMERS_SHARE);
  }

  /** Messages waiting, control among them. */
  get length(): number {
    return this.#length;
  }

  /** Checks waiting. */
  get weight(): number {
    return this.#weight;
  }

  /** Checks waiting in the lane of `name`, and of those who share it. */
  laneWeight(name: string): number {
    return this.#lanes.of(name).weight;
  }

  /**
   * Puts a message at the end of its lane, unless there is no room.
   * @param weight in checks, a whole number; 0 for control, which has no lane and is never refused
   */
  push(message: Message, weight: number, name: string): Admittance {
    if (weight === 0) {
      this.#lists.append(this.#control, message, 0);
      this.#length += 1;
      return "accepted";
    }
    const lane = this.#lanes.of(name);
    const admittance = this.#admit(lane, weight);
    if (admittance !== "accepted") return admittance;
    this.#lists.append(lane, message, weight);
    lane.weight += weight;
    this.#weight += weight;
    this.#length += 1;
    if (!lane.isInRound) {
      lane.credit = this.#quantum;
      this.#lanes.enter(lane);
    }
    return "accepted";
  }

  /** The next message, taken out; undefined when empty. */
  shift(): Message | undefined {
    if (this.#length === 0) return undefined;
    this.#length -= 1;
    if (this.#control.first >= 0) return this.#lists.take(this.#control);
    const lane = this.#due();
    const weight = this.#lists.firstWeight(lane);
    const message = this.#lists.take(lane);
    lane.weight -= weight;
    lane.credit -= weight;
    this.#weight -= weight;
    if (this.#weight === 0) this.#forgetDebts();
    return message;
  }

  #admit(lane: Lane, weight: number): Admittance {
    if (this.#weight === 0) return "accepted";
    const free = this.weightMax - this.#weight - weight;
    if (lane.weight === 0) {
      const kept = weight <= this.#quantum ? 0 : this.#reserve;
      return free >= kept ? "accepted" : "mailbox-full";
    }
    const shareable = free - this.#reserve;
    if (shareable < 0) return "mailbox-full";
    return lane.weight + weight <= shareable ? "accepted" : "lane-full";
  }

  /** The lane to be served next. Some lane must have something waiting. */
  #due(): Lane {
    for (;;) {
      const lane = this.#lanes.first as Lane;
      if (lane.credit <= 0) {
        lane.credit += this.#quantum;
        this.#lanes.rotate();
      } else if (lane.first < 0) {
        this.#lanes.leave(lane);
      } else {
        return lane;
      }
    }
  }

  /** Every lane was entered by a message, so that this costs a moment per message at most. */
  #forgetDebts(): void {
    for (let lane = this.#lanes.first; lane !== undefined; lane = this.#lanes.first) this.#lanes.leave(lane);
  }
}
