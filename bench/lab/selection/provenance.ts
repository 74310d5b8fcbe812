/** Where the page's numbers come from: each result with its plot, seed, machine, versions and commit. */
import { machineLine } from "../../machine.ts";
import type { Experiment } from "../experiment.ts";
import type { Result } from "../result.ts";
import { command, resultLink, table } from "./markdown.ts";

type Results = ReadonlyMap<string, Result>;

export function plots(experiments: readonly Experiment[], results: Results, folder: string): string {
  return experiments
    .flatMap(({ name }) => results.get(name) ?? [])
    .map(({ experiment, title, hypothesis }) => {
      const what = `**${title}** (${resultLink(experiment, folder)}). Expected: ${hypothesis}`;
      return `${what}\n\n![${title}](${folder}/${experiment}.svg)`;
    })
    .join("\n\n");
}

export function provenance(experiments: readonly Experiment[], results: Results, folder: string): string {
  const present = experiments.flatMap(({ name }) => results.get(name) ?? []);
  const absent = experiments.filter(({ name }) => !results.has(name)).map(({ name }) => name);
  const machines = [...new Set(present.flatMap(machineOf))];
  const rows = present.map((result) => [
    resultLink(result.experiment, folder),
    String(result.seed),
    result.machine === undefined
      ? "exact"
      : `${result.date?.slice(0, 10)}, machine ${machines.indexOf(machineOf(result)[0]!) + 1}`,
    result.machine?.commit ?? "any",
    result.redis ?? "–",
    command(result.seed === 1 ? [result.experiment] : ["--seed", String(result.seed), result.experiment]),
  ]);
  const parts = [
    "An exact result depends on nothing but its seed: the tests run it again at every commit and compare every byte. A " +
      "measured one says what a machine did at a commit, and would say something else on yours.",
    table(["result", "seed", "measured", "commit", "Redis", "again"], rows),
    machines.map((machine, index) => `Machine ${index + 1}: ${machine}.`).join("  \n"),
  ];
  if (absent.length > 0) {
    parts.push(
      `Left out for want of a result: ${absent.map((name) => `\`${name}\``).join(", ")}. ${command(absent)} makes ` +
        `${absent.length === 1 ? "it" : "them"}.`,
    );
  }
  return parts.filter((part) => part !== "").join("\n\n");
}

/** The machine without the commit, which differs from result to result. */
function machineOf({ machine }: Result): string[] {
  return machine === undefined ? [] : [machineLine(machine).replace(/ · commit .*$/, "")];
}
