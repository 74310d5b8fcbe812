/** `parl check`: asks once, and says it in a sentence. Exit code 0 when allowed, 1 when not. */
import type { CheckRequest, CheckResult } from "../client/check.ts";
import { connectParl } from "../client/parl-client.ts";
import { TIERS } from "../core/decision.ts";
import { millisCeil } from "../core/units.ts";
import { EXIT_FAILED, EXIT_OK, type Command } from "./command.ts";
import { helpText, parseFlags, UsageError, wholeNumber, type FlagTable } from "./flags.ts";
import { parseRegionList, REGIONS_FLAG } from "./region-list.ts";

const FLAGS = {
  tenant: { type: "string", value: "<name>", default: "default", about: "Tenant the key belongs to." },
  user: { type: "string", value: "<name>", about: "User, the finest dimension." },
  tokens: { type: "string", value: "<number>", default: "1", about: "Cost of the request; 0 only looks." },
  tier: { type: "string", value: TIERS.join("|"), default: "approximate", about: "Consistency asked for." },
  id: {
    type: "string",
    value: "<text>",
    about: "Idempotency id: repeated within seconds it is charged once.",
  },
  "deadline-ms": { type: "string", value: "<ms>", default: "1000", about: "How long to wait for an answer." },
  regions: REGIONS_FLAG,
  json: { type: "boolean", about: "Print the decision as JSON." },
} as const satisfies FlagTable;

export const check: Command = {
  name: "check",
  summary: "ask once whether a request may pass",
  help: helpText({
    usage: "parl check <key> [flags]",
    about:
      "Sends one check to the running system. Exit code 0 when allowed, 1 when not or when nobody answers.",
    flags: FLAGS,
    examples: ["parl check alice", "parl check alice --tenant acme --user u1 --tokens 5 --json"],
  }),

  async run(argv, io) {
    const { flags, positionals } = parseFlags(argv, FLAGS, io.env, ["<key>"]);
    const tier = TIERS.find((known) => known === flags.tier);
    if (tier === undefined)
      throw new UsageError(`--tier takes ${TIERS.join(", ")}, got ${flags.tier}`, "tier");
    const request: CheckRequest = {
      tenant: flags.tenant,
      key: positionals[0] as string,
      cost: wholeNumber("tokens", flags.tokens, 0),
      tier,
      ...(flags.user === undefined ? {} : { user: flags.user }),
      ...(flags.id === undefined ? {} : { id: flags.id }),
    };
    const deadlineMs = wholeNumber("deadline-ms", flags["deadline-ms"], 1, 60_000);
    const parl = await connectParl({ regions: parseRegionList(flags.regions), deadlineMs });
    try {
      const result = await parl.check(request);
      io.stdout.write(flags.json ? `${JSON.stringify(result)}\n` : `${sentence(result)}\n`);
      return result.allowed ? EXIT_OK : EXIT_FAILED;
    } finally {
      await parl.close();
    }
  },
};

function sentence(result: CheckResult): string {
  const { outcome, region, policy, dimension, remaining, limit, retryAfterUs, resetAfterUs, delayUs } =
    result;
  if (policy === null) return `${outcome} in ${region}: no policy applies`;
  const left = `${remaining} of ${limit} left under ${policy} (${dimension})`;
  if (outcome === "denied") return `denied in ${region}: ${left}, retry after ${millisCeil(retryAfterUs)} ms`;
  if (outcome === "unsatisfiable")
    return `never in ${region}: the cost is more than ${policy} (${dimension}) can hold`;
  const delay = delayUs > 0 ? `, wait ${millisCeil(delayUs)} ms first` : "";
  return `allowed in ${region}: ${left}, all back in ${millisCeil(resetAfterUs)} ms${delay}`;
}
