import { describe, expect, it } from "vitest";
import { parseAccessLine, type AccessRecord } from "../../sim/access-log.ts";
import { checksOf, isLogField, LOG_FIELDS, type LogField } from "../../sim/check-mapping.ts";

function record(line: string): AccessRecord {
  const parsed = parseAccessLine(line);
  if (typeof parsed === "string") throw new Error(parsed);
  return parsed;
}

const request = record(
  '10.0.0.1 - eve [17/May/2015:10:05:03 +0000] "GET /a?b=c?d HTTP/1.1" 404 - "http://e.com/" "curl"',
);

function tenantsOf(tenant: readonly string[] | LogField): string[] {
  return checksOf(request, { tenant, key: "ip", user: "user" }).map((check) => check.tenant);
}

describe("a logged request as a check", () => {
  it.each([
    ["ip", "10.0.0.1"],
    ["user", "eve"],
    ["ident", "-"],
    ["agent", "curl"],
    ["referer", "http://e.com/"],
    ["method", "GET"],
    ["path", "/a"],
    ["target", "/a?b=c?d"],
    ["status", "404"],
  ] as const)("takes its key from the field %s", (field, key) => {
    expect(isLogField(field)).toBe(true);
    expect(checksOf(request, { tenant: ["t"], key: field, user: null })).toEqual([
      { atUs: request.atUs, tenant: "t", key, user: null },
    ]);
  });

  it("is one check per tenant when several are named, and one when a field names the tenant", () => {
    expect(tenantsOf(["a", "b"])).toEqual(["a", "b"]);
    expect(tenantsOf("method")).toEqual(["GET"]);
  });

  it("names nobody with an empty text", () => {
    const bare = record('10.0.0.1 -  [17/May/2015:10:05:03 +0000] "" - -');
    for (const field of LOG_FIELDS.filter(isLogField)) {
      const [check] = checksOf(bare, { tenant: field, key: field, user: field });
      expect(check?.key).not.toBe("");
    }
  });

  it("knows no field by an inherited name", () => {
    expect(isLogField("constructor")).toBe(false);
    expect(isLogField("__proto__")).toBe(false);
  });
});
