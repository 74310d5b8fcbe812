/**
 * The journal's messages in the region's JetStream: one stream in files, one subject per shard.
 *
 *      PARL_JOURNAL_<region>     parl.journal.<region>.<shard>
 *
 * A full store refuses the new (`discard: new`); nothing is ever dropped behind our back. An append names the
 * sequence it follows and has three answers: stored, refused because something else follows, or unknown. No
 * answer within a second is unknown: the message may be stored yet.
 *
 * Reading uses an ordered push consumer: one that pulls would resume 45 s after a reconnect. 20 MB take about
 * a tenth of a second.
 */
import {
  DiscardPolicy,
  jetstream,
  JetStreamApiCodes,
  JetStreamApiError,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type JetStreamClient,
  type JetStreamManager,
  type PushConsumer,
} from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { ParlError } from "../../core/errors.ts";
import { isConflict } from "../jetstream-conflict.ts";
import { recordIn } from "./record.ts";
import type { AppendOutcome, LastMessage } from "./shard-journal.ts";

const TIMEOUT_MS = 1_000;
/** A read that has brought nothing for so long has failed. */
const READ_SILENCE_MS = 3_000;
/** Beside the shards' subjects. */
const SECRET = "secret";

export interface JournalStoreOptions {
  readonly connection: NatsConnection;
  /** A region's name, as in subjects. */
  readonly region: string;
  /** Servers that keep a copy; 1 when absent. */
  readonly replicas?: number;
  /** Bytes in the stream at most; the server's own limit when absent. */
  readonly bytesMax?: number;
}

export class JournalStore {
  readonly stream: string;

  readonly #options: JournalStoreOptions;
  readonly #client: JetStreamClient;
  #manager: Promise<JetStreamManager> | undefined;
  #isRemaking = false;

  constructor(options: JournalStoreOptions) {
    this.#options = options;
    this.stream = `PARL_JOURNAL_${options.region}`;
    this.#client = jetstream(options.connection, { timeout: TIMEOUT_MS });
  }

  /**
   * Makes the stream if it is absent. A stream that had to be made holds nothing of any earlier owner.
   *
   * @throws ParlError PARL_UNAVAILABLE when the region's server does not answer, or cannot keep a journal
   */
  async ensure(): Promise<"made" | "found"> {
    try {
      const manager = await this.#managed();
      if (await this.#isPresent(manager)) return "found";
      await manager.streams.add({
        name: this.stream,
        subjects: [this.subject("*")],
        storage: StorageType.File,
        retention: RetentionPolicy.Limits,
        discard: DiscardPolicy.New,
        num_replicas: this.#options.replicas ?? 1,
        allow_direct: false,
        ...(this.#options.bytesMax !== undefined && { max_bytes: this.#options.bytesMax }),
      });
      return "made";
    } catch (cause) {
      throw this.#unavailable("cannot be opened", cause);
    }
  }

  /** Never rejects. A second append to a shard is sent only after the answer to the first. */
  async append(shard: number, bytes: Uint8Array, expectedSequence: number): Promise<AppendOutcome> {
    try {
      const expect = { streamName: this.stream, lastSubjectSequence: expectedSequence };
      const ack = await this.#client.publish(this.subject(shard), bytes, { expect, timeout: TIMEOUT_MS });
      return { kind: "acked", sequence: ack.seq };
    } catch (error) {
      if (isAbsent(error)) this.#remake();
      return { kind: isConflict(error) ? "wrong-sequence" : "unknown" };
    }
  }

  /**
   * The seed under which the region's keys are hashed, which the journal is worth nothing without: the one kept
   * here, or the one proposed when there is none yet or the stream cannot be asked.
   */
  async secret(proposed: string): Promise<string> {
    try {
      await this.ensure();
      const subject = this.subject(SECRET);
      const expect = { streamName: this.stream, lastSubjectSequence: 0 };
      try {
        await this.#client.publish(subject, proposed, { expect, timeout: TIMEOUT_MS });
        return proposed;
      } catch (error) {
        if (!isConflict(error)) throw error;
        const manager = await this.#managed();
        const kept = await manager.streams.getMessage(this.stream, { last_by_subj: subject });
        return kept === null ? proposed : new TextDecoder().decode(kept.data);
      }
    } catch {
      return proposed;
    }
  }

  /** The subject's last message, from the stream's leader. Never rejects. */
  async readLast(shard: number): Promise<LastMessage> {
    try {
      const manager = await this.#managed();
      const message = await manager.streams.getMessage(this.stream, { last_by_subj: this.subject(shard) });
      if (message === null) return { kind: "none" };
      return { kind: "found", sequence: message.seq, bytes: message.data };
    } catch {
      return { kind: "unknown" };
    }
  }

  /**
   * The latest epoch under which anybody has written: that of the shards' last records. 0 without a stream.
   *
   * @throws ParlError PARL_UNAVAILABLE when it cannot be read, or is of another version
   */
  async epochLatest(): Promise<number> {
    try {
      const manager = await this.#managed();
      if (!(await this.#isPresent(manager))) return 0;
      const { state } = await manager.streams.info(this.stream, { subjects_filter: this.subject("*") });
      const last = Object.keys(state.subjects ?? {}).map((subject) =>
        manager.streams.getMessage(this.stream, { last_by_subj: subject }),
      );
      return Math.max(0, ...(await Promise.all(last)).map((message) => epochIn(message?.data)));
    } catch (cause) {
      throw this.#unavailable("cannot be read", cause);
    }
  }

  /**
   * Visits every message of the shards, in order.
   *
   * @throws ParlError PARL_UNAVAILABLE when the stream is absent or does not deliver all of it
   */
  async read(
    shards: readonly number[],
    visit: (shard: number, sequence: number, bytes: Uint8Array) => void,
  ): Promise<void> {
    if (shards.length === 0) return;
    const shardOf = new Map(shards.map((shard) => [this.subject(shard), shard]));
    try {
      const consumer = await this.#client.consumers.getPushConsumer(this.stream, {
        filter_subjects: [...shardOf.keys()],
      });
      const { num_pending: pending } = await consumer.info(true);
      if (pending > 0) {
        await this.#consume(consumer, (subject, sequence, bytes) => {
          const shard = shardOf.get(subject);
          if (shard !== undefined) visit(shard, sequence, bytes);
        });
      }
      await consumer.delete();
    } catch (cause) {
      throw this.#unavailable("cannot be read", cause);
    }
  }

  /** Removes the shard's messages below a sequence. Whether that worked: if not, the next one does. */
  async purge(shard: number, belowSequence: number): Promise<boolean> {
    try {
      const manager = await this.#managed();
      await manager.streams.purge(this.stream, { filter: this.subject(shard), seq: belowSequence });
      return true;
    } catch {
      return false;
    }
  }

  subject(shard: number | "*" | typeof SECRET): string {
    return `parl.journal.${this.#options.region}.${shard}`;
  }

  async #consume(
    consumer: PushConsumer,
    visit: (subject: string, sequence: number, bytes: Uint8Array) => void,
  ): Promise<void> {
    let failure: Error | undefined;
    let count = 0;
    let countBefore = -1;
    const messages = await consumer.consume();
    // The ordered consumer starts itself anew after a gap; only silence is a failure.
    const silence = setInterval(() => {
      if (count > countBefore) countBefore = count;
      else {
        failure = new Error(`silent after ${count} messages`);
        messages.stop();
      }
    }, READ_SILENCE_MS);
    try {
      for await (const message of messages) {
        count += 1;
        visit(message.subject, message.seq, message.data);
        if (message.info.pending === 0) return;
      }
    } finally {
      clearInterval(silence);
    }
    throw failure ?? new Error(`ended after ${count} messages`);
  }

  async #isPresent(manager: JetStreamManager): Promise<boolean> {
    try {
      await manager.streams.info(this.stream);
      return true;
    } catch (error) {
      if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound) return false;
      throw error;
    }
  }

  /** Somebody removed the stream, or its server has lost its files: writers will notice by the sequence. */
  #remake(): void {
    if (this.#isRemaking) return;
    this.#isRemaking = true;
    void this.ensure()
      .catch(() => undefined)
      .finally(() => {
        this.#isRemaking = false;
      });
  }

  #managed(): Promise<JetStreamManager> {
    this.#manager ??= jetstreamManager(this.#options.connection, { checkAPI: false, timeout: TIMEOUT_MS });
    return this.#manager;
  }

  #unavailable(what: string, cause: unknown): ParlError {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `the journal ${this.stream} ${what} (${why}); the region's NATS server needs JetStream with room in its file store`;
    return new ParlError("PARL_UNAVAILABLE", message, { field: "journal", cause });
  }
}

/** 0 for what is no record: the secret, or damage. */
function epochIn(bytes: Uint8Array | undefined): number {
  const record = bytes === undefined ? undefined : recordIn(bytes);
  if (record !== "foreign") return record?.epoch ?? 0;
  throw new Error("a program of another version has written it; run that one");
}

/** Nobody takes messages of the subject: no stream, or no JetStream. */
function isAbsent(error: unknown): boolean {
  return error instanceof Error && error.name === "JetStreamNotEnabled";
}
