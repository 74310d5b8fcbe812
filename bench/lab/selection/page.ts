/**
 * The selection page: which limiter, and why, as Markdown made of the lab's results and of nothing else.
 *
 *      results ──▶ evidence ──▶ statements ──▶ matrix, reasons, budget, derivations, plots, provenance
 *
 * The same results give the same page, to the byte, so that a test can tell when the two have come apart.
 */
import type { Experiment } from "../experiment.ts";
import type { Result } from "../result.ts";
import { budget } from "./budget.ts";
import { sourcesOf, type Choice } from "./choice.ts";
import { derivations } from "./derivations.ts";
import { Evidence } from "./evidence.ts";
import { hotKeyText } from "./hot-key.ts";
import { Known } from "./known.ts";
import { anchor, cited, command, table } from "./markdown.ts";
import { plots, provenance } from "./provenance.ts";
import { placesText } from "./places.ts";
import { rateWithBurst, smooth } from "./rate-choices.ts";
import { sharedRedis } from "./shared-redis.ts";
import { surprisesText } from "./surprises.ts";
import { burstingApi, logins, smoothFeed } from "./team-choices.ts";
import { nearlyStrict, quickAndLeaky, strictWindow } from "./window-choices.ts";

const QUICK =
  "\n> **Made of a quick run.** It shows the page, not the numbers: they are too small and too noisy to quote.\n";

export interface Choices {
  /** The six requirements of the classic question. */
  readonly requirements: readonly Choice[];
  /** What three teams asked for. */
  readonly teams: readonly Choice[];
}

export function choicesOf(evidence: Evidence): Choices {
  const known = new Known(evidence);
  const choose = (makers: readonly ((known: Known) => Choice)[]): Choice[] =>
    makers.map((make) => make(known));
  return {
    requirements: choose([strictWindow, nearlyStrict, rateWithBurst, smooth, sharedRedis, quickAndLeaky]),
    teams: choose([logins, burstingApi, smoothFeed]),
  };
}

/**
 * @param folder where the results are, as a link from the page
 * @throws ParlError naming the results that are missing, or the sentence that they do not bear out
 */
export function selectionPage(
  results: ReadonlyMap<string, Result>,
  experiments: readonly Experiment[],
  folder: string,
): string {
  const evidence = new Evidence(results);
  const known = new Known(evidence);
  const { requirements, teams } = choicesOf(evidence);
  const quick = evidence.isQuick ? QUICK : "";
  return `# Which limiter, and why

Made by \`npm run lab\` from the results in [${folder}](${folder}); a test fails when page and results differ, and the page
cannot be made when a result no longer bears out what it says. Edit the words in \`bench/lab/selection\`, then
\`npm run lab -- --selection\`.
${quick}
L or N is the limit, W the window, B the burst, T = W/L the emission interval. **Beyond the limit** is what some window of
length W, wherever it begins, held above L, in percent of L; where a bucket is held to its own promise, above
B + rate · time, in percent of B. **Refused without need** is the share of requests that were refused and, one by one,
could have been admitted without breaking the limit: room that is left open counts for everybody who asks while it is.

## The matrix

${matrix(requirements, folder)}

Three teams asked:

${matrix(teams, folder)}

What decides, in the order of the questions:

1. Must no window ever hold more than N? The log while N is small, the conservative window when it is not.
2. Is a rate meant, rather than a number in a window? GCRA; the queue if what comes behind cannot take a burst.
3. Is "N in a window" what you owe, and nearly is near enough? The sliding counter.
4. None of these? The fixed window is as good as any.

${section("The six requirements", requirements, folder)}

${section("Three teams", teams, folder)}

## Cardinality budget

${budget(known, folder)}

## Here or in Redis

${placesText(known, folder)}

## When one key is hot

${hotKeyText(known, folder)}

## Derivations

${derivations(known, folder)}

## Where the lab found otherwise

Each experiment says what it expects, and its words are kept as they were. The numbers say otherwise:

${surprisesText(known, folder)}

## Plots

${plots(experiments, results, folder)}

## Where the numbers come from

${provenance(experiments, results, folder)}
`;
}

function matrix(choices: readonly Choice[], folder: string): string {
  const rows = choices.map((choice) => [
    `[${choice.need}](${anchor(choice.need)})`,
    choice.take,
    cited(choice.because, folder),
  ]);
  return table(["you need", "take", "because"], rows);
}

function section(title: string, choices: readonly Choice[], folder: string): string {
  return [`## ${title}`, ...choices.map((choice) => reasons(choice, folder))].join("\n\n");
}

function reasons(choice: Choice, folder: string): string {
  const { need, take, policy, evidence, whyNot } = choice;
  return [
    `### ${need}`,
    `Take **${take}**: \`${policy}\``,
    evidence.map((statement) => `- ${cited(statement, folder)}`).join("\n"),
    "Why not …",
    whyNot.map(([what, answer]) => `- **… ${what}?** ${cited(answer, folder)}`).join("\n"),
    `Again: ${command(sourcesOf(choice))}`,
  ].join("\n\n");
}
