import { describe, expect, it } from "vitest";
import { encodeRecord, type JournalRecord } from "../../../actors/journal/record.ts";
import { Recovery, type Recovered } from "../../../actors/journal/recovery.ts";
import { micros } from "../../../core/units.ts";
import { encodedRun, foreignRecord, NOW, page, record, SHARD, textOf } from "./record-samples.ts";

function recover(messages: readonly Uint8Array[]): Recovered {
  const recovery = new Recovery(SHARD);
  for (const [i, bytes] of messages.entries()) recovery.add(10 + i, bytes);
  return recovery.finish();
}

/** Steps in short: the text of pages, `+times@at` for takeovers. */
function stepsOf(recovered: Recovered): string[] {
  if (recovered.state !== "intact") throw new Error(`not intact: ${JSON.stringify(recovered)}`);
  return recovered.steps.flatMap((step) =>
    step.kind === "pages" ? step.pages.map(textOf) : [`+${step.times}@${step.atUs - NOW}`],
  );
}

function opened(how: JournalRecord["how"], over: Partial<JournalRecord> = {}): Partial<JournalRecord> {
  return { kind: "opened", how, ...over };
}

function states(...texts: string[]): Partial<JournalRecord> {
  return { kind: "states", pages: texts.map(page) };
}

function reasonOf(messages: readonly Uint8Array[]): string {
  const recovered = recover(messages);
  return recovered.state === "damaged" ? recovered.reason : recovered.state;
}

describe("recovery", () => {
  it("finds an empty subject empty", () => {
    expect(recover([])).toEqual({ state: "empty" });
  });

  it("adopts pages in the order they were written, so that later states win", () => {
    const recovered = recover(encodedRun(5, 0, [opened("fresh"), states("a1", "b1"), states("a2")]));
    expect(stepsOf(recovered)).toEqual(["a1", "b1", "a2"]);
    expect(recovered).toMatchObject({ epoch: 5, lastSequence: 12, isClean: false, ignored: 0, nowUs: NOW });
  });

  it("repeats what earlier successors charged, in its place", () => {
    const first = encodedRun(5, 0, [opened("fresh"), states("a1")]);
    const second = encodedRun(6, 0, [opened("recovered", { nowUs: micros(NOW + 9) }), states("a2")]);
    const third = encodedRun(7, 0, [opened("continued")]);
    expect(stepsOf(recover([...first, ...second, ...third]))).toEqual(["a1", "+1@9", "a2"]);
  });

  it("ignores the late writes of an owner that was replaced", () => {
    const first = encodedRun(5, 0, [opened("fresh"), states("a1"), states("zombie")]);
    const second = encodedRun(6, 0, [opened("recovered"), states("a2")]);
    const messages = [
      ...first.slice(0, 2),
      ...second,
      first[2] as Uint8Array,
      ...encodedRun(6, 2, [states("a3")]),
    ];
    const recovered = recover(messages);
    expect(stepsOf(recovered)).toEqual(["a1", "+1@0", "a2", "a3"]);
    expect(recovered).toMatchObject({ epoch: 6, ignored: 1, lastSequence: 15 });
  });

  it("starts from the last finished snapshot, and from nothing older", () => {
    const takeovers = [{ atUs: micros(NOW + 3), times: 2 }];
    const messages = encodedRun(5, 0, [
      opened("fresh"),
      states("old"),
      { kind: "snapshot-start", takeovers, pages: [page("s1")] },
      states("s2"),
      { kind: "snapshot-end", pages: [page("s3")] },
      states("a"),
    ]);
    expect(stepsOf(recover(messages))).toEqual(["+2@3", "s1", "s2", "s3", "a"]);
    expect(stepsOf(recover(messages.slice(0, 4)))).toEqual(["old", "s1", "s2"]);
    // The same after the purge.
    expect(stepsOf(recover(messages.slice(2)))).toEqual(["+2@3", "s1", "s2", "s3", "a"]);
    expect(recover(messages)).toMatchObject({ takeovers });
  });

  it("knows whether the last owner left in order", () => {
    const messages = encodedRun(5, 0, [opened("fresh"), states("a"), { kind: "clean" }]);
    expect(recover(messages)).toMatchObject({ state: "intact", isClean: true });
    const after = [...messages, ...encodedRun(6, 0, [opened("continued")])];
    expect(recover(after)).toMatchObject({ state: "intact", isClean: false });
  });

  it("takes nothing from before an owner that started from nothing", () => {
    const first = encodedRun(5, 0, [opened("fresh"), states("a")]);
    const fresh = [...first, ...encodedRun(6, 0, [opened("fresh"), states("b")])];
    expect(stepsOf(recover(fresh))).toEqual(["b"]);
    const exhausted = [page("garbage"), ...encodedRun(6, 0, [opened("exhausted"), states("b")])];
    expect(stepsOf(recover(exhausted))).toEqual(["+20@0", "b"]);
  });

  it("does not trust a journal that was being written anew", () => {
    const messages = encodedRun(5, 4, [
      opened("rewritten"),
      states("a"),
      { kind: "snapshot-start" },
      states("b"),
      { kind: "snapshot-end" },
    ]);
    for (let length = 1; length < 5; length += 1) {
      expect(reasonOf(messages.slice(0, length))).toMatch(/before all was written anew/);
    }
    expect(stepsOf(recover(messages))).toEqual(["b"]);
  });

  it("remembers the latest moment anybody wrote at, and what it read", () => {
    const bytes = encodedRun(5, 0, [
      opened("fresh"),
      { nowUs: micros(NOW + 50) },
      { nowUs: micros(NOW + 20) },
    ]);
    const weight = bytes.reduce((sum, { length }) => sum + length + 1_024, 0);
    expect(recover(bytes)).toMatchObject({ nowUs: NOW + 50, weight });
  });
});

describe("damage", () => {
  const whole = encodedRun(5, 0, [opened("fresh"), states("a"), states("b"), states("c")]);

  it.each([
    [
      "a broken record",
      [...whole.slice(0, 2), page("broken, of more than 32 characters"), ...whole.slice(2)],
      /CRC-32/,
    ],
    ["a missing record", [...whole.slice(0, 2), ...whole.slice(3)], /record 2 of epoch 5 is missing/],
    ["a missing beginning", whole.slice(1), /its beginning is missing/],
    ["a record twice", [...whole.slice(0, 3), ...whole.slice(2)], /record 3 of epoch 5 is missing/],
    ["an epoch never opened", [...whole, ...encodedRun(6, 0, [states("x")])], /epoch 6 was never opened/],
    [
      "another shard's record",
      [...whole, encodeRecord(record({ epoch: 5, number: 4, shard: 8 }))],
      /of shard 8/,
    ],
    [
      "nothing where there was something",
      encodedRun(6, 0, [opened("recovered")]),
      /started from are missing/,
    ],
    [
      "an unfinished first snapshot",
      encodedRun(5, 9, [{ kind: "snapshot-start" }, states("a")]),
      /has no end/,
    ],
    ["its end only", encodedRun(5, 9, [{ kind: "snapshot-end" }]), /beginning is missing/],
  ])("is %s", (_, messages, reason) => {
    expect(reasonOf(messages)).toMatch(reason);
  });

  it("is every single bit that is wrong", () => {
    for (const [index, bytes] of whole.entries()) {
      for (let bit = 0; bit < 8 * bytes.length; bit += 7) {
        const broken = bytes.slice();
        broken[bit >>> 3] = (broken[bit >>> 3] as number) ^ (1 << (bit & 7));
        expect(recover(whole.with(index, broken)).state).toBe("damaged");
      }
    }
  });

  it("is told from what another version has written, until something later stands for itself", () => {
    const foreign = recover([...whole, foreignRecord()]);
    expect(foreign).toMatchObject({ state: "foreign", epoch: 5, lastSequence: 10 + whole.length });
    const after = encodedRun(5, 4, [states("d"), { kind: "snapshot-start" }, { kind: "snapshot-end" }]);
    expect(recover([...whole, foreignRecord(), ...after]).state).toBe("intact");
    expect(recover([...whole, foreignRecord(), ...encodedRun(6, 0, [opened("exhausted")])]).state).toBe(
      "intact",
    );
  });

  it("stays, until a finished snapshot stands for itself", () => {
    const broken = [
      ...whole.slice(0, 2),
      page("?"),
      ...encodedRun(5, 3, [states("d"), { kind: "snapshot-start" }]),
    ];
    expect(reasonOf(broken)).toMatch(/shorter than its header/);
    expect(
      stepsOf(recover([...broken, ...encodedRun(5, 5, [states("e"), { kind: "snapshot-end" }])])),
    ).toEqual(["e"]);
    // Damage within the snapshot spoils it.
    const spoilt = [...broken, page("?"), ...encodedRun(5, 6, [{ kind: "snapshot-end" }])];
    expect(reasonOf(spoilt)).toMatch(/shorter than its header/);
  });

  it("never reports a clean end", () => {
    const clean = encodedRun(5, 0, [opened("fresh"), { kind: "clean" }]);
    expect(recover([...clean, page("?")]).state).toBe("damaged");
    expect(recover([clean[0] as Uint8Array, page("?"), clean[1] as Uint8Array]).state).toBe("damaged");
  });
});
