import * as fc from "fast-check";
import { expect, it } from "vitest";
import { EventArena } from "../../algorithms/event-arena.ts";
import { micros } from "../../core/units.ts";

interface Event {
  timeUs: number;
  cost: number;
}

const UINT32_MAX = 0xffffffff;

const histories = fc.array(
  fc.record({
    kind: fc.constantFrom("push", "push", "push", "push", "drop", "free"),
    ring: fc.nat({ max: 3 }),
    /** Negative: the clock stepped back. */
    gapUs: fc.integer({ min: -3, max: 20 }),
    cost: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constant(2 ** 31)),
  }),
  { maxLength: 300, size: "max" },
);

it("keeps each ring as a plain array of events would be, through doubling, reuse and saturation", () => {
  fc.assert(
    fc.property(histories, fc.nat({ max: 300 }), (steps, windowUs) => {
      const arena = new EventArena(windowUs);
      const handles = [0, 0, 0, 0];
      const models: Event[][] = [[], [], [], []];
      let nowUs = 1_700_000_000_000_000;
      for (const { kind, ring, gapUs, cost } of steps) {
        nowUs += gapUs;
        const model = models[ring] as Event[];
        if (kind === "push") {
          handles[ring] = arena.push(handles[ring] as number, nowUs, cost);
          const last = model.at(-1);
          if (last !== undefined && last.timeUs >= nowUs) last.cost = Math.min(UINT32_MAX, last.cost + cost);
          else model.push({ timeUs: nowUs, cost });
        } else if (kind === "drop") {
          if (arena.select(handles[ring] as number)) arena.dropLeft(micros(nowUs));
          while (model.length > 0 && (model[0] as Event).timeUs <= nowUs - windowUs) model.shift();
        } else {
          arena.free(handles[ring] as number);
          handles[ring] = 0;
          model.length = 0;
        }
        expect(handles.map((handle) => eventsOf(arena, handle))).toEqual(models);
        expect(arena.select(handles[ring] as number) ? arena.total : 0).toBe(
          model.reduce((sum, event) => sum + event.cost, 0),
        );
      }
    }),
    { numRuns: 150 },
  );
});

it("takes no new pages while freed rings can be used again", () => {
  const arena = new EventArena(1_000);
  const round = (): void => {
    const handles = Array.from({ length: 2_000 }, () => 0);
    for (let event = 0; event < 9; event += 1) {
      for (const [i, handle] of handles.entries()) handles[i] = arena.push(handle, event, 1);
    }
    for (const handle of handles) arena.free(handle);
  };
  round();
  const { bytes } = arena;
  expect(bytes).toBeGreaterThan(2_000 * 9 * 12);
  round();
  expect(arena.bytes).toBe(bytes);
});

function eventsOf(arena: EventArena, handle: number): Event[] {
  if (!arena.select(handle)) return [];
  return Array.from({ length: arena.length }, (_, i) => ({ timeUs: arena.timeUs(i), cost: arena.cost(i) }));
}
