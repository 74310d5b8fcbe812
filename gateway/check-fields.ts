/**
 * The fields of a check or report as HTTP callers write them: validated, each error naming the field in the
 * caller's own spelling. JSON bodies may use the names of the NATS wire or the short ones of the query.
 */
import type { CheckRequest } from "../client/check.ts";
import type { Tier } from "../core/decision.ts";
import { invalidArgument, ParlError } from "../core/errors.ts";
import { costFrom, requireKnown, tierFrom } from "../core/wire-json.ts";

/** A check with everything decided that has a default. */
export interface CheckFields extends CheckRequest {
  readonly tenant: string;
  readonly cost: number;
  readonly tier: Tier;
}

/** What each field may be called. */
const SPELLINGS = {
  tenant: ["tenant", "tenantId"],
  key: ["key", "apiKey"],
  user: ["user", "userId"],
  id: ["id"],
} as const;

const NAMES = [...Object.values(SPELLINGS).flat(), "tokens", "tier"];

const TENANT_DEFAULT = "default";

/** @throws ParlError PARL_INVALID_ARGUMENT naming the field */
export function checkFields(given: ReadonlyMap<string, unknown>): CheckFields {
  requireKnown(given.keys(), NAMES);
  const tenant = textField(given, "tenant") ?? TENANT_DEFAULT;
  const key = textField(given, "key");
  const user = textField(given, "user");
  const id = textField(given, "id");
  if (key === undefined && user === undefined) {
    const message = "key is missing (or user): say who is asking, for example /allow?key=alice";
    throw new ParlError("PARL_INVALID_ARGUMENT", message, { field: "key" });
  }
  return {
    tenant,
    ...(key !== undefined && { key }),
    ...(user !== undefined && { user }),
    ...(id !== undefined && { id }),
    cost: costFrom(given.get("tokens")),
    tier: tierFrom(given.get("tier")),
  };
}

/** A text under any of its spellings; absent and null are the same. */
function textField(given: ReadonlyMap<string, unknown>, field: keyof typeof SPELLINGS): string | undefined {
  const used = SPELLINGS[field].filter((name) => (given.get(name) ?? undefined) !== undefined);
  const [name, other] = used;
  if (name === undefined) return undefined;
  if (other !== undefined) {
    const message = `${other} is given and so is ${name}: they are one field, send one of them`;
    throw new ParlError("PARL_INVALID_ARGUMENT", message, { field: other });
  }
  const value = given.get(name);
  if (typeof value === "string" && value !== "") return value;
  throw invalidArgument(name, "a non-empty string", value);
}
