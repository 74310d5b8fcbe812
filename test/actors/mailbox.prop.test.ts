import * as fc from "fast-check";
import { expect, it } from "vitest";
import { Mailbox } from "../../actors/mailbox.ts";
import { MailboxLanes } from "../../actors/mailbox-lanes.ts";
import { Prng } from "../../core/prng.ts";

const WEIGHT_MAX = 800;
const RESERVE = 100;
const QUANTUM = 16;
/** Far fewer lanes than names, so that they are shared, handed on and taken back. */
const NAMES = 7;

interface Message {
  readonly number: number;
  readonly name: string;
  readonly weight: number;
}

/** A mailbox beside what should be in it, lane by lane. */
class Pair {
  readonly mailbox: Mailbox<Message>;
  readonly control: Message[] = [];
  readonly lanes = new Map<string, Message[]>();
  /** Weight served so far, by name. */
  readonly served = new Map<string, number>();
  #number = 0;

  constructor(weightMax: number, lanes = new MailboxLanes()) {
    this.mailbox = new Mailbox(weightMax, QUANTUM, lanes);
  }

  push(name: string, weight: number): string {
    const message = { number: (this.#number += 1), name, weight };
    const admittance = this.mailbox.push(message, weight, name);
    if (admittance === "accepted") (weight === 0 ? this.control : this.lane(name)).push(message);
    return admittance;
  }

  /** What is handed out must be the first of the control messages, or else of its lane. */
  shift(): Message | undefined {
    const message = this.mailbox.shift();
    if (message === undefined) {
      expect([this.control.length, this.weight()]).toEqual([0, 0]);
      return undefined;
    }
    const list = this.control.length > 0 ? this.control : this.lane(message.name);
    if (list.shift() !== message) throw new Error(`${JSON.stringify(message)} is out of order`);
    this.served.set(message.name, this.servedOf(message.name) + message.weight);
    return message;
  }

  lane(name: string): Message[] {
    const known = this.lanes.get(name) ?? [];
    this.lanes.set(name, known);
    return known;
  }

  laneWeight(name: string): number {
    return this.lane(name).reduce((sum, { weight }) => sum + weight, 0);
  }

  weight(): number {
    return [...this.lanes.keys()].reduce((sum, name) => sum + this.laneWeight(name), 0);
  }

  servedOf(name: string): number {
    return this.served.get(name) ?? 0;
  }
}

/** Mostly light, some heavy, some control. */
const weights = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 8 }) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 150 }) },
  { weight: 1, arbitrary: fc.constant(0) },
);
/** null hands one out. */
const traffic = fc.array(
  fc.option(fc.record({ name: fc.nat(NAMES - 1).map(String), weight: weights }), { freq: 2 }),
  { size: "max", maxLength: 600 },
);

it.each([
  ["with a lane for everybody", () => new MailboxLanes()],
  ["with lanes shared, handed on and taken back", () => new MailboxLanes(2, 2)],
])("loses nothing, doubles nothing and keeps each name's order, control first, %s", (_, lanes) => {
  fc.assert(
    fc.property(traffic, (steps) => {
      const pair = new Pair(WEIGHT_MAX, lanes());
      for (const step of steps) {
        if (step === null) pair.shift();
        else pair.push(step.name, step.weight);
        expect(pair.mailbox.weight).toBe(pair.weight());
      }
      while (pair.mailbox.length > 0) pair.shift();
      expect([pair.weight(), pair.mailbox.weight, pair.shift()]).toEqual([0, 0, undefined]);
    }),
  );
});

it("is never filled beyond its weight, nor by one lane beyond what that leaves free, and says who is at fault", () => {
  fc.assert(
    fc.property(traffic, (steps) => {
      const pair = new Pair(WEIGHT_MAX);
      for (const step of steps) {
        if (step === null) {
          pair.shift();
          continue;
        }
        const { name, weight } = step;
        const hadWaiting = pair.lane(name).length > 0;
        const free = WEIGHT_MAX - pair.weight() - weight;
        const admittance = pair.push(name, weight);
        if (admittance === "accepted") {
          expect(pair.weight()).toBeLessThanOrEqual(WEIGHT_MAX);
          if (weight > 0 && hadWaiting) expect(pair.laneWeight(name)).toBeLessThanOrEqual(free - RESERVE);
        } else {
          expect(weight).toBeGreaterThan(0);
          if (hadWaiting) expect(pair.laneWeight(name) + weight).toBeGreaterThan(free - RESERVE);
          else expect(free).toBeLessThan(weight <= QUANTUM ? 0 : RESERVE);
          // A lane is at fault alone exactly when the same message of somebody new would have got in.
          const newcomer = weight > QUANTUM ? pair.push("newcomer", weight) : undefined;
          if (newcomer !== undefined) expect(newcomer === "accepted").toBe(admittance === "lane-full");
          while (pair.lane("newcomer").length > 0) pair.shift();
        }
      }
    }),
  );
});

/** The heaviest message of each busy lane; all of them keep something waiting. */
const busyLanes = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 6 });
const seeds = fc.nat();
const STEPS = 300;

class Backlog {
  readonly pair = new Pair(Infinity);
  readonly heaviest: number;
  readonly #maxima: readonly number[];
  readonly #prng: Prng;

  constructor(maxima: readonly number[], seed: number) {
    this.heaviest = Math.max(...maxima);
    this.#maxima = maxima;
    this.#prng = new Prng(seed);
  }

  draw(below: number): number {
    return this.#prng.below(below);
  }

  topUp(): void {
    for (const [i, max] of this.#maxima.entries()) {
      const name = `busy-${i}`;
      if (this.pair.lane(name).length === 0) this.pair.push(name, 1 + this.draw(max));
      if (this.draw(4) === 0) this.pair.push(name, 1 + this.draw(max));
    }
  }
}

it("serves lanes that always have something waiting the same, up to a quantum and the heaviest message", () => {
  fc.assert(
    fc.property(busyLanes, seeds, (maxima, seed) => {
      const backlog = new Backlog(maxima, seed);
      let apart = 0;
      for (let step = 0; step < STEPS; step += 1) {
        backlog.topUp();
        backlog.pair.shift();
        const served = maxima.map((_, i) => backlog.pair.servedOf(`busy-${i}`));
        apart = Math.max(apart, Math.max(...served) - Math.min(...served));
      }
      expect(apart).toBeLessThan(QUANTUM + backlog.heaviest);
    }),
  );
});

it("serves a lane that asks for one heavy message at a time no more than those who wait", () => {
  fc.assert(
    fc.property(busyLanes, seeds, (maxima, seed) => {
      const backlog = new Backlog(maxima, seed);
      let ahead = 0;
      for (let step = 0; step < STEPS; step += 1) {
        backlog.topUp();
        if (backlog.pair.lane("sly").length === 0) backlog.pair.push("sly", 200);
        backlog.pair.shift();
        const least = Math.min(...maxima.map((_, i) => backlog.pair.servedOf(`busy-${i}`)));
        ahead = Math.max(ahead, backlog.pair.servedOf("sly") - least);
      }
      expect(ahead).toBeLessThan(QUANTUM + 200);
    }),
  );
});

it("lets a lane that owes nothing wait behind less than a quantum and the heaviest message of each other lane", () => {
  fc.assert(
    fc.property(busyLanes, seeds, (maxima, seed) => {
      const backlog = new Backlog(maxima, seed);
      const { pair, heaviest } = backlog;
      const bound = maxima.length * (QUANTUM + heaviest);
      let waited = 0;
      let waitedMost = 0;
      for (let step = 0; step < STEPS; step += 1) {
        backlog.topUp();
        // One check at a time never owes anything; sometimes none, so that the lane comes anew.
        if (pair.lane("light").length === 0 && backlog.draw(3) > 0) pair.push("light", 1);
        const isWaiting = pair.lane("light").length > 0;
        const message = pair.shift();
        waited = message?.name === "light" || !isWaiting ? 0 : waited + (message?.weight ?? 0);
        waitedMost = Math.max(waitedMost, waited);
      }
      expect(waitedMost).toBeLessThan(bound);
    }),
  );
});

it("keeps a lane in debt waiting for no longer than paying takes", () => {
  fc.assert(
    fc.property(busyLanes, seeds, (maxima, seed) => {
      const backlog = new Backlog([...maxima, 200], seed);
      const { pair, heaviest } = backlog;
      const last = `busy-${maxima.length}`;
      const bound = maxima.length * (QUANTUM + 2 * heaviest);
      let waited = 0;
      let waitedMost = 0;
      for (let step = 0; step < STEPS; step += 1) {
        backlog.topUp();
        const message = pair.shift();
        waited = message?.name === last ? 0 : waited + (message?.weight ?? 0);
        waitedMost = Math.max(waitedMost, waited);
      }
      expect(waitedMost).toBeLessThan(bound);
    }),
  );
});
