/**
 * One actor process: the composition root of a region's member.
 *
 *      NATS ══▶ RegionMember (lease, placement, handoffs, journals) ══▶ ShardHost ──▶ shard actor
 *                policy file ─────────────────────────────────────────────▲            ▲── clock, ticks
 *
 * Two connections: what is asked comes by one, the lease and the journal go by the other. In one queue with
 * everything else a renewal would stand behind a flood of checks, and the flood of one tenant would cost the
 * process its lease.
 */
import { randomBytes, randomInt } from "node:crypto";
import type { NatsConnection } from "@nats-io/transport-node";
import type { ClusterSecret } from "../admission/admission.ts";
import type { PolicyDocument } from "../admission/policy.ts";
import { MemoryBudget } from "../algorithms/memory-budget.ts";
import { invalidArgument } from "../core/errors.ts";
import type { Micros } from "../core/units.ts";
import { US_PER_MS } from "../core/units.ts";
import { compilePolicies } from "../admission/policy-set.ts";
import { AdminDesk, type AuditTrail } from "./admin-desk.ts";
import { newSecret } from "./cluster-secret.ts";
import { hush, resume, type Underway } from "./hush.ts";
import { JournalStore } from "./journal/journal-store.ts";
import { LameDuck } from "./lame-duck.ts";
import { connectNats } from "./nats-host.ts";
import type { MemberFacts, MemberObservation } from "./observation.ts";
import { LeaseStore } from "./placement/lease-store.ts";
import { LEASE_TTL_DEFAULT_US } from "./placement/process-lease.ts";
import { RegionMember } from "./region-member.ts";
import { callRoll } from "./roll-call.ts";
import { CENSUS_SUBJECT } from "./subjects.ts";
import { RegionObserver } from "./region-observer.ts";
import { ShardActor } from "./shard-actor.ts";
import { ShardHost } from "./shard-host.ts";
import type { ShardEvent } from "./shard-event.ts";
import { SystemClock } from "./system-clock.ts";

const TICK_MS = 10;
/** Whoever answers at all answers within a turn of its event loop. */
const NEIGHBOUR_PATIENCE_MS = 200;
/** How long the last goodbye waits for the server. */
const GOODBYE_MS = 2_000;
const INCARNATION_MAX = 2 ** 47;
/** An answer that takes longer than from one renewal to the next comes too late for it. */
const RENEWALS_PER_LEASE = 4;

export interface ActorProcessOptions {
  readonly region: string;
  /** Name of this process within its region; drawn at random when absent. */
  readonly member?: string;
  readonly servers: readonly string[];
  readonly shards: number;
  readonly policies: PolicyDocument;
  readonly memoryBytesMax: number;
  /** The region's, when it has none yet or to insist on it; otherwise the region's is taken over. */
  readonly secret?: string;
  /** How long this process may answer without hearing from the lease store. */
  readonly leaseTtlMs?: number;
  /** Servers of the region that keep a copy of leases and journal, when these are made; 1 when absent. */
  readonly replicas?: number;
  /** The operator's word that no process of an earlier life of the lease store can still be answering. */
  readonly claimAtOnce?: boolean;
  readonly record?: (event: ShardEvent, nowUs: Micros) => void;
  readonly onCrash?: (error: unknown, restartInUs: number) => void;
  /** Where operators' calls are written down; without it this process takes none. */
  readonly audit?: AuditTrail;
  /** What an operator may want to read. */
  readonly say?: (words: string) => void;
}

export interface ActorProcess {
  readonly member: string;
  readonly natsVersion: string;
  /** Puts other policies in force; keys keep their debt where the algorithm stayed the same. */
  adopt(policies: PolicyDocument): void;
  /** Goes on with those in force, and lets whoever observes it know why. */
  keepPolicies(problem: Error): void;
  /** Hands its shards over, answers what was accepted, then leaves. */
  drain(): Promise<void>;
  /** Resolves when the connection is closed for good. */
  readonly closed: Promise<void | Error>;
}

/**
 * Resolves when the process takes part in its region.
 *
 * @throws ParlError PARL_UNAVAILABLE when the region's NATS server is missing or too old, or cannot keep leases;
 *   PARL_INVALID_ARGUMENT when another process goes by the same name
 */
export async function startActor(options: ActorProcessOptions): Promise<ActorProcess> {
  const { servers, region, replicas = 1 } = options;
  const traffic = await connectNats({ servers, name: `parl-actor-${region}` });
  await refuseOtherRegion(traffic, region);
  const control = await connectNats({ servers, name: `parl-actor-${region}-control` });
  const journals = new JournalStore({ connection: control, region, replicas });
  const secret = options.secret ?? (await journals.secret(newSecret()));
  const process = new RunningActor(options, { traffic, control }, journals, secret);
  await process.joined();
  return process;
}

/** Of one process, to the same server. */
interface Connections {
  readonly traffic: NatsConnection;
  /** For the lease and the journal alone. */
  readonly control: NatsConnection;
}

/**
 * The subjects of a region do not name it, because every region has servers of its own: beside the processes of
 * another one every check would be decided twice.
 */
async function refuseOtherRegion(connection: NatsConnection, region: string): Promise<void> {
  const roll = { subject: CENSUS_SUBJECT, expected: 1, patienceMs: NEIGHBOUR_PATIENCE_MS };
  const [other] = await callRoll<MemberObservation>(connection, roll).catch(() => []);
  if (other === undefined || other.region === region) return;
  await connection.close();
  const rule = `${other.region}, the region of the processes at these servers (each region has servers of its own)`;
  throw invalidArgument("region", rule, region);
}

class RunningActor implements ActorProcess {
  readonly member: string;
  readonly closed: Promise<void | Error>;

  readonly #options: ActorProcessOptions;
  readonly #connection: NatsConnection;
  readonly #control: NatsConnection;
  readonly #clock = new SystemClock();
  readonly #startedUs: Micros;
  readonly #leases: LeaseStore;
  readonly #journals: JournalStore;
  readonly #secret: string;
  readonly #observer: RegionObserver;
  readonly #desk: AdminDesk | undefined;
  readonly #ticks: NodeJS.Timeout;
  #policies: PolicyDocument;
  #policyProblem: string | undefined;
  #crashes = 0;
  #life: RegionMember;
  #drained: Promise<void> | undefined;
  #hasLeft = false;
  #hushed: Underway | undefined;

  constructor(
    options: ActorProcessOptions,
    { traffic: connection, control }: Connections,
    journals: JournalStore,
    secret: string,
  ) {
    const { region, shards, audit } = options;
    this.#options = options;
    this.#connection = connection;
    this.#control = control;
    this.#journals = journals;
    this.#secret = secret;
    this.#policies = options.policies;
    this.#startedUs = this.#clock.monotonicUs();
    this.member = options.member ?? `${region}-${randomBytes(4).toString("hex")}`;
    this.closed = connection.closed();
    const onTrouble = (error: unknown): void => this.#say(`lease store: ${String(error)}`);
    const { leaseTtlMs = LEASE_TTL_DEFAULT_US / US_PER_MS, replicas = 1 } = options;
    const timeoutMs = leaseTtlMs / RENEWALS_PER_LEASE;
    this.#leases = new LeaseStore({
      connection: control,
      traffic: connection,
      region,
      wallUs: systemUs,
      epochWritten: () => journals.epochLatest(),
      onTrouble,
      timeoutMs,
      replicas,
    });
    this.#life = this.#takePart();
    const membersExpected = (): number => this.#life.membersAlive;
    this.#observer = new RegionObserver(connection, membersExpected);
    const scene = { connection, region, member: this.member, shards, clock: this.#clock, membersExpected };
    if (audit !== undefined) {
      this.#desk = new AdminDesk({ ...scene, audit, policies: () => compilePolicies(this.#policies) });
    }
    this.#followServers();
    this.#ticks = setInterval(() => this.#life.host?.post({ kind: "tick" }), TICK_MS);
  }

  get natsVersion(): string {
    return this.#connection.info?.version ?? "unknown";
  }

  /** Resolves when this process holds a lease and can be asked. Rejects, with everything closed, when it may not. */
  async joined(): Promise<void> {
    try {
      await this.#life.ready;
      // The server has heard of every subscription: whoever is told that we take part may ask.
      await this.#connection.flush();
    } catch (error) {
      clearInterval(this.#ticks);
      this.#life.abandon();
      await this.#close();
      throw error;
    }
  }

  adopt(document: PolicyDocument): void {
    this.#policies = document;
    this.#policyProblem = undefined;
    this.#life.host?.post({ kind: "policies-changed", document });
    this.#life.policiesChanged();
  }

  keepPolicies(problem: Error): void {
    this.#policyProblem = problem.message;
  }

  drain(): Promise<void> {
    this.#drained ??= this.#leave();
    return this.#drained;
  }

  async #leave(): Promise<void> {
    this.#life.leave();
    await this.#life.left;
    this.#hasLeft = true;
    clearInterval(this.#ticks);
    // A server that has gone or frozen hears no goodbye; leaving must not wait for it.
    const { promise: patience, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, GOODBYE_MS);
    await Promise.race([this.#sayGoodbye().catch(() => undefined), patience]);
    clearTimeout(timer);
    this.#life.abandon();
    await this.#close();
  }

  async #close(): Promise<void> {
    await Promise.all([this.#connection.close(), this.#control.close()]);
  }

  async #sayGoodbye(): Promise<void> {
    const { host } = this.#life;
    await this.#desk?.drain();
    await Promise.all([this.#observer.drain(), host?.leave()]);
    await host?.runtime.drain();
    await this.#connection.flush();
  }

  /** Leaves a server that announces its end, by both connections, each when nothing is under way on it. */
  #followServers(): void {
    const tryServers = (only: readonly string[]): Promise<string> => this.#tryServers(only);
    const say = (words: string): void => this.#say(words);
    const traffic = { hush: () => this.#hush(), resume: () => this.#resume(), say };
    void new LameDuck({ connection: this.#connection, tryServers, ...traffic }).follow();
    // It goes to the same server, of which enough has been said.
    const control = { hush: () => this.#life.written(), resume: () => undefined, say: () => undefined };
    void new LameDuck({ connection: this.#control, tryServers, ...control }).follow();
  }

  async #tryServers(only: readonly string[]): Promise<string> {
    const { servers, region } = this.#options;
    const connection = await connectNats({ servers, only, name: `parl-actor-${region}-next` });
    const server = connection.getServer();
    await connection.close();
    return server;
  }

  async #hush(): Promise<void> {
    const { underway } = this.#life;
    // Whoever leaves has handoffs under way until it has gone.
    if (underway === undefined || this.#drained !== undefined) return;
    this.#hushed = underway;
    await hush(underway);
  }

  #resume(): void {
    if (this.#hushed !== undefined && !this.#hasLeft) resume(this.#hushed);
    this.#hushed = undefined;
  }

  #takePart(): RegionMember {
    const { shards, leaseTtlMs, claimAtOnce = false, secret } = this.#options;
    const life = new RegionMember({
      placement: {
        id: this.member,
        shards,
        claimAtOnce,
        secret: this.#secret,
        isSecretGiven: secret !== undefined,
        newIncarnation: () => randomInt(INCARNATION_MAX),
        ...(leaseTtlMs === undefined ? {} : { leaseTtlUs: leaseTtlMs * US_PER_MS }),
      },
      connection: this.#connection,
      clock: this.#clock,
      systemUs,
      leases: this.#leases,
      journals: this.#journals,
      createHost: (seed, owner) => this.#createHost(seed, owner),
      say: (words) => this.#say(words),
    });
    life.start();
    return life;
  }

  #createHost(secret: ClusterSecret, owner: RegionMember): ShardHost {
    const { record, onCrash } = this.#options;
    return new ShardHost({
      connection: this.#connection,
      clock: this.#clock,
      member: this.member,
      createActor: (host) => this.#createActor(secret, host, owner),
      mayAnswer: () => owner.mayAnswer(),
      route: (shard, message, weight) => owner.route(shard, message, weight),
      ...(record === undefined ? {} : { record }),
      onCrash: (error, restartInUs) => {
        this.#crashes += 1;
        onCrash?.(error, restartInUs);
        owner.abandon();
        setTimeout(() => (this.#life = this.#takePart()), restartInUs / US_PER_MS);
      },
    });
  }

  #createActor(secret: ClusterSecret, host: ShardHost, owner: RegionMember): ShardActor {
    const { region, shards, memoryBytesMax } = this.#options;
    // The keys of a crashed actor are gone, and so is what they took of the budget.
    const budget = new MemoryBudget(memoryBytesMax);
    const policies = this.#policies;
    const facts = (): MemberFacts => this.#facts(host, owner);
    return new ShardActor({
      region,
      self: owner.self,
      shards,
      secret,
      policies,
      budget,
      facts,
      leaseLeftUs: () => owner.leaseLeftUs(),
      startedUs: this.#clock.wallUs(),
      say: (words) => this.#say(words),
    });
  }

  #facts({ runtime, fenced, fencedAnswers }: ShardHost, owner: RegionMember): MemberFacts {
    const { badRecords, ...lives } = owner.tallies;
    const { audit } = this.#options;
    return {
      mailboxDepth: runtime.mailboxDepth,
      overloaded: runtime.overloaded,
      crashes: this.#crashes,
      fenced,
      uptimeMs: Math.floor((this.#clock.monotonicUs() - this.#startedUs) / US_PER_MS),
      stepLatencyCounts: [...runtime.stepLatency.counts],
      stepLatencySumUs: runtime.stepLatency.sumUs,
      ...(this.#policyProblem === undefined ? {} : { policyProblem: this.#policyProblem }),
      tallies: {
        ...lives,
        fenced: { answers: fencedAnswers },
        refused: { overloadedLanes: runtime.overloadedLanes, badRecords },
        operators: {
          done: this.#desk?.done ?? 0,
          refused: this.#desk?.refused ?? 0,
          linesWritten: audit?.lines ?? 0,
          linesLost: audit?.failures ?? 0,
        },
      },
    };
  }

  #say(words: string): void {
    this.#options.say?.(words);
  }
}

/** The system's wall clock as it is: it moves while the machine is suspended. */
function systemUs(): number {
  return Date.now() * US_PER_MS;
}
