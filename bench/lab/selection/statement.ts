/**
 * A sentence of the selection page and the numbers in it. Words are ours, every number is a figure that knows which
 * experiment it comes from: `say` refuses digits among the words, so that none is typed by hand and forgotten when
 * the next measurement says something else.
 *
 *      say`A fixed window admits ${figure} too much.`   ──▶   text, and the results it rests on
 */
import { ParlError } from "../../../core/errors.ts";

/** A number as the page shows it. */
export interface Figure {
  readonly text: string;
  /** The experiment whose result holds it. */
  readonly from: string;
}

export interface Statement {
  readonly text: string;
  /** Experiments it rests on, each once, in order of mention. */
  readonly from: readonly string[];
}

/** A factor (2·L), a ratio (1/√L) and a name (p99) are no measured numbers. */
const NUMBER = /(?<![\p{L}\d.,])\d+(?![\d·/])/u;

/** @throws ParlError for a number among the words */
export function say(words: TemplateStringsArray, ...figures: readonly Figure[]): Statement {
  const typed = words.find((part) => NUMBER.test(part));
  if (typed !== undefined) {
    throw new ParlError("PARL_INTERNAL", `a number is typed by hand: "${typed}"; take it from a result`);
  }
  return {
    text: words.map((part, index) => part + (figures[index]?.text ?? "")).join(""),
    from: [...new Set(figures.map(({ from }) => from))],
  };
}

/** What is measured in, from a number to what the page shows. Three digits say what a measurement can say. */
export type Unit = (value: number) => string;

export const count: Unit = (value) => value.toLocaleString("en-US", { maximumFractionDigits: 0 });
export const percentage: Unit = (value) => `${rounded(value, value < 0.1 ? 3 : 1)} %`;
export const percentagePoints: Unit = (value) => `${rounded(value, 1)} percentage points`;
export const seconds: Unit = (value) => `${rounded(value, 1)} s`;
export const times: Unit = (value) => `${digits(value)} ×`;
export const perSecond: Unit = (value) => `${scaled(value, ["", " k", " M"])}/s`;
export const decisionsPerS: Unit = (value) => `${scaled(value, ["", " k", " M"])} decisions/s`;
export const bytes: Unit = (value) => scaled(value, [" B", " kB", " MB", " GB", " TB"]);
export const duration: Unit = (us) => scaled(us, [" µs", " ms", " s"]);

function scaled(value: number, units: readonly string[]): string {
  let index = 0;
  // By what it is rounded to, so that 999.7 is no "1000".
  while (index < units.length - 1 && Number(value.toPrecision(3)) >= 1_000) {
    value /= 1_000;
    index += 1;
  }
  return `${digits(value)}${units[index]!}`;
}

function digits(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString("en-US", { maximumSignificantDigits: 3 });
}

function rounded(value: number, places: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: places });
}
