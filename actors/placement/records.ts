/**
 * What the lease bucket of a region holds, as JSON.
 *
 *      cluster      { createdUs, secret }                       once, first
 *      member.<id>  { incarnation, state, startedUs, shards, busy }   renewed
 *      owner.<p>    { member, incarnation, sinceUs, how }       changes only when a shard moves
 *
 * Revisions of a bucket start at the microsecond it was made (lease-store.ts), so they ascend across buckets
 * too: no compare-and-set meant for a lost bucket can hit its successor, and the revision of `owner.<p>` is
 * the shard's epoch as it stands.
 *
 * Readers trust nothing: whatever does not parse is a typed error.
 */
import { ParlError, shown } from "../../core/errors.ts";

export const CLUSTER_KEY = "cluster";

export type MemberState = "alive" | "leaving" | "dead";

export interface ClusterRecord {
  /** Wall clock of whoever made the bucket. For people; epochs come from revisions. */
  readonly createdUs: number;
  /** Seed of the identity hash of every key, 16 hex digits. */
  readonly secret: string;
}

export interface MemberRecord {
  readonly incarnation: number;
  readonly state: MemberState;
  readonly startedUs: number;
  /** Shards owned and part of the time spent deciding, for people and `observe`. */
  readonly shards: number;
  readonly busy: number;
}

/**
 * How the owner came to the shard. Two say that there is none: `vacant` = nobody has owned it in this bucket,
 * which proves nothing about a bucket lost before; `released` = its last owner closed it and went.
 */
export type OwnerHow = "fresh" | "recovered" | "handed-over" | "kept" | "vacant" | "released";

export interface OwnerRecord {
  /** Invariant: "" if and only if `how` is vacant or released. */
  readonly member: string;
  readonly incarnation: number;
  readonly sinceUs: number;
  readonly how: OwnerHow;
}

export type BucketKey =
  | { readonly kind: "cluster" }
  | { readonly kind: "member"; readonly id: string }
  | { readonly kind: "owner"; readonly shard: number };

const MEMBER_ID = /^[a-z0-9-]{1,32}$/;
const MEMBER_STATES: readonly string[] = ["alive", "leaving", "dead"] satisfies MemberState[];
const OWNER_HOWS: readonly string[] = [
  "fresh",
  "recovered",
  "handed-over",
  "kept",
  "vacant",
  "released",
] satisfies OwnerHow[];
const SECRET = /^[0-9a-f]{16}$/;

export function isMemberId(text: string): boolean {
  return MEMBER_ID.test(text);
}

export function isSecret(text: string): boolean {
  return SECRET.test(text);
}

export function memberKey(id: string): string {
  return `member.${id}`;
}

export function ownerKey(shard: number): string {
  return `owner.${shard}`;
}

/** What a key of the bucket is about; undefined for one we do not know, left alone. */
export function parseKey(key: string, shards: number): BucketKey | undefined {
  if (key === CLUSTER_KEY) return { kind: "cluster" };
  const dot = key.indexOf(".");
  const name = key.slice(dot + 1);
  switch (key.slice(0, dot)) {
    case "member":
      return isMemberId(name) ? { kind: "member", id: name } : undefined;
    case "owner":
      return /^(?:0|[1-9]\d{0,5})$/.test(name) && Number(name) < shards
        ? { kind: "owner", shard: Number(name) }
        : undefined;
    default:
      return undefined;
  }
}

export function encodeRecord(record: ClusterRecord | MemberRecord | OwnerRecord): string {
  return JSON.stringify(record);
}

/** @throws ParlError PARL_MALFORMED naming the field */
export function parseCluster(text: string): ClusterRecord {
  const fields = parseObject(CLUSTER_KEY, text);
  return {
    createdUs: whole(fields, "createdUs"),
    secret: matching(fields, "secret", isSecret, "16 hex digits"),
  };
}

/** @throws ParlError PARL_MALFORMED naming the field */
export function parseMember(text: string): MemberRecord {
  const fields = parseObject("member", text);
  const isState = (value: string): boolean => MEMBER_STATES.includes(value);
  return {
    incarnation: whole(fields, "incarnation"),
    state: matching(fields, "state", isState, MEMBER_STATES.join(", ")) as MemberState,
    startedUs: whole(fields, "startedUs"),
    shards: whole(fields, "shards"),
    busy: fraction(fields, "busy"),
  };
}

/** @throws ParlError PARL_MALFORMED naming the field */
export function parseOwner(text: string): OwnerRecord {
  const fields = parseObject("owner", text);
  const isHow = (value: string): boolean => OWNER_HOWS.includes(value);
  const how = matching(fields, "how", isHow, OWNER_HOWS.join(", ")) as OwnerHow;
  const isOwnerless = how === "vacant" || how === "released";
  const isName = (value: string): boolean => (isOwnerless ? value === "" : isMemberId(value));
  const rule = isOwnerless ? `"" when ${how}` : "a member's id";
  return {
    member: matching(fields, "member", isName, rule),
    incarnation: whole(fields, "incarnation"),
    sinceUs: whole(fields, "sinceUs"),
    how,
  };
}

function parseObject(what: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ParlError("PARL_MALFORMED", `${what} record is no JSON: ${shown(text)}`, {
      field: what,
      cause,
    });
  }
  if (typeof value !== "object" || value === null) throw malformed(what, "an object", value);
  return value as Record<string, unknown>;
}

function whole(fields: Record<string, unknown>, field: string): number {
  const value = fields[field];
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw malformed(field, "a whole number ≥ 0", value);
  }
  return value as number;
}

function fraction(fields: Record<string, unknown>, field: string): number {
  const value = fields[field];
  if (typeof value !== "number" || !(value >= 0)) throw malformed(field, "a number ≥ 0", value);
  return value;
}

function matching(
  fields: Record<string, unknown>,
  field: string,
  isRight: (value: string) => boolean,
  rule: string,
): string {
  const value = fields[field];
  if (typeof value !== "string" || !isRight(value)) throw malformed(field, rule, value);
  return value;
}

function malformed(field: string, rule: string, value: unknown): ParlError {
  const message = `${field} of a lease record must be ${rule}, got ${shown(value)}; delete the key if nobody else writes it`;
  return new ParlError("PARL_MALFORMED", message, { field });
}
