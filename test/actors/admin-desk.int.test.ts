import { mkdir, rename, rmdir } from "node:fs/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { FullTenant } from "../../admission/tenant-views.ts";
import { HeavyHitters, HITTER_HALF_LIFE_US } from "../../admission/heavy-hitters.ts";
import { globalShard, homeShard, orgShard } from "../../core/key.ts";
import { BLOCKED, DeskRegion, FREE } from "./desk-region.ts";
import { SHARDS } from "./lone-shard-actor.ts";

let region: DeskRegion;

beforeAll(async () => {
  region = await DeskRegion.start();
});

afterAll(() => region.stop());

beforeEach(() => {
  region.forgotten.length = 0;
  for (const policies of [region.unknown, region.refusing, region.silent]) policies.clear();
  region.members.splice(0, Infinity, new HeavyHitters());
  region.membersExpected = 1;
});

function callOf(answer: Record<string, unknown>) {
  return region.lines((line) => line["call"] === answer["call"]);
}

describe("a reset", () => {
  it("goes to the homes of key and user, and keeps what others share", async () => {
    const answer = await region.ask("parl.admin.reset.acme.alice", {
      userId: "u1",
      by: "anna",
      reason: "t7",
    });
    expect(answer).toEqual({
      region: "eu",
      call: expect.any(String),
      tenant: "acme",
      key: "alice",
      user: "u1",
      resets: [
        { policy: "per-key", dimension: "key", before: BLOCKED, after: FREE },
        { policy: "per-user", dimension: "key", before: BLOCKED, after: FREE },
      ],
      failures: [],
      kept: ["per-org", "everybody"],
    });
    const ids = { ids: "acme.alice", user: "u1" };
    expect(region.forgotten.toSorted((a, b) => (a.policies < b.policies ? -1 : 1))).toEqual([
      { shard: homeShard("acme", "alice", SHARDS), ...ids, policies: ["per-key"] },
      { shard: homeShard("acme", "u1", SHARDS), ...ids, policies: ["per-user"] },
    ]);
  });

  it.each([
    ["per-key", homeShard("acme", "alice", SHARDS)],
    ["per-org", orgShard("acme", SHARDS)],
    ["everybody", globalShard(SHARDS)],
  ])("under %s goes to that policy's home alone", async (policy, shard) => {
    expect(await region.ask("parl.admin.reset.acme.alice", { policy })).toMatchObject({
      resets: [{ policy }],
    });
    expect(region.forgotten).toEqual([{ shard, ids: "acme.alice", user: "", policies: [policy] }]);
  });

  it("is written down before and after, with what the caller says of himself", async () => {
    const fields = { by: "anna", reason: "ticket 7", policy: "per-key" };
    const answer = await region.ask("parl.admin.reset.acme.alice", fields);
    const said = {
      time: "2023-11-14T22:13:20.000Z",
      region: "eu",
      member: "eu-1",
      subject: "parl.admin.reset.acme.alice",
      what: "reset",
      tenant: "acme",
      key: "alice",
      user: null,
      policy: "per-key",
      claimedBy: "anna",
      reason: "ticket 7",
      call: answer["call"],
    };
    const resets = [{ policy: "per-key", dimension: "key", before: BLOCKED, after: FREE }];
    expect(await callOf(answer)).toEqual([
      { phase: "asked", ...said },
      { phase: "ended", ...said, outcome: "done", resets, failures: [] },
    ]);
  });

  it("shows ids as people write them and records them as they are addressed", async () => {
    const answer = await region.ask("parl.admin.reset.acme.~w7Y", { policy: "per-key" });
    expect(answer).toMatchObject({ key: "ö" });
    expect(await callOf(answer)).toMatchObject([{ key: "~w7Y" }, { key: "~w7Y" }]);
  });

  it.each([
    [
      "parl.admin.reset.acme.alice",
      { policy: "other" },
      /policy other does not apply to this key; these do: per-key, per-org, everybody/,
    ],
    ["parl.admin.reset.acme.alice", { policy: "per-user" }, /per-user does not apply .*only when userId/],
    ["parl.admin.reset.globex.alice", { policy: "per-org" }, /these do: per-key, everybody/],
    ["parl.admin.reset.initech.alice", {}, /no policy counts this key alone; these do: per-org, everybody/],
  ])("of %s with %j has nothing to do, and says so", async (subject, fields, message) => {
    expect(await region.ask(subject, fields)).toEqual({
      error: { code: "PARL_NOT_FOUND", field: "policy", message: expect.stringMatching(message) },
    });
    expect(region.forgotten).toEqual([]);
  });

  it("that could be done in part says which part, and is written down as such", async () => {
    region.refusing.add("per-user");
    const answer = await region.ask("parl.admin.reset.acme.alice", { userId: "u1" });
    const failures = [{ policies: ["per-user"], message: "the mailbox is full" }];
    expect(answer).toMatchObject({ resets: [{ policy: "per-key" }], failures });
    expect(await callOf(answer)).toMatchObject([{ phase: "asked" }, { outcome: "partly done", failures }]);
  });

  it("is no success where the owner knows no such policy or does not answer", async () => {
    region.unknown.add("per-key");
    expect(await region.ask("parl.admin.reset.acme.alice")).toMatchObject({
      error: { code: "PARL_NOT_FOUND", message: expect.stringMatching(/has no policy per-key .*ask again/) },
    });
    region.silent.add("per-key");
    expect(await region.ask("parl.admin.reset.acme.alice")).toMatchObject({
      error: { code: "PARL_DEADLINE_EXCEEDED", message: expect.stringMatching(/may have done it/) },
    });
    const [ended] = (await region.lines(({ phase }) => phase === "ended")).slice(-1);
    expect(ended).toMatchObject({ outcome: "unknown", code: "PARL_DEADLINE_EXCEEDED" });
  });
});

describe("what is limited", () => {
  const alice = { tenant: "acme", dimension: "key", key: "alice", policy: "per-key" } as const;
  const org = { tenant: "acme", dimension: "org", key: "_org", policy: "per-org" } as const;

  it("is summed up over all processes, most refused first", async () => {
    region.members.push(new HeavyHitters());
    region.membersExpected = 2;
    region.refuse(0, alice, 4);
    region.refuse(0, org, 2);
    region.refuse(1, org, 3);
    region.clock.advanceUs(400_000);
    const answer = await region.ask("parl.admin.limited", { by: "anna" });
    expect(answer).toMatchObject({
      region: "eu",
      members: 2,
      membersExpected: 2,
      denied: 9,
      keys: [
        { ...org, denied: 5, errorMax: 0, lastMs: 400, limitedForMs: 600 },
        { ...alice, denied: 4 },
      ],
    });
    expect(await callOf(answer)).toMatchObject([
      { phase: "asked", what: "limited", top: 20, claimedBy: "anna" },
      { phase: "ended", outcome: "done", members: 2 },
    ]);
    expect(await region.ask("parl.admin.limited", { top: 1 })).toMatchObject({ keys: [org] });
    region.clock.advanceUs(HITTER_HALF_LIFE_US);
    expect(await region.ask("parl.admin.limited")).toMatchObject({
      denied: 4.5,
      keys: [{ denied: 2.5, limitedForMs: 0 }, { denied: 2 }],
    });
  });

  it("comes with the tenants that are full, each as full as it is anywhere", async () => {
    region.members.push(new HeavyHitters(), new HeavyHitters());
    region.membersExpected = 3;
    const [acme, some] = ["acme", "~w7Y"].map((tenant) => ({ tenant, keys: 300, keysMax: 100 })) as [
      FullTenant,
      FullTenant,
    ];
    region.fullTenants.push([acme, { ...some, keys: 110 }], undefined, [{ ...some, keys: 140 }]);
    expect(await region.ask("parl.admin.limited")).toMatchObject({
      fullTenants: [acme, { ...some, tenant: "ö", keys: 140 }],
    });
    expect(await region.ask("parl.admin.limited", { top: 1 })).toMatchObject({
      fullTenants: [acme],
    });
  });

  it("is answered without those who do not answer, and says that they are missing", async () => {
    region.membersExpected = 2;
    region.refuse(0, alice, 1);
    expect(await region.ask("parl.admin.limited")).toMatchObject({
      members: 1,
      membersExpected: 2,
      keys: [alice],
    });
    region.members.length = 0;
    expect(await region.ask("parl.admin.limited")).toMatchObject({ error: { code: "PARL_UNAVAILABLE" } });
  });
});

describe("a desk", () => {
  it("writes down what it refuses, too", async () => {
    const subject = `parl.admin.reset.acme.${"a".repeat(1_000)}`;
    expect(await region.ask(subject)).toMatchObject({
      error: { code: "PARL_INVALID_ARGUMENT", field: "key" },
    });
    const [line, ...others] = await region.lines((each) => String(each["subject"]).includes("aaaa"));
    expect(line).toMatchObject({ phase: "ended", outcome: "refused", code: "PARL_INVALID_ARGUMENT" });
    expect(String(line?.["subject"])).toHaveLength(256);
    expect(others).toEqual([]);
  });

  it("does nothing that it cannot write down", async () => {
    const { path } = region.audit;
    const { done, refused } = region.desk;
    await rename(path, `${path}.away`);
    await mkdir(path);
    for (const call of ["reset.acme.alice", "limited"]) {
      expect(await region.ask(`parl.admin.${call}`)).toMatchObject({
        error: { code: "PARL_UNAVAILABLE", field: "audit-log" },
      });
    }
    expect(region.forgotten).toEqual([]);
    expect(region.desk).toMatchObject({ done, refused: refused + 2 });
    await rmdir(path);
    await rename(`${path}.away`, path);
    expect(await region.ask("parl.admin.reset.acme.alice")).toMatchObject({ resets: [{}] });
    expect(region.desk).toMatchObject({ done: done + 1 });
  });

  it("takes so many calls at once and refuses those beyond", async () => {
    region.silent.add("per-key");
    const calls = Array.from({ length: 40 }, () => region.ask("parl.admin.reset.acme.alice"));
    const codes = (await Promise.all(calls)).map(({ error }) => (error as { code: string }).code);
    expect(codes.filter((code) => code === "PARL_OVERLOADED")).toHaveLength(8);
    expect(codes.filter((code) => code === "PARL_DEADLINE_EXCEEDED")).toHaveLength(32);
  });
});
