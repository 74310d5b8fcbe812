/**
 * A whole region for one test: a real nats-server and a real shard actor in this process.
 *
 *      const region = await startRegion({ policies: `…yaml…` });
 *      const parl = await connectParl({ regions: [region.address] });
 */
import { readFile } from "node:fs/promises";
import { parsePolicyText } from "../../actors/policy-text.ts";
import { startActor, type ActorProcess } from "../../actors/main.ts";
import type { RegionAddress } from "../../client/connect-region.ts";
import { SHARDS_DEFAULT } from "../../core/key.ts";
import { startNatsServer, type TestNatsServer } from "./nats-server.ts";

const DEFAULT_POLICIES = new URL("../../deploy/policies/default.yaml", import.meta.url);
const MEMORY_BYTES_MAX = 64 * 2 ** 20;

export interface TestRegion {
  readonly nats: TestNatsServer;
  readonly actor: ActorProcess;
  readonly address: RegionAddress;
  /** Ends actor and server, whichever of them is still there. */
  stop(): Promise<void>;
}

export interface TestRegionOptions {
  readonly name?: string;
  /** YAML text; the policies PARL ships with when absent. */
  readonly policies?: string;
}

export async function startRegion({ name = "eu", policies }: TestRegionOptions = {}): Promise<TestRegion> {
  const nats = await startNatsServer();
  const actor = await startTestActor(name, nats.url, policies ?? (await readFile(DEFAULT_POLICIES, "utf8")));
  return {
    nats,
    actor,
    address: { name, servers: [nats.url] },
    async stop() {
      nats.resume();
      // One that was drained before, or has lost its server, cannot say goodbye again.
      await Promise.allSettled([actor.drain()]);
      await nats.stop();
    },
  };
}

/** Another actor for a server that runs already, after the first was drained. */
export function startTestActor(region: string, server: string, policies: string): Promise<ActorProcess> {
  return startActor({
    region,
    servers: [server],
    shards: SHARDS_DEFAULT,
    policies: parsePolicyText(policies, "policies.yaml"),
    memoryBytesMax: MEMORY_BYTES_MAX,
    claimAtOnce: true,
  });
}
