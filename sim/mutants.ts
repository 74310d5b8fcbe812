/**
 * `npm run verify:mutants`: do the tests watch over the rules? Bugs that break one rule each are planted, one at a
 * time, and the test that guards the rule must turn red.
 *
 *      npm run verify:mutants                            all of them, a table
 *      npm run verify:mutants -- --list                  mutant → rule, module, test
 *      npm run verify:mutants -- --only skip-the-fence   some
 *      npm run verify:mutants -- --json                  one JSON report
 *
 * The source tree is not touched: a module is changed as it is loaded (mutants/vitest.config.ts). Exit code 0 when
 * the tests are green without a bug and every bug is caught, 1 otherwise, 2 for bad flags. Ctrl-C ends it and
 * removes what was written.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { MUTANTS } from "./mutants/catalogue.ts";
import type { Mutant } from "./mutants/mutant.ts";
import { shownCatalogue, shownOutcome, shownReport, type Judged } from "./mutants/report.ts";
import { runTests } from "./mutants/test-run.ts";
import { verdictOf, type Verdict } from "./mutants/verdict.ts";
import { onlyNamed } from "./only-flag.ts";

/** More would only make each slower: a run is a process with threads of its own. */
const AT_ONCE = Math.min(4, availableParallelism());

const HELP = `Usage: npm run verify:mutants -- [flags]

Plants bugs, one at a time, in modules as they are loaded; the test that guards the broken rule must turn red.

  --list          every mutant: the rule it breaks, its module, and the test that must turn red
  --only <a,b>    these mutants only
  --json          one JSON report on standard output; with --list, the mutants
  --help
`;

interface Asked {
  readonly mutants: readonly Mutant[];
  readonly isList: boolean;
  readonly isJson: boolean;
}

process.exitCode = await main();

async function main(): Promise<number> {
  let asked: Asked | "help";
  try {
    asked = parsed(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`verify:mutants: ${(error as Error).message}\n`);
    return 2;
  }
  if (asked === "help") {
    process.stdout.write(HELP);
    return 0;
  }
  if (asked.isList) {
    process.stdout.write(
      asked.isJson ? `${JSON.stringify({ mutants: asked.mutants })}\n` : shownCatalogue(asked.mutants),
    );
    return 0;
  }
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      // A second one ends everything at once; what was started is killed on the way out (mutants/test-run.ts).
      if (interrupt.signal.aborted) process.exit(1);
      interrupt.abort();
    });
  }
  const folder = await mkdtemp(join(tmpdir(), "parl-mutants-"));
  try {
    return await verify(asked, folder, interrupt.signal);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function verify({ mutants, isJson }: Asked, folder: string, signal: AbortSignal): Promise<number> {
  const tests = [...new Set(mutants.map(({ test }) => test))];
  say(`${tests.length} test files without a bug …`);
  const sound = verdictOf(await runTests({ mutant: undefined, tests, workers: AT_ONCE, folder, signal }));
  const problem = signal.aborted ? "interrupted" : unsound(sound);
  if (problem !== undefined) say(problem);
  const judged = problem === undefined ? await judgedAll(mutants, folder, signal) : [];
  const isCaught =
    judged.length === mutants.length && judged.every(({ verdict }) => verdict.outcome === "caught");
  if (isJson) {
    const runs = judged.map(({ mutant, verdict, tookMs }) => ({ ...mutant, ...verdict, tookMs }));
    const said = { isCaught, ...(problem === undefined ? {} : { problem }), mutants: runs };
    process.stdout.write(`${JSON.stringify(said)}\n`);
  } else if (problem === undefined) {
    process.stdout.write(shownReport(judged));
  }
  return isCaught ? 0 : 1;
}

/** Several at once, reported in the order of the table; those that were interrupted are left out. */
async function judgedAll(mutants: readonly Mutant[], folder: string, signal: AbortSignal): Promise<Judged[]> {
  const judged: Judged[] = [];
  const waiting = mutants.entries();
  const work = async (): Promise<void> => {
    for (const [at, mutant] of waiting) {
      if (signal.aborted) return;
      const startedMs = performance.now();
      const run = await runTests({ mutant: mutant.name, tests: [mutant.test], workers: 1, folder, signal });
      if (signal.aborted) return;
      const verdict = verdictOf(run);
      const tookMs = Math.round(performance.now() - startedMs);
      judged[at] = { mutant, verdict, tookMs };
      say(`${mutant.name.padEnd(28)} ${(tookMs / 1_000).toFixed(1).padStart(5)} s  ${shownOutcome(verdict)}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  if (signal.aborted) say("interrupted");
  return judged.filter((run) => run !== undefined);
}

/** Why nothing can be said: the tests are not green as it is. */
function unsound(verdict: Verdict): string | undefined {
  if (verdict.outcome === "survived") return undefined;
  return `no verdict: without a bug the tests are not green: ${verdict.outcome === "caught" ? verdict.by : verdict.why}`;
}

function say(words: string): void {
  process.stderr.write(`${words}\n`);
}

function parsed(args: readonly string[]): Asked | "help" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      list: { type: "boolean", default: false },
      only: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  const mutants = values.only === undefined ? MUTANTS : onlyNamed(values.only, MUTANTS);
  return { mutants, isList: values.list, isJson: values.json };
}
