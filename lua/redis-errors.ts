/**
 * What Redis and its client say, in PARL's words. Whoever asked learns three things: whether the decision may
 * have been made (unknown: the connection broke, or time ran out), whether it was refused before anything was
 * written, and what to do about it.
 */
import { ParlError, type ErrorCode } from "../core/errors.ts";

/** First words of an error reply. */
const REPLIES: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  OOM: [
    "PARL_OVERLOADED",
    "Redis is at its maxmemory and evicts nothing: raise maxmemory, or limit fewer keys",
  ],
  BUSY: ["PARL_OVERLOADED", "Redis is busy with somebody's long script: look at its SLOWLOG"],
  READONLY: ["PARL_UNAVAILABLE", "this Redis is a replica: connect to the primary"],
  LOADING: ["PARL_UNAVAILABLE", "Redis is loading its data: try again"],
  MASTERDOWN: ["PARL_UNAVAILABLE", "this replica has lost its primary"],
  NOREPLICAS: ["PARL_UNAVAILABLE", "Redis has too few replicas to write (min-replicas-to-write)"],
  MISCONF: [
    "PARL_UNAVAILABLE",
    "Redis cannot persist and refuses writes: see its log, or stop-writes-on-bgsave-error",
  ],
  CLUSTERDOWN: ["PARL_UNAVAILABLE", "the Redis Cluster has slots that nobody serves"],
  TRYAGAIN: ["PARL_UNAVAILABLE", "the slot is moving between nodes: try again"],
  NOAUTH: ["PARL_INTERNAL", "Redis wants a password: put it into the URL"],
  WRONGPASS: ["PARL_INTERNAL", "Redis does not accept this user and password"],
  NOPERM: [
    "PARL_INTERNAL",
    "this user may not run the scripts: allow EVALSHA, EVAL, SCRIPT and the parl:* keys",
  ],
  CROSSSLOT: ["PARL_INVALID_ARGUMENT", "on a Cluster the keys of one call must share a hash slot"],
  WRONGTYPE: [
    "PARL_INTERNAL",
    "the key holds something that is not a limiter's: give PARL a database of its own",
  ],
  PARL_INVALID_ARGUMENT: ["PARL_INVALID_ARGUMENT", "a script refuses its arguments"],
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
  const word = message.split(" ", 1)[0] as string;
  const row = Object.hasOwn(REPLIES, word) ? REPLIES[word] : undefined;
  if (row !== undefined) return new ParlError(row[0], `${row[1]} (${message})`, { cause: error });
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
