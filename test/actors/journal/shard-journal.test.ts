import { beforeEach, describe, expect, it } from "vitest";
import { encodeRecord } from "../../../actors/journal/record.ts";
import { Recovery } from "../../../actors/journal/recovery.ts";
import type { Start } from "../../../actors/journal/shard-journal.ts";
import { NOW, page, record, SHARD } from "./record-samples.ts";
import { EPOCH, Host } from "./scripted-host.ts";

const UNKNOWN = { kind: "unknown" } as const;
const WRONG = { kind: "wrong-sequence" } as const;
const START: Start = { how: "fresh", lastSequence: 0, takeovers: [], weight: 0 };

let host: Host;

beforeEach(() => {
  host = new Host();
});

function openAt(sequence: number): void {
  host.step({ kind: "open", ...START });
  host.ack(sequence);
  host.taken();
}

describe("opening", () => {
  it("is written before anything is decided, with the epoch and the sequence that was read", () => {
    const takeovers = [{ atUs: NOW, times: 1 }];
    host.step({ kind: "open", how: "recovered", lastSequence: 41, takeovers, weight: 9 });
    expect(host.taken()).toEqual(["opened 0 after 41"]);
    expect(host.record).toMatchObject({
      epoch: EPOCH,
      shard: SHARD,
      how: "recovered",
      takeovers,
      nowUs: NOW,
    });
    expect(host.journal.isOpen).toBe(false);
    host.ack(42);
    expect(host.taken()).toEqual(["opened"]);
    expect(host.journal.isOpen).toBe(true);
    expect(host.journal.wakeUs()).toBe(Infinity);
  });

  it("is tried again when it is not answered, with the same bytes and the same expectation", () => {
    host.step({ kind: "open", ...START });
    host.answer(UNKNOWN);
    host.tick();
    expect(host.taken()).toEqual(["opened 0 after 0", "opened 0 after 0"]);
    expect(host.appended[1]).toBe(host.appended[0]);
  });

  it("recognises its own message whose answer was lost", () => {
    host.step({ kind: "open", ...START });
    host.answer(UNKNOWN);
    host.tick();
    host.answer(WRONG);
    host.lastRecord(1, { kind: "opened", epoch: EPOCH, number: 0 });
    expect(host.taken().slice(2)).toEqual(["read last", "opened"]);
    expect(host.journal.lastSequence).toBe(1);
  });

  it.each(["recovered", "continued"] as const)("asks to be %s anew when somebody wrote since", (how) => {
    host.step({ kind: "open", ...START, how, lastSequence: 5 });
    host.answer(WRONG);
    host.lastRecord(6, { epoch: EPOCH - 1, number: 0 });
    expect(host.taken()).toEqual(["opened 0 after 5", "read last", "stale"]);
    host.step({ kind: "open", ...START, how, lastSequence: 6 });
    host.ack(7);
    expect(host.taken()).toEqual(["opened 1 after 6", "opened"]);
  });

  it.each(["fresh", "exhausted"] as const)(
    "does not care, when %s, what an older owner still wrote",
    (how) => {
      host.step({ kind: "open", ...START, how, lastSequence: 5 });
      host.answer(WRONG);
      host.lastRecord(6, { epoch: EPOCH - 1 });
      host.tick();
      expect(host.taken()).toEqual(["opened 0 after 5", "read last", "opened 1 after 6"]);
    },
  );

  it("gives way to a later owner", () => {
    host.step({ kind: "open", ...START });
    host.answer(WRONG);
    host.lastRecord(3, { epoch: EPOCH + 1 });
    expect(host.taken().at(-1)).toBe(`superseded by ${EPOCH + 1}`);
    host.step({ kind: "tick" });
    expect(host.taken()).toEqual([]);
    expect(host.journal.wakeUs()).toBe(Infinity);
  });

  it("cannot go on from an empty subject: the journal is void until a snapshot is finished", () => {
    host.step({ kind: "open", ...START, how: "continued" });
    expect(host.record.how).toBe("rewritten");
    host.ack(1);
    host.tick();
    expect(host.taken().slice(2)).toEqual(["snapshot", "snapshot-start 1 after 1"]);
  });
});

describe("flushing", () => {
  beforeEach(() => openAt(1));

  it("sends what is due, one message at a time, 5 ms apart", () => {
    host.monotonicUs = 1_000_000;
    host.due = ["a"];
    host.step({ kind: "tick" });
    host.due = ["b"];
    host.step({ kind: "tick" });
    expect(host.taken()).toEqual(["states 1 after 1 a"]);
    expect(host.journal.wakeUs()).toBe(Infinity);
    host.monotonicUs += 1_000;
    host.ack(9);
    expect(host.journal.wakeUs()).toBe(1_005_000);
    host.step({ kind: "tick" });
    host.monotonicUs = 1_004_999;
    host.step({ kind: "tick" });
    expect(host.taken()).toEqual(["acked a"]);
    host.monotonicUs = 1_005_000;
    host.step({ kind: "tick" });
    expect(host.taken()).toEqual(["states 2 after 9 b"]);
  });

  it("sends nothing when nothing is due", () => {
    host.step({ kind: "tick" });
    host.tick();
    expect(host.taken()).toEqual([]);
  });

  it("counts as written only what was acked, and repeats the same bytes until then", () => {
    host.due = ["a"];
    host.tick();
    for (let i = 0; i < 8; i += 1) {
      host.due = ["b"];
      host.answer(UNKNOWN);
      host.tick();
    }
    expect(new Set(host.taken())).toEqual(new Set(["states 1 after 1 a"]));
    expect(host.flying).toEqual(["a"]);
    host.ack(2);
    expect(host.taken()).toEqual(["acked a"]);
  });

  it("waits longer between attempts while nothing is stored, up to a second", () => {
    host.due = ["a"];
    host.tick();
    const waits = Array.from({ length: 7 }, () => {
      const before = host.monotonicUs;
      host.answer(UNKNOWN);
      host.tick();
      return (host.monotonicUs - before) / 1_000;
    });
    expect(waits).toEqual([50, 100, 200, 400, 800, 1_000, 1_000]);
  });

  it("ignores answers to earlier attempts", () => {
    host.due = ["a"];
    host.tick();
    host.answer(UNKNOWN);
    host.answer({ kind: "acked", sequence: 77 });
    host.tick();
    host.step({ kind: "append-answer", id: 2, outcome: { kind: "acked", sequence: 77 } });
    expect(host.flying).toEqual(["a"]);
  });

  it("recognises its own message whose answer was lost", () => {
    host.due = ["a"];
    host.tick();
    host.answer(UNKNOWN);
    host.tick();
    host.answer(WRONG);
    host.lastRecord(5, { epoch: EPOCH, number: 1 });
    host.due = ["b"];
    host.tick();
    expect(host.taken().slice(2)).toEqual(["read last", "acked a", "states 2 after 5 b"]);
  });

  it("reads again when the last message cannot be read, and sends again when it is the one expected", () => {
    host.due = ["a"];
    host.tick();
    host.answer(WRONG);
    host.last(UNKNOWN);
    host.tick();
    host.answer(WRONG);
    host.lastRecord(1, { epoch: EPOCH, number: 0 });
    host.tick();
    const sent = "states 1 after 1 a";
    expect(host.taken()).toEqual([sent, "read last", sent, "read last", sent]);
  });

  it("is superseded by a later owner, and writes nothing more", () => {
    host.due = ["a"];
    host.tick();
    host.answer(WRONG);
    host.lastRecord(2, { kind: "opened", epoch: EPOCH + 7 });
    host.step({ kind: "tick" });
    host.step({ kind: "close" });
    host.step({ kind: "tick" });
    expect(host.taken()).toEqual(["states 1 after 1 a", "read last", `superseded by ${EPOCH + 7}`]);
  });

  it.each([
    ["is empty", { kind: "none" }, 0],
    ["ends with somebody's garbage", { kind: "found", sequence: 8, bytes: page("?") }, 8],
    [
      "ends with an older record of ours",
      { kind: "found", sequence: 8, bytes: encodeRecord(record({ epoch: EPOCH, number: 0 })) },
      8,
    ],
    [
      "ends with an older owner's record",
      { kind: "found", sequence: 8, bytes: encodeRecord(record({ epoch: 9 })) },
      8,
    ],
  ] as const)("writes the journal anew when it %s", (_, last, sequence) => {
    host.due = ["a"];
    host.tick();
    host.answer(WRONG);
    host.last(last);
    host.tick();
    expect(host.taken().slice(2)).toEqual(["invalidate", `opened 2 after ${sequence}`]);
    expect(host.record.how).toBe("rewritten");
    host.ack(20);
    host.tick();
    host.ack(21);
    expect(host.taken()).toEqual(["snapshot", "snapshot-start 3 after 20 a", "acked a"]);
  });
});

describe("compaction", () => {
  beforeEach(() => openAt(1));

  it("writes a snapshot among what is due and purges what was before its start", () => {
    host.step({ kind: "snapshot" });
    host.due = ["a"];
    host.tick();
    host.ack(10);
    host.due = ["b"];
    for (const sequence of [11, 12, 13]) {
      host.tick();
      host.ack(sequence);
    }
    expect(host.taken()).toEqual([
      "snapshot",
      "snapshot-start 1 after 1 a",
      "acked a",
      "states 2 after 10 s1 b",
      "acked b",
      "states 3 after 11 s2",
      "snapshot-end 4 after 12",
      "purge below 10",
    ]);
  });

  it("starts over when another is asked for meanwhile, and purges only then", () => {
    host.step({ kind: "snapshot" });
    host.tick();
    host.ack(2);
    host.tick();
    host.step({ kind: "snapshot" });
    host.ack(3);
    let sequence = 3;
    while (host.journal.wakeUs() !== Infinity) {
      host.tick();
      sequence += 1;
      host.ack(sequence);
    }
    expect(host.taken().filter((line) => /^(snapshot|purge)/.test(line))).toEqual([
      "snapshot",
      "snapshot-start 1 after 1",
      "snapshot",
      "snapshot-start 3 after 3",
      "snapshot-end 6 after 6",
      "purge below 4",
    ]);
  });

  it("replaces nothing when another is asked for while its end is on the way", () => {
    host.snapshot = [];
    host.step({ kind: "snapshot" });
    host.tick();
    host.ack(2);
    host.tick();
    host.step({ kind: "snapshot" });
    host.ack(3);
    expect(host.taken().at(-1)).toBe("snapshot-end 2 after 2");
    for (const sequence of [4, 5]) {
      host.tick();
      host.ack(sequence);
    }
    expect(host.taken()).toEqual([
      "snapshot",
      "snapshot-start 3 after 3",
      "snapshot-end 4 after 4",
      "purge below 4",
    ]);
  });

  it("comes by itself when the journal has outgrown its last snapshot, and not before", () => {
    host.pageBytes = 100_000;
    const written = (): string[] => {
      host.due = ["x"];
      host.tick();
      host.ack(host.journal.lastSequence + 1);
      return host.taken();
    };
    let count = 0;
    while (!written().includes("snapshot")) count += 1;
    expect(count).toBe(6);
    while (!written().some((line) => line.startsWith("purge"))) count += 1;
    // 4 messages of 100 kB are the snapshot: 512 kB and three times that may follow.
    count = 0;
    while (!written().includes("snapshot")) count += 1;
    expect(count).toBeGreaterThan(10);
  });

  it("counts what a successor has read", () => {
    host = new Host();
    host.step({ kind: "open", ...START, how: "recovered", lastSequence: 5, weight: 2 ** 20 });
    host.ack(6);
    host.due = ["a"];
    host.tick();
    host.ack(7);
    host.tick();
    expect(host.taken()).toContain("snapshot");
  });
});

describe("leaving", () => {
  it("writes all keys, then clean", () => {
    openAt(1);
    host.due = ["a"];
    host.tick();
    host.step({ kind: "close" });
    host.ack(2);
    for (const sequence of [3, 4, 5, 6, 7]) {
      host.tick();
      host.ack(sequence);
    }
    expect(host.taken()).toEqual([
      "states 1 after 1 a",
      "acked a",
      "snapshot of all",
      "snapshot-start 2 after 2",
      "states 3 after 3 s1",
      "states 4 after 4 s2",
      "snapshot-end 5 after 5",
      "purge below 3",
      "clean 6 after 6",
      "closed",
    ]);
    expect(host.journal.wakeUs()).toBe(Infinity);
  });

  it("waits for its opening when that is under way", () => {
    host.step({ kind: "open", ...START });
    host.step({ kind: "close" });
    host.ack(1);
    host.tick();
    expect(host.taken()).toEqual([
      "opened 0 after 0",
      "opened",
      "snapshot of all",
      "snapshot-start 1 after 1",
    ]);
  });

  it("leaves a journal that recovers clean", () => {
    openAt(1);
    host.step({ kind: "close" });
    let sequence = 1;
    while (host.journal.wakeUs() !== Infinity) {
      host.tick();
      sequence += 1;
      host.ack(sequence);
    }
    const recovery = new Recovery(SHARD);
    for (const [i, bytes] of host.appended.entries()) recovery.add(i + 1, bytes);
    expect(recovery.finish()).toMatchObject({ state: "intact", isClean: true });
  });
});
