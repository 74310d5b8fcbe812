/**
 * One subject of a stream, in memory: appends on an expected sequence, with what a network may do to them. What
 * a test decides about a message is decided when it is delivered, which may be after its sender has gone.
 */
import type { AppendOutcome, LastMessage } from "../../../actors/journal/shard-journal.ts";

export interface StoredMessage {
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

export class MemoryStream {
  messages: StoredMessage[] = [];
  #sequence = 0;

  append(bytes: Uint8Array, expectedSequence: number): AppendOutcome {
    if ((this.messages.at(-1)?.sequence ?? 0) !== expectedSequence) return { kind: "wrong-sequence" };
    return { kind: "acked", sequence: this.put(bytes) };
  }

  /** Stores without asking, as any client of the server could. */
  put(bytes: Uint8Array): number {
    this.#sequence += 1;
    this.messages.push({ sequence: this.#sequence, bytes });
    return this.#sequence;
  }

  readLast(): LastMessage {
    const last = this.messages.at(-1);
    return last === undefined ? { kind: "none" } : { kind: "found", ...last };
  }

  purge(belowSequence: number): void {
    this.messages = this.messages.filter(({ sequence }) => sequence >= belowSequence);
  }
}
