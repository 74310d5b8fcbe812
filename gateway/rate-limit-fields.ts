/**
 * A decision in HTTP header fields: the IETF's `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-
 * ratelimit-headers, the structured form since draft 8), the older `X-RateLimit-…`, and `Retry-After`.
 *
 *      RateLimit-Policy: "per-key";q=100;w=60      what the tightest policy grants
 *      RateLimit: "per-key";r=0;t=1                what is left of it, and when there is more
 *      Retry-After: 1                              denied only; never earlier than t
 *
 * Seconds are rounded up: who waits as told is not refused again. A decision under no policy has none of them.
 */
import { secondsCeil } from "../core/units.ts";
import type { CheckResult } from "../client/check.ts";
import type { PolicyWords } from "./policies-in-force.ts";

/** @param words of the tightest policy; undefined leaves out the IETF's fields */
export function rateLimitFields(result: CheckResult, words: PolicyWords | undefined): string[] {
  const { outcome, limit, remaining, retryAfterUs, resetAfterUs } = result;
  const fields: string[] = [];
  if (words !== undefined && remaining !== null) {
    const moreUs = outcome === "denied" ? retryAfterUs : resetAfterUs;
    const item = `${words.limitItem};r=${remaining};t=${secondsCeil(moreUs)}`;
    fields.push("RateLimit-Policy", words.policyField, "RateLimit", item);
  }
  if (limit !== null) fields.push("X-RateLimit-Limit", String(limit));
  if (remaining !== null) fields.push("X-RateLimit-Remaining", String(remaining));
  if (outcome === "denied") fields.push("Retry-After", String(secondsCeil(retryAfterUs)));
  return fields;
}
