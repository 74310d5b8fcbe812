import { expect, it } from "vitest";
import { ParlError } from "../../core/errors.ts";
import { observeQuestion } from "../../gateway/observe-question.ts";

const asked = (given: Record<string, unknown>) => observeQuestion(new Map(Object.entries(given)));

it("turns each question into a subject", () => {
  expect(asked({ what: "region" }).subject).toBe("region");
  expect(asked({ what: "policy", policy: "per-key" }).subject).toBe("policy.per-key");
  expect(asked({ what: "shard", shard: 7 }).subject).toBe("shard.7");
  expect(asked({ what: "key", tenantId: "acme", apiKey: "k1", userId: "u.1" })).toEqual({
    subject: "key.acme.k1",
    body: { tokens: 1, userId: "u.1" },
  });
});

it("lets no raw text into a subject", () => {
  for (const raw of ["a.b", "*", ">", "a b", "\0", "_org", "x".repeat(5_000), "__proto__"]) {
    const { subject } = asked({ what: "key", tenant: raw, key: raw });
    expect(subject).toMatch(/^key\.~{1,2}[A-Za-z0-9_-]+\.~{1,2}[A-Za-z0-9_-]+$/);
  }
});

it.each([
  [{}, "what"],
  [{ what: "everything" }, "what"],
  [{ what: "policy" }, "policy"],
  [{ what: "policy", policy: "a.b" }, "policy"],
  [{ what: "policy", policy: ">" }, "policy"],
  [{ what: "shard" }, "shard"],
  [{ what: "shard", shard: "7" }, "shard"],
  [{ what: "shard", shard: -1 }, "shard"],
  [{ what: "shard", shard: 1.5 }, "shard"],
  [{ what: "key" }, "key"],
  [{ what: "key", user: "u1" }, "key"],
  [{ what: "key", key: "a", tokens: -1 }, "tokens"],
  [{ what: "key", key: "a", token: 1 }, "token"],
  [{ what: "policy", policy: "per-key", key: "a" }, "key"],
  [{ what: "shard", shard: 7, of: 64 }, "of"],
  [{ what: "region", region: "eu" }, "region"],
])("refuses %j, naming %s", (given, field) => {
  expect(() => asked(given)).toThrow(expect.objectContaining({ code: "PARL_INVALID_ARGUMENT", field }));
  expect(() => asked(given)).toThrow(ParlError);
});
