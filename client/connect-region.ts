/** Connects to one region's NATS servers, with the settings a caller on the hot path needs. */
import { AuthorizationError, type NatsConnection } from "@nats-io/transport-node";
import { ParlError } from "../core/errors.ts";
import { natsIdentity } from "../core/nats-identity.ts";
import { closingConnect } from "./closing-connect.ts";

export interface RegionAddress {
  readonly name: string;
  readonly servers: readonly string[];
}

/** @throws ParlError PARL_UNAVAILABLE naming region and servers */
export async function connectRegion({ name, servers }: RegionAddress): Promise<NatsConnection> {
  const identity = natsIdentity(servers);
  try {
    return await closingConnect({
      ...identity,
      name: "parl-client",
      // Stack traces of requests cost a third of the throughput.
      noAsyncTraces: true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 250,
      reconnectJitter: 250,
      pingInterval: 2_000,
      maxPingOut: 2,
      timeout: 2_000,
    });
  } catch (cause) {
    const where = identity.servers.join(", ");
    const message =
      cause instanceof AuthorizationError
        ? `region ${name} lets nobody in by this name at ${where}; name a user as in ${name}=nats://operator:<password>@<host>`
        : `region ${name} does not answer at ${where}; is it running (npm start)?`;
    throw new ParlError("PARL_UNAVAILABLE", message, { field: "regions", cause });
  }
}
