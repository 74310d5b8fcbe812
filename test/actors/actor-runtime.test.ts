import { describe, expect, it } from "vitest";
import { ActorRuntime } from "../../actors/actor-runtime.ts";
import type { Actor, Outbox } from "../../actors/actor.ts";
import { ManualClock } from "../../core/clock.ts";
import { ParlError } from "../../core/errors.ts";

/** An event: what the hand-driven actor shall do. */
interface Order {
  readonly name: string;
  readonly weight?: number;
  readonly does?: () => void;
}

/** Answers every order that weighs anything by its name, and refusals by the error's code. */
class HandDrivenActor implements Actor<Order> {
  step({ name, weight, does }: Order, _nowUs: number, outbox: Outbox): number {
    does?.();
    if (weight !== 0) outbox.reply(name, new TextEncoder().encode("done"));
  }

  refuse({ name, weight }: Order, error: ParlError, outbox: Outbox): void {
    if (weight !== 0) outbox.reply(name, new TextEncoder().encode(error.code));
  }

  weigh({ weight = 1 }: Order): number {
    return weight;
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
    outbox: { reply: (to, payload) => answers.push(`${to} ${new TextDecoder().decode(payload)}`) },
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

  it("drains for everybody who asks it to", async () => {
    const { answers, runtime } = start();
    runtime.post({ name: "accepted" });
    await Promise.all([runtime.drain(), runtime.drain()]);
    expect(answers).toEqual(["accepted done"]);
  });
});
