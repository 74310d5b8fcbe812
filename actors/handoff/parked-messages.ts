/**
 * What is received of a shard while it is not certain who will decide it: kept, in order, without an answer.
 *
 *      park ──▶ │ m │ m │ m │ … weight, bytes ≤ max    ──▶ replay     those the giver has not answered
 *        └ full │ who asked, no payload              ──▶ refuse     those the giver has not answered
 *
 * The taker parks from its subscription on, the giver from the freeze on; each message is answered by whoever
 * is the owner in the end, and dropped by the other. So a full park must not answer "overloaded" at once: the
 * address of what does not fit is kept, and the refusal waits until the shard is ours. Beyond that bound
 * messages are dropped, as by a lost connection; their senders run into their deadline.
 */
import { ParlError } from "../../core/errors.ts";
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
/** What a message is told that found the park full: by then what was parked has been decided. */
const OVERLOADED_RETRY_MS = 100;
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
    refuse: (message: ShardMessage, error: ParlError) => void,
  ): void {
    const parked = this.#parked;
    this.clear();
    const text = "more checks arrived during a handoff than can be parked; come back later";
    const error = new ParlError("PARL_OVERLOADED", text, { retryAfterMs: OVERLOADED_RETRY_MS });
    for (const { message, isRefused } of parked) {
      if (answered.take(message.replyTo)) continue;
      if (isRefused) refuse(message, error);
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
