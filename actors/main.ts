/**
 * One actor process: the composition root of a region's shard actor.
 *
 *      NATS ──▶ subscriptions ──▶ runtime (mailbox, supervisor) ──▶ shard actor
 *                policy file ──────▲            ▲── clock, ticks
 */
import { randomBytes } from "node:crypto";
import type { ClusterSecret } from "../admission/admission.ts";
import type { PolicyDocument } from "../admission/policy.ts";
import { MemoryBudget } from "../algorithms/memory-budget.ts";
import type { Micros } from "../core/units.ts";
import { US_PER_MS } from "../core/units.ts";
import { ActorRuntime } from "./actor-runtime.ts";
import { connectNats, natsOutbox, subscribeShards } from "./nats-host.ts";
import { RegionObserver } from "./region-observer.ts";
import { ShardActor } from "./shard-actor.ts";
import type { ShardEvent } from "./shard-event.ts";
import { SystemClock } from "./system-clock.ts";

const TICK_MS = 10;
/** How long leaving waits for the server. */
const LEAVE_MS = 2_000;

export interface ActorProcessOptions {
  readonly region: string;
  /** Name of this process within its region; drawn at random when absent. */
  readonly member?: string;
  readonly servers: readonly string[];
  readonly shards: number;
  readonly policies: PolicyDocument;
  readonly memoryBytesMax: number;
  /** Drawn at random when absent: fine while no other process has to find the same keys. */
  readonly secret?: ClusterSecret;
  readonly record?: (event: ShardEvent, nowUs: Micros) => void;
  readonly onCrash?: (error: unknown, restartInUs: number) => void;
}

export interface ActorProcess {
  readonly natsVersion: string;
  /** Puts other policies in force; keys keep their debt where the algorithm stayed the same. */
  adopt(policies: PolicyDocument): void;
  /** Answers what was accepted, then leaves. */
  drain(): Promise<void>;
  /** Resolves when the connection is closed for good. */
  readonly closed: Promise<void | Error>;
}

/** @throws ParlError PARL_UNAVAILABLE when the region's NATS server is missing or too old */
export async function startActor(options: ActorProcessOptions): Promise<ActorProcess> {
  const connection = await connectNats({ servers: options.servers, name: `parl-actor-${options.region}` });
  const clock = new SystemClock();
  const startedUs = clock.monotonicUs();
  const secret = options.secret ?? randomSecret();
  let policies = options.policies;
  // Without a lease store there is one owner per region and its start orders it after any before.
  const epoch = clock.wallUs();
  const member = options.member ?? `${options.region}-${randomBytes(4).toString("hex")}`;
  const runtime: ActorRuntime<ShardEvent> = new ActorRuntime<ShardEvent>({
    create: () => {
      // The keys of a crashed actor are gone, and so is what they took of the budget.
      const budget = new MemoryBudget(options.memoryBytesMax);
      return new ShardActor({ ...options, member, secret, policies, budget, facts });
    },
    clock,
    outbox: natsOutbox(connection),
    ...(options.record === undefined ? {} : { record: options.record }),
    ...(options.onCrash === undefined ? {} : { onCrash: options.onCrash }),
  });
  function facts() {
    return {
      mailboxDepth: runtime.mailboxDepth,
      overloaded: runtime.overloaded,
      crashes: runtime.crashes,
      uptimeMs: Math.floor((clock.monotonicUs() - startedUs) / US_PER_MS),
      stepLatencyCounts: [...runtime.stepLatency.counts],
      stepLatencySumUs: runtime.stepLatency.sumUs,
    };
  }
  for (let shard = 0; shard < options.shards; shard += 1) {
    runtime.post({ kind: "shard-opened", shard, epoch, pages: [] });
  }
  const observer = new RegionObserver(connection, () => 1);
  const subscriptions = subscribeShards(connection, options.shards, (event) => runtime.post(event));
  const ticks = setInterval(() => runtime.post({ kind: "tick" }), TICK_MS);
  let drained: Promise<void> | undefined;
  async function leave(): Promise<void> {
    clearInterval(ticks);
    const goodbye = async (): Promise<void> => {
      await Promise.all([observer, ...subscriptions].map((each) => each.drain()));
      await runtime.drain();
      await connection.flush();
    };
    // A server that has gone or frozen hears no goodbye; leaving must not wait for it.
    const { promise: patience, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, LEAVE_MS);
    await Promise.race([goodbye().catch(() => undefined), patience]);
    clearTimeout(timer);
    await connection.close();
  }
  await connection.flush();
  return {
    natsVersion: connection.info?.version ?? "unknown",
    adopt(document) {
      policies = document;
      runtime.post({ kind: "policies-changed", document });
    },
    drain() {
      drained ??= leave();
      return drained;
    },
    closed: connection.closed(),
  };
}

function randomSecret(): ClusterSecret {
  const bytes = randomBytes(8);
  return { high: bytes.readUInt32LE(0), low: bytes.readUInt32LE(4) };
}
