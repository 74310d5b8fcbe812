/** The flags of `parl replay`, and what they mean together. */
import { resolve } from "node:path";
import type { RegionAddress } from "../../client/connect-region.ts";
import { shown } from "../../core/errors.ts";
import { isLogField, LOG_FIELDS, type CheckMapping, type LogField } from "../../sim/check-mapping.ts";
import { parseFlags, UsageError, wholeNumber, type Flags, type FlagTable } from "../flags.ts";
import { parseRegionList, REGIONS_FLAG } from "../region-list.ts";

export const REPLAY_FLAGS = {
  speed: {
    type: "string",
    value: "real|max|<factor>",
    default: "max",
    about: "How fast: as logged, as fast as answers come, or so many times as fast.",
  },
  tenant: {
    type: "string",
    value: "<name,…>|@<field>",
    default: "weblog",
    about: "Tenant of the checks; several names replay the log once for each; @field reads it from the log.",
  },
  key: { type: "string", value: "<field>", default: "ip", about: "Field that is the key." },
  user: { type: "string", value: "<field>|none", default: "none", about: "Field that is the user." },
  limit: { type: "string", value: "<n>", about: "Only the log's first n requests." },
  top: { type: "string", value: "<n>", default: "10", about: "How many limited keys to list." },
  regions: REGIONS_FLAG,
  record: { type: "string", value: "<file>", about: "Keep every decision in this file (.gz packs it)." },
  policies: {
    type: "string",
    value: "<file>",
    about: "The policy file: the one in force, for --record; the one to try, for --offline.",
  },
  offline: {
    type: "boolean",
    about: "Decide in this process: a recording again, or an access log by its own times.",
  },
  oracle: { type: "boolean", about: "Compare a recording with the exact oracle as well." },
  json: { type: "boolean", about: "Print one JSON document." },
} as const satisfies FlagTable;

export interface ReplayOptions {
  readonly file: string;
  /** Checks run this many times as fast as the log; Infinity as fast as answers come. */
  readonly factor: number;
  readonly mapping: CheckMapping;
  readonly requestsMax: number;
  readonly top: number;
  readonly regions: readonly RegionAddress[];
  readonly recordFile: string | undefined;
  readonly policyFile: string | undefined;
  readonly isOffline: boolean;
  readonly withOracle: boolean;
  readonly asJson: boolean;
}

export function parseReplayOptions(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ReplayOptions {
  const { flags, positionals } = parseFlags(argv, REPLAY_FLAGS, env, ["<log>"]);
  const [file = ""] = positionals;
  checkTogether(flags, file);
  return {
    file,
    factor: parseSpeed(flags.speed),
    mapping: {
      tenant: parseTenant(flags.tenant),
      key: parseField("key", flags.key),
      user: flags.user === "none" ? null : parseField("user", flags.user),
    },
    requestsMax: flags.limit === undefined ? Infinity : wholeNumber("limit", flags.limit, 1),
    top: wholeNumber("top", flags.top, 0),
    regions: parseRegionList(flags.regions),
    recordFile: flags.record,
    policyFile: flags.policies === undefined ? undefined : resolve(flags.policies),
    isOffline: flags.offline,
    withOracle: flags.oracle,
    asJson: flags.json,
  };
}

function checkTogether(flags: Flags<typeof REPLAY_FLAGS>, file: string): void {
  if (flags.record !== undefined && resolve(flags.record) === resolve(file)) {
    throw new UsageError("--record would overwrite the log");
  }
  if (flags.oracle && !flags.offline) throw new UsageError("--oracle needs --offline and a recording");
  if (flags.offline) return;
  if (flags.record !== undefined && flags.policies === undefined) {
    throw new UsageError("--record needs --policies, the policy file in force: a recording carries it");
  }
  if (flags.policies !== undefined && flags.record === undefined) {
    throw new UsageError("--policies says nothing without --record or --offline");
  }
}

function parseSpeed(text: string): number {
  if (text === "real") return 1;
  if (text === "max") return Infinity;
  const factor = /^\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : 0;
  if (factor > 0) return factor;
  throw new UsageError(
    `--speed must be real, max or a factor above 0 such as 60, got ${shown(text)}`,
    "speed",
  );
}

function parseTenant(text: string): CheckMapping["tenant"] {
  if (text.startsWith("@")) return parseField("tenant", text.slice(1));
  const names = text.split(",").map((name) => name.trim());
  if (names.every((name) => name !== "") && new Set(names).size === names.length) return names;
  throw new UsageError(`--tenant takes different names, got ${shown(text)}`, "tenant");
}

function parseField(flag: string, text: string): LogField {
  if (isLogField(text)) return text;
  throw new UsageError(`--${flag} must be a field (${LOG_FIELDS.join(", ")}), got ${shown(text)}`, flag);
}
