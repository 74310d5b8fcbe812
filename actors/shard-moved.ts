/** What somebody is told who asks a process that a shard has just left: to ask again, there is another owner. */
import { ParlError } from "../core/errors.ts";

/** After so long a shard that was moving has arrived. */
const RETRY_MS = 100;

export function hasMoved(shard: number): ParlError {
  const message = `shard ${shard} has just moved to another process; ask again`;
  return new ParlError("PARL_NOT_OWNER", message, { field: "shard", retryAfterMs: RETRY_MS });
}

/** The asker has heard of a later owner than we have: then it is not for us to decide. */
export function hasLaterOwner(epoch: number, ours: number): ParlError {
  const message = `the message knows epoch ${epoch} of its shard, this owner's is ${ours}; ask again`;
  return new ParlError("PARL_NOT_OWNER", message, { field: "epoch", retryAfterMs: RETRY_MS });
}
