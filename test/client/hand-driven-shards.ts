/**
 * A region's shards played by the test: frames arrive and are kept, and are answered when and how the test
 * likes. For what a sound actor never does: stay silent, lose a reply, answer late or nonsense.
 */
import { connect, type Msg, type NatsConnection } from "@nats-io/transport-node";
import { expect } from "vitest";
import { PackedReplyWriter } from "../../core/packed-reply.ts";
import { PackedRequestReader } from "../../core/packed-request.ts";

const ALL_FRAMES = "parl.shard.*.pack.*";
const WAIT = { timeout: 5_000, interval: 2 };

export interface ReceivedFrame {
  readonly subject: string;
  readonly message: Msg;
  readonly count: number;
  /** Key tokens of its checks. */
  readonly keys: readonly string[];
}

export class HandDrivenShards {
  readonly frames: ReceivedFrame[] = [];
  /** What to do with a frame when it arrives; nothing unless the test says so. */
  onFrame: (frame: ReceivedFrame) => void = () => undefined;
  readonly #connection: NatsConnection;

  private constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  static async on(url: string): Promise<HandDrivenShards> {
    const connection = await connect({ servers: url });
    const shards = new HandDrivenShards(connection);
    const reader = new PackedRequestReader();
    connection.subscribe(ALL_FRAMES, {
      callback: (_error, message) => {
        reader.open(message.data);
        const keys: string[] = [];
        while (reader.next()) keys.push(reader.text(reader.keyStart, reader.userStart));
        const frame = { subject: message.subject, message, count: reader.count, keys };
        shards.frames.push(frame);
        shards.onFrame(frame);
      },
    });
    await connection.flush();
    return shards;
  }

  async untilFrames(count: number): Promise<void> {
    await expect.poll(() => this.frames.length, WAIT).toBeGreaterThanOrEqual(count);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}

/** A reply of the items that are written into it. */
export function replyOf(write: (writer: PackedReplyWriter) => void): Uint8Array {
  const writer = new PackedReplyWriter();
  writer.begin(1, 2, 3);
  write(writer);
  return writer.finish();
}

export function allowNext(writer: PackedReplyWriter): void {
  writer.decision("allowed", -1, -1, 0);
  writer.amounts(0, 0, 0);
}

/** A reply that sends every check of a frame to another shard. */
export function movingReply(count: number, shard: number): Uint8Array {
  return replyOf((writer) => {
    for (let item = 0; item < count; item += 1) writer.moved(shard);
  });
}

export function allow({ message, count }: ReceivedFrame): void {
  const reply = replyOf((writer) => {
    for (let item = 0; item < count; item += 1) allowNext(writer);
  });
  message.respond(reply);
}
