/**
 * Carries a reset to where the key lives: the home of every dimension it is to be reset in.
 *
 * Without a policy named, those are meant that count this key or this user alone. To forget what a whole
 * organisation has spent because of one key would be more than was asked; such policies are named in `kept`.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import type { Policy } from "../admission/policy.ts";
import type { PolicySet } from "../admission/policy-set.ts";
import type { Dimension } from "../core/decision.ts";
import { ParlError } from "../core/errors.ts";
import { decodeId } from "../core/id.ts";
import { globalShard, homeShard, orgShard } from "../core/key.ts";
import { encodeJson, errorFrom } from "../core/wire-json.ts";
import type { ResetRequest } from "./admin-request.ts";
import { forgetSubject, type KeyReset, type PolicyReset } from "./key-reset.ts";
import { hasNobodyHeard } from "./roll-call.ts";

/** A shard that is moving answers after a moment. */
const HOME_PATIENCE_MS = 1_000;

export interface ResetScene {
  readonly connection: NatsConnection;
  readonly shards: number;
  /** Policies in force. */
  readonly policies: () => PolicySet;
}

/** Ids raw, as people write them. */
export interface ResetOutcome {
  readonly tenant: string;
  readonly key: string;
  readonly user: string | null;
  readonly resets: readonly PolicyReset[];
  /** Policies that were meant and could not be reset. */
  readonly failures: readonly { readonly policies: readonly string[]; readonly message: string }[];
  /** Policies that still count this key, perhaps together with others, and were not meant. */
  readonly kept: readonly string[];
}

/** @throws ParlError PARL_NOT_FOUND when no policy is meant, or why none could be reset */
export async function callReset(scene: ResetScene, request: ResetRequest): Promise<ResetOutcome> {
  const { tenant, key, user } = request;
  const { meant, kept } = meantBy(request, scene.policies());
  const byShard = Map.groupBy(meant, ({ dimension }) => homeOf(dimension, request, scene.shards));
  const asked = [...byShard].map(async ([shard, policies]) => {
    const names = policies.map(({ name }) => name);
    try {
      return { names, resets: await forget(scene, shard, request, names) };
    } catch (error) {
      if (!(error instanceof ParlError)) throw error;
      return { names, error };
    }
  });
  const outcomes = await Promise.all(asked);
  const failed = outcomes.filter((outcome) => outcome.error !== undefined);
  const [first] = failed;
  if (first !== undefined && failed.length === outcomes.length) throw first.error;
  return {
    tenant: decodeId(tenant) ?? tenant,
    key: decodeId(key) ?? key,
    user: user === "" ? null : (decodeId(user) ?? user),
    resets: outcomes.flatMap((outcome) => outcome.resets ?? []),
    failures: failed.map(({ names, error }) => ({ policies: names, message: error.message })),
    kept,
  };
}

function meantBy(
  { tenant, user, policy }: ResetRequest,
  set: PolicySet,
): { meant: readonly Policy[]; kept: readonly string[] } {
  const applying = set
    .matching(tenant)
    .map((index) => set.policies[index] as Policy)
    .filter(({ dimension }) => dimension !== "user" || user !== "");
  const meant = applying.filter((each) => (policy === null ? countsOneKey(each) : each.name === policy));
  if (meant.length > 0) {
    return { meant, kept: applying.filter((each) => !meant.includes(each)).map(({ name }) => name) };
  }
  const there = applying.map(({ name }) => name).join(", ") || "none";
  const problem =
    policy === null ? "no policy counts this key alone" : `policy ${policy} does not apply to this key`;
  const message = `${problem}; these do: ${there} (a user's only when userId is given)`;
  throw new ParlError("PARL_NOT_FOUND", message, { field: "policy" });
}

function countsOneKey({ dimension }: Policy): boolean {
  return dimension === "key" || dimension === "user";
}

function homeOf(dimension: Dimension, { tenant, key, user }: ResetRequest, shards: number): number {
  switch (dimension) {
    case "user":
      return homeShard(tenant, user, shards);
    case "key":
      return homeShard(tenant, key, shards);
    case "org":
      return orgShard(tenant, shards);
    case "global":
      return globalShard(shards);
  }
}

/** @throws ParlError */
async function forget(
  { connection }: ResetScene,
  shard: number,
  { tenant, key, user }: ResetRequest,
  policies: readonly string[],
): Promise<readonly PolicyReset[]> {
  const question = encodeJson({ user, policies });
  let body: unknown;
  try {
    const options = { timeout: HOME_PATIENCE_MS };
    body = (await connection.request(forgetSubject(shard, tenant, key), question, options)).json();
  } catch (cause) {
    if (hasNobodyHeard(cause)) {
      const message = `no process decides shard ${shard} now; ask again`;
      throw new ParlError("PARL_UNAVAILABLE", message, { field: "shard", cause });
    }
    const message = `the owner of shard ${shard} did not answer within ${HOME_PATIENCE_MS} ms and may have done it; look with parl observe key, or ask again`;
    throw new ParlError("PARL_DEADLINE_EXCEEDED", message, { field: "shard", cause });
  }
  const error = errorFrom(body);
  if (error !== undefined) throw error;
  const { resets } = body as KeyReset;
  // Processes read a changed policy file one after the other.
  const missing = policies.filter((name) => resets.every(({ policy }) => policy !== name));
  if (missing.length === 0) return resets;
  const message = `the owner of shard ${shard} has no policy ${missing.join(", ")} for this key; ask again when all processes have read the policy file`;
  throw new ParlError("PARL_NOT_FOUND", message, { field: "policy" });
}
