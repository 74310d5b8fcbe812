/**
 * `POST /v1/observe` as a question on the wire:
 *
 *      {"what":"region"}                                          parl.observe.region
 *      {"what":"policy","policy":"per-key"}                       parl.observe.policy.<policy>
 *      {"what":"shard","shard":7}                                 parl.observe.shard.<p>
 *      {"what":"key","tenant":"acme","key":"alice","user":"u1"}   parl.observe.key.<tenant>.<key>
 *
 * Whatever becomes subject text is a token or a number by then.
 */
import { invalidArgument } from "../core/errors.ts";
import { encodeId } from "../core/id.ts";
import { requireKnown } from "../core/wire-json.ts";
import { checkFields } from "./check-fields.ts";

export interface ObserveQuestion {
  /** Follows `parl.observe.` */
  readonly subject: string;
  readonly body: unknown;
}

const KINDS = ["region", "policy", "shard", "key"];
const POLICY_NAME = /^[a-z0-9-]{1,64}$/;

/** @throws ParlError PARL_INVALID_ARGUMENT naming the field */
export function observeQuestion(given: ReadonlyMap<string, unknown>): ObserveQuestion {
  const what = given.get("what");
  switch (what) {
    case "region":
      requireKnown(given.keys(), ["what"]);
      return { subject: "region", body: {} };
    case "policy":
      requireKnown(given.keys(), ["what", "policy"]);
      return { subject: `policy.${policyName(given.get("policy"))}`, body: {} };
    case "shard":
      requireKnown(given.keys(), ["what", "shard"]);
      return { subject: `shard.${shardNumber(given.get("shard"))}`, body: {} };
    case "key":
      return keyQuestion(given);
    default:
      throw invalidArgument("what", `one of ${KINDS.join(", ")}`, what);
  }
}

function keyQuestion(given: ReadonlyMap<string, unknown>): ObserveQuestion {
  const asked = new Map(given);
  asked.delete("what");
  const { tenant, key, user, cost } = checkFields(asked);
  if (key === undefined) throw invalidArgument("key", "given when a key is observed", key);
  const subject = `key.${encodeId(tenant)}.${encodeId(key)}`;
  return { subject, body: { tokens: cost, ...(user !== undefined && { userId: user }) } };
}

function policyName(name: unknown): string {
  if (typeof name === "string" && POLICY_NAME.test(name)) return name;
  throw invalidArgument("policy", "a policy's name (1 to 64 of a-z, 0-9 and -)", name);
}

function shardNumber(shard: unknown): number {
  if (typeof shard === "number" && Number.isSafeInteger(shard) && shard >= 0) return shard;
  throw invalidArgument("shard", "a whole number from 0", shard);
}
