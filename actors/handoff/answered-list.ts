/**
 * Which messages the giver has taken care of: a multiset of reply subjects, since one may be used twice.
 *
 * While both processes are subscribed each message reaches both. The giver writes down what it accepts until
 * it freezes; the taker gets the list with FINAL and strikes out its own copies, those it has parked and,
 * for two seconds more, those that arrive late.
 *
 * A message is known by its reply subject, which clients make anew for each request. One without (a report
 * nobody waits for) is never in the list: equal ones cannot be told apart, and one that reached only the
 * giver would strike out a later one, which nobody would charge. So it may be charged twice, never not at
 * all; one that carries an idempotency id is charged once, because the answered ids move with the shard.
 */

/** More than a shard is sent in the milliseconds between SUBSCRIBE and freeze. */
export const ANSWERED_MAX = 32_768;
/** Reply subjects may be long; those of the common clients have 30 to 60 characters. */
const CHARACTERS_MAX = 2 * 1_024 * 1_024;

export class AnsweredList {
  size = 0;
  #characters = 0;
  readonly #times = new Map<string, number>();

  static of(subjects: readonly string[]): AnsweredList {
    const list = new AnsweredList();
    for (const replyTo of subjects) list.#put(replyTo);
    return list;
  }

  /** False when the list is full. */
  add(replyTo: string): boolean {
    const isFull = this.size >= ANSWERED_MAX || this.#characters + replyTo.length > CHARACTERS_MAX;
    if (!isFull) this.#put(replyTo);
    return !isFull;
  }

  /** Strikes out one message; false when there is none. */
  take(replyTo: string): boolean {
    const times = this.#times.get(replyTo);
    if (times === undefined) return false;
    if (times === 1) this.#times.delete(replyTo);
    else this.#times.set(replyTo, times - 1);
    this.size -= 1;
    this.#characters -= replyTo.length;
    return true;
  }

  /** Each as often as it is in the list. */
  subjects(): string[] {
    return [...this.#times].flatMap(([replyTo, times]) => Array.from({ length: times }, () => replyTo));
  }

  #put(replyTo: string): void {
    this.#times.set(replyTo, (this.#times.get(replyTo) ?? 0) + 1);
    this.size += 1;
    this.#characters += replyTo.length;
  }
}
