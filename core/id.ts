/**
 * Ids as subject tokens: tenants, keys and users may be any text, but a NATS subject may not.
 *
 *   raw id                                          token
 *   [A-Za-z0-9_-]{1,64}, not starting with _        itself
 *   anything else up to 64 bytes of UTF-8           ~ base64url(utf-8)
 *   longer                                          ~~ base64url(SHA-256(utf-8))
 *
 * The mapping is one-to-one (up to SHA-256), so tokens are the ids everywhere inside PARL and raw text
 * exists only at the edges. Tokens starting with `_` are ours (`_org`, `_global`). A `~` token whose text
 * needed no encoding is refused: two spellings of one id would be two limits.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { invalidArgument, type ParlError } from "./errors.ts";
import { FNV_PRIME } from "./fnv1a.ts";

const PLAIN = /^[A-Za-z0-9-][A-Za-z0-9_-]{0,63}$/;
const ENCODED = /^~[A-Za-z0-9_-]{1,86}$/;
const HASHED = /^~~[A-Za-z0-9_-]{43}$/;

const RAW_BYTES_MAX = 64;
const UNDERSCORE = "_".charCodeAt(0);
/** 1 for the characters of a plain id, by ASCII code. */
const PLAIN_CODE = Uint8Array.from({ length: 128 }, (_, code) =>
  /[A-Za-z0-9_-]/.test(String.fromCharCode(code)) ? 1 : 0,
);
/** Longest token: `~` and base64url of 64 bytes. */
export const TOKEN_LENGTH_MAX = 87;

/** Tokens that stand for a whole tenant or for everybody, in place of a key. */
export const ORG_TOKEN = "_org";
export const GLOBAL_TOKEN = "_global";

const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The token of a raw id. Throws PARL_INVALID_ARGUMENT for an empty one, naming `field`. */
export function encodeId(raw: string, field = "id"): string {
  if (typeof raw !== "string" || raw.length === 0) throw invalidArgument(field, "a non-empty string", raw);
  if (PLAIN.test(raw)) return raw;
  // Half a surrogate pair has no UTF-8 of its own and would become another id's.
  if (!raw.isWellFormed()) throw invalidArgument(field, "well-formed Unicode", raw);
  const bytes = utf8.encode(raw);
  return bytes.length <= RAW_BYTES_MAX ? `~${base64url(bytes)}` : `~~${base64url(sha256(bytes))}`;
}

/** Whether `token` is one that `encodeId` gives for some id. */
export function isIdToken(token: string): boolean {
  if (PLAIN.test(token)) return true;
  if (HASHED.test(token)) return true;
  return ENCODED.test(token) && decodeId(token) !== undefined;
}

/**
 * One pass for the hot path: FNV-1a of a raw id, continuing from `hash`, when the id is its own token;
 * −1 when it has to be encoded first.
 */
export function plainIdHash(raw: string, hash: number): number {
  // Callers in plain JavaScript pass what they like.
  if (typeof raw !== "string") return -1;
  const length = raw.length;
  if (length === 0 || length > RAW_BYTES_MAX || raw.charCodeAt(0) === UNDERSCORE) return -1;
  for (let i = 0; i < length; i += 1) {
    const code = raw.charCodeAt(i);
    if (code > 0x7f || PLAIN_CODE[code] === 0) return -1;
    hash = Math.imul(hash ^ code, FNV_PRIME);
  }
  return hash >>> 0;
}

/** The raw id behind a token, or undefined where it is a hash or no canonical token. */
export function decodeId(token: string): string | undefined {
  if (PLAIN.test(token)) return token;
  if (!ENCODED.test(token)) return undefined;
  try {
    const binary = atob(token.slice(1).replaceAll("-", "+").replaceAll("_", "/"));
    const raw = strictUtf8.decode(Uint8Array.from(binary, (char) => char.charCodeAt(0)));
    return encodeId(raw) === token ? raw : undefined;
  } catch {
    return undefined;
  }
}

export function invalidToken(field: string, token: string): ParlError {
  return invalidArgument(
    field,
    "an id token ([A-Za-z0-9_-]{1,64} not starting with _, or ~ and base64url of the text)",
    token,
  );
}

function base64url(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
