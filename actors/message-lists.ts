/**
 * Any number of first-in-first-out lists of messages in one pool of slots.
 *
 *      slots     │ a2 │ b1 │    │ a1 │ b2 │    │         next   a1 → a2    b1 → b2
 *      list a ────────────────────┘    free ──▶ │ ──▶ │
 *
 * A list is two slot numbers, so a thousand lists cost nothing while they are empty, and the pool is as large
 * as all messages ever waiting together, not as the sum of what each list has once held. Append and take are
 * O(1) and allocate nothing; the pool doubles when it is full and never shrinks.
 */

/** A list's ends. */
export interface MessageList {
  /** −1 when it is empty. */
  first: number;
  last: number;
}

const SLOTS_FIRST = 16;

export class MessageLists<Message> {
  #messages: (Message | undefined)[] = [];
  #weights = new Uint32Array(0);
  /** The slot behind this one, in its list or among the free ones. */
  #next = new Int32Array(0);
  #free = -1;

  /** Slots, free ones included. */
  get capacity(): number {
    return this.#next.length;
  }

  append(list: MessageList, message: Message, weight: number): void {
    if (this.#free < 0) this.#grow();
    const slot = this.#free;
    this.#free = this.#next[slot] as number;
    this.#messages[slot] = message;
    this.#weights[slot] = weight;
    this.#next[slot] = -1;
    if (list.first < 0) list.first = slot;
    else this.#next[list.last] = slot;
    list.last = slot;
  }

  /** Of the oldest message. The list must not be empty. */
  firstWeight(list: MessageList): number {
    return this.#weights[list.first] as number;
  }

  /** The oldest message, taken out. The list must not be empty. */
  take(list: MessageList): Message {
    const slot = list.first;
    const message = this.#messages[slot] as Message;
    this.#messages[slot] = undefined;
    list.first = this.#next[slot] as number;
    this.#next[slot] = this.#free;
    this.#free = slot;
    return message;
  }

  #grow(): void {
    const from = this.#next.length;
    const to = Math.max(SLOTS_FIRST, from * 2);
    const weights = new Uint32Array(to);
    const next = new Int32Array(to);
    weights.set(this.#weights);
    next.set(this.#next);
    for (let slot = from; slot < to; slot += 1) {
      this.#messages.push(undefined);
      next[slot] = slot + 1 < to ? slot + 1 : -1;
    }
    this.#weights = weights;
    this.#next = next;
    this.#free = from;
  }
}
