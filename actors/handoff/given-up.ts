/** Why a transfer was given up, as both sides say it. */
import { ParlError } from "../../core/errors.ts";

export function unavailable(why: string): ParlError {
  return new ParlError("PARL_UNAVAILABLE", `the handoff was given up: ${why}`, { field: "handoff" });
}

export function notOwner(shard: number, owner: string): ParlError {
  return new ParlError("PARL_NOT_OWNER", `shard ${shard} belongs to ${owner || "nobody"} now`, {
    field: "handoff",
  });
}
