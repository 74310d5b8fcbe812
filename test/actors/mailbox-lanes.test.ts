import { describe, expect, it } from "vitest";
import { MailboxLanes } from "../../actors/mailbox-lanes.ts";

/** Two lanes of one's own and a shared one, with everybody in `names` in the round. */
function withInRound(...names: string[]): MailboxLanes {
  const lanes = new MailboxLanes(2, 1);
  for (const name of names) {
    const lane = lanes.of(name);
    if (!lane.isInRound) lanes.enter(lane);
  }
  return lanes;
}

describe("MailboxLanes", () => {
  it("gives everybody a lane of their own as long as there are any, and one to share beyond", () => {
    const lanes = withInRound("a", "b", "c", "d");
    const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => lanes.of(name));
    expect([a?.isShared, b?.isShared, c?.isShared]).toEqual([false, false, true]);
    expect(a).not.toBe(b);
    expect(c).toBe(d);
  });

  it("leaves the lane of who was there first to them alone, whatever is invented", () => {
    const lanes = withInRound("a", "b");
    const first = lanes.of("a");
    for (let i = 0; i < 1_000; i += 1) expect(lanes.of(`invented-${i}`)).not.toBe(first);
    expect(lanes.of("a")).toBe(first);
  });

  it("keeps a name with the lane it shares for as long as that is in the round, then gives it its own", () => {
    const lanes = withInRound("a", "b", "c");
    const shared = lanes.of("c");
    lanes.leave(lanes.of("a"));
    expect(lanes.of("c")).toBe(shared);
    lanes.leave(shared);
    expect(lanes.of("c").isShared).toBe(false);
  });

  it("keeps even a name whose lane is known and idle with the shared one it may have messages in", () => {
    const lanes = withInRound("a", "b", "c");
    lanes.leave(lanes.of("a"));
    expect(lanes.of("a").isShared).toBe(true);
  });

  it("hands on the lane that has been idle for longest", () => {
    const lanes = withInRound("a", "b");
    const [a, b] = [lanes.of("a"), lanes.of("b")];
    lanes.leave(b);
    lanes.leave(a);
    expect([lanes.of("c"), lanes.of("a")]).toEqual([b, a]);
    expect(lanes.of("b")).toBe(b);
  });

  it("takes turns in the order of entering", () => {
    const lanes = withInRound("a", "b");
    const turns: string[] = [];
    for (let turn = 0; turn < 4; turn += 1) {
      turns.push(lanes.first?.name ?? "");
      lanes.rotate();
    }
    lanes.leave(lanes.of("a"));
    lanes.rotate();
    turns.push(lanes.first?.name ?? "");
    lanes.leave(lanes.of("b"));
    expect([...turns, lanes.first]).toEqual(["a", "b", "a", "b", "b", undefined]);
  });
});
