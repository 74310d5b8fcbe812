/**
 * The policy file, as one flag that every command spells alike. One that is named is looked for where the command
 * is called; the one that comes with PARL is found from anywhere.
 */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { StringFlag } from "./flags.ts";

export const POLICIES_FLAG = {
  type: "string",
  value: "<file>",
  env: "PARL_POLICIES",
  about: "Policy file, read again whenever it changes; PARL's own deploy/policies/default.yaml when absent.",
} as const satisfies StringFlag;

const SHIPPED = fileURLToPath(new URL("../deploy/policies/default.yaml", import.meta.url));

/** The full path, so that an error says where was looked. */
export function policyPath(named: string | undefined): string {
  return named === undefined ? SHIPPED : resolve(named);
}
