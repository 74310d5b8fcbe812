/** The connection to a region's NATS server, and replies through it. */
import { AuthorizationError, connect, type NatsConnection } from "@nats-io/transport-node";
import { ParlError } from "../core/errors.ts";
import { natsIdentity } from "../core/nats-identity.ts";
import type { Outbox } from "./actor.ts";

/** Where requesters wait: `_INBOX.…`, and `_R_.…` of a service import. */
const INBOX_START = "_";
/** Older servers ignore time-to-live silently and lose compare-and-set races; see docs/adr/0002. */
const NATS_VERSION_MIN = "2.12.0";
/** A server that takes the call and says nothing for so long is none. */
const GREETING_WITHIN_MS = 5_000;
/** How long one server of several may take to answer, when there is no time to lose. */
const TRY_MS = 1_000;

export interface NatsAddress {
  readonly servers: readonly string[];
  readonly name: string;
  /** The flag by which whoever runs this names another server. */
  readonly flag?: "nats" | "regions";
  /** To connect to one of these instead, as the same user. */
  readonly only?: readonly string[];
}

/** @throws ParlError PARL_UNAVAILABLE when no server answers or it is too old, with the way out */
export async function connectNats(address: NatsAddress): Promise<NatsConnection> {
  const { servers, name, flag = "nats", only } = address;
  const named = natsIdentity(servers);
  const identity = only === undefined ? named : { ...named, servers: [...only] };
  const where = identity.servers.join(", ");
  let connection: NatsConnection;
  try {
    connection = await connect({
      ...identity,
      name,
      noAsyncTraces: true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 250,
      reconnectJitter: 250,
      pingInterval: 2_000,
      maxPingOut: 3,
      timeout: only === undefined ? GREETING_WITHIN_MS : TRY_MS,
    });
  } catch (cause) {
    const message =
      cause instanceof AuthorizationError
        ? `the NATS server at ${where} lets nobody in by this name; name a user with --${flag}, as in nats://actor:<password>@<host>`
        : `no NATS server answers at ${where}; start one (npm start starts all) or name it with --${flag}`;
    throw new ParlError("PARL_UNAVAILABLE", message, { field: flag, cause });
  }
  const version = connection.info?.version ?? "unknown";
  if (isOlder(version, NATS_VERSION_MIN)) {
    await connection.close();
    const message = `nats-server ${version} at ${where} is too old; ${NATS_VERSION_MIN} or newer is needed`;
    throw new ParlError("PARL_UNAVAILABLE", message, { field: flag });
  }
  return connection;
}

/** Replies through a connection. What cannot be sent is lost, like any message to a peer that has gone. */
export function natsOutbox(connection: NatsConnection): Outbox {
  const publish = (subject: string, payload: Uint8Array, replyTo: string): void => {
    try {
      if (replyTo === "") connection.publish(subject, payload);
      else connection.publish(subject, payload, { reply: replyTo });
    } catch {
      // Leaving, or more than the server carries: a lost message, no broken actor.
    }
  };
  return {
    reply(to, payload) {
      // Anything but an inbox would make the answer a request of ours to somebody else.
      if (to.startsWith(INBOX_START)) publish(to, payload, "");
    },
    send: publish,
  };
}

function isOlder(version: string, minimum: string): boolean {
  const have = versionParts(version);
  for (const [place, need] of versionParts(minimum).entries()) {
    const got = have[place] ?? 0;
    if (got !== need) return !(got > need);
  }
  return false;
}

function versionParts(version: string): number[] {
  return version.split(/[.-]/).map(Number);
}
