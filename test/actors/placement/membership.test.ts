/** How a member joins, and how others are declared dead: one transcript a rule. */
import { describe, expect, it } from "vitest";
import { encodeRecord } from "../../../actors/placement/records.ts";
import { besideOwner, LonePlacement, memberRecord, SECRET, WAIT_MS } from "./lone-placement.ts";

describe("joining", () => {
  it("first writes its record; the lease and all else wait for the answer", () => {
    const one = new LonePlacement("a");
    one.step({ kind: "tick" });
    expect(one.take()).toEqual([]);
    one.sync();
    expect(one.take()).toEqual(["cas member.a alive"]);
    expect(one.isValid).toBe(false);
    one.stored("member.a");
    expect(one.isValid).toBe(true);
    expect(one.take()).toEqual(["unfence"]);
  });

  it("with claimAtOnce, makes the cluster record and claims what is vacant without waiting", () => {
    const one = new LonePlacement("a", { claimAtOnce: true });
    one.sync();
    expect(one.take()).toEqual([`cas cluster ${SECRET}`, "cas member.a alive"]);
    one.stored("cluster");
    one.stored("member.a");
    expect(one.take()).toEqual(["cas owner.0 vacant", "unfence"]);
    one.stored("owner.0");
    expect(one.take()).toEqual(["cas owner.0 fresh"]);
    const epoch = one.stored("owner.0");
    expect(one.take()).toEqual(["open 0 fresh"]);
    expect(one.placement.epochOf(0)).toBe(epoch);
    expect(one.placement.ownerOf(0)).toEqual({ member: "a", incarnation: 1, epoch });
  });

  it("without it, leaves an empty bucket to whoever may still hold a lease of a former one", () => {
    const one = new LonePlacement("a");
    one.sync();
    one.stored("member.a");
    one.passRenewing(WAIT_MS - 50);
    expect(one.take().filter((wish) => !wish.startsWith("cas member.a"))).toEqual(["unfence"]);
    one.passRenewing(50);
    expect(one.take()).toContain(`cas cluster ${SECRET}`);
    one.stored("cluster");
    one.stored("owner.0");
    expect(one.take()).toEqual(["cas owner.0 vacant", "cas owner.0 fresh"]);
  });

  it("waits for an owner's lease also in a bucket others have begun to fill", () => {
    const one = new LonePlacement("a");
    one.cluster();
    one.owner(0, "", 0, "vacant");
    one.sync();
    one.stored("member.a");
    one.passRenewing(WAIT_MS - 50);
    expect(one.take().join()).not.toContain("owner.0");
    one.passRenewing(50);
    expect(one.take()).toContain("cas owner.0 fresh");
  });

  it("refuses to start beside a living process of the same id", () => {
    const one = new LonePlacement("a");
    one.member("a", 99);
    one.sync();
    one.pass(500);
    one.member("a", 99);
    expect(one.take()).toEqual([]);
    one.pass(500);
    one.member("a", 99);
    expect(one.take()).toEqual(["refused PARL_INVALID_ARGUMENT id"]);
    one.pass(5_000);
    expect(one.take()).toEqual([]);
  });

  it("takes the id of a process that no longer renews it, after declaring that one dead", () => {
    const one = new LonePlacement("a");
    one.cluster();
    one.member("a", 99);
    one.sync();
    one.pass(WAIT_MS - 1);
    expect(one.take()).toEqual([]);
    one.pass(1);
    expect(one.take()).toEqual(["cas member.a dead"]);
    expect(one.sent.get("member.a")?.value).toContain('"incarnation":99');
    one.stored("member.a");
    expect(one.take()).toEqual(["cas member.a alive"]);
    expect(one.sent.get("member.a")?.value).toContain('"incarnation":1,');
  });

  it("refuses a secret that is not the region's, if one was given; else takes the region's", () => {
    const given = new LonePlacement("a", { isSecretGiven: true });
    given.cluster("fedcba9876543210");
    given.sync();
    expect(given.take()).toEqual(["refused PARL_INVALID_ARGUMENT secret"]);
    const drawn = new LonePlacement("a");
    drawn.cluster("fedcba9876543210");
    drawn.sync();
    expect(drawn.take()).toEqual(["cas member.a alive"]);
    expect(drawn.placement.cluster?.secret).toBe("fedcba9876543210");
  });
});

describe("declaring others dead", () => {
  it("waits the TTL, an eighth and 50 ms from when the last revision was seen, and names that revision", () => {
    const one = besideOwner();
    one.pass(1_000);
    const revision = one.member("b", 7);
    one.take();
    one.pass(WAIT_MS - 1);
    expect(one.take()).not.toContain("cas member.b dead");
    one.pass(1);
    expect(one.take()).toContain("cas member.b dead");
    expect(one.sent.get("member.b")?.expected).toBe(revision);
  });

  it("is not impressed by revisions it has seen before", () => {
    const one = besideOwner();
    const revision = one.member("b", 7);
    one.pass(WAIT_MS - 1);
    one.entry("member.b", encodeRecord(memberRecord(7, "alive")), revision);
    one.take();
    one.pass(1);
    expect(one.take()).toContain("cas member.b dead");
  });

  it("claims nothing of a holder before its death is stored", () => {
    const one = besideOwner();
    // Ours by the table, as b is leaving.
    one.member("b", 7, "leaving");
    one.passRenewing(WAIT_MS - 50);
    one.take();
    one.pass(50);
    expect(one.take()).toEqual(["cas member.b dead"]);
    one.unknown("member.b");
    one.passRenewing(1_000);
    expect(one.take().filter((wish) => wish.includes("owner"))).toEqual([]);
    one.stored("member.b");
    expect(one.take()).toEqual(["cas owner.0 recovered"]);
    one.stored("owner.0");
    expect(one.take()).toEqual(["open 0 recover from b/7"]);
  });

  it("takes a conflict for no news: the holder may have renewed", () => {
    const one = besideOwner();
    one.passRenewing(WAIT_MS);
    one.conflict("member.b");
    one.member("b", 7);
    one.take();
    one.passRenewing(WAIT_MS - 50);
    expect(one.take().filter((wish) => wish.includes("dead") || wish.includes("owner"))).toEqual([]);
  });

  it("gives a holder without a record one in its name, and waits as for anybody", () => {
    const one = new LonePlacement("a");
    one.cluster();
    one.owner(0, "b", 7);
    one.sync();
    expect(one.take()).toEqual(["cas member.b leaving", "cas member.a alive"]);
    one.stored("member.a");
    one.stored("member.b");
    one.passRenewing(WAIT_MS - 50);
    expect(one.take()).not.toContain("cas member.b dead");
    one.passRenewing(50);
    one.stored("member.b");
    expect(one.take()).toContain("cas owner.0 recovered");
  });

  it("believes in another incarnation only if it was written after the owner's record", () => {
    const one = new LonePlacement("a");
    one.cluster();
    const old = one.member("b", 6);
    // The watch keeps one value a key: b's later records are still on their way.
    one.owner(0, "b", 7);
    one.sync();
    one.stored("member.a");
    expect(one.placement.ownerOf(0)?.epoch).toBeGreaterThan(old);
    expect(one.take().join()).not.toContain("owner.0");
    one.member("b", 8, "leaving");
    expect(one.take()).toEqual(["cas owner.0 recovered"]);
  });

  it("brings a dead record of another incarnation up to date before it believes it", () => {
    const one = new LonePlacement("a");
    one.cluster();
    one.member("b", 6, "dead");
    one.owner(0, "b", 7);
    one.sync();
    one.stored("member.a");
    expect(one.take()).toEqual(["cas member.a alive", "cas member.b dead", "unfence"]);
    one.stored("member.b");
    expect(one.take()).toEqual(["cas owner.0 recovered"]);
  });
});
