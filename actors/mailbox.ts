/**
 * A bounded mailbox: a ring of messages, each with a weight, refused when the sum would be too much.
 *
 *      ┌───┬───┬───┬───┬───┬───┐
 *      │   │ ▒ │ ▒ │ ▒ │   │   │        head → oldest, length messages, weight checks
 *      └───┴───┴───┴───┴───┴───┘
 *
 * A full mailbox is an answer ("overloaded, come back"), not a queue that grows: work that would be stale
 * when its turn comes is refused while refusing is still cheap.
 *
 * Invariant: weight = Σ weights of the messages inside ≤ weightMax, unless a single message is heavier.
 */
export class Mailbox<Message> {
  readonly weightMax: number;
  #weight = 0;
  #messages: (Message | undefined)[];
  #weights: number[];
  #head = 0;
  #length = 0;

  constructor(weightMax: number) {
    this.weightMax = weightMax;
    this.#messages = Array.from({ length: 16 });
    this.#weights = Array.from({ length: 16 }, () => 0);
  }

  get length(): number {
    return this.#length;
  }

  get weight(): number {
    return this.#weight;
  }

  /** False when the message was refused. A message heavier than the whole mailbox enters an empty one. */
  push(message: Message, weight: number): boolean {
    if (weight > 0 && this.#weight + weight > this.weightMax && this.#length > 0) return false;
    if (this.#length === this.#messages.length) this.#grow();
    const tail = (this.#head + this.#length) % this.#messages.length;
    this.#messages[tail] = message;
    this.#weights[tail] = weight;
    this.#length += 1;
    this.#weight += weight;
    return true;
  }

  /** The oldest message, taken out; undefined when empty. */
  shift(): Message | undefined {
    if (this.#length === 0) return undefined;
    const message = this.#messages[this.#head];
    this.#messages[this.#head] = undefined;
    this.#weight -= this.#weights[this.#head] as number;
    this.#head = (this.#head + 1) % this.#messages.length;
    this.#length -= 1;
    return message;
  }

  #grow(): void {
    const from = this.#head;
    const rotate = <T>(ring: T[]): T[] => [...ring.slice(from), ...ring.slice(0, from)];
    this.#messages = [...rotate(this.#messages), ...Array.from<undefined>({ length: this.#length })];
    this.#weights = [...rotate(this.#weights), ...Array.from({ length: this.#length }, () => 0)];
    this.#head = 0;
  }
}
