/** The policy file, as one flag that every command spells alike. */
import type { StringFlag } from "./flags.ts";

export const POLICIES_FLAG = {
  type: "string",
  value: "<file>",
  default: "deploy/policies/default.yaml",
  env: "PARL_POLICIES",
  about: "Policy file; running processes read it again whenever it changes.",
} as const satisfies StringFlag;
