/** The lease, a lost bucket, and leaving: one transcript a rule. */
import { describe, expect, it } from "vitest";
import { Placement } from "../../../actors/placement/placement.ts";
import { besideOwner, LonePlacement, SECRET } from "./lone-placement.ts";

describe("the options", () => {
  it.each([
    ["id", { id: "A" }],
    ["secret", { secret: "short" }],
    ["leaseTtlUs", { leaseTtlUs: 0 }],
  ])("says which option is wrong: %s", (field, wrong) => {
    const options = { id: "a", shards: 1, secret: SECRET, newIncarnation: () => 1, ...wrong };
    expect(() => new Placement(options)).toThrow(expect.objectContaining({ field }));
  });
});

describe("the lease", () => {
  it("counts from when the renewal was sent, not from its answer", () => {
    const one = LonePlacement.owner();
    one.pass(500);
    expect(one.take()).toEqual(["cas member.a alive"]);
    one.monotonicUs += 400_000;
    one.wallUs += 400_000;
    one.stored("member.a");
    one.monotonicUs += 1_599_999;
    one.wallUs += 1_599_999;
    expect(one.isValid).toBe(true);
    one.monotonicUs += 1;
    expect(one.isValid).toBe(false);
  });

  it("is over when no renewal is answered; the state stays, and a late renewal stored ends the fence", () => {
    const one = LonePlacement.owner();
    for (let ms = 0; ms < 1_950; ms += 50) {
      one.pass(50);
      if (one.sent.has("member.a")) one.unknown("member.a");
    }
    expect(one.isValid).toBe(true);
    one.take();
    one.pass(50);
    expect(one.take()).toContain("fence");
    expect(one.placement.isOpen(0)).toBe(true);
    one.pass(250);
    one.stored("member.a");
    expect(one.take()).toContain("unfence");
    expect(one.placement.isOpen(0)).toBe(true);
  });

  it("is not prolonged by our own record in the watch: a read proves nothing", () => {
    const one = LonePlacement.owner();
    one.pass(500);
    const { value } = one.unknown("member.a");
    one.pass(1_400);
    one.entry("member.a", value);
    one.pass(100);
    expect(one.isValid).toBe(false);
  });

  it("is not prolonged by an answer that nobody waits for any more, or by one that comes twice", () => {
    const one = LonePlacement.owner();
    one.pass(500);
    const { id } = one.unknown("member.a");
    one.step({ kind: "cas-answer", key: "member.a", id, outcome: "ok", revision: one.revision + 1 });
    one.pass(1_500);
    expect(one.isValid).toBe(false);
  });

  it("is over after a suspension that the monotonic clock has slept through", () => {
    const one = LonePlacement.owner();
    one.wallUs += 2_000_000;
    expect(one.isValid).toBe(true);
    one.wallUs += 1;
    expect(one.isValid).toBe(false);
    one.step({ kind: "tick" });
    expect(one.take()).toContain("fence");
  });

  it("ends with everything when somebody declared us dead; another incarnation joins", () => {
    const one = LonePlacement.owner();
    one.pass(500);
    one.conflict("member.a");
    expect(one.take()).toEqual(["cas member.a alive"]);
    expect(one.isValid).toBe(true);
    one.member("a", 1, "dead");
    expect(one.take()).toEqual(["lost", "fence"]);
    expect(one.placement.isOpen(0)).toBe(false);
    one.step({ kind: "tick" });
    expect(one.take()).toEqual(["cas member.a alive"]);
    expect(one.placement.self.incarnation).toBe(2);
    one.stored("member.a");
    // What the former incarnation owned is taken over like anybody's.
    expect(one.take()).toEqual(["cas owner.0 recovered", "unfence"]);
    one.stored("owner.0");
    expect(one.take()).toEqual(["open 0 recover from a/1"]);
  });

  it("ends too when another process has written its name into our record", () => {
    const one = LonePlacement.owner();
    one.member("a", 99);
    expect(one.take()).toEqual(["lost", "fence"]);
  });
});

describe("a lost bucket", () => {
  it("is filled anew by whoever holds a lease: first its record, then its shards, which it keeps", () => {
    const one = LonePlacement.owner();
    const epoch = one.placement.epochOf(0) ?? 0;
    one.pass(400);
    one.step({ kind: "bucket-lost" });
    expect(one.isValid).toBe(true);
    one.sync();
    expect(one.take()).toEqual([`cas cluster ${SECRET}`, "cas member.a alive"]);
    one.stored("member.a");
    expect(one.take()).toEqual(["cas owner.0 vacant"]);
    one.stored("owner.0");
    expect(one.take()).toEqual(["cas owner.0 kept"]);
    one.stored("owner.0");
    expect(one.take()).toEqual(["open 0 keep"]);
    expect(one.placement.epochOf(0)).toBeGreaterThan(epoch);
  });

  it("does not prolong the lease before every shard is confirmed", () => {
    const one = LonePlacement.owner();
    one.pass(400);
    one.step({ kind: "bucket-lost" });
    one.sync();
    one.passRenewing(1_550);
    expect(one.isValid).toBe(true);
    one.take();
    one.passRenewing(50);
    // The others may be through with waiting; the record alone does not hold them.
    expect(one.take()).toEqual(["close 0"]);
    expect(one.isValid).toBe(true);
    expect(one.placement.isOpen(0)).toBe(false);
  });

  it("takes the shards of a member that was already fenced", () => {
    const one = LonePlacement.owner();
    one.pass(2_000);
    one.take();
    one.step({ kind: "bucket-lost" });
    expect(one.take()).toEqual(["lost"]);
    one.sync();
    expect(one.placement.self.incarnation).toBe(2);
  });

  it("ends a shard whose new owner may have been stored", () => {
    const one = LonePlacement.owner();
    one.step({ kind: "give-started", shard: 0 });
    expect(one.placement.isOpen(0)).toBe(false);
    one.step({ kind: "bucket-lost" });
    expect(one.take()).toEqual(["close 0", "fence"]);
  });

  it("makes answers about it worthless", () => {
    const one = LonePlacement.owner();
    one.pass(500);
    const id = one.sent.get("member.a")?.id ?? 0;
    one.step({ kind: "bucket-lost" });
    one.step({ kind: "cas-answer", key: "member.a", id, outcome: "ok", revision: one.revision + 1 });
    one.pass(1_500);
    expect(one.isValid).toBe(false);
  });

  it("loses the shards too if somebody has put another secret into the next", () => {
    const one = LonePlacement.owner();
    one.step({ kind: "bucket-lost" });
    one.cluster("fedcba9876543210");
    one.sync();
    expect(one.take()).toContain("lost");
  });
});

describe("leaving", () => {
  it("says so, gives what others ask for, returns what it has borrowed, then declares itself dead and goes", () => {
    const one = LonePlacement.owner();
    one.member("b", 7);
    one.take();
    one.step({ kind: "leave" });
    one.step({ kind: "tick" });
    expect(one.take()).toEqual(["cas member.a leaving"]);
    one.stored("member.a");
    one.step({ kind: "give-started", shard: 0 });
    one.step({ kind: "shard-given", shard: 0, member: "b", incarnation: 7, revision: one.revision + 1 });
    expect(one.take()).toEqual(["give back"]);
    expect(one.isValid).toBe(true);
    one.step({ kind: "given-back" });
    expect(one.take()).toEqual(["cas member.a dead", "fence"]);
    expect(one.isValid).toBe(false);
    one.stored("member.a");
    expect(one.take()).toEqual(["left"]);
  });

  it("waits for the end of a handoff that it has asked for: the shard may become its own", () => {
    const one = besideOwner();
    one.member("b", 7, "leaving");
    expect(one.take()).toContain("ask 0 of b/7");
    one.step({ kind: "leave" });
    one.stored("member.a");
    expect(one.take()).toEqual(["cas member.a leaving"]);
    one.step({ kind: "handoff-ended", shard: 0, outcome: "aborted", revision: 0 });
    expect(one.take()).toEqual(["give back"]);
  });

  it("goes after a second although homes have not confirmed what it returned", () => {
    const one = LonePlacement.owner();
    one.member("b", 7);
    one.step({ kind: "leave" });
    one.stored("member.a");
    one.step({ kind: "give-started", shard: 0 });
    one.step({ kind: "shard-given", shard: 0, member: "b", incarnation: 7, revision: one.revision + 1 });
    one.passRenewing(950);
    expect(one.isValid).toBe(true);
    one.take();
    one.pass(50);
    expect(one.take()).toEqual(["cas member.a leaving", "fence"]);
    one.stored("member.a");
    expect(one.take()).toEqual(["cas member.a dead"]);
  });

  it("alone, has clean snapshots written before it lets go, and goes on with it if somebody comes", () => {
    const one = LonePlacement.owner();
    one.step({ kind: "leave" });
    one.step({ kind: "tick" });
    expect(one.take()).toEqual(["cas member.a leaving", "snapshot 0"]);
    expect(one.placement.isOpen(0)).toBe(false);
    one.stored("member.a");
    one.member("b", 7);
    expect(one.take()).toEqual([]);
    one.step({ kind: "snapshotted", shard: 0 });
    expect(one.take()).toEqual(["cas owner.0 released"]);
    one.stored("owner.0");
    expect(one.take()).toEqual(["close 0", "give back"]);
    one.step({ kind: "given-back" });
    expect(one.take()).toEqual(["cas member.a dead", "fence"]);
  });

  it("gives up waiting after ten seconds, and leaves the rest to the journal", () => {
    const one = LonePlacement.owner();
    one.member("b", 7);
    one.step({ kind: "leave" });
    for (let second = 0; second < 9; second += 1) {
      one.member("b", 7);
      one.passRenewing(1_000);
    }
    expect(one.placement.isOpen(0)).toBe(true);
    one.member("b", 7);
    one.take();
    one.passRenewing(1_100);
    expect(one.take()).toEqual(expect.arrayContaining(["close 0", "cas member.a dead", "fence", "left"]));
  });

  it("goes at once if it has not begun", () => {
    const one = new LonePlacement("a");
    one.step({ kind: "leave" });
    expect(one.take()).toEqual(["left"]);
  });

  it("lets the next one in a region claim what was released without waiting", () => {
    const one = new LonePlacement("b");
    one.cluster();
    one.member("a", 1, "dead");
    one.owner(0, "", 0, "released");
    one.sync();
    one.stored("member.b");
    expect(one.take()).toEqual(["cas member.b alive", "cas owner.0 recovered", "unfence"]);
  });
});
