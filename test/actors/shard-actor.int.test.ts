import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startRegion, type TestRegion } from "../harness/region.ts";
import { RawConnection } from "./raw-connection.ts";

const POLICIES = `
version: 1
policies:
  - { name: three-a-year, dimension: key, algorithm: fixed-window, limit: 3, window: 366d }
`;

let region: TestRegion;
let nats: NatsConnection;
let raw: RawConnection;

beforeAll(async () => {
  region = await startRegion({ policies: POLICIES });
  nats = await connect({ servers: region.nats.url });
  raw = await RawConnection.open(region.nats.port);
});

afterAll(async () => {
  raw.close();
  await nats.close();
  await region.stop();
});

async function ask(subject: string, payload: string | Uint8Array = ""): Promise<Record<string, any>> {
  return (await nats.request(subject, payload, { timeout: 2_000 })).json();
}

/** Keys, decisions and crashes: what bad input must leave as it is. */
async function stateOfRegion(): Promise<unknown> {
  const { keys, decisions, crashes, overloaded } = await ask("parl.observe.region");
  return { keys, decisions, crashes, overloaded };
}

describe("a bare NATS request", () => {
  it("is answered in JSON", async () => {
    const answer = await ask("parl.check.acme.alice", '{"tokens":1}');
    expect(answer).toEqual({
      allowed: true,
      outcome: "allowed",
      remaining: 2,
      limit: 3,
      resetAfterMs: expect.any(Number),
      policy: "three-a-year",
      dimension: "key",
      region: "eu",
      retryAfterMs: 0,
      tier: "approximate",
      overshootMaxPct: 0,
    });
    expect(await ask("parl.check.acme.alice", '{"tokens":2}')).toMatchObject({ allowed: true, remaining: 0 });
    const denied = await ask("parl.check.acme.alice", "{}");
    expect(denied).toMatchObject({ allowed: false, outcome: "denied", remaining: 0 });
    expect(denied["retryAfterMs"]).toBeGreaterThan(0);
    const never = await ask("parl.check.acme.alice", '{"tokens":4}');
    expect(never).toMatchObject({ allowed: false, outcome: "unsatisfiable", retryAfterMs: null });
  });

  it("reports what was used, beyond the limit too, and observes without using", async () => {
    expect(await ask("parl.report.acme.late", '{"tokens":5,"id":"r1"}')).toMatchObject({
      charged: 5,
      remaining: 0,
    });
    expect(await ask("parl.observe.key.acme.late")).toMatchObject({
      tenant: "acme",
      key: "late",
      policies: [{ policy: "three-a-year", limit: 3, remaining: 0 }],
    });
    expect(await ask("parl.observe.key.acme.fresh")).toMatchObject({ policies: [{ remaining: 3 }] });
    expect(await ask("parl.check.acme.fresh", '{"tokens":0}')).toMatchObject({ remaining: 3 });
  });

  it("without an address to answer to is decided all the same", async () => {
    nats.publish("parl.check.acme.quiet", '{"tokens":2}');
    expect(await ask("parl.check.acme.quiet", '{"tokens":0}')).toMatchObject({ remaining: 1 });
  });
});

const KEY = "parl.check.acme.bad";
const PACK = "parl.pack.acme.5";
const MALFORMED = { code: "PARL_MALFORMED", field: "message" };
const TOO_LARGE = { code: "PARL_TOO_LARGE", field: "message" };
const wrong = (field: string) => ({ code: "PARL_INVALID_ARGUMENT", field });
/** The most that a server carries by default. */
const MIB = 2 ** 20;

const BAD: readonly (readonly [string, string, string | Uint8Array, object])[] = [
  ["cut off", KEY, '{"tokens":', MALFORMED],
  ["no JSON", KEY, "alice", MALFORMED],
  ["no UTF-8", KEY, Uint8Array.of(0x7b, 0xff, 0x7d), MALFORMED],
  ["an array", KEY, "[]", MALFORMED],
  ["NUL", KEY, "\0", MALFORMED],
  ["1 MiB", KEY, new Uint8Array(MIB), TOO_LARGE],
  ["tokens −1", KEY, '{"tokens":-1}', wrong("tokens")],
  ["tokens 1.5", KEY, '{"tokens":1.5}', wrong("tokens")],
  ["tokens NaN", KEY, '{"tokens":NaN}', MALFORMED],
  ["tokens 2^53", KEY, '{"tokens":9007199254740992}', wrong("tokens")],
  ["tokens as text", KEY, '{"tokens":"1"}', wrong("tokens")],
  ["tokens null", KEY, '{"tokens":null}', wrong("tokens")],
  ["an unknown tier", KEY, '{"tier":"best"}', wrong("tier")],
  ["a tier we have not got", KEY, '{"tier":"strong"}', { code: "PARL_TIER_UNAVAILABLE", field: "tier" }],
  ["a key of the wrong type", KEY, '{"apiKey":5}', wrong("apiKey")],
  ["a user of the wrong type", KEY, '{"userId":{}}', wrong("userId")],
  ["a field that we have not got", KEY, '{"token":5}', wrong("token")],
  ["a report with one", KEY.replace("check", "report"), '{"tokens":1,"cost":5}', wrong("cost")],
  ["no key", "parl.check.acme", "", wrong("key")],
  ["a key with a dot", "parl.check.acme.a.b", "", wrong("key")],
  ["a key that is a wildcard", "parl.check.acme.*", "", wrong("key")],
  ["a key that is all wildcards", "parl.check.acme.>", "", wrong("key")],
  ["a key with NUL", "parl.check.acme.a\0b", "", wrong("key")],
  ["a key of 5 KB", `parl.check.acme.${"k".repeat(5_000)}`, "", wrong("key")],
  ["the key __proto__", "parl.check.acme.__proto__", "", wrong("key")],
  ["a key of ours", "parl.check.acme._org", "", wrong("key")],
  ["a tenant that is a wildcard", "parl.check.*.a", "", wrong("tenant")],
  ["a tenant with NUL", "parl.check.ac\0me.a", "", wrong("tenant")],
  ["a tenant of 5 KB", `parl.check.${"t".repeat(5_000)}.a`, "", wrong("tenant")],
  ["the tenant __proto__", "parl.check.__proto__.a", "", wrong("tenant")],
  ["a verb we have not got", "parl.observe.nothing", "", wrong("subject")],
  [
    "a policy we have not got",
    "parl.observe.policy.__proto__",
    "",
    { code: "PARL_NOT_FOUND", field: "policy" },
  ],
  ["a shard we have not got", "parl.observe.shard.64", "", wrong("shard")],
  ["a frame of 0 bytes", PACK, "", MALFORMED],
  ["a frame of 1 MiB", PACK, new Uint8Array(MIB).fill(1), MALFORMED],
  ["a frame of zeros", PACK, new Uint8Array(64), { code: "PARL_UNSUPPORTED_VERSION", field: "version" }],
  ["a frame cut off", PACK, Uint8Array.of(1, 0, 8, 0, 1, 0, ...new Uint8Array(10), 0, 9), MALFORMED],
  ["a frame for a tenant of ours", "parl.pack._org.5", "", wrong("tenant")],
];

describe("bad input over the wire", () => {
  it.each(BAD)("%s is answered with a typed error", async (_, subject, payload, error) => {
    const before = await stateOfRegion();
    const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
    const answer = await raw.request(subject, bytes);
    expect(answer?.["error"]).toMatchObject({ ...error, message: expect.any(String) });
    expect(raw.isClosed).toBe(false);
    expect(await stateOfRegion()).toEqual(before);
  });

  it("has charged nothing in the end, on the connection that carried it all", async () => {
    const answer = await raw.request(KEY, new TextEncoder().encode('{"tokens":3}'));
    expect(answer).toMatchObject({ allowed: true, remaining: 0 });
  });

  it("counts as errors, by code", async () => {
    const { errors } = await ask("parl.observe.region");
    expect(errors).toMatchObject({ PARL_MALFORMED: expect.any(Number), PARL_TOO_LARGE: 1 });
  });
});
