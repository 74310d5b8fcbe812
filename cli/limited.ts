/** `parl limited`: who is being refused now, most refused first, and whose new keys share a bucket. */
import type { LimitedAnswer } from "../actors/admin-desk.ts";
import { LIMITED_SUBJECT } from "../actors/admin-request.ts";
import { HITTERS_TRACKED } from "../admission/heavy-hitters.ts";
import { ParlError } from "../core/errors.ts";
import { askRegions, chosenRegions } from "./admin/ask-regions.ts";
import { BY_FLAG, NO_DESK } from "./admin/operator-flags.ts";
import { EXIT_FAILED, EXIT_OK, type Command } from "./command.ts";
import { helpText, parseFlags, wholeNumber, type FlagTable } from "./flags.ts";
import { parseRegionList, REGIONS_FLAG } from "./region-list.ts";
import { table } from "./table.ts";

const FLAGS = {
  top: { type: "string", value: "<number>", default: "20", about: "How many keys of each region to list." },
  by: BY_FLAG,
  regions: REGIONS_FLAG,
  json: { type: "boolean", about: "Print one JSON document." },
} as const satisfies FlagTable;

export const limited: Command = {
  name: "limited",
  summary: "list who is being refused now",
  help: helpText({
    usage: "parl limited [region] [flags]",
    about:
      "Lists the keys refused most often of late: every refusal counts 1 and its count halves every 30 s, so\n±1 means nothing and ±0 is exact. A key is listed for as long as it keeps asking. Tenants that hold as many\nkeys as they may are listed below: new keys of theirs share a bucket. The call is audited.",
    flags: FLAGS,
    examples: ["parl limited", "parl limited eu --top 5 --json"],
  }),

  async run(argv, io) {
    const { flags, positionals } = parseFlags(argv, FLAGS, io.env, ["[region]?"]);
    const top = wholeNumber("top", flags.top, 1, HITTERS_TRACKED);
    const regions = chosenRegions(parseRegionList(flags.regions), positionals[0]);
    const fields = { top, ...(flags.by === undefined ? {} : { by: flags.by }) };
    const question = { subject: LIMITED_SUBJECT, fields, nobody: NO_DESK };
    const { answers, failures } = await askRegions<LimitedAnswer>(regions, question, io);
    io.stdout.write(
      flags.json ? `${JSON.stringify({ regions: answers })}\n` : `${listed(answers)}${listedFull(answers)}`,
    );
    for (const { region, members, membersExpected } of answers) {
      if (members >= membersExpected) continue;
      const message = `only ${members} of ${membersExpected} processes answered; the list may lack keys`;
      io.complain(new ParlError("PARL_UNAVAILABLE", message), region);
    }
    return failures === 0 ? EXIT_OK : EXIT_FAILED;
  },
};

function listed(answers: readonly LimitedAnswer[]): string {
  const rows = answers.flatMap(({ region, keys }) =>
    keys.map(({ tenant, dimension, key, policy, denied, errorMax, limitedForMs }) => [
      region,
      tenant,
      dimension,
      key,
      policy,
      Math.ceil(denied),
      `±${Math.ceil(errorMax)}`,
      limitedForMs,
    ]),
  );
  if (rows.length === 0) return answers.length === 0 ? "" : "nobody is being refused\n";
  return table(["region", "tenant", "dimension", "key", "policy", "refused", "", "ms to wait"], rows);
}

function listedFull(answers: readonly LimitedAnswer[]): string {
  const rows = answers.flatMap(({ region, fullTenants }) =>
    fullTenants.map(({ tenant, keys, keysMax }) => [region, tenant, keys, keysMax]),
  );
  return rows.length === 0 ? "" : `\n${table(["region", "full tenant", "keys about", "may hold"], rows)}`;
}
