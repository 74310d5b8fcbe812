import { describe, expect, it } from "vitest";
import { Mailbox } from "../../actors/mailbox.ts";
import { Prng } from "../../core/prng.ts";

function filled(weightMax: number, ...weights: number[]) {
  const mailbox = new Mailbox<number>(weightMax);
  const accepted = weights.map((weight, message) => mailbox.push(message, weight));
  return { mailbox, accepted };
}

describe("Mailbox", () => {
  it.each<[string, number, number[], boolean[]]>([
    ["takes messages up to its weight", 10, [4, 6], [true, true]],
    ["refuses the first that would be too much, and takes a lighter one", 10, [4, 7, 6], [true, false, true]],
    ["takes a message heavier than itself when it is empty", 10, [11], [true]],
    ["takes nothing beside a message heavier than itself", 10, [11, 1], [true, false]],
    ["takes what weighs nothing, however full it is", 10, [10, 0, 0], [true, true, true]],
    ["does not mistake what weighs nothing for an empty box", 10, [0, 11], [true, false]],
  ])("%s", (_, weightMax, weights, accepted) => {
    const box = filled(weightMax, ...weights);
    expect(box.accepted).toEqual(accepted);
    expect(box.mailbox.length).toBe(accepted.filter(Boolean).length);
  });

  it("is empty when it is", () => {
    const { mailbox } = filled(10);
    expect([mailbox.shift(), mailbox.length, mailbox.weight]).toEqual([undefined, 0, 0]);
  });

  it("hands out in order what it took, and knows its weight, over any coming and going", () => {
    const prng = new Prng(9);
    const mailbox = new Mailbox<number>(500);
    const model: { message: number; weight: number }[] = [];
    let refused = 0;
    for (let message = 0; message < 50_000; message += 1) {
      // Long phases of filling and of emptying, so that the ring grows and goes round.
      if (prng.ratio(Math.floor(message / 1_000) % 2 === 0 ? 60 : 40, 100)) {
        const weight = prng.below(20);
        const load = model.reduce((sum, each) => sum + each.weight, 0);
        const isAccepted = weight === 0 || load + weight <= 500 || model.length === 0;
        expect(mailbox.push(message, weight)).toBe(isAccepted);
        if (isAccepted) model.push({ message, weight });
        else refused += 1;
      } else {
        expect(mailbox.shift()).toBe(model.shift()?.message);
      }
      expect(mailbox.length).toBe(model.length);
    }
    expect(mailbox.weight).toBe(model.reduce((sum, { weight }) => sum + weight, 0));
    expect(refused).toBeGreaterThan(100);
  });
});
