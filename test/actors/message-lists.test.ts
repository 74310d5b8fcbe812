import * as fc from "fast-check";
import { expect, it } from "vitest";
import { MessageLists, type MessageList } from "../../actors/message-lists.ts";

const LISTS = 5;

it("keeps every list's messages apart, in order and with their weights, in slots used again and again", () => {
  const orders = fc.array(
    fc.record({ list: fc.nat(LISTS - 1), isAppend: fc.boolean(), weight: fc.nat(20_000) }),
    { size: "max", maxLength: 400 },
  );
  fc.assert(
    fc.property(orders, (steps) => {
      const pool = new MessageLists<number>();
      const lists = Array.from({ length: LISTS }, (): MessageList => ({ first: -1, last: -1 }));
      const models = lists.map((): { message: number; weight: number }[] => []);
      for (const [message, { list: i, isAppend, weight }] of steps.entries()) {
        const list = lists[i] as MessageList;
        const model = models[i] as { message: number; weight: number }[];
        if (isAppend) {
          pool.append(list, message, weight);
          model.push({ message, weight });
        } else if (model.length > 0) {
          const expected = model.shift();
          expect({ weight: pool.firstWeight(list), message: pool.take(list) }).toEqual(expected);
        }
        expect(lists.map(({ first }) => first >= 0)).toEqual(models.map(({ length }) => length > 0));
      }
    }),
  );
});

it("needs no more slots than ever waited together", () => {
  const pool = new MessageLists<number>();
  const lists = [0, 1].map((): MessageList => ({ first: -1, last: -1 }));
  for (let message = 0; message < 1_000; message += 1) {
    const list = lists[message % 2] as MessageList;
    pool.append(list, message, 1);
    if (message >= 16) pool.take(list);
  }
  expect(pool.capacity).toBe(32);
});
