/** Handing a shard over on a host: what its clients see when the handoff is given up at the last moment. */
import { describe, expect, it } from "vitest";
import {
  decodeMessage,
  encodeEpoch,
  encodeMessage,
  type MessageKind,
} from "../../actors/handoff/messages.ts";
import type { HandoffEnded } from "../../actors/handoff/transfer.ts";
import type { CasResult, LeaseStore } from "../../actors/placement/lease-store.ts";
import { ShardCourier } from "../../actors/shard-courier.ts";
import { micros, US_PER_MS } from "../../core/units.ts";
import { EPOCH, HostedShard, KEY_SHARD } from "./hosted-shard.ts";

const SELF = { id: "eu-1", incarnation: 1 };
const TAKER = { id: "eu-2", incarnation: 2 };
const TRANSFER = 99;
const NOTHING = new Uint8Array(0);
const PER_KEY = "name: key, dimension: key, algorithm: gcra, limit: 100, window: 1d";

/** A shard asked for by a process that is this object. */
class Giving extends HostedShard {
  readonly courier: ShardCourier;
  readonly ended: HandoffEnded[] = [];
  released = 0;
  refused = 0;
  /** Of the write of the owner. */
  readonly cas = Promise.withResolvers<CasResult>();

  constructor() {
    super(PER_KEY);
    const leases = { cas: () => this.cas.promise };
    this.courier = new ShardCourier({
      self: SELF,
      connection: this.connection,
      clock: this.clock,
      host: this.host,
      leases: leases as unknown as LeaseStore,
      draw: () => TRANSFER,
      epochOf: () => EPOCH,
      adopted: () => expect.fail("adopted"),
      released: () => (this.released += 1),
      giving: () => undefined,
      ended: (ended) => this.ended.push(ended),
      refused: () => (this.refused += 1),
    });
    this.route = (...arrival) => this.courier.handoffs.offer(...arrival);
  }

  say(kind: MessageKind, payload: Uint8Array = NOTHING, number = 0): void {
    const message = { kind, from: TAKER, shard: KEY_SHARD, transfer: TRANSFER, number, count: 0, payload };
    this.deliver(`parl.member.${SELF.id}.handoff`, { data: encodeMessage(message) });
  }

  /** Kinds of messages sent to the taker. */
  said(): string[] {
    const sent = this.sent.map((subject, at) => [subject, this.payloads[at]] as const);
    const toTaker = sent.filter(([subject]) => subject === `parl.member.${TAKER.id}.handoff`);
    return toTaker.map(([, payload]) => decodeMessage(payload as Uint8Array).kind);
  }

  /** Until the shard is frozen and its owner about to be set to the taker. */
  async freeze(): Promise<void> {
    await this.quiet();
    this.say("ask", encodeEpoch(EPOCH));
    for (let page = 0; this.said().at(-1) !== "subscribe"; page += 1) this.say("ack", NOTHING, page + 1);
    this.say("ready");
    this.clock.advanceUs(10 * US_PER_MS);
    this.courier.handoffs.tick(this.clock.monotonicUs());
    await this.quiet();
    expect(this.host.actor.owned.open[KEY_SHARD]).toBeUndefined();
  }

  answersTo(reply: string): number {
    return this.sent.filter((subject) => subject === reply).length;
  }
}

describe("a frozen shard", () => {
  it("whose handoff is given up answers what came meanwhile, each once", async () => {
    const shard = new Giving();
    shard.check(1, "_INBOX.before");
    await shard.freeze();
    for (const reply of ["_INBOX.r1", "_INBOX.r2"]) shard.check(1, reply);
    await shard.quiet();
    expect(["_INBOX.before", "_INBOX.r1", "_INBOX.r2"].map((to) => shard.answersTo(to))).toEqual([1, 0, 0]);
    shard.cas.resolve({ outcome: "conflict", revision: 0 });
    await shard.quiet();
    const owner = { ...SELF, epoch: EPOCH + 1, how: "fresh" } as const;
    shard.courier.handoffs.ownerSeen(KEY_SHARD, owner, shard.clock.monotonicUs());
    await shard.quiet();
    expect(shard.ended).toMatchObject([{ outcome: "aborted" }]);
    expect(["_INBOX.r1", "_INBOX.r2"].map((to) => shard.answersTo(to))).toEqual([1, 1]);
    // Decided where they would have been: on top of what was charged before.
    shard.check(0, "_INBOX.after");
    await shard.quiet();
    const last = JSON.parse(new TextDecoder().decode(shard.payloads.at(-1))) as { remaining: number };
    expect(last.remaining).toBe(97);
  });

  it("that has moved leaves what came meanwhile to its next owner", async () => {
    const shard = new Giving();
    await shard.freeze();
    shard.check(1);
    shard.cas.resolve({ outcome: "ok", revision: EPOCH + 1 });
    await shard.quiet();
    expect([shard.released, ...shard.said().slice(-2)]).toEqual([1, "final", "moved"]);
    shard.say("final-ack");
    await shard.quiet();
    expect([shard.ended[0]?.outcome, shard.answers()]).toEqual(["moved", 0]);
  });

  it("answers nothing that came meanwhile once the lease is over", async () => {
    const shard = new Giving();
    await shard.freeze();
    shard.check(1);
    shard.courier.handoffs.fenced(micros(shard.clock.monotonicUs()));
    const owner = { ...SELF, epoch: EPOCH + 1, how: "fresh" } as const;
    shard.courier.handoffs.ownerSeen(KEY_SHARD, owner, shard.clock.monotonicUs());
    await shard.quiet();
    expect([shard.ended[0]?.outcome, shard.answers()]).toEqual(["aborted", 0]);
  });
});

it("counts the messages of others that it refuses", async () => {
  const shard = new Giving();
  await shard.freeze();
  expect(shard.refused).toBe(0);
  shard.deliver(`parl.member.${SELF.id}.handoff`, { data: new Uint8Array(3) });
  expect(shard.refused).toBe(1);
  const paging = new Giving();
  await paging.quiet();
  paging.say("ask", encodeEpoch(EPOCH));
  paging.say("ack", NOTHING, 9);
  expect([paging.refused, paging.ended[0]?.error?.code]).toEqual([1, "PARL_MALFORMED"]);
});
