/**
 * Command-line flags from one table that serves the parser, the types and the help text alike.
 *
 *   const FLAGS = {
 *     speed: { type: "string", value: "real|max|<factor>", default: "max", about: "How fast to replay." },
 *     json: { type: "boolean", about: "Print one JSON document." },
 *   } as const satisfies FlagTable;
 *   const { flags, positionals } = parseFlags(argv, FLAGS, io.env, ["<file>"]);
 *   flags.speed  // string
 *
 * A value comes from the command line, else from the flag's environment variable, else from its default.
 * node:util `parseArgs` splits the words; the messages are ours, because its own neither name the command
 * nor stay the same between versions of Node.
 */
import { parseArgs } from "node:util";
import { shown } from "../core/errors.ts";

/** The command was used wrongly: the message says how, the exit code is 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  /** The flag or word at fault, where it is a single one. */
  readonly field: string | undefined;

  constructor(message: string, field?: string, options?: ErrorOptions) {
    super(message, options);
    this.field = field;
  }
}

interface FlagWords {
  readonly about: string;
  readonly short?: string;
}

interface BooleanFlag extends FlagWords {
  readonly type: "boolean";
}

export interface StringFlag extends FlagWords {
  readonly type: "string";
  /** How the help shows the value: `<file>`, `real|max`. */
  readonly value: string;
  readonly default?: string;
  /** Environment variable that stands in when the flag is absent. */
  readonly env?: string;
}

export type FlagTable = Readonly<Record<string, BooleanFlag | StringFlag>>;

/** The parsed value of each flag of table `T`. */
export type Flags<T extends FlagTable> = {
  readonly [Name in keyof T]: T[Name] extends BooleanFlag
    ? boolean
    : T[Name] extends { readonly default: string }
      ? string
      : string | undefined;
};

/**
 * @param positionals the names of the words that must follow, `["<file>"]`; a name ending in `?` may be absent
 */
export function parseFlags<T extends FlagTable>(
  argv: readonly string[],
  table: T,
  env: Readonly<Record<string, string | undefined>>,
  positionals: readonly string[] = [],
): { readonly flags: Flags<T>; readonly positionals: readonly string[] } {
  const words: string[] = [];
  const given = new Map<string, string | boolean>();
  const { tokens } = parseArgs({
    args: [...argv],
    options: parseArgsOptions(table),
    strict: false,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind === "positional") words.push(token.value);
    if (token.kind === "option") given.set(token.name, flagValue(token, table));
  }
  checkPositionals(words, positionals);
  const flags = Object.entries(table).map(([name, flag]) => [name, given.get(name) ?? absent(flag, env)]);
  return { flags: Object.fromEntries(flags) as Flags<T>, positionals: words };
}

/** The value of a flag that holds a whole number, or a UsageError that names the flag. */
export function wholeNumber(flag: string, text: string, min: number, max = Number.MAX_SAFE_INTEGER): number {
  const number = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  throw new UsageError(`--${flag} must be a whole number ${range}, got ${shown(text)}`, flag);
}

export interface HelpWords {
  /** `parl replay <access log> [flags]` */
  readonly usage: string;
  /** What the command does, in a few lines. */
  readonly about: string;
  readonly flags: FlagTable;
  readonly examples: readonly string[];
}

export function helpText(words: HelpWords): string {
  const rows = Object.entries(words.flags).map(([name, flag]) => [flagSpelling(name, flag), flagAbout(flag)]);
  rows.push(["-h, --help", "Print this."]);
  const width = Math.max(...rows.map(([spelling]) => spelling?.length ?? 0));
  const flags = rows.map(([spelling = "", about = ""]) => `  ${spelling.padEnd(width)}  ${about}\n`);
  const examples = words.examples.map((example) => `  ${example}\n`);
  return `Usage: ${words.usage}\n\n${words.about}\n\nFlags:\n${flags.join("")}\nExamples:\n${examples.join("")}`;
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

function flagValue(token: OptionToken, table: FlagTable): string | boolean {
  const flag = Object.hasOwn(table, token.name) ? table[token.name] : undefined;
  if (flag === undefined) throw new UsageError(`unknown flag ${shownFlag(token.rawName)}`, token.name);
  if (flag.type === "boolean") {
    if (token.value !== undefined) throw new UsageError(`${token.rawName} takes no value`, token.name);
    return true;
  }
  const swallowedFlag = token.inlineValue === false && /^-./.test(token.value ?? "");
  if (token.value === undefined || token.value === "" || swallowedFlag) {
    throw new UsageError(`${token.rawName} needs a value, ${flag.value}`, token.name);
  }
  return token.value;
}

function absent(
  flag: BooleanFlag | StringFlag,
  env: Readonly<Record<string, string | undefined>>,
): string | boolean | undefined {
  if (flag.type === "boolean") return false;
  // An empty variable is how shells say "unset".
  return (flag.env && env[flag.env]) || flag.default;
}

function checkPositionals(words: readonly string[], names: readonly string[]): void {
  const missing = names[words.length];
  if (missing !== undefined && !missing.endsWith("?")) {
    throw new UsageError(`${missing} is missing`, missing.replaceAll(/[<>]/g, ""));
  }
  const extra = words[names.length];
  if (extra !== undefined) throw new UsageError(`unexpected ${shown(extra)}`);
}

function parseArgsOptions(
  table: FlagTable,
): Record<string, { type: "boolean" | "string"; short?: string | undefined }> {
  return Object.fromEntries(
    Object.entries(table).map(([name, { type, short }]) => [
      name,
      short === undefined ? { type } : { type, short },
    ]),
  );
}

function flagSpelling(name: string, flag: BooleanFlag | StringFlag): string {
  const short = flag.short === undefined ? "" : `-${flag.short}, `;
  return `${short}--${name}${flag.type === "string" ? ` ${flag.value}` : ""}`;
}

function flagAbout(flag: BooleanFlag | StringFlag): string {
  if (flag.type === "boolean") return flag.about;
  const origins = [
    ...(flag.env === undefined ? [] : [flag.env]),
    ...(flag.default === undefined ? [] : [`default ${flag.default}`]),
  ];
  return origins.length === 0 ? flag.about : `${flag.about} [${origins.join("; ")}]`;
}

function shownFlag(rawName: string): string {
  return rawName.length > 60 ? `${rawName.slice(0, 57)}…` : rawName;
}
