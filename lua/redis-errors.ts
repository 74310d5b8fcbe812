/**
 * What Redis and its client say, in PARL's words. Whoever asked learns three things: whether the decision may
 * have been made (unknown: the connection broke, or time ran out), whether it was refused before anything was
 * written, and what to do about it.
 */
import { ParlError, type ErrorCode } from "../core/errors.ts";

/** What can be wrong with a Redis, in one word: labels of metrics. */
export const REDIS_FAULTS = [
  "unreachable",
  "timeout",
  "crowded",
  "full",
  "busy",
  "read_only",
  "loading",
  "primary_down",
  "too_few_replicas",
  "not_persisting",
  "cluster",
  "access",
  "foreign_key",
  "other",
] as const;
export type RedisFault = (typeof REDIS_FAULTS)[number];

/** First words of an error reply. */
const REPLIES: Readonly<Record<string, readonly [ErrorCode, RedisFault, string]>> = {
  OOM: [
    "PARL_OVERLOADED",
    "full",
    "Redis is at its maxmemory and evicts nothing: raise maxmemory, or limit fewer keys",
  ],
  BUSY: ["PARL_OVERLOADED", "busy", "Redis is busy with somebody's long script: look at its SLOWLOG"],
  READONLY: ["PARL_UNAVAILABLE", "read_only", "this Redis is a replica: connect to the primary"],
  LOADING: ["PARL_UNAVAILABLE", "loading", "Redis is loading its data: try again"],
  MASTERDOWN: ["PARL_UNAVAILABLE", "primary_down", "this replica has lost its primary"],
  NOREPLICAS: [
    "PARL_UNAVAILABLE",
    "too_few_replicas",
    "Redis has too few replicas to write (min-replicas-to-write)",
  ],
  MISCONF: [
    "PARL_UNAVAILABLE",
    "not_persisting",
    "Redis cannot persist and refuses writes: see its log, or stop-writes-on-bgsave-error",
  ],
  CLUSTERDOWN: ["PARL_UNAVAILABLE", "cluster", "the Redis Cluster has slots that nobody serves"],
  TRYAGAIN: ["PARL_UNAVAILABLE", "cluster", "the slot is moving between nodes: try again"],
  MOVED: ["PARL_INTERNAL", "cluster", "this Redis is one node of a Cluster, and another node has the key"],
  NOAUTH: ["PARL_INTERNAL", "access", "Redis wants a password: put it into the URL"],
  WRONGPASS: ["PARL_INTERNAL", "access", "Redis does not accept this user and password"],
  NOPERM: [
    "PARL_INTERNAL",
    "access",
    "this user may not run the scripts: allow EVALSHA, EVAL, SCRIPT and the parl:* keys",
  ],
  CROSSSLOT: ["PARL_INVALID_ARGUMENT", "cluster", "on a Cluster the keys of one call must share a hash slot"],
  WRONGTYPE: [
    "PARL_INTERNAL",
    "foreign_key",
    "the key holds something that is not a limiter's: give PARL a database of its own",
  ],
  PARL_INVALID_ARGUMENT: ["PARL_INVALID_ARGUMENT", "other", "a script refuses its arguments"],
};

/** What this side says of itself, by code. */
const OURS: Partial<Record<ErrorCode, RedisFault>> = {
  PARL_DEADLINE_EXCEEDED: "timeout",
  PARL_OVERLOADED: "crowded",
  PARL_UNAVAILABLE: "unreachable",
};

/** What the client says when a command was not sent, or its reply will never come. */
const DISCONNECTED =
  /isn't writeable|isn't ready|Connection is closed|aborted due to connection close|retries per request|refresh slots cache|Socket timeout|ECONN|EPIPE|ETIMEDOUT|ENOTFOUND/;

/** What the client says of a pipeline whose keys live on several nodes. */
const SPREAD = /belong to the same slot/;

export function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("NOSCRIPT");
}

export function parlErrorOf(error: unknown): ParlError {
  if (error instanceof ParlError) return error;
  const { message } = error instanceof Error ? error : new Error(String(error));
  const row = rowOf(message);
  if (row !== undefined) return new ParlError(row[0], `${row[2]} (${message})`, { cause: error });
  if (SPREAD.test(message)) {
    return new ParlError("PARL_INVALID_ARGUMENT", `on a Cluster a pipeline goes to one node (${message})`, {
      cause: error,
    });
  }
  if (DISCONNECTED.test(message)) {
    return new ParlError("PARL_UNAVAILABLE", `no connection to Redis (${message})`, { cause: error });
  }
  return new ParlError("PARL_INTERNAL", `Redis failed: ${message}`, { cause: error });
}

/** @param error from this room */
export function redisFaultOf({ code, cause }: ParlError): RedisFault {
  const row = cause instanceof Error ? rowOf(cause.message) : undefined;
  return row?.[1] ?? OURS[code] ?? "other";
}

function rowOf(message: string): (typeof REPLIES)[string] | undefined {
  const word = message.split(" ", 1)[0] as string;
  return Object.hasOwn(REPLIES, word) ? REPLIES[word] : undefined;
}
