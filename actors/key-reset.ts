/**
 * Resetting a key at its home: forgotten under each policy named, as if never seen, with a look before and a
 * look after.
 *
 *      parl.shard.<p>.forget.<tenant>.<key>   {"user":"u1","policies":["per-key"]}
 *
 * is what an operator's desk (admin-desk.ts) sends to the home of every dimension concerned. It is answered
 * once the journal knows, so that no crash of the owner undoes it. "After" is what the key really has then: while the region makes up for a crash, or when it is out of memory, a key never
 * seen may start with less than its limit.
 */
import type { Admission } from "../admission/admission.ts";
import type { Policy } from "../admission/policy.ts";
import type { Dimension } from "../core/decision.ts";
import { invalidArgument, ParlError } from "../core/errors.ts";
import { invalidToken, isIdToken } from "../core/id.ts";
import type { Micros } from "../core/units.ts";
import { jsonMillis, parseObject } from "../core/wire-json.ts";
import type { Patience } from "./held-answers.ts";
import type { Arrival } from "./shard-event.ts";

export const RESET_PATIENCE: Patience = {
  // Whoever carries the reset here waits for a second (reset-call.ts).
  heldMaxUs: 750_000,
  error: () => {
    const message =
      "the key was reset, but the journal did not confirm it in time, so a crash may bring back what it had spent; has its disk room? Ask again";
    return new ParlError("PARL_DEADLINE_EXCEEDED", message, { field: "journal" });
  },
};

/** Ids as tokens. */
interface Forgetting {
  readonly tenant: string;
  readonly key: string;
  /** "" for none. */
  readonly user: string;
  /** By name. */
  readonly policies: readonly string[];
}

/** The message as it arrives. Its tenant does not stand in line for it: an operator does not queue behind a flood. */
export interface ForgetRequest extends Arrival {
  readonly kind: "forget";
  /** Tokens as they stood in the subject, not yet validated. */
  readonly of: { readonly tenant: string; readonly key: string };
  readonly payload: Uint8Array;
}

/** What a key has, for a cost of 1. */
export interface KeyState {
  readonly limit: number;
  readonly remaining: number;
  /** 0 when a check would pass, null when none ever would. */
  readonly retryAfterMs: number | null;
}

export interface PolicyReset {
  readonly policy: string;
  readonly dimension: Dimension;
  readonly before: KeyState;
  readonly after: KeyState;
}

export interface KeyReset {
  readonly resets: readonly PolicyReset[];
}

/** What of the admission a reset needs. */
export interface ForgettingAdmission extends Pick<Admission, "policies" | "describe" | "inspect"> {
  /** Forgets the key described under one policy, if its home is open here. @returns whether it is */
  forget(policyIndex: number, nowUs: Micros): boolean;
}

export function forgetSubject(shard: number, tenant: string, key: string): string {
  return `parl.shard.${shard}.forget.${tenant}.${key}`;
}

/**
 * Forgets the key under each policy named whose home is here; the others are somebody else's.
 * @throws ParlError PARL_INVALID_ARGUMENT naming the field, PARL_MALFORMED, PARL_TOO_LARGE
 */
export function resetKey(request: ForgetRequest, admission: ForgettingAdmission, nowUs: Micros): KeyReset {
  const { tenant, key, user, policies } = forgettingOf(request);
  admission.describe(tenant, user, key);
  const before = statesOf(admission, nowUs);
  const forgotten = [...before.keys()].filter((index) => {
    const { name } = admission.policies.policies[index] as Policy;
    return policies.includes(name) && admission.forget(index, nowUs);
  });
  const after = statesOf(admission, nowUs);
  return {
    resets: forgotten.map((index) => {
      const { name, dimension } = admission.policies.policies[index] as Policy;
      const [was, is] = [before.get(index), after.get(index)] as [KeyState, KeyState];
      return { policy: name, dimension, before: was, after: is };
    }),
  };
}

/** By index of the policy; those whose home is not here are missing. */
function statesOf(admission: ForgettingAdmission, nowUs: Micros): Map<number, KeyState> {
  const states = new Map<number, KeyState>();
  admission.inspect(1, nowUs, (index, { outcome, limit, remaining, retryAfterUs }) => {
    const left = outcome === "allowed" ? remaining + 1 : remaining;
    states.set(index, { limit, remaining: left, retryAfterMs: jsonMillis(retryAfterUs) });
  });
  return states;
}

function forgettingOf({ of, payload }: ForgetRequest): Forgetting {
  if (!isIdToken(of.tenant)) throw invalidToken("tenant", of.tenant);
  if (!isIdToken(of.key)) throw invalidToken("key", of.key);
  const { user, policies } = parseObject(payload);
  if (user !== "" && !(typeof user === "string" && isIdToken(user))) {
    throw invalidArgument("user", 'an id token or ""', user);
  }
  if (!Array.isArray(policies) || !policies.every((name) => typeof name === "string")) {
    throw invalidArgument("policies", "a list of names", policies);
  }
  return { ...of, user, policies };
}
