/**
 * What the taker has received of a shard that is not its own yet: kept, in order, without an answer.
 *
 *      park ──▶ │ m │ m │ m │ … weight, bytes ≤ max    ──▶ replay     those the giver has not answered
 *        └ full │ who asked, no payload              ──▶ refuse     those the giver has not answered
 *
 * A full park must not answer "overloaded" at once: the giver is still serving and may answer the same
 * message. So the address of what does not fit is kept, and the refusal waits until the shard is ours.
 * Beyond that bound messages are dropped, as by a lost connection; their senders run into their deadline.
 */
import type { AnsweredList } from "./answered-list.ts";

export interface ShardMessage {
  readonly subject: string;
  readonly replyTo: string;
  readonly payload: Uint8Array;
}

/** As much as a mailbox holds: it will all be put there at once. */
const WEIGHT_MAX = 65_536;
const BYTES_MAX = 16 * 1_024 * 1_024;
const REFUSED_MAX = 16_384;
const NO_BYTES = new Uint8Array(0);

interface Parked {
  readonly message: ShardMessage;
  readonly isRefused: boolean;
}

export class ParkedMessages {
  /** Messages that not even a refusal could be kept for. */
  dropped = 0;
  readonly #weightMax: number;
  #parked: Parked[] = [];
  #weight = 0;
  #bytes = 0;
  #refused = 0;

  constructor(weightMax = WEIGHT_MAX) {
    this.#weightMax = weightMax;
  }

  get length(): number {
    return this.#parked.length;
  }

  park(message: ShardMessage, weight: number): void {
    const { subject, replyTo, payload } = message;
    const hasRoom =
      this.#weight + weight <= this.#weightMax &&
      this.#bytes + payload.length <= BYTES_MAX &&
      this.#parked.length - this.#refused < this.#weightMax;
    if (!hasRoom && (replyTo === "" || this.#refused >= REFUSED_MAX)) {
      this.dropped += 1;
      return;
    }
    if (hasRoom) {
      this.#weight += weight;
      this.#bytes += payload.length;
      this.#parked.push({ message, isRefused: false });
      return;
    }
    this.#refused += 1;
    this.#parked.push({ message: { subject, replyTo, payload: NO_BYTES }, isRefused: true });
  }

  /** Empties the park: each message that the giver has not answered, in order of arrival. */
  drain(
    answered: AnsweredList,
    replay: (message: ShardMessage) => void,
    refuse: (message: ShardMessage) => void,
  ): void {
    const parked = this.#parked;
    this.clear();
    for (const { message, isRefused } of parked) {
      if (answered.take(message.replyTo)) continue;
      if (isRefused) refuse(message);
      else replay(message);
    }
  }

  clear(): void {
    this.#parked = [];
    this.#weight = 0;
    this.#bytes = 0;
    this.#refused = 0;
  }
}
