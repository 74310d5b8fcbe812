import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { EXPERIMENTS } from "../../../bench/lab/experiments.ts";
import { pngOf, svgOf } from "../../../bench/lab/plot.ts";
import { jsonText, resultOf } from "../../../bench/lab/result.ts";
import { describeMachine } from "../../../bench/machine.ts";

const PNG = [0x89, 0x50, 0x4e, 0x47];

function committed(name: string): Promise<string> {
  return readFile(new URL(`../../../docs/lab/${name}`, import.meta.url), "utf8");
}

describe.each(EXPERIMENTS.filter(({ isExact }) => isExact))("the exact experiment $name", (experiment) => {
  it("gives the rows and the plot that are committed, to the byte", async () => {
    const scale = { isQuick: true, seed: 1, progress: () => undefined };
    const result = await resultOf(experiment, scale, describeMachine(), "never");
    expect(jsonText(result)).toBe(await committed(`${experiment.name}.json`));
    const svg = await svgOf(experiment.chart(result.rows));
    expect(svg).toBe(await committed(`${experiment.name}.svg`));
    expect([...pngOf(svg).subarray(0, PNG.length)]).toEqual(PNG);
  });
});

describe("the lab", () => {
  it("has names that are file names, each once", () => {
    const names = EXPERIMENTS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z][a-z-]+$/);
  });
});
