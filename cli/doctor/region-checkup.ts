/** What `parl doctor` asks of one region: is there a server, are its mappings right, does an actor answer? */
import { randomUUID } from "node:crypto";
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { connectNats } from "../../actors/nats-host.ts";
import type { MemberObservation } from "../../actors/observation.ts";
import type { RegionObservation } from "../../actors/region-census.ts";
import { homeShard } from "../../core/key.ts";
import { PackedRequestWriter } from "../../core/packed-request.ts";
import { US_PER_S } from "../../core/units.ts";
import { finding, type Finding } from "./finding.ts";
import type { RegionAddress } from "../../client/connect-region.ts";

const ANSWER_WITHIN_MS = 1_000;
/** Processes answer a census within a fifth of this; what is beyond is their clocks. */
const CLOCKS_APART_MAX_US = US_PER_S;
/** Tenant of the probes. */
const TENANT = "parl-doctor";

export interface Expected {
  readonly shards: number;
  /** Names in the policy file; absent when it cannot be read. */
  readonly policies?: readonly string[];
}

export async function examineRegion(
  { name, servers }: RegionAddress,
  expected: Expected,
): Promise<Finding[]> {
  let connection: NatsConnection | undefined;
  const server = await finding(`${name}: nats`, async () => {
    connection = await connectNats({ servers, name: "parl-doctor", flag: "regions" });
    return `${connection.info?.version} at ${servers.join(", ")}`;
  });
  if (connection === undefined) return [server];
  try {
    const nats = connection;
    const mappings = await finding(`${name}: mappings`, () => examineMappings(nats, expected.shards));
    let facts: RegionObservation | undefined;
    const actor = await finding(`${name}: actor`, async () => {
      const startedMs = performance.now();
      facts = await observed(nats);
      return examineActor(facts, performance.now() - startedMs, expected);
    });
    if (facts === undefined) return [server, mappings, actor];
    const { members } = facts;
    const policies = await finding(`${name}: policies`, () => examinePolicies(members));
    return [
      server,
      mappings,
      actor,
      policies,
      await finding(`${name}: clocks`, () => examineClocks(members)),
    ];
  } finally {
    await connection.close();
  }
}

/** Publishes probes and watches on which shard subjects they come out. */
async function examineMappings(nats: NatsConnection, shards: number): Promise<string> {
  const key = randomUUID();
  const home = homeShard(TENANT, key, shards);
  const peek = new TextEncoder().encode('{"tokens":0}');
  const probes = [
    {
      subject: `parl.check.${TENANT}.${key}`,
      arrives: `parl.shard.${home}.check.${TENANT}.${key}`,
      payload: peek,
    },
    {
      subject: `parl.report.${TENANT}.${key}`,
      arrives: `parl.shard.${home}.report.${TENANT}.${key}`,
      payload: peek,
    },
    {
      subject: `parl.observe.key.${TENANT}.${key}`,
      arrives: `parl.shard.${home}.observe.${TENANT}.${key}`,
      payload: peek,
    },
    {
      subject: `parl.pack.${TENANT}.${home}`,
      arrives: `parl.shard.${home}.pack.${TENANT}`,
      payload: new PackedRequestWriter("check").take(0),
    },
  ];
  const seen = new Set<string>();
  const subscriptions = probes.map(({ arrives }) =>
    nats.subscribe(arrives, { callback: (_, message: Msg) => void seen.add(message.subject) }),
  );
  await nats.flush();
  for (const { subject, payload } of probes) nats.publish(subject, payload);
  // The server delivers a connection's own messages before it answers its ping.
  await nats.flush();
  for (const subscription of subscriptions) subscription.unsubscribe();
  const lost = probes.find(({ arrives }) => !seen.has(arrives));
  if (lost === undefined) return `onto ${shards} shards`;
  throw new Error(
    `${lost.subject} did not arrive as ${lost.arrives}; start the server with deploy/nats/region.conf`,
  );
}

async function observed(nats: NatsConnection): Promise<RegionObservation> {
  try {
    return (await nats.request("parl.observe.region", "", { timeout: ANSWER_WITHIN_MS })).json();
  } catch (cause) {
    throw new Error("no actor answers; start one with parl actor", { cause });
  }
}

function examineActor(facts: RegionObservation, tookMs: number, { shards, policies }: Expected): string {
  if (facts.shards !== shards) {
    throw new Error(`the actor has ${facts.shards} shards, --shards says ${shards}; they must be equal`);
  }
  if (facts.crashes > 0) throw new Error(`the actor crashed ${facts.crashes} times; its stderr says why`);
  const inForce = facts.policies.map(({ name }) => name);
  return `answers in ${tookMs.toFixed(1)} ms: ${facts.shards} shards, ${facts.keys} keys${pressureOn(facts)}${otherPolicies(inForce, policies)}`;
}

/** What each process says of the file that it reads, which need not be the one looked at here. */
function examinePolicies(members: readonly MemberObservation[]): string {
  const keepers = new Map<string, string[]>();
  for (const { member, policyProblem } of members) {
    if (policyProblem !== undefined)
      keepers.set(policyProblem, [...(keepers.get(policyProblem) ?? []), member]);
  }
  const words = [...keepers].map(
    ([problem, names]) => `last good ones kept by ${names.join(", ")}: ${problem}`,
  );
  if (words.length > 0) throw new Error(words.join("\n"));
  return "in force as the processes' files have them";
}

/** Each limit goes by the latest time it was ever told, so a clock that is ahead stops it when the next owner's is not. */
function examineClocks(members: readonly MemberObservation[]): string {
  const told = members
    .flatMap(({ member, clockUs }) => (clockUs === undefined ? [] : [{ member, clockUs }]))
    .toSorted((a, b) => a.clockUs - b.clockUs);
  const [slow, fast] = [told.at(0), told.at(-1)];
  const apartUs = (fast?.clockUs ?? 0) - (slow?.clockUs ?? 0);
  if (slow === undefined || fast === undefined || apartUs <= CLOCKS_APART_MAX_US)
    return `of ${told.length} processes agree`;
  throw new Error(
    `${fast.member}'s clock is ${(apartUs / US_PER_S).toFixed(1)} s ahead of ${slow.member}'s; where shards move from it to others limits stand still for as long: set the clocks`,
  );
}

function pressureOn({ evictedLive, overflowed, fullTenants = 0 }: RegionObservation): string {
  const signs: readonly (readonly [number, string])[] = [
    [evictedLive, "live keys evicted for lack of memory"],
    [overflowed, "checks of new keys shared an overflow bucket"],
    [fullTenants, "tenants hold as many keys as they may (parl limited names them)"],
  ];
  return signs.map(([count, what]) => (count > 0 ? `, ${count} ${what}` : "")).join("");
}

/** Said, not complained of: an operator need not have the file. But a good file that nobody reads proves nothing. */
function otherPolicies(inForce: readonly string[], inFile: readonly string[] = inForce): string {
  if (inForce.toSorted().join() === inFile.toSorted().join()) return "";
  return `; decides by ${inForce.join(", ") || "no policy"}, which is not what the policies looked at say (--policies)`;
}
