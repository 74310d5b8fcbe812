import { describe, expect, it } from "vitest";
import { PolicyFileError } from "../../admission/policy-file-error.ts";
import type { PolicyProblem } from "../../admission/policy-problem.ts";
import { parsePolicies } from "../../admission/policy-schema.ts";
import { ALGORITHMS } from "../../algorithms/algorithm.ts";
import { encodeId } from "../../core/id.ts";

const PER_KEY = { name: "per-key", dimension: "key", algorithm: "gcra", limit: 100, window: "60s" };

function documentOf(...policies: unknown[]): unknown {
  return { version: 1, policies };
}

function parseTenants(tenants: object, rest: object = {}) {
  return parsePolicies({ ...(documentOf() as object), tenants, ...rest }, "test");
}

function problemsOf(input: unknown): readonly PolicyProblem[] {
  try {
    parsePolicies(input, "test");
  } catch (error) {
    if (error instanceof PolicyFileError) return error.problems;
    throw error;
  }
  return [];
}

function pathsOf(input: unknown): string[] {
  return problemsOf(input).map(({ path }) => path);
}

/** The problems of one policy that differs from a sound one in `changes`. */
function problemsWith(changes: object): readonly PolicyProblem[] {
  return problemsOf(documentOf({ ...PER_KEY, ...changes }));
}

describe("a sound document", () => {
  it("fills in what may be left out, and no more", () => {
    expect(parsePolicies(documentOf(PER_KEY), "test")).toStrictEqual({
      policies: [
        {
          name: "per-key",
          dimension: "key",
          match: {},
          algorithm: "gcra",
          limit: 100,
          windowUs: 60_000_000,
          onFailure: "allow",
        },
      ],
      plans: new Map(),
    });
  });

  it("keeps everything that is written", () => {
    const written = {
      ...PER_KEY,
      algorithm: "conservative-window",
      match: { plan: ["gold", "silver", "gold"] },
      subWindows: 64,
      onFailure: "deny",
    };
    expect(
      parsePolicies(documentOf(written, { ...PER_KEY, name: "b", burst: 7 }), "test").policies,
    ).toMatchObject([
      { match: { plans: ["gold", "silver"] }, subWindows: 64, onFailure: "deny" },
      { name: "b", burst: 7 },
    ]);
  });

  it("turns raw tenants into id tokens, whatever they are called", () => {
    const names = ["acme", "__proto__", "constructor", "a b", "~x", "x".repeat(5_000)];
    const tenants = Object.fromEntries(names.map((name) => [name, { plan: "gold" }]));
    const match = { tenant: names };
    const document = parsePolicies({ ...(documentOf({ ...PER_KEY, match }) as object), tenants }, "test");
    const tokens = names.map((name) => encodeId(name));
    expect(document.policies[0]?.match).toStrictEqual({ tenants: tokens });
    expect([...document.plans]).toStrictEqual(tokens.map((token) => [token, "gold"]));
  });

  it("says how many keys a tenant may hold, each and every one", () => {
    const tenants = { acme: { plan: "gold" }, "a b": { keysMax: 7 }, both: { plan: "gold", keysMax: 9 } };
    const document = parseTenants(tenants, { keysMax: 2 ** 31 - 1 });
    expect(document.keysMax).toStrictEqual({
      everyTenant: 2 ** 31 - 1,
      byTenant: new Map([
        [encodeId("a b"), 7],
        ["both", 9],
      ]),
    });
    expect([...document.plans.keys()]).toStrictEqual(["acme", "both"]);
    expect(parseTenants({ acme: { plan: "gold" } }).keysMax).toBeUndefined();
    expect(parseTenants({ acme: { keysMax: 1 } }).keysMax).toStrictEqual({
      byTenant: new Map([["acme", 1]]),
    });
  });

  it("may have no policies, a limit of 0 with a burst, and a tenant that is no list", () => {
    expect(parsePolicies(documentOf(), "test").policies).toStrictEqual([]);
    const policy = { ...PER_KEY, limit: 0, burst: 5, match: { tenant: "a b" } };
    expect(parsePolicies(documentOf(policy), "test").policies).toMatchObject([
      { limit: 0, burst: 5, match: { tenants: [encodeId("a b")] } },
    ]);
  });

  it.each(ALGORITHMS)("may use %s", (algorithm) => {
    expect(problemsWith({ algorithm })).toStrictEqual([]);
  });

  it("reads YAML's -0 as 0", () => {
    expect(parsePolicies(documentOf({ ...PER_KEY, limit: -0 }), "test").policies[0]?.limit).toBe(0);
  });
});

describe("a broken document", () => {
  it("is told what is wrong with how many keys a tenant may hold", () => {
    const tenants = {
      a: {},
      b: { keysMax: 0 },
      c: { keysMax: 1.5 },
      d: { keysmax: 3 },
      e: { keysMax: "1_000" },
    };
    const input = { ...(documentOf(PER_KEY) as object), tenants, keysMax: 2 ** 31 };
    expect(new Map(problemsOf(input).map(({ path, rule, fix }) => [path, `${rule}; ${fix}`]))).toStrictEqual(
      new Map([
        ["tenants.a", "must have a plan, keysMax or both; give it one, or leave the tenant out"],
        ["tenants.b.keysMax", "must be a whole number from 1 to 2147483647; "],
        ["tenants.c.keysMax", "must be a whole number from 1 to 2147483647; "],
        ["tenants.d.keysmax", "is not a field here; did you mean keysMax?"],
        [
          "tenants.e.keysMax",
          "must be a whole number from 1 to 2147483647; write 1000, without quotes or separators",
        ],
        ["keysMax", "must be a whole number from 1 to 2147483647; "],
      ]),
    );
  });

  it("is told every problem at once, with its path and value", () => {
    const policies = [
      PER_KEY,
      { ...PER_KEY, limit: "100", window: "60" },
      5,
      { ...PER_KEY, match: { tenant: [1] } },
    ];
    const input = { version: 2, tenants: { "a b": "gold" }, polices: [], policies };
    const found = problemsOf(input).map(({ path, value }) => [path, value]);
    expect(new Map(found as [string, unknown][])).toStrictEqual(
      new Map<string, unknown>([
        ["version", 2],
        ['tenants["a b"]', "gold"],
        ["policies[1].limit", "100"],
        ["policies[1].window", "60"],
        ["policies[2]", 5],
        ["policies[3].match.tenant[0]", 1],
        ["policies[1].name", "per-key"],
        ["policies[3].name", "per-key"],
        ["polices", []],
      ]),
    );
  });

  it("is told about fields that contradict each other even beside other problems", () => {
    const paths = pathsOf(
      documentOf({ ...PER_KEY, name: "No Name", algorithm: "sliding-log", burst: 5, subWindows: 5 }),
    );
    expect(paths).toStrictEqual(["policies[0].name", "policies[0].burst", "policies[0].subWindows"]);
  });

  it.each([
    [{ algorithm: "gcraa" }, "did you mean gcra?"],
    [{ dimension: "User" }, "did you mean user?"],
    [{ limit: "100" }, "write 100, without quotes or separators"],
    [{ limit: "1_000" }, "write 1000, without quotes or separators"],
    [{ limit: null }, "nothing is written there: give it a value, or leave the field out"],
    [{ limit: undefined }, "it is missing"],
    [{ window: undefined }, "it is missing"],
    [{ window: "60" }, "write 60s"],
    [{ window: 0.5 }, "write a fraction of a second in ms"],
    [{ name: 7 }, 'write it in quotes: "7"'],
    [{ match: { tenant: true } }, 'write it in quotes: "true"'],
    [{ widow: "60s" }, "did you mean window?"],
    [{ match: { tenants: "acme" } }, "did you mean tenant?"],
  ])("with %j is told the way out: %s", (changes, fix) => {
    expect(problemsWith(changes).map((problem) => problem.fix)).toStrictEqual([fix]);
  });

  it.each([
    ["limit", [-1, 0.5, Number.NaN, Infinity, 1e308, 2 ** 31, 2 ** 53, "5", true, [], {}, 5n]],
    ["burst", [0, -1, 0.5, Number.NaN, Infinity, 1e308, 2 ** 31, "5", null]],
    [
      "window",
      [0, -1, 0.5, Number.NaN, Infinity, 1e308, "0s", "367d", 366 * 86_400 + 1, "1w", "", null, [], {}],
    ],
    [
      "name",
      ["", "A", "a_b", "a b", "é", "a".repeat(65), "__proto__", "constructor.prototype", "a\n", null, 5],
    ],
    ["dimension", ["", "tenant", "__proto__", "constructor", 0, null]],
    ["algorithm", ["", "leaky", "toString", 0, null]],
    ["onFailure", ["", "open", false, null]],
    ["match", ["acme", [], 5, null, {}, { tenant: "a", plan: "b" }]],
  ])("has one problem at %s for each bad value", (field, values) => {
    for (const value of values) {
      expect([value, problemsWith({ [field]: value }).map(({ path }) => path)]).toStrictEqual([
        value,
        [`policies[0].${field}`],
      ]);
    }
  });

  it.each(["1ms", "366d", 1, 366 * 86_400])("may have a window of %s", (window) => {
    expect(problemsWith({ algorithm: "fixed-window", window })).toStrictEqual([]);
  });

  it("takes sub-windows from 1 to 64, of the conservative window alone", () => {
    const algorithm = "conservative-window";
    for (const subWindows of [1, 64]) expect(problemsWith({ algorithm, subWindows })).toStrictEqual([]);
    for (const subWindows of [0, 65, 1.5]) expect(problemsWith({ algorithm, subWindows })).toHaveLength(1);
    expect(problemsWith({ subWindows: 10 })).toMatchObject([{ path: "policies[0].subWindows" }]);
  });

  it.each(["fixed-window", "sliding-log", "sliding-window", "conservative-window"])(
    "has no burst in %s",
    (algorithm) => {
      const [problem, ...others] = problemsWith({ algorithm, burst: 5 });
      expect(others).toStrictEqual([]);
      expect(problem).toMatchObject({ path: "policies[0].burst", value: 5 });
      expect(problem?.fix).toContain("token-bucket");
    },
  );

  it("holds at most 4,096 policies", () => {
    const many = Array.from({ length: 4_097 }, (_, index) => ({ ...PER_KEY, name: `p${index}` }));
    expect(pathsOf(documentOf(...many))).toStrictEqual(["policies"]);
    expect(pathsOf(documentOf(...many.slice(1)))).toStrictEqual([]);
  });

  it("does not pollute a prototype", () => {
    const input: unknown = JSON.parse(
      `{"version":1,"__proto__":{"bad":1},"policies":[{"__proto__":{"burst":5},"constructor":{"prototype":{"bad":1}}}]}`,
    );
    expect(pathsOf(input)).toEqual(
      expect.arrayContaining(["__proto__", "policies[0].__proto__", "policies[0].constructor"]),
    );
    expect({}).not.toHaveProperty("bad");
    expect({}).not.toHaveProperty("burst");
  });

  it("may hang together in a circle", () => {
    const policy: Record<string, unknown> = { ...PER_KEY };
    policy["match"] = { tenant: policy };
    expect(pathsOf(documentOf(policy))).toStrictEqual(["policies[0].match.tenant"]);
  });
});

describe("the bound of exact arithmetic", () => {
  // A day over a limit prime to it: 86,400,000,000 units a token, of which 2^53 hold 104,249.
  const perDay = { limit: 999_983, window: "1d" };

  it("is burst × window / gcd(limit, window) < 2^53 for the bucket algorithms", () => {
    for (const algorithm of ["token-bucket", "leaky-bucket", "leaky-queue", "gcra"]) {
      expect(problemsWith({ ...perDay, algorithm, burst: 104_249 })).toStrictEqual([]);
      const [problem] = problemsWith({ ...perDay, algorithm, burst: 104_250 });
      expect(problem).toMatchObject({ path: "policies[0].burst", value: 104_250 });
      expect(problem?.fix).toContain("burst to at most 104249");
    }
  });

  it("counts the limit where no burst is written, and names it", () => {
    expect(problemsWith(perDay)).toMatchObject([{ path: "policies[0].limit", value: 999_983 }]);
    expect(problemsWith({ ...perDay, limit: 1_000_000 })).toStrictEqual([]);
  });

  it("does not concern windows, nor a limit of 0", () => {
    expect(problemsWith({ ...perDay, algorithm: "sliding-window" })).toStrictEqual([]);
    expect(problemsWith({ ...perDay, limit: 0, burst: 2 ** 31 - 1 })).toStrictEqual([]);
  });
});
