import { describe, expect, it } from "vitest";
import type { Finding } from "../../../bench/lab/experiment.ts";
import { measured, peers, QUICK } from "../../../bench/lab/peers.ts";
import { svgOf } from "../../../bench/lab/plot.ts";

const SEED = 7;

function decided({ promise, decisions, denied, over_admit_pct, under_admit_pct }: Finding): Finding {
  return { promise, decisions, denied, over_admit_pct, under_admit_pct } as Finding;
}

describe("published limiters beside ours", () => {
  it("are asked the same, decide alike where the promise is the same, and say it in the same columns", async () => {
    const ours = await measured({ parl: "fixed-window", backend: "redis" }, QUICK, SEED);
    const theirs = await measured({ published: "upstash-fixed-window" }, QUICK, SEED);
    expect(Object.keys(theirs)).toEqual(Object.keys(ours));
    // Both count the epoch's windows, and the trace crosses a seam of them.
    expect(decided(theirs)).toEqual(decided(ours));
    expect(ours).toMatchObject({
      limiter: "PARL",
      variant: "fixed-window",
      clock: "the trace's",
      promise: "window",
    });
    expect(theirs["limiter"]).toMatch(/^@upstash\/ratelimit \d+\.\d+\.\d+$/);
    expect(theirs["over_admit_pct"]).toBeGreaterThan(10);
    expect(theirs["under_admit_pct"]).toBe(0);
    for (const row of [ours, theirs]) {
      expect(row["denied"]).toBeGreaterThan(0);
      expect(row["decisions_per_s"]).toBeGreaterThan(100);
      expect(row["p99_us"]).toBeGreaterThanOrEqual(row["p50_us"] as number);
      expect(row["redis_us_per_decision"]).toBeGreaterThan(0.5);
      expect(row["bytes_per_key"]).toBeGreaterThan(60);
      expect(row["bytes_per_key"]).toBeLessThan(400);
    }
    expect(await svgOf(peers.chart([ours, theirs]))).toContain(peers.title);
  });
});
