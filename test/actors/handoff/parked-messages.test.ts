import { describe, expect, it } from "vitest";
import { AnsweredList } from "../../../actors/handoff/answered-list.ts";
import { ParkedMessages, type ShardMessage } from "../../../actors/handoff/parked-messages.ts";
import { shardMessage } from "./recording-outbox.ts";

function drained(park: ParkedMessages, ...answered: string[]): string[] {
  const lines: string[] = [];
  const note =
    (verb: string) =>
    ({ replyTo }: ShardMessage): void => {
      lines.push(`${verb} ${replyTo}`);
    };
  park.drain(AnsweredList.of(answered), note("replay"), note("refuse"));
  return lines;
}

describe("ParkedMessages", () => {
  it("gives back in order what has not been answered, once", () => {
    const park = new ParkedMessages();
    for (const replyTo of ["r1", "r2", "r3", "r2"]) park.park(shardMessage(replyTo), 1);
    expect(park.length).toBe(4);
    expect(drained(park, "r2", "r9")).toEqual(["replay r1", "replay r3", "replay r2"]);
    expect(drained(park)).toEqual([]);
  });

  it("gives back every message that nobody waits for", () => {
    const park = new ParkedMessages();
    park.park(shardMessage(""), 1);
    expect(drained(park, "r1")).toEqual(["replay "]);
  });

  it("refuses what it had no room for, unless that has been answered", () => {
    const park = new ParkedMessages(10);
    park.park(shardMessage("r1"), 6);
    park.park(shardMessage("r2"), 5);
    park.park(shardMessage("r3"), 5);
    park.park(shardMessage("r4"), 4);
    expect(drained(park, "r3")).toEqual(["replay r1", "refuse r2", "replay r4"]);
  });

  it("keeps nothing of the payload of what it will refuse", () => {
    const park = new ParkedMessages(0);
    park.park(shardMessage("r1", "x".repeat(1_000)), 1);
    const lengths: number[] = [];
    park.drain(
      new AnsweredList(),
      () => {},
      ({ payload }) => lengths.push(payload.length),
    );
    expect(lengths).toEqual([0]);
  });

  it("drops what it can neither keep nor refuse", () => {
    const park = new ParkedMessages(0);
    park.park(shardMessage(""), 1);
    for (let i = 0; i < 16_385; i += 1) park.park(shardMessage(`r${i}`), 1);
    expect([park.length, park.dropped]).toEqual([16_384, 2]);
  });

  it("is bounded in bytes", () => {
    const park = new ParkedMessages();
    const large = "x".repeat(256 * 1_024);
    for (let i = 0; i < 65; i += 1) park.park(shardMessage(`r${i}`, large), 1);
    expect(drained(park).at(-1)).toBe("refuse r64");
  });
});
