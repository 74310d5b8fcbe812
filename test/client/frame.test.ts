import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AskedCheck } from "../../client/asked-check.ts";
import { blindResult, type CheckRequest } from "../../client/check.ts";
import { Frame, type Take } from "../../client/frame.ts";
import { TIERS, type Tier } from "../../core/decision.ts";
import { ParlError } from "../../core/errors.ts";
import { PackedRequestWriter } from "../../core/packed-request.ts";

const DESTINATION = { kind: "check", lane: { token: "acme", placement: 1 }, shard: 7 } as const;
const SPREAD_MS = 2;
const OVERDUE = new ParlError("PARL_DEADLINE_EXCEEDED", "too late");

function asked(over: Partial<AskedCheck> = {}): AskedCheck {
  const ids = { key: "alice", user: "", id: "" };
  const rest = { tier: "approximate", cost: 1, deadlineMs: 100, moves: 0, request: undefined } as const;
  return { ...DESTINATION, ...ids, ...rest, ...over };
}

const checks = fc.array(
  fc.record({
    tier: fc.constantFrom(...TIERS),
    cost: fc.nat(1_000),
    key: fc.stringMatching(/^[a-z]{1,9}$/),
    user: fc.stringMatching(/^[a-z]{0,9}$/),
    id: fc.stringMatching(/^[a-z]{0,9}$/),
    deadlineMs: fc.integer({ min: 100, max: 112 }),
    moves: fc.nat(1),
  }),
  { minLength: 1, maxLength: 40 },
);

interface Taken {
  readonly index: number;
  readonly tier: Tier;
  readonly moves: number;
  readonly error: ParlError | undefined;
}

/** A frame of checks, and who was taken, by place in the order of asking. */
function frameOf(given: readonly AskedCheck[], shown?: readonly CheckRequest[]) {
  const takes: Taken[] = [];
  const take: Take = ({ tier, moves }, index, error) => {
    takes.push({ index, tier, moves, error });
    return blindResult(true, tier);
  };
  const frame = new Frame(DESTINATION, take);
  const writer = new PackedRequestWriter("check");
  const answers = given.map((check, i) => {
    writer.add(check.tier, check.cost, check.key, check.user, check.id);
    return frame.join({ ...check, request: shown?.[i] });
  });
  frame.message = writer.take(0);
  return { frame, takes, answers };
}

describe("a frame", () => {
  it("gives every check its own place, tier and moves, in the order of asking", async () => {
    await fc.assert(
      fc.asyncProperty(checks, async (given) => {
        const { frame, takes, answers } = frameOf(given.map((check) => asked(check)));
        expect(frame.count).toBe(given.length);
        frame.end(undefined);
        await Promise.all(answers);
        const wanted = given.map(({ tier, moves }, index) => ({ index, tier, moves, error: undefined }));
        expect(takes).toEqual(wanted);
      }),
    );
  });

  it("lets nobody give up early, nor more than two milliseconds late, and ends everybody once", async () => {
    await fc.assert(
      fc.asyncProperty(checks, fc.integer({ min: 98, max: 116 }), async (given, answeredMs) => {
        const { frame, takes, answers } = frameOf(given.map((check) => asked(check)));
        let isOver = false;
        for (let nowMs = 98; nowMs <= 116 && !isOver; nowMs += 1) {
          const before = takes.length;
          const { nextDeadlineMs } = frame;
          if (nowMs === answeredMs) frame.end(undefined);
          isOver = nowMs === answeredMs || frame.expire(nowMs, OVERDUE);
          // Takes run as microtasks; none is left after a turn of the event loop.
          await new Promise((resolve) => setImmediate(resolve));
          for (const { index, error } of takes.slice(before)) {
            if (error === undefined) continue;
            expect(nowMs).toBeGreaterThanOrEqual(given[index]!.deadlineMs);
            expect(nowMs).toBeGreaterThanOrEqual(nextDeadlineMs);
          }
          const waiting = given.filter((_, index) => takes.every((taken) => taken.index !== index));
          for (const { deadlineMs } of waiting) expect(nowMs).toBeLessThan(deadlineMs + SPREAD_MS);
        }
        expect(isOver).toBe(true);
        await Promise.all(answers);
        expect(takes.map(({ index }) => index).toSorted((a, b) => a - b)).toEqual(given.map((_, i) => i));
      }),
    );
  });

  it("knows what was asked at every place, in any order, whatever became of the caller's object", async () => {
    await fc.assert(
      fc.asyncProperty(checks, fc.infiniteStream(fc.nat()), async (given, picks) => {
        const shown = given.map(({ key }) => ({ key }));
        const cohorts: ((index: number) => AskedCheck)[] = [];
        const frame = new Frame(DESTINATION, (cohort, index) => {
          cohorts[index] = (at) => cohort.askedAt(at);
          return blindResult(true, cohort.tier);
        });
        const writer = new PackedRequestWriter("check");
        const answers = given.map((check, i) => {
          writer.add(check.tier, check.cost, check.key, check.user, check.id);
          return frame.join(asked({ ...check, request: shown[i] }));
        });
        frame.message = writer.take(0);
        frame.end(undefined);
        await Promise.all(answers);
        for (const request of shown) request.key = "CHANGED";
        for (const pick of picks.take(20)) {
          const index = pick % given.length;
          const { deadlineMs, ...rest } = given[index]!;
          const again = cohorts[index]!(index);
          expect(again).toMatchObject({ ...DESTINATION, ...rest });
          expect(again.request).toBe(shown[index]);
          expect(again.deadlineMs).toBeGreaterThanOrEqual(deadlineMs);
          expect(again.deadlineMs).toBeLessThanOrEqual(deadlineMs + SPREAD_MS);
        }
      }),
    );
  });

  it("rejects only the check whose taking throws", async () => {
    const frame = new Frame(DESTINATION, ({ tier }, index) => {
      if (index === 1) throw OVERDUE;
      return blindResult(true, tier);
    });
    const answers = [0, 1, 2].map(() => frame.join(asked()));
    frame.end(undefined);
    const statuses = (await Promise.allSettled(answers)).map(({ status }) => status);
    expect(statuses).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });
});
