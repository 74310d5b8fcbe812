/**
 * From a file in this folder to what Redis runs.
 *
 *      gcra.lua ─▶ header = contract    --- @arguments            ─▶ local mode, capacity, … = ARGV[1], …
 *                  body                 --- @arguments-per-key i  ─▶ local now_us, cost = ARGV[…], …
 *                                       --- @include "debt"       ─▶ includes/debt.lua, once
 *                                       --- @within "each-key"    ─▶ includes/each-key.lua, and at its @rest
 *                                       …                            what follows here
 *
 * Arguments have the names and the order of the header, here as where calls are packed, so that the two cannot
 * drift apart. Comments stay here: what is sent is the code alone, named by its SHA-1 as Redis does.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ScriptText } from "./redis-script.ts";
import { parseContract, type ScriptContract, type ScriptField } from "./script-contract.ts";
import { ScriptLoaderError } from "./script-loader-error.ts";

export interface LuaScript extends ScriptText {
  readonly name: string;
  readonly contract: ScriptContract;
}

const FOLDER = import.meta.dirname;
const HEADER = /^--\[\[\n(?<header>[\s\S]*?)\n\]\]\n(?<body>[\s\S]*)$/;
const DIRECTIVE = /^\s*--- @(?<verb>\S*) ?(?<object>.*)$/;

const loaded = new Map<string, LuaScript>();

/** Reads each script once. @throws ScriptLoaderError naming the file and what is wrong with it */
export function loadScript(name: string, folder = FOLDER): LuaScript {
  const id = join(folder, name);
  const script = loaded.get(id) ?? readScript(name, folder);
  loaded.set(id, script);
  return script;
}

/** The code of a file in includes/, without comments. @throws ScriptLoaderError */
export function loadInclude(name: string, folder = FOLDER): string {
  const contract = { call: [], perKey: [], returns: [] };
  const path = join("includes", `${name}.lua`);
  return resolvedText(read(folder, path, path), path, { folder, contract, seen: new Set() });
}

function readScript(name: string, folder: string): LuaScript {
  const path = `${name}.lua`;
  const { header, body } = HEADER.exec(read(folder, path, path))?.groups ?? {};
  if (header === undefined || body === undefined) {
    throw new ScriptLoaderError(path, "it does not start with its contract, --[[ … ]]");
  }
  const contract = parseContract(header.split("\n"), path);
  const text = resolvedText(body, path, { folder, contract, seen: new Set() });
  return { name, text, sha1: createHash("sha1").update(text).digest("hex"), contract };
}

interface Resolution {
  readonly folder: string;
  readonly contract: ScriptContract;
  /** Includes that are in the text already. */
  readonly seen: Set<string>;
  /** In what a script is within: the lines that follow there. */
  readonly rest?: () => string[];
}

function resolvedText(source: string, path: string, resolution: Resolution): string {
  return `${resolved(source, [path], resolution).join("\n")}\n`;
}

/** Lines of code, without comments. @param stack the file that `source` is, last, and those that include it */
function resolved(source: string, stack: readonly string[], resolution: Resolution): string[] {
  const lines = source.split("\n");
  const code: string[] = [];
  for (const [i, line] of lines.entries()) {
    const { verb, object } = DIRECTIVE.exec(line)?.groups ?? {};
    if (verb === undefined || object === undefined) {
      if (!/^\s*(?:--|$)/.test(line)) code.push(line);
    } else if (verb === "within") {
      return [...code, ...within(object, lines.slice(i + 1).join("\n"), stack, resolution)];
    } else {
      code.push(...directed(verb, object, stack, resolution));
    }
  }
  return code;
}

function directed(verb: string, object: string, stack: readonly string[], resolution: Resolution): string[] {
  const { contract, rest } = resolution;
  if (verb === "arguments") return [callArguments(contract)];
  if (verb === "arguments-per-key") return [keyArguments(contract, object)];
  if (verb === "include") return included(object, stack, resolution);
  if (verb === "rest" && rest !== undefined) return rest();
  const problem = verb === "rest" ? "nothing is within it here, for @rest" : `there is no directive @${verb}`;
  throw new ScriptLoaderError(stack.join(" → "), problem);
}

/** An include with what follows in the script in its midst. */
function within(
  object: string,
  following: string,
  stack: readonly string[],
  resolution: Resolution,
): string[] {
  let isPlaced = false;
  const rest = (): string[] => {
    isPlaced = true;
    return resolved(following, stack, resolution);
  };
  const code = included(object, stack, { ...resolution, rest });
  if (isPlaced) return code;
  throw new ScriptLoaderError(stack.join(" → "), `${object} has no @rest, or is in the text already`);
}

/** Numbers as such, words as they are. What is no number is an error there and then. */
function callArguments({ call }: ScriptContract): string {
  const values = call.map(({ words }, i) => (words ? `ARGV[${i + 1}]` : `ARGV[${i + 1}] + 0`));
  return `local ${names(call)} = ${values.join(", ")}`;
}

/** As they are: they come from requests, and the script says what is wrong with them. */
function keyArguments({ call, perKey }: ScriptContract, index: string): string {
  const before = call.length - perKey.length;
  const values = perKey.map((_, i) => `ARGV[${perKey.length} * ${index} + ${before + i + 1}]`);
  return `local ${names(perKey)} = ${values.join(", ")}`;
}

function names(fields: readonly ScriptField[]): string {
  return fields.map(({ name }) => name).join(", ");
}

function included(object: string, stack: readonly string[], resolution: Resolution): string[] {
  const { folder, seen } = resolution;
  const from = stack.join(" → ");
  const name = /^"([\w-]+)"$/.exec(object)?.[1];
  if (name === undefined)
    throw new ScriptLoaderError(from, `an include is written @include "name", not ${object}`);
  const path = join("includes", `${name}.lua`);
  if (stack.includes(path)) throw new ScriptLoaderError(from, `${path} includes itself`);
  if (seen.has(path)) return [];
  seen.add(path);
  return resolved(read(folder, path, from), [...stack, path], resolution);
}

function read(folder: string, path: string, from: string): string {
  try {
    return readFileSync(join(folder, path), "utf8");
  } catch {
    throw new ScriptLoaderError(from, `there is no ${path} in ${folder}`);
  }
}
