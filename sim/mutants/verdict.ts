/**
 * Whether a run of tests has caught the bug planted for it.
 *
 *      a test failed, by an assertion, a property or an error of the code     caught
 *      tests ran and all are green                                            survived
 *      anything else                                                          unclear
 *
 * Red is not enough. A module that does not load turns every test red that imports it, whatever the tests look
 * at; so does a name that is not there, and a machine that is too busy makes any test run out of time. None of
 * these says that somebody watches over the rule.
 */

/** What is read of the report that Vitest's reporter `json` writes. */
export interface TestReport {
  readonly testResults: readonly {
    readonly name: string;
    /** Of a file that could not be loaded or set up; else empty. */
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages?: readonly string[] | null;
    }[];
  }[];
}

export interface EndedRun {
  /** Undefined when none was written, or none that can be read. */
  readonly report: TestReport | undefined;
  /** Exit code or signal. */
  readonly how: number | string;
  readonly lastWords: string;
}

export type Verdict =
  | { readonly outcome: "caught"; readonly by: string }
  | { readonly outcome: "survived" }
  | { readonly outcome: "unclear"; readonly why: string };

/**
 * Failures that say nothing about the rule, at the beginning of a line and whatever they are wrapped in. Text that
 * is no JSON was read by the test, not by who loads modules.
 */
const SAYS_NOTHING =
  /^(?:\S*Error: )?(?:Got |Caused by: )?(?:ReferenceError|SyntaxError(?!.*JSON)|Error: (?:Test|Hook) timed out)\b/m;

export function verdictOf({ report, how, lastWords }: EndedRun): Verdict {
  if (report === undefined) return unclear(`no report, ended with ${how}: ${lastWords}`);
  for (const { name, message } of report.testResults) {
    if (message !== "") return unclear(`${name} does not load: ${message}`);
  }
  const tests = report.testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = tests.filter(({ status }) => status === "failed");
  const telling = failed.find(
    ({ failureMessages }) => !SAYS_NOTHING.test((failureMessages ?? []).join("\n")),
  );
  if (telling !== undefined) return { outcome: "caught", by: telling.fullName };
  const [first] = failed;
  if (first !== undefined) return unclear(`${first.fullName}: ${first.failureMessages?.[0] ?? "no reason"}`);
  if (how !== 0) return unclear(`no test failed, and yet it ended with ${how}: ${lastWords}`);
  if (!tests.some(({ status }) => status === "passed")) return unclear("no test ran");
  return { outcome: "survived" };
}

const ESC = String.fromCodePoint(27);
const COLOURS = new RegExp(`${ESC}\\[[\\d;]*m`, "g");
const WHY_MAX = 200;

/** On one line. */
function unclear(why: string): Verdict {
  const line = why.replaceAll(COLOURS, "").replaceAll(/\s+/g, " ").trim();
  return { outcome: "unclear", why: line.length > WHY_MAX ? `${line.slice(0, WHY_MAX)}…` : line };
}
