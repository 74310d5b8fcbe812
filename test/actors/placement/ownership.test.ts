/** How shards are claimed, handed over and repaired: one transcript a rule. */
import { describe, expect, it } from "vitest";
import { assignShards } from "../../../actors/placement/rendezvous.ts";
import { encodeRecord } from "../../../actors/placement/records.ts";
import { besideOwner, LonePlacement, memberRecord } from "./lone-placement.ts";

describe("claims", () => {
  it("that were answered with unknown are settled by the watch", () => {
    const one = new LonePlacement("a", { claimAtOnce: true });
    one.sync();
    for (const key of ["cluster", "member.a", "owner.0"]) one.stored(key);
    one.take();
    const { value } = one.unknown("owner.0");
    expect(one.take()).toEqual([]);
    const epoch = one.entry("owner.0", value);
    expect(one.take()).toEqual(["open 0 fresh"]);
    expect(one.placement.epochOf(0)).toBe(epoch);
  });

  it("are left to whoever was first", () => {
    const one = new LonePlacement("a", { claimAtOnce: true, shards: 1 });
    one.sync();
    for (const key of ["cluster", "member.a", "owner.0"]) one.stored(key);
    one.member("b", 7);
    one.take();
    one.conflict("owner.0");
    one.owner(0, "b", 7);
    one.pass(1_000);
    expect(one.take().join()).not.toContain("cas owner.0");
  });

  it("are made by the member that rendezvous hashing names, and nobody else", () => {
    const shards = 16;
    const one = new LonePlacement("a", { claimAtOnce: true, shards });
    one.cluster();
    one.member("b", 7);
    one.sync();
    one.stored("member.a");
    const mine = one.take().flatMap((wish) => /owner\.(\d+) vacant/.exec(wish)?.[1] ?? []);
    const targets = assignShards(["a", "b"], shards);
    expect(mine.map(Number)).toEqual([...targets.keys()].filter((shard) => targets[shard] === "a"));
  });

  it("are not made while the lease is over", () => {
    const one = new LonePlacement("a", { claimAtOnce: true });
    one.sync();
    one.stored("cluster");
    one.pass(2_000);
    one.unknown("member.a");
    one.entry("member.a", encodeRecord(memberRecord(1, "alive")));
    one.take();
    one.pass(10);
    expect(one.take().join()).not.toContain("owner.0");
  });
});

describe("handoff", () => {
  it("is asked of a live owner, one at a time, and again some time after one failed", () => {
    const one = new LonePlacement("a", { shards: 4 });
    one.cluster();
    one.member("b", 7, "leaving");
    for (let shard = 0; shard < 4; shard += 1) one.owner(shard, "b", 7);
    one.sync();
    one.stored("member.a");
    expect(one.take()).toEqual(["cas member.a alive", "ask 0 of b/7", "unfence"]);
    for (let shard = 0; shard < 3; shard += 1) {
      one.step({ kind: "handoff-ended", shard, outcome: "aborted", revision: 0 });
      expect(one.take()).toEqual([`ask ${shard + 1} of b/7`]);
    }
    one.step({ kind: "handoff-ended", shard: 3, outcome: "aborted", revision: 0 });
    expect(one.take()).toEqual([]);
    one.pass(500);
    expect(one.take()).toContain("ask 0 of b/7");
  });

  it("that ends well opens the shard without recovering it, whether or not the watch was faster", () => {
    for (const isWatchFaster of [true, false]) {
      const one = besideOwner();
      expect(one.take()).toContain("unfence");
      one.member("b", 7, "leaving");
      expect(one.take()).toEqual(["ask 0 of b/7"]);
      const revision = one.revision + 1;
      const show = (): number => one.owner(0, "a", 1, "handed-over");
      if (isWatchFaster) show();
      expect(one.take()).toEqual([]);
      one.step({ kind: "handoff-ended", shard: 0, outcome: "adopted", revision });
      if (!isWatchFaster) show();
      expect(one.placement.epochOf(0)).toBe(revision);
      expect(one.placement.isOpen(0)).toBe(true);
      expect(one.take()).toEqual([]);
    }
  });

  it("is asked for at the epoch that was seen, and given only at the epoch the present bucket knows", () => {
    const one = besideOwner();
    const epoch = one.placement.ownerOf(0)?.epoch;
    one.member("b", 7, "leaving");
    expect(one.askedAtEpoch).toBe(epoch);
    const owner = LonePlacement.owner();
    expect(owner.placement.givableEpoch(0)).toBe(owner.placement.epochOf(0));
    owner.step({ kind: "bucket-lost" });
    expect(owner.placement.isOpen(0)).toBe(true);
    expect(owner.placement.givableEpoch(0)).toBeUndefined();
  });

  it("that was made in a bucket lost since brings nothing", () => {
    const one = besideOwner();
    one.member("b", 7, "leaving");
    const revision = (one.revision += 1);
    one.step({ kind: "bucket-lost" });
    one.sync();
    one.take();
    one.step({ kind: "handoff-ended", shard: 0, outcome: "adopted", revision });
    expect(one.take()).toEqual(["close 0"]);
    expect(one.placement.isOpen(0)).toBe(false);
    expect(one.placement.ownerOf(0)).toBeUndefined();
  });

  it("that ended after the owner was set leaves the state to the journal", () => {
    const one = besideOwner();
    one.member("b", 7, "leaving");
    one.owner(0, "a", 1, "handed-over");
    one.take();
    one.step({ kind: "handoff-ended", shard: 0, outcome: "aborted", revision: 0 });
    expect(one.take()).toEqual(["open 0 recover"]);
  });

  it("closes nothing at the giver's before the giver is through, though the watch shows the new owner", () => {
    const one = LonePlacement.owner();
    one.member("b", 7);
    one.take();
    one.step({ kind: "give-started", shard: 0 });
    const revision = one.owner(0, "b", 7, "handed-over");
    expect(one.take()).toEqual([]);
    one.step({ kind: "shard-given", shard: 0, member: "b", incarnation: 7, revision });
    one.step({ kind: "tick" });
    expect(one.take().filter((wish) => wish !== "ask 0 of b/7")).toEqual([]);
    expect(one.placement.ownerOf(0)).toEqual({ member: "b", incarnation: 7, epoch: revision });
  });

  it("goes on at the giver's when nothing was set", () => {
    const one = LonePlacement.owner();
    const epoch = one.placement.givableEpoch(0);
    one.step({ kind: "give-started", shard: 0 });
    expect(one.placement.givableEpoch(0)).toBeUndefined();
    one.step({ kind: "give-aborted", shard: 0 });
    expect(one.placement.isOpen(0)).toBe(true);
    expect(one.placement.givableEpoch(0)).toBe(epoch);
  });
});

describe("what cannot be read", () => {
  it("is counted and ignored, and its key is not written over by others than its owner", () => {
    const one = new LonePlacement("a");
    one.cluster();
    one.entry("owner.0", "{}");
    one.entry("member.b", "not json");
    one.entry("unheard.of", "x");
    one.entry("owner.5", "{}");
    one.sync();
    one.stored("member.a");
    one.passRenewing(5_000);
    expect(one.take().join()).not.toContain("owner.0");
    expect(one.placement.badRecords).toBe(2);
  });

  it("is repaired by the owner, whose record was deleted", () => {
    const one = LonePlacement.owner();
    one.entry("owner.0", undefined);
    expect(one.take()).toEqual(["cas owner.0 vacant"]);
    one.stored("owner.0");
    expect(one.take()).toEqual(["cas owner.0 kept"]);
    one.stored("owner.0");
    expect(one.take()).toEqual(["open 0 keep"]);
    expect(one.placement.isOpen(0)).toBe(true);
  });
});
