import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { JournalStore } from "../../../actors/journal/journal-store.ts";
import { encodeRecord } from "../../../actors/journal/record.ts";
import { Recovery, type Recovered } from "../../../actors/journal/recovery.ts";
import {
  ShardJournal,
  type JournalEvent,
  type JournalOutbox,
  type JournalSource,
  type Start,
} from "../../../actors/journal/shard-journal.ts";
import { micros, type Micros } from "../../../core/units.ts";
import { JournalServer } from "./journal-server.ts";
import { foreignRecord, NOW, page, record, SHARD, textOf } from "./record-samples.ts";

const FRESH: Start = { how: "fresh", lastSequence: 0, takeovers: [], weight: 0 };

/** A writer of texts: the machine and the store, put together as a host would. */
class Writer implements JournalSource, JournalOutbox {
  readonly journal: ShardJournal;
  readonly acks: string[] = [];
  due: string[] = [];
  supersededBy: number | "foreign" = 0;
  isClosed = false;
  attempts = 0;
  /** Everything that was acked once, as a host would have it in memory. */
  readonly #kept: string[] = [];
  readonly #store: JournalStore;
  #flying: string[] = [];
  #snapshot: string[] = [];
  #work: Promise<void> | undefined;

  constructor(epoch: number, store: JournalStore) {
    this.journal = new ShardJournal(SHARD, epoch, this);
    this.#store = store;
  }

  /** Lets it work until something is so. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      this.journal.step({ kind: "tick" }, monotonicUs(), NOW, this);
      await (this.#work ?? new Promise<void>((resolve) => void setImmediate(resolve)));
    }
  }

  async open(start: Start = FRESH): Promise<void> {
    this.journal.step({ kind: "open", ...start }, monotonicUs(), NOW, this);
    await this.until(() => this.journal.isOpen);
  }

  /** Makes a text due and waits until it is journalled. */
  async write(text: string): Promise<void> {
    this.due.push(text);
    await this.until(() => this.acks.includes(text));
  }

  append(id: number, bytes: Uint8Array, expected: number): void {
    this.attempts += 1;
    const ask = async (): Promise<JournalEvent> => {
      return { kind: "append-answer", id, outcome: await this.#store.append(SHARD, bytes, expected) };
    };
    this.#work = this.#pass(ask());
  }

  readLast(id: number): void {
    const ask = async (): Promise<JournalEvent> => {
      return { kind: "last-answer", id, last: await this.#store.readLast(SHARD) };
    };
    this.#work = this.#pass(ask());
  }

  async #pass(answer: Promise<JournalEvent>): Promise<void> {
    const event = await answer;
    this.#work = undefined;
    this.journal.step(event, monotonicUs(), NOW, this);
  }

  purge(belowSequence: number): void {
    void this.#store.purge(SHARD, belowSequence);
  }

  opened(): void {}

  stale(): void {
    throw new Error("nobody else was to write");
  }

  superseded(epoch: number | "foreign"): void {
    this.supersededBy = epoch;
  }

  closed(): void {
    this.isClosed = true;
  }

  isDue(): boolean {
    return this.due.length > 0;
  }

  takeDue(): readonly Uint8Array[] {
    this.#flying = this.due;
    this.due = [];
    return this.#flying.map(page);
  }

  acked(): void {
    this.acks.push(...this.#flying);
    this.#kept.push(...this.#flying);
    this.#flying = [];
  }

  invalidate(): void {
    this.due = [...this.#flying, ...this.due];
    this.#flying = [];
  }

  startSnapshot(): void {
    this.#snapshot = [...this.#kept];
  }

  nextSnapshotPages(): readonly Uint8Array[] | undefined {
    const pages = this.#snapshot.splice(0, 2).map(page);
    return pages.length === 0 ? undefined : pages;
  }
}

function monotonicUs(): Micros {
  return micros(Math.floor(performance.now() * 1_000));
}

let server: JournalServer;
let connection: NatsConnection;
let store: JournalStore;

async function startStore(fileBytesMax?: number): Promise<void> {
  server = await JournalServer.start(fileBytesMax);
  connection = await server.connect();
  store = new JournalStore({ connection, region: "eu" });
}

async function recover(shard = SHARD): Promise<Recovered> {
  const recovery = new Recovery(shard);
  await store.read([shard], (_, sequence, bytes) => recovery.add(sequence, bytes));
  return recovery.finish();
}

function textsOf(recovered: Recovered): string[] {
  if (recovered.state !== "intact") throw new Error(JSON.stringify(recovered));
  return recovered.steps.flatMap((step) => (step.kind === "pages" ? step.pages.map(textOf) : ["+"]));
}

afterEach(async () => {
  await connection.close();
  await server.stop();
});

describe("the journal store", () => {
  beforeEach(() => startStore());

  it("makes its stream once, in files, refusing the new when it is full", async () => {
    expect(await store.ensure()).toBe("made");
    expect(await store.ensure()).toBe("found");
    const { config } = await (await jetstreamManager(connection)).streams.info("PARL_JOURNAL_eu");
    expect(config).toMatchObject({
      storage: "file",
      discard: "new",
      subjects: ["parl.journal.eu.*"],
      max_age: 0,
      max_msgs_per_subject: -1,
    });
  });

  it("appends after the expected sequence only, for each shard by itself", async () => {
    await store.ensure();
    expect(await store.append(1, page("a"), 0)).toEqual({ kind: "acked", sequence: 1 });
    expect(await store.append(2, page("b"), 0)).toEqual({ kind: "acked", sequence: 2 });
    expect(await store.append(1, page("c"), 0)).toEqual({ kind: "wrong-sequence" });
    expect(await store.append(1, page("c"), 2)).toEqual({ kind: "wrong-sequence" });
    expect(await store.append(1, page("c"), 1)).toEqual({ kind: "acked", sequence: 3 });
    expect(await store.readLast(1)).toMatchObject({ kind: "found", sequence: 3 });
    expect(await store.readLast(3)).toEqual({ kind: "none" });
  });

  it("reads several shards at once, in order, and nothing of others; purges what lies below", async () => {
    await store.ensure();
    const sequences = new Map<number, number>();
    for (let i = 0; i < 300; i += 1) {
      const shard = i % 4;
      const outcome = await store.append(shard, page(String(i)), sequences.get(shard) ?? 0);
      if (outcome.kind === "acked") sequences.set(shard, outcome.sequence);
    }
    expect(await store.purge(2, 151)).toBe(true);
    const read: number[] = [];
    await store.read([1, 2, 9], (shard, _, bytes) => {
      expect(Number(textOf(bytes)) % 4).toBe(shard);
      read.push(Number(textOf(bytes)));
    });
    const all = Array.from({ length: 300 }, (_, i) => i);
    expect(read).toEqual(all.filter((i) => i % 4 === 1 || (i % 4 === 2 && i >= 150)));
    await store.read([9], () => expect.fail("shard 9 is empty"));
    await store.read([], () => expect.fail("nothing was asked for"));
  });

  it("tells the latest epoch anybody has written under, whatever else is in it", async () => {
    expect(await store.epochLatest()).toBe(0);
    await store.ensure();
    expect(await store.epochLatest()).toBe(0);
    await store.secret("0123456789abcdef");
    await store.append(1, encodeRecord(record({ epoch: 70 })), 0);
    await store.append(2, encodeRecord(record({ epoch: 90 })), 0);
    await store.append(3, encodeRecord(record({ epoch: 80 })), 0);
    await store.append(4, page("garbage"), 0);
    expect(await store.epochLatest()).toBe(90);
    await store.append(5, foreignRecord(), 0);
    await expect(store.epochLatest()).rejects.toThrow(/another version/);
    await server.kill();
    await expect(store.epochLatest()).rejects.toMatchObject({ code: "PARL_UNAVAILABLE", field: "journal" });
  });

  it("says that it is unavailable when there is no stream, and takes nothing for stored", async () => {
    await expect(store.read([1], () => {})).rejects.toMatchObject({
      code: "PARL_UNAVAILABLE",
      field: "journal",
    });
    expect(await store.readLast(1)).toEqual({ kind: "unknown" });
    expect(await store.purge(1, 5)).toBe(false);
    expect(await store.append(1, page("a"), 0)).toEqual({ kind: "unknown" });
  });

  it("makes the stream again when it is gone, so that writers come to know", async () => {
    await store.ensure();
    await store.append(1, page("a"), 0);
    await (await jetstreamManager(connection)).streams.delete(store.stream);
    let outcome = await store.append(1, page("b"), 1);
    while (outcome.kind === "unknown") outcome = await store.append(1, page("b"), 1);
    expect(outcome).toEqual({ kind: "wrong-sequence" });
    expect(await store.readLast(1)).toEqual({ kind: "none" });
  });
});

describe("a shard's journal in JetStream", () => {
  beforeEach(() => startStore());

  it("is written, acked and recovered; a clean end is known", async () => {
    await store.ensure();
    const writer = new Writer(1, store);
    await writer.open();
    await writer.write("a");
    await writer.write("b");
    expect(textsOf(await recover())).toEqual(["a", "b"]);
    writer.journal.step({ kind: "close" }, monotonicUs(), NOW, writer);
    await writer.until(() => writer.isClosed);
    const recovered = await recover();
    expect(recovered).toMatchObject({ state: "intact", isClean: true, epoch: 1 });
    expect(textsOf(recovered)).toEqual(["a", "b"]);
  });

  it("tells the one of two writers that was replaced, and stores nothing of it", async () => {
    await store.ensure();
    const first = new Writer(1, store);
    await first.open();
    await first.write("a");
    const found = await recover();
    if (found.state !== "intact") throw new Error("nothing to go on from");
    const second = new Writer(2, store);
    await second.open({ ...FRESH, how: "recovered", lastSequence: found.lastSequence });
    first.due.push("late");
    await first.until(() => first.supersededBy !== 0);
    expect(first.supersededBy).toBe(2);
    await second.write("b");
    expect(textsOf(await recover())).toEqual(["a", "+", "b"]);
  });

  it("is all there after the server was killed, and goes on", async () => {
    await store.ensure();
    const writer = new Writer(1, store);
    await writer.open();
    await writer.write("a");
    await server.kill();
    writer.due.push("b");
    const { attempts } = writer;
    await writer.until(() => writer.attempts > attempts);
    expect(writer.acks).toEqual(["a"]);
    server.restart();
    await writer.until(() => writer.acks.includes("b"));
    expect(textsOf(await recover())).toEqual(["a", "b"]);
    expect(await recover()).toMatchObject({ ignored: 0 });
  });

  it("is written anew by its owner when the stream was removed", async () => {
    await store.ensure();
    const writer = new Writer(1, store);
    await writer.open();
    await writer.write("a");
    await (await jetstreamManager(connection)).streams.delete(store.stream);
    await writer.write("b");
    await writer.until(() => writer.journal.wakeUs() === Infinity);
    expect(textsOf(await recover()).toSorted()).toEqual(["a", "b"]);
  });
});

describe("a full file store", () => {
  beforeEach(() => startStore(200_000));

  it("acknowledges nothing, and takes the same message when space returns", async () => {
    await store.ensure();
    const writer = new Writer(1, store);
    await writer.open();
    const other = encodeRecord(record({ pages: [new Uint8Array(40_000)] }));
    let sequence = 0;
    for (;;) {
      const outcome = await store.append(1, other, sequence);
      if (outcome.kind !== "acked") break;
      ({ sequence } = outcome);
    }
    writer.due.push("b".repeat(40_000));
    const { attempts } = writer;
    await writer.until(() => writer.attempts >= attempts + 3);
    expect(writer.acks).toEqual([]);
    expect(await recover()).toMatchObject({ state: "intact", steps: [] });
    await store.purge(1, sequence + 1);
    await writer.until(() => writer.acks.length === 1);
    expect(textsOf(await recover())).toEqual(["b".repeat(40_000)]);
  });
});
