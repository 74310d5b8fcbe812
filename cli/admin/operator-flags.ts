/** What every operator command says alike. */
import type { StringFlag } from "../flags.ts";

export const BY_FLAG = {
  type: "string",
  value: "<name>",
  env: "USER",
  about: "Who asks, for the audit log.",
} as const satisfies StringFlag;

export const NO_DESK =
  "no process takes operator calls; start the region's actors with parl actor --audit-log <file>";
