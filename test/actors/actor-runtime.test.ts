import { describe, expect, it } from "vitest";
import { ActorRuntime } from "../../actors/actor-runtime.ts";
import type { Actor, Outbox } from "../../actors/actor.ts";
import { ManualClock } from "../../core/clock.ts";
import { ParlError } from "../../core/errors.ts";

/** An event: what the hand-driven actor shall do. */
interface Order {
  readonly name: string;
  readonly tenant?: string;
  readonly weight?: number;
  readonly does?: () => void;
}

/** Answers every order that weighs anything by its name, and refusals by the error's code and when to come back. */
class HandDrivenActor implements Actor<Order> {
  readonly refusals: string[] = [];

  step({ name, weight, does }: Order, _nowUs: number, outbox: Outbox): number {
    does?.();
    if (weight !== 0) outbox.reply(name, new TextEncoder().encode("done"));
    return weight ?? 1;
  }

  refuse({ name, weight }: Order, error: ParlError, outbox: Outbox): void {
    this.refusals.push(error.message);
    const words = [error.code, ...(error.retryAfterMs === undefined ? [] : [error.retryAfterMs])];
    if (weight !== 0) outbox.reply(name, new TextEncoder().encode(words.join(" ")));
  }

  weigh({ weight = 1 }: Order): number {
    return weight;
  }

  lane({ tenant = "" }: Order): string {
    return tenant;
  }
}

function start(options: { mailboxWeightMax?: number } = {}) {
  const clock = new ManualClock();
  const answers: string[] = [];
  const actors: HandDrivenActor[] = [];
  const runtime = new ActorRuntime<Order>({
    ...options,
    clock,
    create: () => {
      actors.push(new HandDrivenActor());
      return actors.at(-1) as HandDrivenActor;
    },
    outbox: {
      reply: (to, payload) => answers.push(`${to} ${new TextDecoder().decode(payload)}`),
      send: () => fail(),
    },
  });
  return { clock, answers, actors, runtime };
}

function fail(): never {
  throw new Error("a broken invariant");
}

/** Lets everything posted so far be worked off. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe("ActorRuntime", () => {
  it("hands on what nobody waits for, such as changed policies, even while a crashed actor may not start", async () => {
    const { clock, answers, runtime } = start();
    for (const name of ["first", "second"]) {
      runtime.post({ name, does: fail });
      await settled();
    }
    let isAdopted = false;
    runtime.post({ name: "policies", weight: 0, does: () => (isAdopted = true) });
    runtime.post({ name: "check" });
    await settled();
    expect(answers).toEqual(["first PARL_INTERNAL", "second PARL_INTERNAL", "check PARL_UNAVAILABLE"]);
    clock.advanceUs(100_000);
    runtime.post({ name: "check" });
    await settled();
    expect(isAdopted).toBe(true);
  });

  it("tells everybody beyond a full mailbox to come back, and when", async () => {
    const { answers, actors, runtime } = start({ mailboxWeightMax: 3 });
    for (const name of ["a", "b", "c", "d"]) runtime.post({ name, tenant: name });
    runtime.post({ name: "tick", weight: 0 });
    expect([runtime.mailboxDepth, runtime.overloaded, runtime.overloadedLanes]).toEqual([3, 1, 0]);
    await settled();
    expect(answers).toEqual(["d PARL_OVERLOADED 100", "a done", "b done", "c done"]);
    expect(actors[0]?.refusals).toEqual(["the mailbox is full (3 checks waiting); come back later"]);
    runtime.post({ name: "e" });
    await settled();
    expect([answers.at(-1), runtime.mailboxDepth]).toEqual(["e done", 0]);
  });

  it("refuses a tenant that fills its lane, and only that one, and tells it so", async () => {
    const { answers, actors, runtime } = start({ mailboxWeightMax: 6 });
    for (const name of ["a", "b", "c", "d", "e"]) runtime.post({ name, tenant: "flooder" });
    runtime.post({ name: "f", tenant: "victim" });
    expect([runtime.mailboxDepth, runtime.overloaded, runtime.overloadedLanes]).toEqual([4, 2, 2]);
    await settled();
    expect(answers.slice(0, 2)).toEqual(["d PARL_OVERLOADED 100", "e PARL_OVERLOADED 100"]);
    expect(answers.slice(2)).toEqual(["a done", "b done", "c done", "f done"]);
    expect(actors[0]?.refusals[0]).toBe(
      'tenant "flooder" has 3 checks waiting; send more when those are answered',
    );
  });

  it("tells everybody of their own lane as it is then", async () => {
    const { actors, runtime } = start({ mailboxWeightMax: 6 });
    for (const tenant of ["a", "a", "b", "b", "b", "a"]) runtime.post({ name: "x", tenant });
    await settled();
    for (const tenant of ["a", "a", "a", "a"]) runtime.post({ name: "x", tenant });
    const told = actors[0]?.refusals.map((message) => message.replace(/ checks .*/, ""));
    expect(told).toEqual(['tenant "b" has 2', 'tenant "a" has 2', 'tenant "a" has 3']);
  });

  it("tells those who are no tenant's apart from a tenant", () => {
    const { actors, runtime } = start({ mailboxWeightMax: 2 });
    for (const name of ["a", "b"]) runtime.post({ name });
    expect(actors[0]?.refusals).toEqual([
      "those without a tenant have 1 checks waiting; send more when those are answered",
    ]);
  });

  it("answers a tenant that comes late before the flood that was there first", async () => {
    const { answers, runtime } = start();
    for (let i = 0; i < 1_000; i += 1) runtime.post({ name: "flood", tenant: "flooder" });
    runtime.post({ name: "late", tenant: "victim" });
    await settled();
    expect(answers).toHaveLength(1_001);
    expect(answers.indexOf("late done")).toBeLessThanOrEqual(256);
  });

  it("gives a tenant alone the whole turn", async () => {
    const { answers, runtime } = start();
    for (let i = 0; i < 5_000; i += 1) runtime.post({ name: "a", tenant: "a" });
    let seen = -1;
    setImmediate(() => (seen = answers.length));
    await expect.poll(() => answers.length, { interval: 1 }).toBe(5_000);
    expect(seen).toBe(4_096);
  });

  it("lets the sockets have their turn when there is much to do", async () => {
    const { answers, runtime } = start();
    for (const name of ["a", "b", "c"]) runtime.post({ name, weight: 4_096 });
    let seen = -1;
    setImmediate(() => (seen = answers.length));
    await expect.poll(() => answers.length, { interval: 1 }).toBe(3);
    expect(seen).toBe(1);
  });

  it("throws a crashed actor's state away, and lets it start again at once the first time", async () => {
    const { clock, answers, actors, runtime } = start();
    runtime.post({ name: "first", does: fail });
    runtime.post({ name: "behind it" });
    await settled();
    expect([actors.length, runtime.crashes]).toEqual([2, 1]);
    runtime.post({ name: "second", does: fail });
    await settled();
    runtime.post({ name: "too early" });
    clock.advanceUs(100_000 - 1);
    runtime.post({ name: "still too early" });
    clock.advanceUs(1);
    runtime.post({ name: "on time" });
    await settled();
    expect(answers).toEqual([
      "first PARL_INTERNAL",
      "behind it done",
      "second PARL_INTERNAL",
      "too early PARL_UNAVAILABLE",
      "still too early PARL_UNAVAILABLE",
      "on time done",
    ]);
  });

  it("refuses what comes after it was asked to leave, and answers what came before", async () => {
    const { answers, runtime } = start();
    runtime.post({ name: "before" });
    const drained = runtime.drain();
    runtime.post({ name: "after" });
    await drained;
    expect(answers).toEqual(["after PARL_UNAVAILABLE", "before done"]);
  });

  it("measures a step once for every check in it", async () => {
    const { clock, runtime } = start();
    runtime.post({ name: "frame", weight: 10, does: () => clock.advanceUs(50) });
    runtime.post({ name: "tick", weight: 0, does: () => clock.advanceUs(1_000) });
    await settled();
    expect([runtime.stepLatency.count, runtime.stepLatency.sumUs]).toEqual([10, 50]);
  });

  it("drains for everybody who asks it to", async () => {
    const { answers, runtime } = start();
    runtime.post({ name: "accepted" });
    await Promise.all([runtime.drain(), runtime.drain()]);
    expect(answers).toEqual(["accepted done"]);
  });
});
