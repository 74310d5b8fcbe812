/**
 * The eight scripts and what joins them (includes/joint.lua) as one: still one call, hence one step.
 *
 *      gcra.lua         ─▶ scripts['gcra'] = { numbers = 4, decide = function(key, mode, …) … end }
 *      sliding-log.lua  ─▶ scripts['sliding-log'] = …                                      joint.lua ─▶ one text
 *
 * A script becomes a function of one key as it stands: its KEYS and ARGV are that function's own.
 */
import { createHash } from "node:crypto";
import { REDIS_ALGORITHMS, type RedisAlgorithm } from "./limiter-params.ts";
import type { ScriptText } from "./redis-script.ts";
import { loadInclude, loadScript } from "./script-loader.ts";

let loaded: ScriptText | undefined;

/** Reads it once. */
export function loadJointScript(): ScriptText {
  loaded ??= readJointScript();
  return loaded;
}

function readJointScript(): ScriptText {
  const scripts = REDIS_ALGORITHMS.map(asFunction);
  const text = `local scripts = {}\n${scripts.join("")}${loadInclude("joint")}`;
  return { text, sha1: createHash("sha1").update(text).digest("hex") };
}

function asFunction(algorithm: RedisAlgorithm): string {
  const { text, contract } = loadScript(algorithm);
  let numbers = 0;
  const call = contract.call.map(({ words }) => {
    if (words !== undefined) return "mode";
    numbers += 1;
    return `numbers[${numbers}]`;
  });
  const values = [...call, ...contract.perKey.map(({ name }) => name)].join(", ");
  return `scripts['${algorithm}'] = { numbers = ${numbers}, decide = function(key, mode, now_us, cost, numbers)
local KEYS, ARGV = { key }, { ${values} }
${text}end }
`;
}
