import { describe, expect, it } from "vitest";
import type { Handoffs } from "../../actors/handoff/handoffs.ts";
import { hush, resume, type Underway } from "../../actors/hush.ts";
import type { ShardHost } from "../../actors/shard-host.ts";

/** A process that is done with each thing after so many looks. */
function scene(looks: { readonly handoffs: number; readonly answers: number }) {
  const steps: string[] = [];
  const left = { ...looks };
  const note = (step: string): void => {
    if (steps.at(-1) !== step) steps.push(step);
  };
  const look = (what: keyof typeof left): boolean => {
    note(`${what}?`);
    left[what] -= 1;
    return left[what] < 0;
  };
  const handoffs = {
    pause: () => note("pause"),
    resume: () => note("handoffs resume"),
    get isIdle() {
      return look("handoffs");
    },
  };
  const host = {
    leave: () => Promise.resolve(note("leave")),
    resume: () => note("host resumes"),
    get isQuiet() {
      return look("answers");
    },
  };
  const underway: Underway = {
    handoffs: handoffs as unknown as Handoffs,
    host: host as unknown as ShardHost,
  };
  return { underway, steps, left };
}

describe("a hush", () => {
  it("waits for handoffs, then for answers", async () => {
    const { underway, steps, left } = scene({ handoffs: 3, answers: 2 });
    await hush(underway);
    expect(steps).toEqual(["pause", "handoffs?", "leave", "answers?"]);
    expect(left).toEqual({ handoffs: -1, answers: -1 });
    resume(underway);
    expect(steps.slice(-2)).toEqual(["host resumes", "handoffs resume"]);
  });

  it("does not wait for ever", async () => {
    const { underway, steps } = scene({ handoffs: 0, answers: Infinity });
    await hush(underway);
    expect(steps).toEqual(["pause", "handoffs?", "leave", "answers?"]);
  });
});
