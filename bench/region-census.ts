/** Who owns the shards of a region that is measured, and waiting until that is as it should be. */
import { setTimeout as passed } from "node:timers/promises";
import type { NatsConnection } from "@nats-io/transport-node";
import { ParlError } from "../core/errors.ts";

const POLL_MS = 10;
const CENSUS_WITHIN_MS = 2_000;
/** Between two handoffs of one process there is never so long. */
const STILL_MS = 2_000;
/** Nothing that is waited for here takes a fraction of this. */
const PATIENCE_MS = 60_000;

export interface Census {
  readonly unowned: number;
  readonly members: readonly {
    readonly member: string;
    readonly owned: readonly unknown[];
    readonly keys: number;
    readonly tallies: {
      readonly handoffs: {
        readonly given: number;
        readonly frozenUs: number;
        readonly frozenMaxUs: number;
        readonly undecidedUs: number;
      };
    };
  }[];
}

/** Waits until so many processes share the shards. */
export function untilBalanced(nats: NatsConnection, processes: number, shards: number): Promise<Census> {
  // Nobody has more than its share and one (ADR 0007).
  const most = Math.ceil(shards / processes) + 1;
  return untilOwned(
    nats,
    ({ members }) => members.length === processes && members.every(({ owned }) => owned.length <= most),
  );
}

/** Waits until no shard is on its way any more: then whoever joined has all that it will have. */
export async function untilStill(nats: NatsConnection): Promise<Census> {
  let given = -1;
  let sinceMs = 0;
  return untilOwned(nats, (census) => {
    const nowGiven = shardsGiven(census);
    if (nowGiven !== given) sinceMs = performance.now();
    given = nowGiven;
    return performance.now() - sinceMs >= STILL_MS;
  });
}

/** Handoffs so far. */
export function shardsGiven({ members }: Census): number {
  return members.reduce((sum, { tallies }) => sum + tallies.handoffs.given, 0);
}

/**
 * Waits until every shard is owned and more holds.
 *
 * @throws ParlError PARL_UNAVAILABLE when that takes longer than a minute
 */
export async function untilOwned(
  nats: NatsConnection,
  isThere: (census: Census) => boolean,
): Promise<Census> {
  const giveUpMs = performance.now() + PATIENCE_MS;
  let last: Census | undefined;
  while (performance.now() < giveUpMs) {
    const census = await censusOf(nats);
    if (census?.unowned === 0 && isThere(census)) return census;
    last = census ?? last;
    await passed(POLL_MS);
  }
  const owned = last?.members.map((member) => `${member.member} owns ${member.owned.length}`) ?? [];
  const told = owned.length === 0 ? "nobody told" : `${owned.join(", ")}, nobody ${last?.unowned}`;
  const message = `the shards are not where they should be after ${PATIENCE_MS / 1_000} s: ${told}`;
  throw new ParlError("PARL_UNAVAILABLE", message, { field: "shards" });
}

/** Undefined when nobody had the time to answer. */
async function censusOf(nats: NatsConnection): Promise<Census | undefined> {
  const asked = nats.request("parl.observe.region", "", { timeout: CENSUS_WITHIN_MS });
  return asked.then((answer) => answer.json<Census>()).catch(() => undefined);
}
