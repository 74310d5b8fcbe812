import { describe, expect, it } from "vitest";
import type { MemberObservation } from "../../actors/observation.ts";
import { takeCensus } from "../../actors/region-census.ts";

function seen(
  member: string,
  shards: readonly number[],
  wish: Partial<MemberObservation> = {},
): MemberObservation {
  return {
    region: "eu",
    member,
    shards: 8,
    owned: shards.map((shard) => ({
      shard,
      epoch: 10 + shard,
      sinceUs: 5,
      decided: shard,
      keys: 1,
      due: 2,
    })),
    keys: 10,
    bytes: 1_000,
    evictedLive: 1,
    overflowed: 2,
    fullTenants: 3,
    mailboxDepth: 3,
    overloaded: 4,
    crashes: 5,
    fenced: 6,
    uptimeMs: 70,
    stepLatencyCounts: [1, 0, 2],
    stepLatencySumUs: 30,
    policies: [],
    decisions: [],
    errors: {},
    ...wish,
  };
}

const LINE = { policy: "p", algorithm: "gcra", outcome: "allowed" } as const;

describe("a census", () => {
  it("adds up every counter and gauge, and takes the longest uptime", () => {
    const one = seen("a", [0, 1]);
    const other = seen("b", [2], {
      keys: 5,
      bytes: 20,
      evictedLive: 30,
      overflowed: 40,
      fullTenants: 1,
      mailboxDepth: 50,
      overloaded: 60,
      crashes: 70,
      fenced: 80,
      uptimeMs: 69,
      stepLatencyCounts: [0, 7, 1],
      stepLatencySumUs: 12,
    });
    expect(takeCensus([one, other])).toMatchObject({
      region: "eu",
      shards: 8,
      keys: 15,
      bytes: 1_020,
      evictedLive: 31,
      overflowed: 42,
      // They may be the same ones.
      fullTenants: 3,
      mailboxDepth: 53,
      overloaded: 64,
      crashes: 75,
      fenced: 86,
      uptimeMs: 70,
      stepLatencyCounts: [1, 7, 3],
      stepLatencySumUs: 42,
    });
  });

  it("adds up keys by policy, decisions by line and errors by code", () => {
    const line = { policy: "p", algorithm: "gcra", outcome: "allowed" } as const;
    const one = seen("a", [0], {
      policies: [
        { name: "p", keys: 3 },
        { name: "q", keys: 1 },
      ],
      decisions: [
        { ...line, count: 5 },
        { ...line, outcome: "denied", count: 2 },
      ],
      errors: { PARL_MALFORMED: 1 },
    });
    const other = seen("b", [1], {
      // Another revision of the policy file: p and a policy that the first does not have yet.
      policies: [
        { name: "r", keys: 9 },
        { name: "p", keys: 4 },
      ],
      decisions: [
        { ...line, outcome: "denied", count: 3 },
        { ...line, policy: "r", count: 1 },
      ],
      errors: { PARL_MALFORMED: 2, PARL_OVERLOADED: 7 },
    });
    const { policies, decisions, errors } = takeCensus([one, other]);
    expect(policies).toEqual([
      { name: "p", keys: 7 },
      { name: "q", keys: 1 },
      { name: "r", keys: 9 },
    ]);
    expect(decisions).toEqual([
      { ...line, count: 5 },
      { ...line, outcome: "denied", count: 5 },
      { ...line, policy: "r", count: 1 },
    ]);
    expect(errors).toEqual({ PARL_MALFORMED: 3, PARL_OVERLOADED: 7 });
  });

  it("hears out a process of a version that does not count full tenants", () => {
    const { fullTenants, ...older } = seen("a", [0]);
    expect(takeCensus([older as MemberObservation, seen("b", [1])]).fullTenants).toBe(fullTenants);
    expect(takeCensus([older as MemberObservation]).fullTenants).toBe(0);
  });

  it("adds up tallies number by number, also those that only some processes tell", () => {
    const one = seen("a", [0], {
      tallies: { checks: { late: 1, waiting: 2 }, waits: { allowed: 3 }, lent: { units: 10 } },
    });
    const other = seen("b", [1], { tallies: { checks: { late: 10 }, waits: { allowed: 30, denied: 4 } } });
    expect(takeCensus([one, other, seen("c", [2])]).tallies).toEqual({
      checks: { late: 11, waiting: 2 },
      waits: { allowed: 33, denied: 4 },
      lent: { units: 10 },
    });
  });

  it("says in figures how borrowing goes, of the region as a whole", () => {
    const one = seen("a", [0], {
      decisions: [
        { ...LINE, count: 900 },
        { ...LINE, outcome: "denied", count: 100 },
      ],
      tallies: { checks: { late: 3 }, borrowed: { asked: 7, reports: 3 }, denials: { firm: 98, lent: 2 } },
    });
    const other = seen("b", [1], {
      decisions: [{ ...LINE, count: 1_000 }],
      tallies: { checks: { late: 1 } },
    });
    expect(takeCensus([one, other]).figures).toEqual({
      checks: 2_000,
      late: 4,
      borrows: 4,
      denied: 100,
      doubtful: 2,
      atOnceShare: 0.998,
      borrowsPer1000: 2,
      doubtfulShare: 0.02,
    });
  });

  it("changes nothing that it was told", () => {
    const line = { policy: "p", algorithm: "gcra", outcome: "allowed", count: 5 } as const;
    const told = [seen("a", [0], { decisions: [line] }), seen("b", [1], { decisions: [line] })];
    const before = structuredClone(told);
    takeCensus(told);
    expect(told).toEqual(before);
  });

  it("counts the shards that nobody claims, of however many members are missing", () => {
    expect(takeCensus([seen("a", [0, 1, 2, 3]), seen("b", [4, 5, 6, 7])]).unowned).toBe(0);
    expect(takeCensus([seen("a", [0, 1, 2, 3])]).unowned).toBe(4);
    expect(takeCensus([seen("a", [])]).unowned).toBe(8);
  });

  it("counts a shard once that two claim for a moment", () => {
    expect(takeCensus([seen("a", [0, 1, 2, 3, 4]), seen("b", [4, 5, 6, 7])]).unowned).toBe(0);
  });

  it("is the same whoever answers first, members in the order of their names", () => {
    const members = [seen("eu-2", [1]), seen("eu-10", [2]), seen("eu-1", [0])];
    const census = takeCensus(members);
    expect(census.members.map(({ member }) => member)).toEqual(["eu-1", "eu-10", "eu-2"]);
    expect(takeCensus(members.toReversed())).toEqual(census);
    expect(census.members[0]).toEqual(members[2]);
  });
});
