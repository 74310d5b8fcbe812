import { describe, expect, it } from "vitest";
import { Mailbox, type Admittance } from "../../actors/mailbox.ts";

const QUANTUM = 10;
type Push = readonly [lane: string, weight: number, expected?: Admittance];

/** A mailbox of 160 checks, 20 of them kept for newcomers, after the given pushes. */
function filled(...pushes: Push[]) {
  const mailbox = new Mailbox<string>(160, QUANTUM);
  const answers = pushes.map(([lane, weight], i) => mailbox.push(`${lane}${i}`, weight, lane));
  return { mailbox, answers };
}

function emptied(mailbox: Mailbox<string>): string[] {
  const messages: string[] = [];
  for (let message = mailbox.shift(); message !== undefined; message = mailbox.shift())
    messages.push(message);
  return messages;
}

describe("what enters a mailbox", () => {
  it.each<[string, Push[]]>([
    [
      "as much of one lane alone as it leaves free",
      [
        ["a", 35],
        ["a", 35],
        ["a", 1, "lane-full"],
      ],
    ],
    [
      "another lane beside one that is full",
      [
        ["a", 70],
        ["a", 1, "lane-full"],
        ["b", 35],
        ["b", 1, "lane-full"],
      ],
    ],
    [
      "the first lane again when others leave it room",
      [
        ["a", 40],
        ["b", 40],
        ["a", 10],
        ["a", 1, "lane-full"],
      ],
    ],
    [
      "one message of a lane with nothing waiting, up to seven eighths",
      [
        ["a", 70],
        ["b", 70],
        ["b", 1, "mailbox-full"],
      ],
    ],
    [
      "no heavy message into the last eighth",
      [
        ["a", 70],
        ["b", 71, "mailbox-full"],
        ["b", 70],
      ],
    ],
    [
      "light newcomers into the last eighth, one message each",
      [
        ["a", 70],
        ["b", 70],
        ["c", 10],
        ["c", 1, "mailbox-full"],
        ["d", 11, "mailbox-full"],
        ["d", 10],
      ],
    ],
    [
      "nobody when the last check is taken",
      [
        ["a", 70],
        ["b", 70],
        ["c", 10],
        ["d", 10],
        ["e", 1, "mailbox-full"],
      ],
    ],
    ["a message heavier than the mailbox when nothing waits", [["a", 161]]],
    [
      "a message heavier than the mailbox beside control",
      [
        ["", 0],
        ["a", 161],
      ],
    ],
    [
      "nothing beside a message heavier than the mailbox",
      [
        ["a", 161],
        ["b", 1, "mailbox-full"],
        ["a", 1, "mailbox-full"],
      ],
    ],
    [
      "control, however full it is",
      [
        ["a", 161],
        ["", 0],
        ["", 0],
      ],
    ],
  ])("%s", (_, pushes) => {
    const { answers } = filled(...pushes);
    expect(answers).toEqual(pushes.map(([, , expected = "accepted"]) => expected));
  });

  it("is weighed, in all and by lane", () => {
    const { mailbox } = filled(["a", 3], ["b", 4], ["", 0], ["a", 5]);
    expect([mailbox.length, mailbox.weight, mailbox.laneWeight("a"), mailbox.laneWeight("b")]).toEqual([
      4, 12, 8, 4,
    ]);
    expect([mailbox.laneWeight("c"), mailbox.laneWeight("")]).toEqual([0, 0]);
    emptied(mailbox);
    expect([mailbox.length, mailbox.weight, mailbox.laneWeight("a"), mailbox.shift()]).toEqual([
      0,
      0,
      0,
      undefined,
    ]);
  });

  it("leaves room for a newcomer beside a hundred lanes that take all they get", () => {
    const mailbox = new Mailbox<number>(65_536);
    for (let message = 0; message < 100_000; message += 1) mailbox.push(message, 1, `lane-${message % 100}`);
    const shares = Array.from({ length: 100 }, (_, i) => mailbox.laneWeight(`lane-${i}`));
    expect(Math.min(...shares)).toBeGreaterThan(550);
    expect(Math.max(...shares)).toBeLessThan(580);
    for (let message = 0; message < 250; message += 1)
      expect(mailbox.push(message, 1, "new")).toBe("accepted");
  });
});

describe("the order of a mailbox", () => {
  it("gives every lane a quantum in turn", () => {
    const { mailbox } = filled(["a", 6], ["a", 6], ["a", 6], ["b", 6], ["b", 6], ["c", 1]);
    expect(emptied(mailbox)).toEqual(["a0", "a1", "b3", "b4", "c5", "a2"]);
  });

  it("serves a heavy message whole, and lets its lane sit out the turns it has taken", () => {
    const { mailbox } = filled(["a", 30], ["a", 1], ["b", 10], ["b", 10], ["b", 10], ["b", 10]);
    expect(emptied(mailbox)).toEqual(["a0", "b2", "b3", "b4", "a1", "b5"]);
  });

  it("does not let a lane off that sends its next heavy message only when the last was served", () => {
    const { mailbox } = filled(["a", 30], ["b", 10], ["b", 10], ["b", 10], ["b", 10]);
    const served = [mailbox.shift()];
    mailbox.push("again", 30, "a");
    expect([...served, ...emptied(mailbox)]).toEqual(["a0", "b1", "b2", "b3", "again", "b4"]);
  });

  it("forgets debts when nothing waits", () => {
    const { mailbox } = filled(["a", 100]);
    mailbox.shift();
    mailbox.push("a", 10, "a");
    mailbox.push("b", 10, "b");
    expect(emptied(mailbox)).toEqual(["a", "b"]);
  });

  it("lets control go before everything, in its own order", () => {
    const { mailbox } = filled(["a", 1], ["", 0], ["b", 1], ["", 0]);
    expect(emptied(mailbox)).toEqual(["1", "3", "a0", "b2"]);
  });
});
