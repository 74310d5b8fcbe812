import { describe, expect, it } from "vitest";
import { ALGORITHMS, type AlgorithmParams } from "../../algorithms/algorithm.ts";
import {
  canRetune,
  createAlgorithm,
  UNITS_MAX,
  WINDOW_MAX_US,
  WINDOW_MIN_US,
} from "../../algorithms/registry.ts";
import { ParlError } from "../../core/errors.ts";
import { micros, US_PER_S } from "../../core/units.ts";

const PARAMS: AlgorithmParams = { algorithm: "gcra", limit: 10, windowUs: micros(10 * US_PER_S) };

it.each(ALGORITHMS)("makes %s, which says its own name and capacity", (algorithm) => {
  const made = createAlgorithm({ ...PARAMS, algorithm, burst: 25 });
  const isBucket = ["gcra", "token-bucket", "leaky-bucket", "leaky-queue"].includes(algorithm);
  expect(made).toMatchObject({ name: algorithm, capacity: isBucket ? 25 : 10 });
});

it.each(ALGORITHMS)("takes the extremes of every parameter of %s", (algorithm) => {
  for (const extreme of [
    { limit: 0 },
    { windowUs: WINDOW_MIN_US },
    { limit: UNITS_MAX, windowUs: WINDOW_MAX_US },
    { limit: 1, windowUs: WINDOW_MAX_US },
    { burst: 1 },
    { limit: 1_000_000, burst: UNITS_MAX },
    { subWindows: 1 },
    { subWindows: 64 },
  ]) {
    const params = { ...PARAMS, algorithm, ...extreme } as AlgorithmParams;
    expect(createAlgorithm(params).name).toBe(algorithm);
  }
});

describe("refuses, naming the parameter and the value", () => {
  it.each([
    ["limit", -1],
    ["limit", 1.5],
    ["limit", Number.NaN],
    ["limit", UNITS_MAX + 1],
    ["limit", Infinity],
    ["windowUs", WINDOW_MIN_US - 1],
    ["windowUs", WINDOW_MAX_US + 1],
    ["windowUs", 1_000.5],
    ["burst", 0],
    ["burst", UNITS_MAX + 1],
    ["subWindows", 0],
    ["subWindows", 65],
  ])("%s = %s", (field, value) => {
    const make = (): unknown => createAlgorithm({ ...PARAMS, [field]: value });
    expect(make).toThrow(ParlError);
    expect(make).toThrow(expect.objectContaining({ code: "PARL_INVALID_ARGUMENT", field }));
    expect(make).toThrow(new RegExp(`${field}.*got ${value}`));
  });

  it("a burst worth more than 400 days of its rate", () => {
    const dayUs = micros(86_400 * US_PER_S);
    const make = (burst: number): unknown => createAlgorithm({ ...PARAMS, limit: 1, windowUs: dayUs, burst });
    expect(make(400)).toMatchObject({ capacity: 400 });
    expect(() => make(401)).toThrow(expect.objectContaining({ field: "burst" }));
  });
});

it("lets a limit or burst change in place, but nothing that state depends on", () => {
  const changes: [Partial<AlgorithmParams>, boolean][] = [
    [{ limit: 11 }, true],
    [{ burst: 3 }, true],
    [{ windowUs: micros(US_PER_S) }, false],
    [{ algorithm: "token-bucket" }, false],
    [{ subWindows: 4 }, false],
    [{ limit: 0 }, false],
  ];
  for (const [change, isPossible] of changes) {
    expect(canRetune(PARAMS, { ...PARAMS, ...change }), JSON.stringify(change)).toBe(isPossible);
    expect(canRetune({ ...PARAMS, ...change }, PARAMS), JSON.stringify(change)).toBe(isPossible);
  }
});
