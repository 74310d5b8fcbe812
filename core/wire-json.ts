/**
 * The JSON wire, for people and thin clients: `nats req parl.check.acme.alice '{"tokens":1}'`.
 *
 * Raw ids appear here and become tokens at once. Only own properties are read, so that `__proto__` is just
 * another unknown field; and an unknown field is refused, because whoever writes `token` for `tokens` would be
 * charged for something else than was meant. An empty object asks for one token; an empty message asks for
 * nothing and is refused, because whoever lost the payload on the way would be charged for it.
 */
import { TIERS, type Dimension, type Outcome, type Tier } from "./decision.ts";
import { ERRORS, invalidArgument, ParlError, shown, type ErrorCode } from "./errors.ts";
import { encodeId } from "./id.ts";
import { COST_MAX } from "./packed-request.ts";
import { millisCeil } from "./units.ts";

/** Largest JSON request; a check needs a few hundred bytes. */
export const JSON_BYTES_MAX = 4_096;

const REQUEST_FIELDS = ["tokens", "userId", "apiKey", "tier", "id"];

/** A check or report as asked for, ids as tokens, "" for absent. */
export interface JsonRequest {
  readonly user: string;
  readonly key: string;
  readonly cost: number;
  readonly tier: Tier;
  readonly id: string;
}

/** A decision as people read it; times in milliseconds rounded up, null where there is no finite answer. */
export interface JsonDecision {
  readonly allowed: boolean;
  readonly outcome: Outcome;
  readonly remaining: number | null;
  readonly limit: number | null;
  readonly retryAfterMs: number | null;
  readonly resetAfterMs: number;
  readonly delayMs?: number;
  readonly policy: string | null;
  readonly dimension: Dimension | null;
  readonly tier: Tier;
  readonly region: string;
  readonly overshootMaxPct: number;
}

const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * @param keyToken the key in the subject, used where the message names no apiKey
 * @throws ParlError PARL_TOO_LARGE, PARL_MALFORMED, or PARL_INVALID_ARGUMENT naming the field
 */
export function parseJsonRequest(bytes: Uint8Array, keyToken: string): JsonRequest {
  const fields = parseObject(bytes);
  requireKnown(Object.keys(fields), REQUEST_FIELDS);
  const apiKey = optionalText(fields, "apiKey");
  const userId = optionalText(fields, "userId");
  const id = optionalText(fields, "id");
  return {
    key: apiKey === undefined ? keyToken : encodeId(apiKey, "apiKey"),
    user: userId === undefined ? "" : encodeId(userId, "userId"),
    cost: costFrom(own(fields, "tokens")),
    tier: tierFrom(own(fields, "tier")),
    id: id === undefined ? "" : encodeId(id, "id"),
  };
}

export function encodeJson(value: unknown): Uint8Array {
  return utf8.encode(JSON.stringify(value));
}

/** `{"error":{"code","field","message"}}`, the same on every protocol that speaks JSON. */
export function errorBody(error: ParlError): { error: Record<string, unknown> } {
  const { code, field, message, retryAfterMs } = error;
  return { error: { code, field, message, retryAfterMs } };
}

/** The error in such a body, undefined where there is none. */
export function errorFrom(body: unknown): ParlError | undefined {
  const { error } = body as {
    error?: { code: string; message: string; field?: string; retryAfterMs?: number };
  };
  if (error === undefined) return undefined;
  const code = Object.hasOwn(ERRORS, error.code) ? (error.code as ErrorCode) : "PARL_INTERNAL";
  const { field, retryAfterMs } = error;
  return new ParlError(code, error.message, {
    ...(field === undefined ? {} : { field }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** @throws ParlError PARL_INVALID_ARGUMENT for the first of `names` that is not among `known` */
export function requireKnown(names: Iterable<string>, known: readonly string[]): void {
  for (const name of names) {
    if (known.includes(name)) continue;
    const message = `there is no field ${shown(name)}; there are ${known.join(", ")}`;
    throw new ParlError("PARL_INVALID_ARGUMENT", message, { field: name });
  }
}

/** Reads a JSON object of any fields. @throws ParlError PARL_TOO_LARGE or PARL_MALFORMED */
export function parseObject(bytes: Uint8Array): Record<string, unknown> {
  if (bytes.length > JSON_BYTES_MAX) {
    const message = `the message is ${bytes.length} bytes, at most ${JSON_BYTES_MAX} are read`;
    throw new ParlError("PARL_TOO_LARGE", message, { field: "message" });
  }
  if (bytes.length === 0) {
    const message = 'the message is empty; ask for example {"tokens":1}';
    throw new ParlError("PARL_MALFORMED", message, { field: "message" });
  }
  let value: unknown;
  try {
    value = JSON.parse(strictUtf8.decode(bytes));
  } catch (cause) {
    const message = 'the message is not JSON; ask for example {"tokens":1}';
    throw new ParlError("PARL_MALFORMED", message, { field: "message", cause });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new ParlError("PARL_MALFORMED", `the message must be a JSON object, got ${shown(value)}`, {
    field: "message",
  });
}

/** Milliseconds for JSON: rounded up, null for never. */
export function jsonMillis(us: number): number | null {
  return Number.isFinite(us) ? millisCeil(us) : null;
}

function own(fields: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function optionalText(fields: Record<string, unknown>, name: string): string | undefined {
  const value = own(fields, name);
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string" || value.length === 0)
    throw invalidArgument(name, "a non-empty string", value);
  return value;
}

/** The cost in a field called `tokens`; 1 when absent. @throws ParlError PARL_INVALID_ARGUMENT */
export function costFrom(tokens: unknown): number {
  if (tokens === undefined) return 1;
  if (typeof tokens === "number" && Number.isInteger(tokens) && tokens >= 0 && tokens <= COST_MAX)
    return tokens;
  throw invalidArgument("tokens", `a whole number from 0 to ${COST_MAX}`, tokens);
}

/** The tier asked for; `approximate` when absent. @throws ParlError PARL_INVALID_ARGUMENT */
export function tierFrom(wanted: unknown): Tier {
  if (wanted === undefined) return "approximate";
  const tier = TIERS.find((known) => known === wanted);
  if (tier === undefined) throw invalidArgument("tier", `one of ${TIERS.join(", ")}`, wanted);
  return tier;
}
