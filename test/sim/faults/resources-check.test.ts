import { describe, expect, it } from "vitest";
import { checkLeft, checkTaken, mostOf, takenBy, type Laden } from "../../../sim/faults/resources-check.ts";

const IDLE: Laden = {
  member: "a",
  bytes: 1_000,
  mailboxDepth: 0,
  tallies: { checks: { waiting: 0 }, held: { now: 0 }, lent: { units: 0 } },
};

describe("what is left when all is quiet", () => {
  it("is nothing, of a process of an older version too", () => {
    expect(checkLeft([IDLE, { member: "b", bytes: 0, mailboxDepth: 0 }])).toEqual([]);
  });

  it.each<[string, Partial<Laden>]>([
    ["has 1 checks in the mailbox when all is quiet", { mailboxDepth: 1 }],
    ["has 2 checks waiting for rights when all is quiet", { tallies: { checks: { waiting: 2 } } }],
    ["has 3 answers held back when all is quiet", { tallies: { held: { now: 3 } } }],
    ["has 4 units lent when all is quiet", { tallies: { lent: { units: 4 } } }],
    ["keeps keys in 268435457 bytes, of 256 MiB", { bytes: 2 ** 28 + 1 }],
  ])("is told: %s", (message, wish) => {
    expect(checkLeft([IDLE, { ...IDLE, ...wish, member: "b" }])).toEqual([
      { check: "resources", subject: "actor b", message },
    ]);
  });
});

describe("what a process takes", () => {
  it("is bounded", () => {
    expect(checkTaken([{ title: "actor a", rssMib: 640, files: 128 }])).toEqual([]);
    expect(checkTaken([{ title: "actor a", rssMib: 641, files: 129 }]).map(({ message }) => message)).toEqual(
      ["took 641 MiB, at most 640 were to be", "had 129 files open, at most 128 were to be"],
    );
  });

  it("counts at its most", () => {
    const early = { title: "actor a", rssMib: 9, files: 1 };
    const late = { title: "actor a", rssMib: 3, files: 7 };
    expect(mostOf(undefined, early)).toEqual(early);
    expect(mostOf(early, late)).toEqual({ title: "actor a", rssMib: 9, files: 7 });
  });

  it.runIf(process.platform === "linux")(
    "is read of the system, as long as the process is there",
    async () => {
      const taken = await takenBy("us", process.pid);
      expect(taken?.rssMib).toBeCloseTo(process.memoryUsage.rss() / 2 ** 20, -2);
      expect(taken?.files).toBeGreaterThan(3);
      expect(await takenBy("nobody", 0)).toBeUndefined();
    },
  );
});
