/**
 * `npm run verify:actors`: real processes, real faults, and a ledger of every call that is judged afterwards.
 *
 *      npm run verify:actors                       all scenarios, a table
 *      npm run verify:actors -- --only kill,leave  some
 *      npm run verify:actors -- --json             one JSON report
 *
 * Exit code 0 when every promise was kept, 1 when one was broken or a run could not be made, 2 for bad flags.
 * Only processes started here are signalled; Ctrl-C ends them and removes what they wrote.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ParlError } from "../core/errors.ts";
import { SCENARIOS } from "./faults/catalogue.ts";
import { shownReport } from "./faults/report.ts";
import { runScenario, type Scenario, type ScenarioReport } from "./faults/scenario.ts";
import { onlyNamed } from "./only-flag.ts";

/** Of a run that a stalled machine spoilt. */
const ATTEMPTS_MAX = 3;

const HELP = `Usage: npm run verify:actors -- [flags]

Kills, freezes, fills and restarts a region of real processes under load, and judges what callers were told.

  --only <a,b>      these scenarios only: ${SCENARIOS.map(({ name }) => name).join(", ")}
  --repeat <n>      each so many times, each time with the next seed (default 1)
  --seed <n>        of the callers (default 1)
  --rate <n>        calls a second, besides the probes (default 450)
  --ledger <dir>    write every call there, one JSON line each
  --json            one JSON report on standard output
  --help
`;

interface Asked {
  readonly scenarios: readonly Scenario[];
  readonly repeat: number;
  readonly seed: number;
  readonly rate: number;
  readonly ledger: string | undefined;
  readonly isJson: boolean;
}

process.exitCode = await main();

async function main(): Promise<number> {
  let asked: Asked | "help";
  try {
    asked = parsed(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`verify:actors: ${(error as Error).message}\n`);
    return 2;
  }
  if (asked === "help") {
    process.stdout.write(HELP);
    return 0;
  }
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      // A second one ends everything at once; what was started is killed on the way out (faults/child.ts).
      if (interrupt.signal.aborted) process.exit(1);
      interrupt.abort();
    });
  }
  const reports: Omit<ScenarioReport, "calls">[] = [];
  for (let round = 0; round < asked.repeat; round += 1) {
    for (const scenario of asked.scenarios) {
      if (interrupt.signal.aborted) break;
      reports.push(await judgedRun(scenario, asked, round, interrupt.signal));
    }
  }
  const isKept = reports.every((report) => report.isKept) && !interrupt.signal.aborted;
  process.stdout.write(
    asked.isJson ? `${JSON.stringify({ isKept, runs: reports })}\n` : shownReport(reports),
  );
  return isKept ? 0 : 1;
}

/** Runs again what broke a promise about time while this very process could not run either. */
async function judgedRun(
  scenario: Scenario,
  asked: Asked,
  round: number,
  signal: AbortSignal,
): Promise<Omit<ScenarioReport, "calls">> {
  for (let attempt = 1; ; attempt += 1) {
    const report = await oneRun(scenario, asked, round, signal);
    const isAboutTime = report.violations.every(({ check }) => check === "liveness");
    if (report.isKept || !report.isStalled || !isAboutTime || attempt === ATTEMPTS_MAX) return report;
    const lagMs = report.measured["own_lag_ms"];
    process.stderr.write(
      `${scenario.name}: this process stood still for ${lagMs} ms; the run says nothing; again\n`,
    );
  }
}

async function oneRun(
  scenario: Scenario,
  { seed: first, rate, ledger }: Asked,
  round: number,
  signal: AbortSignal,
): Promise<Omit<ScenarioReport, "calls">> {
  const seed = first + round;
  const startedMs = performance.now();
  const say = (words: string): void =>
    void process.stderr.write(
      `${scenario.name} ${((performance.now() - startedMs) / 1_000).toFixed(1).padStart(5)} s  ${words}\n`,
    );
  say(scenario.expects);
  try {
    const { calls, ...report } = await runScenario(scenario, {
      seed,
      leaseMs: 2_000,
      callsPerS: rate,
      probesPerShardPerS: 5,
      beforeMs: 4_000,
      afterMs: 6_000,
      offered: 3,
      callersScale: 1,
      // Of this run alone, so that what listens to it goes with it.
      signal: AbortSignal.any([signal]),
      say,
    });
    if (ledger !== undefined) {
      await mkdir(ledger, { recursive: true });
      const lines = calls.map((call) => `${JSON.stringify(call)}\n`).join("");
      await writeFile(join(ledger, `${scenario.name}-${seed}.jsonl`), lines);
    }
    say(report.isKept ? "kept" : `broken: ${report.violations.length} violations`);
    return report;
  } catch (error) {
    const { message } = error as Error;
    say(signal.aborted ? "interrupted" : `no verdict: ${message}`);
    const violations = [{ check: "liveness", subject: "the run itself", message }] as const;
    return {
      scenario: scenario.name,
      expects: scenario.expects,
      seed,
      isKept: false,
      isStalled: false,
      violations,
      measured: {},
    };
  }
}

function parsed(args: readonly string[]): Asked | "help" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string" },
      repeat: { type: "string", default: "1" },
      seed: { type: "string", default: "1" },
      rate: { type: "string", default: "450" },
      ledger: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  return {
    scenarios: values.only === undefined ? SCENARIOS : onlyNamed(values.only, SCENARIOS),
    repeat: wholeNumber("--repeat", values.repeat, 1, 1_000),
    seed: wholeNumber("--seed", values.seed, 0, Number.MAX_SAFE_INTEGER - 1_000),
    rate: wholeNumber("--rate", values.rate, 10, 20_000),
    ledger: values.ledger,
    isJson: values.json,
  };
}

function wholeNumber(flag: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new ParlError(
    "PARL_INVALID_ARGUMENT",
    `${flag} must be a whole number from ${min} to ${max}, got ${text}`,
  );
}
