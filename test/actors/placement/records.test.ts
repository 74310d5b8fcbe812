import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  encodeRecord,
  memberKey,
  ownerKey,
  parseCluster,
  parseKey,
  parseMember,
  parseOwner,
} from "../../../actors/placement/records.ts";
import { ParlError } from "../../../core/errors.ts";

const MEMBER = { incarnation: 2 ** 53 - 1, state: "alive", startedUs: 1, shards: 3, busy: 0.5 } as const;
const OWNER = { member: "eu-1", incarnation: 7, sinceUs: 1, how: "handed-over" } as const;
const CLUSTER = { createdUs: 1, secret: "0123456789abcdef" };

describe("lease records", () => {
  it("read as they were written", () => {
    expect(parseMember(encodeRecord(MEMBER))).toEqual(MEMBER);
    expect(parseOwner(encodeRecord(OWNER))).toEqual(OWNER);
    expect(parseCluster(encodeRecord(CLUSTER))).toEqual(CLUSTER);
  });

  it.each([
    [parseMember, { ...MEMBER, incarnation: 2 ** 53 }, "incarnation"],
    [parseMember, { ...MEMBER, incarnation: -1 }, "incarnation"],
    [parseMember, { ...MEMBER, state: "asleep" }, "state"],
    [parseMember, { ...MEMBER, shards: 1.5 }, "shards"],
    [parseMember, { ...MEMBER, busy: "much" }, "busy"],
    [parseMember, [], "incarnation"],
    [parseMember, null, "member"],
    [parseOwner, { ...OWNER, member: "EU 1" }, "member"],
    [parseOwner, { ...OWNER, member: "" }, "member"],
    [parseOwner, { ...OWNER, how: "released" }, "member"],
    [parseOwner, { ...OWNER, how: "stolen" }, "how"],
    [parseOwner, 5, "owner"],
    [parseCluster, { ...CLUSTER, secret: "0123456789ABCDEF" }, "secret"],
    [parseCluster, { ...CLUSTER, createdUs: null }, "createdUs"],
  ])("that are wrong are refused by the name of the field (%#)", (parse, record, field) => {
    expect(() => parse(JSON.stringify(record))).toThrow(
      expect.objectContaining({ code: "PARL_MALFORMED", field }),
    );
  });

  it("never make a reader fail in any other way", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        for (const parse of [parseMember, parseOwner, parseCluster]) {
          try {
            parse(text);
          } catch (error) {
            expect(error).toBeInstanceOf(ParlError);
          }
        }
      }),
    );
  });
});

describe("the bucket's keys", () => {
  it("are told apart", () => {
    expect(parseKey(memberKey("eu-1"), 64)).toEqual({ kind: "member", id: "eu-1" });
    expect(parseKey(ownerKey(63), 64)).toEqual({ kind: "owner", shard: 63 });
    expect(parseKey("cluster", 64)).toEqual({ kind: "cluster" });
  });

  it.each(["owner.64", "owner.01", "owner.-1", "owner.", "owner", "member.", "member.A", "x", ""])(
    "are left alone if they are none of ours: %j",
    (key) => {
      expect(parseKey(key, 64)).toBeUndefined();
    },
  );
});
