/**
 * Before anything is compared in speed: do the key table and the scripts decide alike? Random policies and histories
 * (costs, bursts, pauses, clock steps, reports, refunds) go through both, as in `npm run verify:lua`; every number of
 * every answer counts.
 */
import { ALGORITHMS } from "../../algorithms/algorithm.ts";
import { RedisNodes } from "../redis-nodes.ts";
import type { AgreementReport } from "../agreement-tally.ts";
import { compared } from "../twin-run.ts";
import type { Experiment, Finding, Scale } from "./experiment.ts";

const DECISIONS = { full: 1_000_000, quick: 2_000 };
const KINDS = ["allowed", "denied", "unsatisfiable", "peeks", "reports", "refunds"] as const;

export const luaAgreement: Experiment = {
  name: "lua-agreement",
  title: "Key table and Redis scripts, asked the same: a million random decisions an algorithm",
  hypothesis:
    "Two implementations that were written apart, from the same specification, agree in every outcome and every number, " +
    "to the microsecond. One difference would put every comparison of the two in doubt.",
  isExact: false,
  needsRedis: true,
  async run({ isQuick, seed, progress }: Scale) {
    const decisions = isQuick ? DECISIONS.quick : DECISIONS.full;
    await using nodes = await RedisNodes.start();
    const rows: Finding[] = [];
    for (const algorithm of ALGORITHMS) {
      const onProgress = (share: number): void => progress((rows.length + share) / ALGORITHMS.length);
      rows.push(rowOf(await compared(nodes.connections[0]!, algorithm, { decisions, seed, onProgress })));
      await nodes.clear();
    }
    return rows;
  },
  chart: (rows) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: luaAgreement.title,
    width: 420,
    data: {
      values: rows.flatMap((row) => [
        ...KINDS.map((kind) => ({
          algorithm: row["algorithm"]!,
          what: kind,
          count: row[kind]!,
        })),
        { algorithm: row["algorithm"]!, what: "differences", count: row["differences"]! },
      ]),
    },
    mark: { type: "bar" },
    encoding: {
      y: { field: "algorithm", type: "nominal", sort: null, title: null },
      x: { field: "count", type: "quantitative", title: "answers compared" },
      color: { field: "what", type: "nominal", sort: null, title: null, legend: { columns: 4 } },
    },
  }),
};

/** How fast it went is no question here. */
function rowOf(report: AgreementReport): Finding {
  const { algorithm, policies, decisions, steps_back, differences, examples } = report;
  return {
    algorithm,
    policies,
    decisions,
    ...Object.fromEntries(KINDS.map((kind) => [kind, report[kind]])),
    steps_back,
    differences,
    first_difference: examples.length === 0 ? null : JSON.stringify(examples[0]),
  };
}
