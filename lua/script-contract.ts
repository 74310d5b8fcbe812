/**
 * A script's contract, read from its header.
 *
 *      Arguments                                           sections that hold fields
 *        capacity      0..2147483647      units: …         name, what it may be, what it means
 *        mode          check|report       …
 *
 * Nobody types the order of the arguments a second time: calls are packed and replies are read by it.
 */
import { invalidArgument } from "../core/errors.ts";
import { ScriptLoaderError } from "./script-loader-error.ts";

export interface ScriptField {
  readonly name: string;
  /** One of these words, where the field is a word. */
  readonly words?: readonly string[];
  readonly min: number;
  readonly max: number;
  readonly about: string;
}

export interface ScriptContract {
  /** Once per call, in the order of ARGV. */
  readonly call: readonly ScriptField[];
  /** After them, for every key of the call. */
  readonly perKey: readonly ScriptField[];
  /** Words of the line that answers for a key. */
  readonly returns: readonly ScriptField[];
}

/** Sections of a header, and where their fields go; a section without is prose. */
const SECTIONS: Readonly<Record<string, keyof ScriptContract | undefined>> = {
  Keys: undefined,
  Arguments: "call",
  "Arguments per key": "perKey",
  "Returns per key, as one line of text": "returns",
  Errors: undefined,
};

const FIELD = /^ {2}(?<name>\w+) {2,}(?<kind>\S+) {2,}(?<about>\S.*)$/;

/** @param lines the header's, without its brackets */
export function parseContract(lines: readonly string[], path: string): ScriptContract {
  const contract: Record<keyof ScriptContract, ScriptField[]> = { call: [], perKey: [], returns: [] };
  const missing = new Set(Object.keys(SECTIONS));
  let fields: ScriptField[] | undefined;
  for (const line of lines) {
    const title = line.trimEnd();
    if (Object.hasOwn(SECTIONS, title)) {
      missing.delete(title);
      const target = SECTIONS[title];
      fields = target === undefined ? undefined : contract[target];
    } else if (fields !== undefined && title !== "") {
      fields.push(parseField(title, path));
    }
  }
  if (missing.size > 0) throw new ScriptLoaderError(path, `its header has no "${[...missing].join('", "')}"`);
  return contract;
}

function parseField(line: string, path: string): ScriptField {
  const { name, kind, about } = FIELD.exec(line)?.groups ?? {};
  if (name === undefined || kind === undefined || about === undefined) {
    throw new ScriptLoaderError(path, `"${line.trim()}" is not "name  kind  meaning"`);
  }
  const range = /^(.+)\.\.(.+)$/.exec(kind);
  if (range === null) return { name, words: kind.split("|"), min: 0, max: 0, about };
  const [min, max] = [wholeNumber(range[1] as string), wholeNumber(range[2] as string)];
  if (!(min <= max)) throw new ScriptLoaderError(path, `${kind} is no range of whole numbers (of ${name})`);
  return { name, min, max, about };
}

/** `-1`, `2147483647` or `2^52`; NaN for anything else. */
function wholeNumber(text: string): number {
  const power = /^2\^(\d+)$/.exec(text);
  if (power !== null) return 2 ** Number(power[1]);
  return /^-?\d+$/.test(text) ? Number(text) : NaN;
}

/** A field's value as an argument. @throws PARL_INVALID_ARGUMENT when it may not be that */
export function argumentText(field: ScriptField, value: unknown): string {
  if (field.words !== undefined) {
    if (field.words.includes(value as string)) return value as string;
    throw invalidArgument(camelCase(field.name), `one of ${field.words.join(", ")}`, value);
  }
  if (Number.isSafeInteger(value) && (value as number) >= field.min && (value as number) <= field.max) {
    return String(value);
  }
  throw invalidArgument(camelCase(field.name), `a whole number from ${field.min} to ${field.max}`, value);
}

/** What the field is called on this side. */
function camelCase(name: string): string {
  return name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}
