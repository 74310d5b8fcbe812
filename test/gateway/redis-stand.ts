/** A gateway with a real Redis behind it and an operator at that Redis, for tests of what becomes of the three. */
import type { Redis } from "ioredis";
import { expect } from "vitest";
import { connectRedis } from "../../lua/redis-connection.ts";
import { REDIS_FAULTS, type RedisFault } from "../../lua/redis-errors.ts";
import { startRedisServer, type TestRedisServer } from "../harness/redis-server.ts";
import { openGatewayBefore, POLICIES, type OpenedGateway } from "./opened-gateway.ts";

/** Two policies for one tenant, so that something could be charged by half. */
const TWO_FOR_BOTH = `${POLICIES}  - { name: both-org, dimension: org, match: { tenant: both }, algorithm: sliding-log, limit: 3, window: 1h }\n`;
/** A primary waits five seconds for more replicas otherwise. */
export const SYNC_AT_ONCE = ["--repl-diskless-sync-delay", "0"];
export const PATIENTLY = { timeout: 10_000 };

export function openRedisGateway(url: string, policies = TWO_FOR_BOTH): Promise<OpenedGateway> {
  return openGatewayBefore({ name: "redis", url, clock: "app", region: "redis" }, policies);
}

export class RedisStand {
  server: TestRedisServer;
  gateway: OpenedGateway;
  readonly operator: Redis;

  static async open(): Promise<RedisStand> {
    const server = await startRedisServer({ flags: SYNC_AT_ONCE });
    return new RedisStand(server, await connectRedis(server.url), await openRedisGateway(server.url));
  }

  private constructor(server: TestRedisServer, operator: Redis, gateway: OpenedGateway) {
    this.server = server;
    this.operator = operator;
    this.gateway = gateway;
  }

  async close(): Promise<void> {
    await this.gateway.close();
    this.operator.disconnect();
    await this.server.stop();
  }

  /** Another Redis where the killed one was. */
  async replace(flags: readonly string[] = []): Promise<void> {
    const { port } = this.server;
    await this.server.stop();
    this.server = await startRedisServer({ port, flags });
  }

  /** Another gateway in place of this one. */
  async reopen(url: string, policies?: string): Promise<void> {
    await this.gateway.close();
    this.gateway = await openRedisGateway(url, policies);
  }

  async ready() {
    return (await this.gateway.http.get("/readyz")).json;
  }

  async becomes(status: string): Promise<void> {
    await expect.poll(async () => (await this.ready()).status, PATIENTLY).toBe(status);
  }

  /** Faults counted so far, those that are none left out. */
  async faults(): Promise<Partial<Record<RedisFault, number>>> {
    const seen = await this.gateway.scrape();
    const counts = REDIS_FAULTS.map((fault) => [fault, seen("parl_redis_faults_total", { fault })] as const);
    return Object.fromEntries(counts.filter(([, count]) => count !== 0));
  }

  async expectDecided(): Promise<void> {
    const { json } = await this.gateway.check("anybody");
    expect(json).toMatchObject({ region: "redis", policy: "per-key" });
    expect(json.blind).toBeUndefined();
  }

  /** Asks for three tenants whose policies differ in what they want of an outage. */
  async expectOnFailure(): Promise<void> {
    const { gateway } = this;
    const anybody = await gateway.check("anybody");
    expect(anybody).toMatchObject({ status: 200, json: { allowed: true, blind: true, policy: null } });
    expect(anybody.headers["parl-blind"]).toBe("allow");
    const shut = await gateway.check("shut");
    expect(shut).toMatchObject({ status: 429, json: { outcome: "denied", blind: true } });
    expect(shut.headers).toMatchObject({ "parl-blind": "deny", "retry-after": "1" });
    const here = await gateway.check("here");
    expect(here).toMatchObject({ json: { blind: true, policy: "here" } });
    expect(here.headers["parl-blind"]).toBe("local");
  }

  async expectRefused(fault: RedisFault): Promise<void> {
    await this.expectOnFailure();
    expect(await this.faults()).toEqual({ [fault]: 3 });
  }
}
