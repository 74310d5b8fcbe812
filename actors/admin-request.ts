/**
 * What operators ask, and the subjects they ask on:
 *
 *      parl.admin.reset.<tenant>.<key>    {"policy":"per-key","userId":"u1","by":"anna","reason":"ticket 7"}
 *      parl.admin.limited                 {"top":20,"by":"anna"}
 *
 * All fields are optional. Who may ask is for the NATS server to say, by its permissions on `parl.admin.>`
 * (deploy/nats/permissions.conf) and nothing else: NATS does not tell us who published a message, so `by` is
 * what the caller says of himself and is recorded as such.
 *
 * Unlike a check, an unknown field is refused: a misspelt `policy` would reset more than was meant.
 */
import { nearestName } from "../admission/nearest-name.ts";
import { HITTERS_TRACKED } from "../admission/heavy-hitters.ts";
import { invalidArgument, ParlError } from "../core/errors.ts";
import { encodeId, invalidToken, isIdToken } from "../core/id.ts";
import { parseObject } from "../core/wire-json.ts";

export const ADMIN_SUBJECTS = "parl.admin.>";
export const LIMITED_SUBJECT = "parl.admin.limited";

const POLICY = /^[a-z0-9-]{1,64}$/;
const BY_LENGTH_MAX = 128;
const REASON_LENGTH_MAX = 512;
const TOP_DEFAULT = 20;
/** Control characters, and those that turn text around: a line of a log must read as what it is. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

interface Asked {
  /** What the caller says about himself and his reasons; null where he says nothing. */
  readonly by: string | null;
  readonly reason: string | null;
}

/** Forget what a key has spent; ids as tokens. */
export interface ResetRequest extends Asked {
  readonly kind: "reset";
  readonly tenant: string;
  readonly key: string;
  /** "" for none. */
  readonly user: string;
  /** The one policy to reset it under; null for all that count this key or this user alone. */
  readonly policy: string | null;
}

/** Who is limited now? */
export interface LimitedRequest extends Asked {
  readonly kind: "limited";
  readonly top: number;
}

export type AdminRequest = ResetRequest | LimitedRequest;

export function resetSubject(tenant: string, key: string): string {
  return `parl.admin.reset.${tenant}.${key}`;
}

/** @throws ParlError PARL_INVALID_ARGUMENT naming the field, PARL_MALFORMED, PARL_TOO_LARGE */
export function parseAdminRequest(subject: string, payload: Uint8Array): AdminRequest {
  const [, , verb, ...tokens] = subject.split(".");
  if (verb === "reset" && tokens.length === 2) return parseReset(tokens as [string, string], payload);
  if (verb === "limited" && tokens.length === 0) return parseLimited(payload);
  const message = `no such operator call: ${subject}; there are parl.admin.reset.<tenant>.<key> and parl.admin.limited`;
  throw new ParlError("PARL_INVALID_ARGUMENT", message, { field: "subject" });
}

function parseReset([tenant, key]: readonly [string, string], payload: Uint8Array): ResetRequest {
  if (!isIdToken(tenant)) throw invalidToken("tenant", tenant);
  if (!isIdToken(key)) throw invalidToken("key", key);
  const fields = fieldsOf(payload, ["policy", "userId", "by", "reason"]);
  const { policy, userId } = fields;
  if (policy !== undefined && !(typeof policy === "string" && POLICY.test(policy))) {
    throw invalidArgument("policy", "the name of a policy, of [a-z0-9-]", policy);
  }
  return {
    kind: "reset",
    tenant,
    key,
    user: userId === undefined ? "" : encodeId(userId as string, "userId"),
    policy: policy ?? null,
    ...askedIn(fields),
  };
}

function parseLimited(payload: Uint8Array): LimitedRequest {
  const fields = fieldsOf(payload, ["top", "by", "reason"]);
  const { top = TOP_DEFAULT } = fields;
  if (!(typeof top === "number" && Number.isInteger(top) && top >= 1 && top <= HITTERS_TRACKED)) {
    throw invalidArgument("top", `a whole number from 1 to ${HITTERS_TRACKED}`, top);
  }
  return { kind: "limited", top, ...askedIn(fields) };
}

function askedIn(fields: Readonly<Record<string, unknown>>): Asked {
  return { by: words(fields, "by", BY_LENGTH_MAX), reason: words(fields, "reason", REASON_LENGTH_MAX) };
}

/** The message's fields, all of them known. An empty message has none. */
function fieldsOf(payload: Uint8Array, known: readonly string[]): Readonly<Record<string, unknown>> {
  const fields = payload.length === 0 ? {} : objectIn(payload);
  for (const name of Object.keys(fields)) {
    if (known.includes(name)) continue;
    const meant = nearestName(name, known);
    const way = meant === undefined ? `there are ${known.join(", ")}` : `${meant} was meant?`;
    throw new ParlError("PARL_INVALID_ARGUMENT", `unknown field ${name.slice(0, 60)}; ${way}`, {
      field: name.slice(0, 60),
    });
  }
  return fields;
}

function objectIn(payload: Uint8Array): Record<string, unknown> {
  try {
    return parseObject(payload);
  } catch (error) {
    if (!(error instanceof ParlError) || error.code !== "PARL_MALFORMED") throw error;
    const message = 'the message is no JSON object; send for example {"by":"anna"}, or nothing';
    throw new ParlError("PARL_MALFORMED", message, { field: "message", cause: error });
  }
}

function words(fields: Readonly<Record<string, unknown>>, name: string, lengthMax: number): string | null {
  const text = fields[name];
  if (text === undefined) return null;
  const isFit = typeof text === "string" && text !== "" && text.length <= lengthMax && text.isWellFormed();
  if (isFit && !UNPRINTABLE.test(text)) return text;
  throw invalidArgument(name, `1 to ${lengthMax} printable characters on one line`, text);
}
