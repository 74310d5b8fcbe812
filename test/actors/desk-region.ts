/** An operators' desk on a real nats-server, whose homes and processes answer what a test tells them to. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { AdminDesk } from "../../actors/admin-desk.ts";
import { AuditLog } from "../../actors/audit-log.ts";
import { LIMITED_ROLL_SUBJECT } from "../../actors/limited-call.ts";
import { HeavyHitters, type LimitedKey } from "../../admission/heavy-hitters.ts";
import type { FullTenant } from "../../admission/tenant-views.ts";
import { compilePolicies } from "../../admission/policy-set.ts";
import { ManualClock } from "../../core/clock.ts";
import { encodeJson, errorBody } from "../../core/wire-json.ts";
import { ParlError } from "../../core/errors.ts";
import { startNatsServer, type TestNatsServer } from "../harness/nats-server.ts";
import { policiesOf, SHARDS } from "./lone-shard-actor.ts";

export const BLOCKED = { limit: 10, remaining: 0, retryAfterMs: 600 };
export const FREE = { limit: 10, remaining: 10, retryAfterMs: 0 };

/** What one shard's owner was asked to forget. */
export interface Forgotten {
  readonly shard: number;
  readonly ids: string;
  readonly user: string;
  readonly policies: readonly string[];
}

export class DeskRegion {
  readonly nats: TestNatsServer;
  readonly connection: NatsConnection;
  readonly desk: AdminDesk;
  readonly audit: AuditLog;
  readonly clock = new ManualClock();
  readonly forgotten: Forgotten[] = [];
  /** Policies that their homes do not know, refuse to forget, or do not answer about. */
  readonly unknown = new Set<string>();
  readonly refusing = new Set<string>();
  readonly silent = new Set<string>();
  /** What each process says is limited. */
  readonly members: HeavyHitters[] = [new HeavyHitters()];
  /** Tenants without room for new keys, by process; undefined where its version does not say. */
  readonly fullTenants: (FullTenant[] | undefined)[] = [];
  membersExpected = 1;

  private constructor(nats: TestNatsServer, connection: NatsConnection, audit: AuditLog) {
    this.nats = nats;
    this.connection = connection;
    this.audit = audit;
    connection.subscribe("parl.shard.*.forget.>", {
      callback: (_, message) => {
        const [, , shard, , ...ids] = message.subject.split(".");
        const { user, policies } = message.json<{ user: string; policies: string[] }>();
        if (policies.some((name) => this.silent.has(name))) return;
        this.forgotten.push({ shard: Number(shard), ids: ids.join("."), user, policies });
        const isRefused = policies.some((name) => this.refusing.has(name));
        const refusal = new ParlError("PARL_OVERLOADED", "the mailbox is full");
        const known = policies.filter((name) => !this.unknown.has(name));
        const resets = known.map((policy) => ({ policy, dimension: "key", before: BLOCKED, after: FREE }));
        message.respond(encodeJson(isRefused ? errorBody(refusal) : { resets }));
      },
    });
    connection.subscribe(LIMITED_ROLL_SUBJECT, {
      callback: (_, message) => {
        for (const [index, hitters] of this.members.entries()) {
          const fullTenants = this.fullTenants[index];
          message.respond(encodeJson({ ...hitters.report(this.clock.wallUs()), fullTenants }));
        }
      },
    });
    this.desk = new AdminDesk({
      connection,
      region: "eu",
      member: "eu-1",
      shards: SHARDS,
      clock: this.clock,
      audit,
      policies: () => POLICIES,
      membersExpected: () => this.membersExpected,
    });
  }

  static async start(): Promise<DeskRegion> {
    const nats = await startNatsServer();
    const folder = await mkdtemp(join(tmpdir(), "parl-desk-"));
    const audit = await AuditLog.open({ path: join(folder, "audit.log") });
    const region = new DeskRegion(nats, await connect({ servers: nats.url }), audit);
    await region.connection.flush();
    return region;
  }

  async stop(): Promise<void> {
    await this.desk.drain();
    await this.connection.close();
    await this.nats.stop();
    await rm(join(this.audit.path, ".."), { recursive: true });
  }

  async ask(subject: string, fields: unknown = {}): Promise<Record<string, unknown>> {
    const options = { timeout: 5_000 };
    return (await this.connection.request(subject, JSON.stringify(fields), options)).json();
  }

  /** The audit log's lines of one call. */
  async lines(isMeant: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>[]> {
    const text = await readFile(this.audit.path, "utf8");
    const lines = text.trimEnd().split("\n");
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter(isMeant);
  }

  /** A process refuses a key so many times, which has to wait for a second then. */
  refuse(member: number, who: LimitedKey, times: number): void {
    const hitters = this.members[member] as HeavyHitters;
    for (let i = 0; i < times; i += 1) {
      const identity = who.key.length + 1_000 * who.policy.length;
      if (!hitters.refused(identity, identity, 0, this.clock.wallUs(), 1_000_000)) hitters.name(who);
    }
  }
}

const POLICIES = compilePolicies(
  policiesOf(
    "name: per-key, dimension: key, algorithm: gcra, limit: 10, window: 60s, match: { tenant: [acme, globex] }",
    "name: per-user, dimension: user, algorithm: gcra, limit: 10, window: 60s, match: { tenant: acme }",
    "name: per-org, dimension: org, algorithm: gcra, limit: 10, window: 60s, match: { tenant: [acme, initech] }",
    "name: everybody, dimension: global, algorithm: gcra, limit: 10, window: 60s",
  ),
);
