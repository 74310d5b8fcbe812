import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { eventsOf, rowsOf, SMALL_HEADER, textOf } from "./small-trace.ts";

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

describe("a generated trace", () => {
  it("is these very bytes for this seed, on every machine", () => {
    expect(sha256(textOf(SMALL_HEADER))).toBe(
      "edee774db014742fbe47b3facdf39e82c29365e42c5407feccc9b2777f910454",
    );
    const uniform = { ...SMALL_HEADER, dist: "uniform", zipfS: 0, shape: "steady", costMax: 1 } as const;
    expect(sha256(textOf(uniform))).toBe("b7ab32a87b5d63574e5ddf70d1bcce539ce7ddc3851834247e669876a3518868");
  });

  it("is another one for another seed", () => {
    expect(textOf({ ...SMALL_HEADER, seed: 43 })).not.toBe(textOf(SMALL_HEADER));
    expect(textOf({ ...SMALL_HEADER, seed: 42 + 2 ** 40 })).not.toBe(textOf(SMALL_HEADER));
  });

  it("keeps its arrivals when only the keys are drawn differently", () => {
    const [zipf, uniform] = (["zipf", "uniform"] as const).map((dist) =>
      rowsOf(eventsOf({ ...SMALL_HEADER, dist })).map(([atUs]) => atUs),
    );
    expect(uniform).toEqual(zipf);
  });

  it("asks for costs over the whole range and for keys that exist", () => {
    const rows = rowsOf(eventsOf(SMALL_HEADER));
    expect(new Set(rows.map(([, , cost]) => cost))).toEqual(new Set([1, 2, 3]));
    expect(rows.every(([, key]) => key < SMALL_HEADER.keys)).toBe(true);
  });
});
