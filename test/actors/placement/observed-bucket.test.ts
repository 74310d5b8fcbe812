import { describe, expect, it } from "vitest";
import { ObservedBucket } from "../../../actors/placement/observed-bucket.ts";
import { encodeRecord, type OwnerHow } from "../../../actors/placement/records.ts";
import { memberRecord } from "./lone-placement.ts";

function alive(incarnation: number): string {
  return encodeRecord(memberRecord(incarnation, "alive"));
}

function owner(member: string, how: OwnerHow): string {
  return encodeRecord({ member, incarnation: member === "" ? 0 : 7, sinceUs: 0, how });
}

describe("ObservedBucket", () => {
  it("keeps the newest of each key, and since when", () => {
    const bucket = new ObservedBucket(4);
    expect(bucket.note("member.b", 5, alive(7), 100)).toBe(true);
    expect(bucket.note("member.b", 5, alive(7), 200)).toBe(false);
    expect(bucket.note("member.b", 4, alive(6), 200)).toBe(false);
    expect(bucket.members.get("b")).toEqual({
      record: memberRecord(7, "alive"),
      revision: 5,
      seenUs: 100,
      renewals: 0,
    });
  });

  it("counts renewals of one incarnation", () => {
    const bucket = new ObservedBucket(4);
    for (const revision of [1, 2, 3]) bucket.note("member.b", revision, alive(7), revision);
    expect(bucket.members.get("b")?.renewals).toBe(2);
    bucket.note("member.b", 4, alive(8), 4);
    expect(bucket.members.get("b")?.renewals).toBe(0);
    bucket.note("member.b", 5, encodeRecord(memberRecord(8, "dead")), 5);
    expect(bucket.members.get("b")?.renewals).toBe(0);
  });

  it("times a shard without owner from when that is certain", () => {
    const bucket = new ObservedBucket(3);
    bucket.note("owner.1", 1, owner("b", "fresh"), 10);
    bucket.note("owner.2", 2, owner("", "vacant"), 10);
    expect(bucket.ownerlessSinceUs(0)).toBeUndefined();
    bucket.synced(50);
    expect([0, 1, 2].map((shard) => bucket.ownerlessSinceUs(shard))).toEqual([50, undefined, 50]);
    // To be made vacant, or to be synced again, is no news.
    bucket.note("owner.0", 3, owner("", "vacant"), 60);
    bucket.synced(70);
    expect(bucket.ownerlessSinceUs(0)).toBe(50);
    bucket.note("owner.0", 4, owner("b", "fresh"), 80);
    bucket.note("owner.0", 5, undefined, 90);
    expect(bucket.ownerlessSinceUs(0)).toBe(90);
    bucket.note("owner.1", 6, owner("", "released"), 95);
    expect(bucket.ownerlessSinceUs(1)).toBeUndefined();
  });

  it("keeps what it could read last, at the revision of what it could not", () => {
    const bucket = new ObservedBucket(1);
    bucket.note("owner.0", 1, owner("b", "fresh"), 0);
    bucket.note("owner.0", 2, "?", 0);
    expect(bucket.owner(0)).toMatchObject({ record: { member: "b" }, revision: 2, isDeleted: false });
    bucket.note("member.b", 3, "?", 0);
    expect(bucket.members.get("b")?.record).toBeUndefined();
    expect(bucket.badRecords).toBe(2);
  });

  it("holds on to the region's secret even if its record is deleted", () => {
    const bucket = new ObservedBucket(1);
    const cluster = { createdUs: 1, secret: "0123456789abcdef" };
    bucket.note("cluster", 1, encodeRecord(cluster), 0);
    bucket.note("cluster", 2, undefined, 0);
    expect(bucket.cluster).toEqual(cluster);
  });

  it("forgets everything about a bucket that is gone", () => {
    const bucket = new ObservedBucket(1);
    bucket.note("owner.0", 1, owner("b", "fresh"), 0);
    bucket.note("member.b", 2, alive(7), 0);
    bucket.synced(1);
    bucket.clear();
    expect(bucket.owner(0).revision).toBe(0);
    expect(bucket.members.size).toBe(0);
    expect(bucket.isSynced).toBe(false);
    expect(bucket.note("owner.0", 1, owner("b", "fresh"), 0)).toBe(true);
  });
});
