/** What `parl doctor` asks of a Redis behind a gateway: does it answer, what does it forget, may we run the script? */
import type { Redis } from "ioredis";
import type { PolicyDocument } from "../../admission/policy.ts";
import { requireRedisPolicies } from "../../gateway/redis-policies.ts";
import { CallDeadline } from "../../lua/call-deadline.ts";
import { JointLimiter } from "../../lua/joint-limiter.ts";
import { connectRedis, redisHost } from "../../lua/redis-connection.ts";
import { redisFacts, redisTroubles, type RedisFacts } from "../../lua/redis-facts.ts";
import { finding, type Finding } from "./finding.ts";

const ANSWER_WITHIN_MS = 1_000;

/** @param policies what they say, absent when they cannot be read; and how errors call them */
export async function examineRedis(
  url: string,
  policies: { readonly document: PolicyDocument | undefined; readonly source: string },
): Promise<Finding[]> {
  const { document, source } = policies;
  const deadline = new CallDeadline(ANSWER_WITHIN_MS);
  let connected: { readonly redis: Redis; readonly facts: RedisFacts } | undefined;
  const server = await finding("redis: server", async () => {
    const redis = await connectRedis(url);
    connected = { redis, facts: redisFacts(await deadline.over(redis.info())) };
    return `${connected.facts.version} at ${redisHost(url)}`;
  });
  if (connected === undefined) return [server];
  const { redis, facts } = connected;
  try {
    return [
      server,
      await finding("redis: state", () => stateOf(facts)),
      await finding("redis: saving", async () => savingOf(facts, await saveConfig(redis, deadline))),
      await finding("redis: script", () => examineScript(redis)),
      ...(document === undefined
        ? []
        : [await finding("redis: policies", () => policiesIn(document, source))]),
    ];
  } finally {
    redis.disconnect();
  }
}

/** @throws Error that names what is wrong */
function stateOf(facts: RedisFacts): string {
  const troubles = redisTroubles(facts);
  if (troubles.length > 0) throw new Error(troubles.map(({ message }) => message).join("; "));
  const { usedBytes, maxBytes, maxmemoryPolicy } = facts;
  const room = maxBytes === 0 ? "without maxmemory" : `of ${maxBytes} (${maxmemoryPolicy})`;
  return `a primary, ${usedBytes} bytes used ${room}`;
}

/** Undefined where this user may not ask. */
async function saveConfig(redis: Redis, deadline: CallDeadline): Promise<string | undefined> {
  try {
    const [, save] = await deadline.over(redis.config("GET", "save"));
    return save;
  } catch {
    return undefined;
  }
}

/** Said, not complained of: what a restart may forget is for the operator to choose. */
function savingOf({ isAppendOnly }: RedisFacts, save: string | undefined): string {
  if (isAppendOnly) return "an append-only file: a crash forgets what was spent since its last fsync";
  if (save === undefined) return "unknown: this user may not run CONFIG GET save";
  if (save === "") return "nothing is saved: after a restart every key has its whole limit again";
  return `snapshots (save ${save}): a crash forgets what was spent since the last one, and a failed one stops charges`;
}

async function examineScript(redis: Redis): Promise<string> {
  const limiter = new JointLimiter(redis, { deadlineMs: ANSWER_WITHIN_MS, inFlightMax: 1 });
  const startedMs = performance.now();
  await limiter.probe();
  return `answers in ${(performance.now() - startedMs).toFixed(1)} ms`;
}

function policiesIn(document: PolicyDocument, source: string): string {
  requireRedisPolicies(document, source);
  return document.keysMax === undefined
    ? "Redis can decide by all of them"
    : "Redis can decide by all of them, and does not heed keysMax";
}
