import { describe, expect, it } from "vitest";
import { parseAdminRequest, resetSubject } from "../../actors/admin-request.ts";
import { encodeId } from "../../core/id.ts";

const utf8 = new TextEncoder();

function parsed(subject: string, fields: unknown = {}) {
  return parseAdminRequest(subject, utf8.encode(JSON.stringify(fields)));
}

describe("parseAdminRequest", () => {
  it("reads a reset, ids as tokens", () => {
    const fields = { policy: "per-key", userId: "u 1", by: "Anna Ö.", reason: "ticket 7, «urgent»" };
    expect(parsed("parl.admin.reset.acme.alice", fields)).toEqual({
      kind: "reset",
      tenant: "acme",
      key: "alice",
      user: encodeId("u 1"),
      policy: "per-key",
      by: "Anna Ö.",
      reason: "ticket 7, «urgent»",
    });
  });

  it("reads what is left out, an empty message too", () => {
    const bare = {
      kind: "reset",
      tenant: "acme",
      key: "alice",
      user: "",
      policy: null,
      by: null,
      reason: null,
    };
    expect(parsed("parl.admin.reset.acme.alice")).toEqual(bare);
    expect(parseAdminRequest(resetSubject("acme", "alice"), new Uint8Array())).toEqual(bare);
    expect(parsed("parl.admin.limited")).toEqual({ kind: "limited", top: 20, by: null, reason: null });
    expect(parsed("parl.admin.limited", { top: 256, by: "anna" })).toMatchObject({ top: 256, by: "anna" });
  });

  it.each([
    ["parl.admin.limited", { top: 0 }, "top", /1 to 256, got 0/],
    ["parl.admin.limited", { top: 257 }, "top", /1 to 256, got 257/],
    ["parl.admin.limited", { top: 1.5 }, "top", /got 1.5/],
    ["parl.admin.limited", { top: "3" }, "top", /got "3"/],
    ["parl.admin.limited", { policy: "p" }, "policy", /unknown field policy; there are top, by, reason/],
    ["parl.admin.reset.acme.alice", { polcy: "p" }, "polcy", /unknown field polcy; policy was meant\?/],
    ["parl.admin.reset.acme.alice", { tenant: "globex" }, "tenant", /unknown field tenant/],
    ["parl.admin.reset.acme.alice", { policy: "" }, "policy", /name of a policy, of \[a-z0-9-\], got ""/],
    ["parl.admin.reset.acme.alice", { policy: ["p"] }, "policy", /got \["p"\]/],
    ["parl.admin.reset.acme.alice", { policy: null }, "policy", /got null/],
    ["parl.admin.reset.acme.alice", { userId: "" }, "userId", /non-empty/],
    ["parl.admin.reset.acme.alice", { userId: null }, "userId", /non-empty/],
    ["parl.admin.reset.acme.alice", { userId: 7 }, "userId", /got 7/],
    ["parl.admin.reset.acme.alice", { by: "" }, "by", /1 to 128 printable/],
    ["parl.admin.reset.acme.alice", { by: "a".repeat(129) }, "by", /1 to 128/],
    ["parl.admin.reset.acme.alice", { by: "anna\n{}" }, "by", /on one line/],
    ["parl.admin.reset.acme.alice", { by: "\u202eanna" }, "by", /printable/],
    ["parl.admin.reset.acme.alice", { by: "\ud800" }, "by", /printable/],
    ["parl.admin.reset.acme.alice", { reason: "x".repeat(513) }, "reason", /1 to 512/],
    ["parl.admin.reset.acme.alice", { reason: "\u001b[2J" }, "reason", /printable/],
    ["parl.admin.reset.acme._org", {}, "key", /id token/],
    ["parl.admin.reset._org.alice", {}, "tenant", /id token/],
    ["parl.admin.reset.acme.", {}, "key", /id token/],
    [
      "parl.admin.reset.acme",
      {},
      "subject",
      /there are parl.admin.reset.<tenant>.<key> and parl.admin.limited/,
    ],
    ["parl.admin.reset.acme.alice.x", {}, "subject", /no such operator call/],
    ["parl.admin.limited.eu", {}, "subject", /no such operator call/],
    ["parl.admin.shutdown", {}, "subject", /no such operator call/],
  ])("refuses %s with %j", (subject, fields, field, message) => {
    const refuse = () => parsed(subject, fields);
    expect(refuse).toThrow(expect.objectContaining({ code: "PARL_INVALID_ARGUMENT", field }));
    expect(refuse).toThrow(message);
  });

  it.each([
    ["{", "PARL_MALFORMED"],
    ["[]", "PARL_MALFORMED"],
    [`{"by":"${"a".repeat(5_000)}"}`, "PARL_TOO_LARGE"],
  ])("refuses what is no message", (text, code) => {
    expect(() => parseAdminRequest("parl.admin.limited", utf8.encode(text))).toThrow(
      expect.objectContaining({ code }),
    );
  });

  it("reads own properties only", () => {
    const payload = utf8.encode('{"__proto__":{"by":"anna"}}');
    expect(() => parseAdminRequest("parl.admin.limited", payload)).toThrow(/unknown field __proto__/);
  });
});
