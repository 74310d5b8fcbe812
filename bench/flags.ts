/**
 * Command-line flags described once: the same table parses, explains (`--help`) and names the flag in every
 * error. Counts may be written 10_000 or 1e6, durations 500us, 100ms, 10s, 1m, 2h, 1d.
 */
import { parseArgs } from "node:util";
import { invalidArgument, ParlError } from "../core/errors.ts";

interface FlagSpec {
  /** What the value looks like, such as `N` or `zipf|uniform`; absent for a switch. */
  readonly value?: string;
  readonly about: string;
  /** Used, and shown, when the flag is not given. */
  readonly fallback?: string;
}

export type FlagTable = Readonly<Record<string, FlagSpec>>;

interface Range {
  readonly min: number;
  readonly max?: number;
}

const US_PER_UNIT: Readonly<Record<string, number>> = {
  us: 1,
  ms: 1e3,
  s: 1e6,
  m: 60e6,
  h: 3_600e6,
  d: 86_400e6,
};

export class Flags {
  readonly #given = new Map<string, string>();
  readonly #table: FlagTable;
  /** What was written without dashes; empty unless the command takes any. */
  readonly words: readonly string[];

  constructor(table: FlagTable, args: readonly string[], { takesWords = false } = {}) {
    this.#table = table;
    const words: string[] = [];
    this.words = words;
    const options = Object.fromEntries(
      Object.entries(table).map(([name, spec]) => [
        name,
        { type: spec.value ? "string" : "boolean" } as const,
      ]),
    );
    const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true });
    for (const token of tokens) {
      if (token.kind === "option-terminator") continue;
      if (token.kind === "positional") {
        if (!takesWords) throw usage(`"${token.value}"`, "is not a flag");
        words.push(token.value);
        continue;
      }
      const spec = Object.hasOwn(table, token.name) ? table[token.name] : undefined;
      if (spec === undefined) throw usage(token.rawName, "is not a flag of this command");
      if (spec.value && token.value === undefined) throw usage(token.rawName, `needs a value: ${spec.value}`);
      if (!spec.value && token.value !== undefined) throw usage(token.rawName, "takes no value");
      if (this.#given.has(token.name)) throw usage(token.rawName, "is given twice");
      this.#given.set(token.name, token.value ?? "");
    }
  }

  /** Whether the flag was written by the user. */
  has(name: string): boolean {
    return this.#given.has(name);
  }

  /** The flag's text or its fallback; undefined when there is neither. */
  text(name: string): string | undefined {
    return this.#given.get(name) ?? this.#table[name]?.fallback;
  }

  choice<Value extends string>(name: string, values: readonly Value[]): Value {
    const text = this.#required(name);
    const value = values.find((candidate) => candidate === text);
    if (value === undefined) throw invalidArgument(`--${name}`, `one of ${values.join(", ")}`, text);
    return value;
  }

  number(name: string, { min, max = Infinity }: Range): number {
    const text = this.#required(name);
    const value = numberOf(text);
    if (!(value >= min && value <= max))
      throw invalidArgument(`--${name}`, `a number ${spoken(min, max)}`, text);
    return value;
  }

  count(name: string, { min, max = Number.MAX_SAFE_INTEGER }: Range): number {
    const text = this.#required(name);
    const value = numberOf(text);
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      throw invalidArgument(`--${name}`, `a whole number ${spoken(min, max)}`, text);
    }
    return value;
  }

  durationUs(name: string): number {
    const text = this.#required(name);
    const [, amount = "", unit = ""] = /^([\d_.]+)(us|ms|s|m|h|d)$/.exec(text) ?? [];
    const us = Math.round(numberOf(amount) * (US_PER_UNIT[unit] ?? NaN));
    if (!(us >= 1)) throw invalidArgument(`--${name}`, "a duration above 0 such as 100ms, 10s or 1m", text);
    return us;
  }

  #required(name: string): string {
    const text = this.text(name);
    if (text === undefined)
      throw usage(`--${name}`, `is missing: --${name} ${this.#table[name]?.value ?? ""}`);
    return text;
  }
}

/** The text of `--help`. */
export function helpText(synopsis: string, table: FlagTable): string {
  const rows = Object.entries(table).map(([name, spec]) => ({
    left: `  --${name}${spec.value ? ` ${spec.value}` : ""}`,
    right: spec.about + (spec.fallback === undefined ? "" : ` [${spec.fallback}]`),
  }));
  const width = Math.max(...rows.map((row) => row.left.length)) + 2;
  return `${synopsis}\n\n${rows.map((row) => row.left.padEnd(width) + row.right).join("\n")}\n`;
}

function usage(flag: string, problem: string): ParlError {
  return new ParlError("PARL_INVALID_ARGUMENT", `${flag} ${problem} (see --help)`, { field: flag });
}

/** NaN for anything but a plain decimal number, with `_` between digits and an exponent if you like. */
function numberOf(text: string): number {
  return /^\d+(_\d+)*(\.\d+)?(e\d+)?$/i.test(text) ? Number(text.replaceAll("_", "")) : NaN;
}

function spoken(min: number, max: number): string {
  const above = min === Number.MIN_VALUE ? "above 0" : `of at least ${min}`;
  return max >= Number.MAX_SAFE_INTEGER ? above : `${above} and at most ${max}`;
}
